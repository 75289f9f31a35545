import os
import signal
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from data.database import Database
from data.named_locks import named_lock
from tests.fakes.postgres_server import PostgresServer


def test_one_at_a_time_holds_a_lock_and_others_are_free(database: Database) -> None:
    with named_lock(database, "a", 5):
        with pytest.raises(TimeoutError), named_lock(database, "a", 0.1):
            pass
        with named_lock(database, "b", 1):
            pass
    with named_lock(database, "a", 1):
        pass


def test_who_waits_gets_it_when_it_is_free(database: Database) -> None:
    order: list[str] = []

    def second() -> None:
        with named_lock(database, "a", 20):
            order.append("second")

    with named_lock(database, "a", 5):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join(20)

    assert order == ["first", "second"]


def test_a_killed_holder_holds_it_no_longer(database: Database) -> None:
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        with named_lock(database, "a", 5):
            os.write(tell, b"1")
            time.sleep(60)
        os._exit(0)
    assert os.read(ready, 1)
    with pytest.raises(TimeoutError), named_lock(database, "a", 0.1):
        pass

    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)

    with named_lock(database, "a", 10):
        pass


def test_a_catalogue_in_sqlite_keeps_no_lock_files(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'catalogue.db'}")

    for name in range(3):
        with named_lock(database, str(name), 1):
            pass

    assert list((tmp_path / "catalogue.db.locks").iterdir()) == []
    database.close()


def test_who_holds_a_lock_can_tell(database: Database) -> None:
    with named_lock(database, "a", 5) as lock:
        assert lock.is_held()


def test_who_lost_a_lock_with_its_connection_notices_and_another_gets_it(postgres: PostgresServer) -> None:
    database = Database(postgres.create_database())
    with named_lock(database, "a", 5) as lock:
        end_holders_of_locks(database)

        assert not lock.is_held()
        assert not lock.is_held(), "a new connection does not bring it back"
        with named_lock(database, "a", 5) as another:
            assert another.is_held()
    database.close()


def test_who_lost_a_lock_with_its_file_notices(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'catalogue.db'}")
    with named_lock(database, "a", 5) as lock:
        [path] = (tmp_path / "catalogue.db.locks").iterdir()
        path.unlink()

        assert not lock.is_held()
    database.close()


def end_holders_of_locks(database: Database) -> None:
    with database.session() as session:
        holders = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'"
        assert session.scalar(text(holders)) is True
