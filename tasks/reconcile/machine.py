"""What runs on this machine, as its process table says: flow runs, the tools that they started, and workers."""

import os
import platform
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import psutil

RUN_MARK = "PREFECT__FLOW_RUN_ID"
"""Prefect's workers put it into the environment of a run's process, which hands it on to whatever it starts."""
TOOL_MARK = "DAILIES_RUN_ID"
"""``tasks.media.child`` puts it into the environment of ffmpeg and its like, so that they are told from their run."""
STARTER_MARK = "DAILIES_RUN_PROCESS"
"""Beside :data:`TOOL_MARK`: the number of the process that started the tool and waits for it."""
_FIRST_NAMESPACE = "pid:[4026531836]"


def machine_name() -> str:
    """Return the name of the place whose processes this one can see.

    Containers that share their host's network share its name too, but see only their own processes: each is a place.
    """
    try:
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115  # not a path
    except OSError:
        namespace = _FIRST_NAMESPACE
    suffix = "" if namespace == _FIRST_NAMESPACE else f"-{namespace.strip('pid:[]')}"
    return f"{platform.node()}{suffix}"


def worker_name(pool: str) -> str:
    """Return the name of this machine's worker of a pool. Prefect notes it on every run that the worker takes."""
    return f"{pool}@{machine_name()}"


@dataclass(frozen=True)
class Marked:
    """A living process that carries the mark of a run."""

    process: psutil.Process
    run_id: str
    is_own: bool
    """It belongs to this installation: the same state directory and the same Prefect."""
    has_lost_its_starter: bool = False
    """It is a tool, and the process that waited for it is gone."""

    @property
    def started_at(self) -> datetime:
        """When it was started, aware UTC."""
        return datetime.fromtimestamp(self.process.create_time(), UTC)


@dataclass(frozen=True)
class Machine:
    """One reading of this machine's process table."""

    name: str
    runs: tuple[Marked, ...] = ()
    """Processes that carry out a flow run: the engine, its launcher, whatever they started except tools."""
    tools: tuple[Marked, ...] = ()
    workers: frozenset[str] = frozenset()
    """Names of the workers that were started by name, for our Prefect: another one's may have the same names."""
    is_whole: bool = True
    """False when there is a run's process of somebody else, of which we cannot see which run it is."""
    running: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Note which runs live."""
        object.__setattr__(self, "running", frozenset(each.run_id for each in self.runs))

    def is_home_of(self, worker: str) -> bool:
        """Say whether a worker of that name runs, or ran, here."""
        return worker.endswith(f"@{self.name}")


def read_machine(home: Path, prefect_api_url: str) -> Machine:
    """Read the process table.

    Args:
        home: This installation's state directory, by which its processes are told from another one's.
        prefect_api_url: Its Prefect API.
    """
    own = _Own(str(home), prefect_api_url.rstrip("/"))
    runs: list[Marked] = []
    tools: list[Marked] = []
    workers: set[str] = set()
    is_whole = True
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            command = process.cmdline()
        except psutil.AccessDenied:
            is_whole = is_whole and not _may_be_run(process)
            continue
        except (psutil.Error, OSError):  # it has just ended
            continue
        if run_id := environment.get(TOOL_MARK):
            tools.append(Marked(process, run_id, own.has(environment), _is_starter_gone(process, environment)))
        elif run_id := environment.get(RUN_MARK):
            runs.append(Marked(process, run_id, own.has(environment)))
        if own.may_serve(environment):
            workers.update(_worker_names(command))
    return Machine(machine_name(), tuple(runs), tuple(tools), frozenset(workers), is_whole)


@dataclass(frozen=True)
class _Own:
    home: str
    prefect_api_url: str

    def has(self, environment: Mapping[str, str]) -> bool:
        place = (environment.get("DAILIES_HOME", ""), environment.get("PREFECT_API_URL", "").rstrip("/"))
        return place == (self.home, self.prefect_api_url)

    def may_serve(self, environment: Mapping[str, str]) -> bool:
        """Say whether a worker may be one of our Prefect's; one that does not say whose it is may have a profile."""
        return environment.get("PREFECT_API_URL", "").rstrip("/") in ("", self.prefect_api_url)


def _is_starter_gone(tool: psutil.Process, environment: Mapping[str, str]) -> bool:
    number = environment.get(STARTER_MARK, "")
    if not number.isdigit():
        return False
    try:
        starter = psutil.Process(int(number))
        return starter.status() == psutil.STATUS_ZOMBIE or starter.create_time() > tool.create_time()
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:  # somebody else's process has got the number
        return False


def _may_be_run(process: psutil.Process) -> bool:
    """Say whether a process that we may not look into could carry out a flow run."""
    try:
        return any("prefect.engine" in part for part in process.cmdline())
    except (psutil.Error, OSError):
        return False


def _worker_names(command: Collection[str]) -> set[str]:
    """Return the name in the command line of a ``prefect worker start``."""
    if not {"worker", "start"} <= set(command):
        return set()
    parts = list(command)
    spaced = {value for name, value in pairwise(parts) if name in ("--name", "-n")}
    return spaced | {part.partition("=")[2] for part in parts if part.startswith("--name=")}


def end(processes: Collection[psutil.Process], grace_seconds: float = 5.0) -> list[psutil.Process]:
    """End processes: TERM, then KILL for what is left after the grace; return those that are gone.

    psutil knows a process by number and start time, so that one which got the number of another is never meant.
    """
    for process in processes:
        _ignoring_gone(process.terminate)
    gone, left = psutil.wait_procs(processes, timeout=grace_seconds)
    for process in left:
        _ignoring_gone(process.kill)
    killed, _ = psutil.wait_procs(left, timeout=grace_seconds)
    return [*gone, *killed]


def _ignoring_gone(action: Callable[[], None]) -> None:
    try:
        action()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return
