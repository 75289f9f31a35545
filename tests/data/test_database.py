import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from data import migrations
from data.database import LOCK_TIMEOUT_SECONDS, Database, migrate, normalised_url
from data.domain.errors import CatalogueUnavailableError
from data.repositories import AssetRepository
from data.tables import Base
from tests.data.samples import sample_asset
from tests.fakes.postgres_server import postgres_server
from tests.fakes.processes import free_ports

MIGRATIONS = Path(migrations.__file__).parent


def test_a_unit_of_work_is_kept_at_its_end(database: Database) -> None:
    with database.session() as session:
        AssetRepository(session).record(sample_asset())

    with database.session() as session:
        assert AssetRepository(session).get(sample_asset().id) == sample_asset()


def test_a_unit_of_work_that_fails_leaves_nothing(database: Database) -> None:
    def work() -> None:
        with database.session() as session:
            AssetRepository(session).record(sample_asset())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()

    with database.session() as session:
        assert AssetRepository(session).list().items == ()


def test_a_living_database_answers_a_ping(database: Database) -> None:
    database.ping()


@pytest.mark.parametrize("name", ["sqlite", "postgres"])
def test_a_database_that_is_not_there_is_a_typed_retryable_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    urls = {"sqlite": f"sqlite:///{tmp_path / 'folder'}", "postgres": f"postgresql://u@127.0.0.1:{free_ports(1)[0]}/d"}
    database = Database(urls[name])

    with pytest.raises(CatalogueUnavailableError) as caught:
        database.ping()
    with pytest.raises(CatalogueUnavailableError), database.session() as session:
        session.execute(text("SELECT 1"))
    with pytest.raises(CatalogueUnavailableError):
        migrate(urls[name])
    assert caught.value.retryable
    assert len(caught.value.message.splitlines()) == 1


def test_a_server_that_went_and_came_back_is_found_again() -> None:
    with postgres_server() as server:
        database = Database(server.url())
        database.ping()
        database.close()
    with pytest.raises(CatalogueUnavailableError):
        database.ping()


def test_a_connection_that_the_server_closed_is_replaced_unseen(request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("postgres").create_database()
    database, other = Database(url), Database(url)
    database.ping()

    with other.session() as session:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )

    database.ping()
    database.close()
    other.close()


def test_the_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, Base.metadata) == []


def test_migrating_again_changes_nothing(url: str) -> None:
    migrate(url)
    migrate(url)


def test_several_processes_may_migrate_at_once(empty_url: str) -> None:
    command = [sys.executable, "-m", "data.migrations", "upgrade", "--url", empty_url]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outcomes = [(*process.communicate(timeout=120), process.returncode) for process in started]

    assert all(code == 0 and "up to date" in out for out, _, code in outcomes), outcomes
    database = Database(empty_url)
    assert "assets" in inspect(database.engine).get_table_names()
    database.close()


def test_several_threads_may_migrate_at_once(empty_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(migrate, [empty_url] * 4)) == [None] * 4


def test_the_command_line_takes_the_url_from_the_settings_and_says_what_is_wrong(tmp_path: Path) -> None:
    def run(url: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "data.migrations", "upgrade"]
        environment = os.environ | {"DAILIES_CATALOGUE__URL": url}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    good = run(f"sqlite:///{tmp_path / 'new' / 'catalogue.db'}")
    bad = run(f"postgresql://someone:secret@127.0.0.1:{free_ports(1)[0]}/x")

    assert (good.returncode, good.stderr) == (0, "")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr.startswith("[INFRA.CATALOGUE.UNAVAILABLE]")
    assert "secret" not in bad.stderr


def test_many_writers_wait_for_each_other_instead_of_failing(database: Database) -> None:
    with database.session() as session:
        session.execute(text("CREATE TABLE counter (n INTEGER NOT NULL)"))
        session.execute(text("INSERT INTO counter VALUES (0)"))
    barrier = threading.Barrier(8)

    def count(_: int) -> None:
        barrier.wait()
        for _ in range(10):
            with database.session() as session:
                lock = " FOR UPDATE" if session.get_bind().dialect.name == "postgresql" else ""
                seen = session.scalar(text(f"SELECT n FROM counter{lock}"))
                session.execute(text("UPDATE counter SET n = :n"), {"n": seen + 1})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(8)))
    with database.session() as session:
        assert session.scalar(text("SELECT n FROM counter")) == 80


