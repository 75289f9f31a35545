"""Fixtures that every suite may use: a running stack, servers alone, and waiting without sleeping."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deployments.environment import isolated
from deployments.postgres import forget
from deployments.stack import Stack
from tests.distribution import pytest_collection_modifyitems, pytest_xdist_make_scheduler
from tests.fakes.fault_table import markdown, rows_of
from tests.fakes.postgres_server import PostgresServer, postgres_server
from tests.fakes.s3_server import S3Server, s3_server

__all__ = ["pytest_collection_modifyitems", "pytest_xdist_make_scheduler"]  # hooks
WaitUntil = Callable[..., None]
MEMORY_FOR_STATE = 8 * 2**30
"""So many bytes of memory must be free before the state of the tests' stacks is kept in it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-table", type=Path, help="write the table of faults there, as Markdown")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the table of faults when there were any."""
    stats = terminalreporter.stats
    rows = rows_of(report for outcome in ("passed", "failed") for report in stats.get(outcome, ()))
    if not rows:
        return
    table = markdown(rows)
    terminalreporter.section("faults, and what they left")
    terminalreporter.write(table)
    if (path := config.getoption("--fault-table")) is not None:
        path.write_text(table, encoding="utf-8")


def _wait_until(predicate: Callable[[], object], timeout: float = 30.0, description: str = "the condition") -> None:
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout:.0f} s in vain for {description}")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def wait_until() -> WaitUntil:
    """Return a function that polls a predicate and fails with its description after the timeout (seconds)."""
    return _wait_until


def _roomy_memory() -> str | None:
    """Return the folder that lies in memory, if the machine has plenty of it.

    Dozens of databases that flush at each commit are at the mercy of a shared disk: once it held up every server of a
    whole run for minutes.
    """
    folder = Path("/dev/shm")
    if not os.access(folder, os.W_OK):
        return None
    room = min(shutil.disk_usage(folder).free, psutil.virtual_memory().available)
    return str(folder) if room >= MEMORY_FOR_STATE else None


@pytest.fixture(scope="session")
def state_home() -> Iterator[Callable[[str], Path]]:
    """Return a maker of short state directories that any local user can traverse (Postgres does not run as root)."""
    made: list[Path] = []
    folder = _roomy_memory()

    def make(name: str) -> Path:
        home = Path(tempfile.mkdtemp(prefix=f"dailies-{name}-", dir=folder))
        home.chmod(0o711)
        made.append(home)
        return home

    yield make
    for home in made:
        forget(home)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def media_root(state_home: Callable[[str], Path]) -> Path:
    """Return the folder that the stack of the tests allows local sources, and publish targets, to lie in."""
    return state_home("media")


@pytest.fixture(scope="session")
def stack(state_home: Callable[[str], Path], media_root: Path) -> Iterator[Stack]:
    """Start Postgres, Prefect server, bootstrap, both workers and the API, once for the whole session."""
    environment = {
        **isolated(),
        "DAILIES_INGEST__ALLOWED_ROOTS": f'["{media_root}"]',
        "DAILIES_PUBLISH__ALLOWED_TARGETS": f'["file://{media_root}"]',
    }
    with Stack(state_home("stack"), environment=environment) as running:
        yield running


@pytest.fixture(scope="session")
def prefect_server(state_home: Callable[[str], Path]) -> Iterator[Stack]:
    """Start a Prefect server alone (SQLite), once for the session; `prefect_server.prefect_api_url` is its address."""
    with Stack(state_home("server"), components=("server",), minimal=True, environment=isolated()) as running:
        yield running


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """Start an S3 server, once for the session; keys of its bucket are the test's own."""
    with s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Start a Postgres, once for the session; databases are the test's own."""
    with postgres_server() as server:
        yield server


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> None:
    """What a shell runs in the background ignores SIGINT, and so would every process that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _no_foreign_prefect() -> None:
    """Keep a developer's own Prefect profile and analytics out of the tests."""
    for name in ("PREFECT_PROFILE", "PREFECT_API_KEY"):
        os.environ.pop(name, None)
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    os.environ["DO_NOT_TRACK"] = "1"


@pytest.fixture(autouse=True, scope="session")
def _runs_do_not_give_way() -> None:
    """Let runs have their share beside the tests themselves, which keep all cores busy for minutes."""
    os.environ["DAILIES_ORCHESTRATION__NICENESS"] = "0"
