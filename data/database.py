"""The door to the catalogue: one engine per process, short units of work, and migrations that two may start at once.

Postgres in production and by default on a laptop; SQLite is the minimal mode, with the same tables and the same tests.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from data.domain.errors import CatalogueUnavailableError
from data.locks import file_lock

SQLITE_BUSY_SECONDS = 30
CONNECT_TIMEOUT_SECONDS = 10
LOCK_TIMEOUT_SECONDS = 30
"""How long a unit of work waits for rows or tables that another session of Postgres has locked."""
MIGRATION_LOCK = 0x4441494C  # "DAIL": our number among the advisory locks of a Postgres database
MIGRATION_LOCK_TIMEOUT_SECONDS = 300
_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """The catalogue database. Connects on first use, anew in a forked child; see :func:`open_database`."""

    def __init__(self, url: str) -> None:
        self._url = normalised_url(url)
        self._engine: Engine | None = None
        self._process_id = 0
        self._making = threading.Lock()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open one short unit of work: committed at its end, rolled back when an error leaves it.

        Never keep it open while something slow runs.

        Raises:
            CatalogueUnavailableError: The database did not answer, or was too busy for too long.
        """
        with typed_errors(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def ping(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            CatalogueUnavailableError: It gave none.
        """
        with typed_errors(), self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Give connections back. The next unit of work opens new ones."""
        with self._making:
            if self._engine is not None and self._process_id == os.getpid():
                self._engine.dispose()
            self._engine = None

    @property
    def engine(self) -> Engine:
        """This process's engine; a forked child makes its own, since a socket cannot serve two."""
        if self._process_id != os.getpid():
            self._making = threading.Lock()  # the parent's may have been held at the moment of the fork
            if self._engine is not None:
                self._engine.dispose(close=False)  # the sockets belong to the parent
            self._engine = None
            self._process_id = os.getpid()
        with self._making:
            if self._engine is None:
                self._engine = _create_engine(self._url)
            return self._engine


@lru_cache(maxsize=4)
def open_database(url: str) -> Database:
    """Return this process's catalogue database at a URL: all units of work of a process share its few connections."""
    return Database(url)


def migrate(url: str) -> None:
    """Bring the catalogue's tables up to this version of the code.

    Safe when several processes start at once: they take turns, by an advisory lock of Postgres or a lock file beside
    the SQLite file. All in one transaction: after an error the database is as it was.

    Raises:
        CatalogueUnavailableError: The database did not answer, or another process migrates for more than 5 minutes.
    """
    parsed = normalised_url(url)
    engine = _create_engine(parsed)
    try:
        with typed_errors(), _sqlite_lock(parsed):
            if parsed.get_backend_name() == "sqlite":
                _use_write_ahead_log(engine)
            with engine.begin() as connection:
                _lock_postgres(connection)
                _upgrade(connection)
    finally:
        engine.dispose()


def normalised_url(url: str) -> URL:
    """Return the URL with the driver that we ship: ``postgres://`` as others write it means psycopg 3 here."""
    parsed = make_url(url)
    is_postgres = parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg2", "postgresql+asyncpg")
    return parsed.set(drivername="postgresql+psycopg") if is_postgres else parsed


@contextmanager
def typed_errors() -> Iterator[None]:
    """Translate what the driver says when the database is not there, not reachable, or too busy."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError, sqlite3.OperationalError) as error:
        raise CatalogueUnavailableError(f"The catalogue did not answer: {_first_line(error)}") from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise CatalogueUnavailableError(f"The catalogue hung up: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return next(iter(str(cause).splitlines()), type(error).__name__)


def _create_engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        arguments = {
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "application_name": "dailies",
            "options": f"-c lock_timeout={LOCK_TIMEOUT_SECONDS}s",
        }
        return create_engine(url, pool_pre_ping=True, pool_recycle=1800, connect_args=arguments)
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own transactions start too late and leave out DDL
    connection.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_immediate(connection: Connection) -> None:
    # A transaction that reads first and then writes fails at once, without waiting, when somebody wrote in between.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _use_write_ahead_log(engine: Engine) -> None:
    """Let readers and a writer work at the same time; the file remembers it."""
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


@contextmanager
def _sqlite_lock(url: URL) -> Iterator[None]:
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        yield
        return
    path = Path(f"{url.database}.migrate.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(path, MIGRATION_LOCK_TIMEOUT_SECONDS):
            yield
    except OSError as error:
        raise CatalogueUnavailableError(f"The catalogue cannot be migrated: {error}") from error


def _lock_postgres(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{MIGRATION_LOCK_TIMEOUT_SECONDS}s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": MIGRATION_LOCK})


def _upgrade(connection: Connection) -> None:
    from alembic import command  # takes a second, which runs should not spend
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