def test_a_locked_catalogue_is_waited_for(url: str) -> None:
    database, locker = Database(url), Database(url)
    is_postgres = url.startswith("postgresql")
    with locker.session() as session:
        # Of SQLite, a unit of work that has begun keeps all others from writing.
        session.execute(text("LOCK TABLE assets IN ACCESS EXCLUSIVE MODE" if is_postgres else "SELECT 1"))
        with ThreadPoolExecutor(1) as pool:
            recording = pool.submit(record_sample, database)
            with pytest.raises(TimeoutError):
                recording.result(timeout=0.3)
            session.commit()
            recording.result(timeout=20)
    with database.session() as session:
        assert AssetRepository(session).get(sample_asset().id) == sample_asset()
        if is_postgres:
            assert session.scalar(text("SHOW lock_timeout")) == f"{LOCK_TIMEOUT_SECONDS}s", "but not for ever"
    database.close()
    locker.close()


def record_sample(database: Database) -> None:
    with database.session() as session:
        AssetRepository(session).record(sample_asset())


def test_a_forked_child_uses_connections_of_its_own(database: Database) -> None:
    with database.session() as session:
        AssetRepository(session).record(sample_asset())
    child = os.fork()
    if child == 0:
        try:
            for _ in range(20):
                with database.session() as session:
                    AssetRepository(session).get(sample_asset().id)
            os._exit(0)
        finally:
            os._exit(1)
    for _ in range(20):
        with database.session() as session:
            assert AssetRepository(session).get(sample_asset().id) == sample_asset()

    assert os.waitpid(child, 0)[1] == 0


def test_sqlite_lets_readers_and_a_writer_work_at_the_same_time_and_keeps_references_whole(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    migrate(url)
    database = Database(url)
    with database.session() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA foreign_keys")) == 1
        assert session.scalar(text("PRAGMA busy_timeout")) == 30_000
    database.close()


@pytest.mark.parametrize("name", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_urls_as_others_write_them_mean_our_driver(name: str) -> None:
    assert normalised_url(f"{name}://u:p@h/d").drivername == "postgresql+psycopg"


def test_what_was_there_before_there_were_users_is_the_local_users(empty_url: str) -> None:
    database = Database(empty_url)
    now = "2026-01-01 00:00:00+00:00"
    with database.engine.begin() as connection:
        upgrade(connection, "0004")
        for statement in (
            f"INSERT INTO assets VALUES ('a', 's', 'k', 'n', '{{}}', 1, 1.0, '{now}')",
            f"INSERT INTO uploads VALUES ('u', 'k', 'n', 1, 's', NULL, 'complete', '{now}')",
            "INSERT INTO batches (id, name, manifest_uri, options, state, message, wish, rows, created_at, spent,"
            f" outputs) VALUES ('b', 'n', 'm', '{{}}', 'received', '', 'run', 0, '{now}', 0, '{{}}')",
            f"INSERT INTO batch_moves (batch_id, state, moved_at) VALUES ('b', 'received', '{now}')",
        ):
            connection.exec_driver_sql(statement)

    migrate(empty_url)

    with database.engine.connect() as connection:
        for table in ("asset_owners", "uploads", "batches"):
            owners = connection.exec_driver_sql(f"SELECT owner FROM {table}").scalars().all()
            assert list(owners) == ["local"]
        assert connection.exec_driver_sql("SELECT count(*) FROM batch_moves").scalar() == 1
    database.close()


def test_an_analysis_from_before_is_the_sole_owners_of_its_asset_and_otherwise_nobodys(empty_url: str) -> None:
    database = Database(empty_url)
    now = "2026-01-01 00:00:00+00:00"
    with database.engine.begin() as connection:
        upgrade(connection, "0011")
        of_jobs = {"one": "j-one", "both": "j-both", "first": "j-again", "second": "j-again"}
        for asset, owners in (("one", ["ann"]), ("both", ["ann", "bob"]), ("first", ["ann"]), ("second", ["ann"])):
            connection.exec_driver_sql(
                f"INSERT INTO assets VALUES ('{asset}', '{asset}', 'k', 'n', '{{}}', 1, 1.0, '{now}')"
            )
            for owner in owners:
                connection.exec_driver_sql(f"INSERT INTO asset_owners VALUES ('{owner}', '{asset}', '{now}')")
            connection.exec_driver_sql(
                f"INSERT INTO artifacts VALUES ('{asset}', 'analysis', 'k-{asset}', 'p', '{{}}', '{of_jobs[asset]}',"
                f" '{now}')"
            )

    migrate(empty_url)

    with database.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT job_id, asset_id, key, owner FROM analysis_jobs").all()
        assert [tuple(row) for row in found] == [("j-one", "one", "k-one", "ann")]
    database.close()


def upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
