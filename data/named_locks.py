"""Locks by name between all processes that share a catalogue, which end with their holder however it ends.

On Postgres a lock is an advisory lock of one connection, which the server releases as soon as the holder's process is
gone, on whatever machine it was. A catalogue in SQLite has all its processes on one machine: there it is a lock file
beside the database, which the kernel releases. Neither needs a clock, so none is lost while its holder is merely slow.
A pooler between us and Postgres has to keep sessions apart (PgBouncer: ``pool_mode = session``).
"""

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from data.database import Database, typed_errors
from data.locks import HeldLock

_FIRST_POLL_SECONDS = 0.02
_LONGEST_POLL_SECONDS = 1.0


class NamedLock(Protocol):
    """A lock that is held; lives as long as the block of :func:`named_lock`."""

    def is_held(self) -> bool:
        """Ask whether it still is: a connection may end, and another process be given the lock, unnoticed by us."""


class _Lock(NamedLock, Protocol):
    def release(self) -> None: ...


@contextmanager
def named_lock(database: Database, name: str, timeout_seconds: float) -> Iterator[NamedLock]:
    """Hold the lock of a name while the block runs.

    Args:
        database: The catalogue that its processes share.
        name: Anything; equal names exclude each other.
        timeout_seconds: How long to wait for who holds it.

    Raises:
        TimeoutError: Somebody else held it for that long.
        CatalogueUnavailableError: The database did not answer.
    """
    deadline = time.monotonic() + timeout_seconds
    nap = _FIRST_POLL_SECONDS
    while (lock := _try(database, name)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the lock {name!r} was not free for {timeout_seconds:.0f} s")
        time.sleep(nap)
        nap = min(nap * 2, _LONGEST_POLL_SECONDS)
    try:
        yield lock
    finally:
        lock.release()


def _try(database: Database, name: str) -> _Lock | None:
    digest = hashlib.sha256(name.encode()).hexdigest()
    url = database.engine.url
    if url.get_backend_name() == "sqlite":
        return _FileLock.take(Path(f"{url.database}.locks"), digest[:24])
    return _AdvisoryLock.take(database, int(digest[:15], 16))


class _AdvisoryLock:
    """An advisory lock of Postgres, with the connection that holds it."""

    def __init__(self, connection: Connection, number: int, session: int) -> None:
        self._connection = connection
        self._number = number
        self._session = session
        """The process of the server that holds it for us."""
        self._using = threading.Lock()

    @classmethod
    def take(cls, database: Database, number: int) -> "_AdvisoryLock | None":
        with typed_errors():
            connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            try:
                statement = text("SELECT pg_try_advisory_lock(:number), pg_backend_pid()")
                is_taken, session = connection.execute(statement, {"number": number}).one()
                if is_taken:
                    return cls(connection, number, session)
            except BaseException:
                connection.invalidate()  # it may have been given the lock
                raise
            connection.close()
            return None

    def is_held(self) -> bool:
        # As long as the session lives it is. SQLAlchemy opens another where the connection was lost.
        try:
            with self._using:
                return bool(self._connection.scalar(text("SELECT pg_backend_pid()")) == self._session)
        except SQLAlchemyError:
            return False

    def release(self) -> None:
        with self._using:
            self._release()

    def _release(self) -> None:
        # A connection that is gone has released it already; one in an unknown state is closed, which releases it too.
        try:
            self._connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": self._number})
        except SQLAlchemyError:
            self._connection.invalidate()
        except BaseException:
            self._connection.invalidate()
            raise
        finally:
            self._connection.close()


class _FileLock:
    """A lock on a file that is there only while somebody holds it, or waits for it."""

    def __init__(self, path: Path, lock: HeldLock) -> None:
        self._path = path
        self._lock = lock

    @classmethod
    def take(cls, folder: Path, name: str) -> "_FileLock | None":
        folder.mkdir(exist_ok=True)
        path = folder / name
        lock = HeldLock.take(path)
        if lock is None:
            return None
        if not lock.is_of(path):  # its last holder removed it while we opened it
            lock.release()
            return None
        return cls(path, lock)

    def is_held(self) -> bool:
        return self._lock.is_of(self._path)

    def release(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        self._lock.release()
