"""The local stack: Postgres, Prefect server, bootstrap, workers and API as one thing that starts and stops.

For one machine without root or containers: ``make up``, ``make demo`` and the tests. Production runs the same
commands under its own supervisor (``Procfile`` lists them).
"""

import logging
import os
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from data.settings import Settings
from deployments import components, postgres
from deployments.children import Child, Command, await_runs, end_marked
from deployments.environment import Addresses, child_environment
from deployments.errors import ComponentError, StackError, StackRunningError
from deployments.note import StackNote, take_lock
from deployments.ports import free_ports, require_free

logger = logging.getLogger(__name__)

POSTGRES, SERVER, BOOTSTRAP, CPU_WORKER, GPU_WORKER, CONTROL_WORKER, API = ALL = (
    "postgres",
    "server",
    "bootstrap",
    "cpu-worker",
    "gpu-worker",
    "control-worker",
    "api",
)
WORKER_POOLS = {CPU_WORKER: "cpu", GPU_WORKER: "gpu", CONTROL_WORKER: "control"}
BOOTSTRAP_SECONDS = 180.0
STOP_GRACE_SECONDS = 10.0
MOST_RESTARTS = 5
STEADY_SECONDS = 60.0


class Stack:
    """The running components of one home; a context manager that leaves no process behind.

    Args:
        home: State directory: databases, store, scratch, logs.
        components: Which of :data:`ALL` to start; their order is fixed.
        api_port: Port of the REST API; 0 takes a free one.
        prefect_port: Port of the Prefect server; 0 takes a free one.
        minimal: SQLite for both databases instead of Postgres.
        environment: Further variables for every component, over everything else.
        report: Told what happens, one sentence at a time.
    """

    def __init__(
        self,
        home: Path,
        *,
        components: Collection[str] = ALL,
        api_port: int = 0,
        prefect_port: int = 0,
        minimal: bool = False,
        environment: Mapping[str, str] | None = None,
        report: Callable[[str], None] = logger.info,
    ) -> None:
        self.home = home.expanduser().resolve()
        self.stack_id = uuid.uuid4().hex
        self.minimal = minimal
        self.timings: dict[str, float] = {}
        self._wanted = [name for name in ALL if name in components and not (minimal and name == POSTGRES)]
        self._wanted_ports = (api_port, prefect_port)
        self._overrides = dict(environment or {})
        self._report = report
        self._children: list[Child] = []
        self._restarts: dict[str, list[float]] = {}
        self._addresses: Addresses | None = None
        self._environment: dict[str, str] = {}
        self._lock: IO[str] | None = None

    @property
    def addresses(self) -> Addresses:
        """Where everything listens.

        Raises:
            StackError: The stack has not been started.
        """
        if self._addresses is None:
            raise StackError("The stack has not been started.")
        return self._addresses

    @property
    def api_url(self) -> str:
        """Where the REST API and the player are."""
        return self.addresses.api_url

    @property
    def prefect_api_url(self) -> str:
        """Where the Prefect API is."""
        return self.addresses.prefect_api_url

    @property
    def prefect_ui_url(self) -> str:
        """Where the Prefect UI is."""
        return self.addresses.prefect_ui_url

    @property
    def catalogue_url(self) -> str:
        """The SQLAlchemy URL of the catalogue."""
        return self.addresses.catalogue_url

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the components, for a further command that shall belong to the stack."""
        return dict(self._environment)

    @property
    def children(self) -> tuple[Child, ...]:
        """The running components in the order of their start."""
        return tuple(self._children)

    def __enter__(self) -> Self:
        """Start everything and wait until it is ready."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        self.stop()

    def start(self) -> None:
        """Start the components in order, each when those before it are ready.

        Raises:
            StackRunningError: Another stack uses this home.
            PortTakenError: A wanted port is in use.
            ComponentError: A component failed to start.
            PostgresError: The embedded Postgres cannot be used.
        """
        self._lock_home()
        for name in ("inbox", "log", "prefect", "store", "scratch", "tmp"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        self._end_predecessor()
        api_port, prefect_port, postgres_port = self._ports()
        cluster = postgres.prepare(self.home, postgres_port) if POSTGRES in self._wanted else None
        self._addresses = self._locate(api_port, prefect_port, cluster)
        self._environment = child_environment(
            self.home, self.stack_id, self.addresses, components.PROJECT, self._overrides
        )
        self._write_note()
        if cluster is not None:
            self._bring_up([cluster.command(self._environment)])
            cluster.create_databases()
        self._start_services()
        self._write_note()

    def check(self) -> None:
        """Do nothing while every component runs.

        Raises:
            ComponentError: One has ended by itself.
        """
        for child in self._children:
            child.check()

    def revive(self) -> None:
        """Start again what has ended by itself, later each time.

        Raises:
            ComponentError: A component ended too often.
        """
        for position, child in enumerate(self._children):
            try:
                child.check()
            except ComponentError as error:
                self._report(error.message)
                self._wait_before_restart(child.name, error)
                child.stop(STOP_GRACE_SECONDS)
                self._children[position] = again = Child(child.command, self.home / "log")
                again.wait_until_ready()
                self._report(f"Component `{child.name}` runs again.")

    def stop(self) -> None:
        """Stop every component in reverse order and whatever they left; safe to call twice."""
        while self._children:
            child = self._children.pop()
            if child.name == components.SERVER_NAME:
                # The workers have just ended; their runs go back to the queue, which they have to tell the server.
                await_runs(self.stack_id, STOP_GRACE_SECONDS)
            child.stop(STOP_GRACE_SECONDS)
        if self._lock is not None:
            if ended := end_marked(self.stack_id):
                logger.debug("Ended %d processes that outlived their component, fork servers among them.", ended)
            StackNote.remove(self.home)
            self._lock.close()
            self._lock = None

    def _start_services(self) -> None:
        # The bootstrap loads and migrates the catalogue while the server starts.
        bootstrap = self._launch([components.bootstrap(self._environment)] if BOOTSTRAP in self._wanted else [])
        try:
            self._bring_up([components.server(self.addresses, self._environment)] if SERVER in self._wanted else [])
            api = self._launch([components.api(self.addresses, self._environment)] if API in self._wanted else [])
            self._children.extend(child for child, _ in api)
            self._finish(bootstrap)
        finally:
            for child, _ in bootstrap:
                child.stop(STOP_GRACE_SECONDS)
        workers = self._launch(self._workers())
        self._children.extend(child for child, _ in workers)
        self._await_ready([*workers, *api])

    def _lock_home(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self._lock = take_lock(self.home)
        if self._lock is None:
            note = StackNote.read(self.home)
            holder = f"process {note.pid}, API {note.api_url}" if note else "just starting"
            message = (
                f"Another stack ({holder}) uses {self.home}. Stop it with `python -m deployments.up --stop --home "
                f"{self.home}`, or choose another folder with --home or DAILIES_HOME."
            )
            raise StackRunningError(message, {"home": str(self.home)})

    def _end_predecessor(self) -> None:
        """End what a stack of this home that was killed left running."""
        previous = StackNote.read(self.home)
        if previous is not None and (ended := end_marked(previous.stack_id)):
            self._report(f"Ended {ended} processes that an earlier stack left behind.")

    def _write_note(self) -> None:
        note = StackNote(
            stack_id=self.stack_id,
            pid=os.getpid(),
            api_url=self.api_url,
            prefect_ui_url=self.prefect_ui_url,
            is_ready=bool(self.timings),
            timings=self.timings,
        )
        note.write(self.home)

    def _ports(self) -> tuple[int, int, int]:
        api_port, prefect_port = self._wanted_ports
        free_api, free_prefect, postgres_port = free_ports(3)
        if api_port and API in self._wanted:
            require_free(api_port, "--api-port or DAILIES_API__PORT")
        if prefect_port and SERVER in self._wanted:
            require_free(prefect_port, "--prefect-port")
        return api_port or free_api, prefect_port or free_prefect, postgres_port

    def _locate(self, api_port: int, prefect_port: int, cluster: postgres.EmbeddedPostgres | None) -> Addresses:
        settings = Settings(home=self.home)
        own_catalogue = self._overrides.get("DAILIES_CATALOGUE__URL", settings.catalogue.url)
        storage_url = self._overrides.get("DAILIES_STORAGE__URL", settings.storage.url)
        if cluster is None:
            prefect_url = f"sqlite+aiosqlite:///{self.home / 'prefect' / 'prefect.db'}"
            catalogue_url = f"sqlite:///{self.home / 'catalogue.db'}"
        else:
            prefect_url = cluster.url("postgresql+asyncpg", "prefect")
            catalogue_url = cluster.url("postgresql+psycopg", "catalogue")
        return Addresses(
            api_port=api_port,
            prefect_port=prefect_port,
            prefect_database_url=prefect_url,
            catalogue_url=own_catalogue or catalogue_url,
            storage_url=storage_url or f"file://{self.home / 'store'}",
        )

    def _workers(self) -> list[Command]:
        return [
            components.worker(pool, self.addresses, self._environment)
            for name, pool in WORKER_POOLS.items()
            if name in self._wanted
        ]

    def _launch(self, commands: list[Command]) -> list[tuple[Child, float]]:
        """Start the commands, and return each with the time of its start."""
        return [(Child(command, self.home / "log"), time.monotonic()) for command in commands]

    def _bring_up(self, commands: list[Command]) -> None:
        """Start the commands side by side and wait for all of them."""
        launched = self._launch(commands)
        self._children.extend(child for child, _ in launched)
        self._await_ready(launched)

    def _await_ready(self, launched: list[tuple[Child, float]]) -> None:
        for child, began in launched:
            child.wait_until_ready()
            self._note_time(child.name, began, "is ready")

    def _finish(self, launched: list[tuple[Child, float]]) -> None:
        """Wait for components that do their work and end."""
        for child, began in launched:
            child.wait_until_done(BOOTSTRAP_SECONDS)
            self._note_time(child.name, began, "is done")

    def _note_time(self, name: str, began: float, what: str) -> None:
        self.timings[name] = round(time.monotonic() - began, 2)
        self._report(f"{name} {what} ({self.timings[name]:.1f} s)")

    def _wait_before_restart(self, name: str, error: ComponentError) -> None:
        now = time.monotonic()
        recent = [at for at in self._restarts.get(name, []) if now - at < STEADY_SECONDS]
        if len(recent) >= MOST_RESTARTS:
            raise error
        self._restarts[name] = [*recent, now]
        time.sleep(min(2.0 ** len(recent) / 2, 8.0))
