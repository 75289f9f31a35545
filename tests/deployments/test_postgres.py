import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import create_engine, text

from deployments import postgres
from deployments.children import Child
from deployments.errors import PostgresError
from deployments.ports import free_ports
from tests.conftest import WaitUntil


@pytest.fixture(scope="module")
def home(state_home: Callable[[str], Path]) -> Path:
    return state_home("postgres")


@pytest.fixture
def server(home: Path) -> Iterator[tuple[postgres.EmbeddedPostgres, Child]]:
    with_server = start(home)
    yield with_server
    with_server[1].stop()


def start(home: Path) -> tuple[postgres.EmbeddedPostgres, Child]:
    cluster = postgres.prepare(home, free_ports(1)[0])
    child = Child(cluster.command(dict(os.environ)), home)
    child.wait_until_ready()
    cluster.create_databases()
    return cluster, child


def test_both_databases_take_connections_by_their_urls(server: tuple[postgres.EmbeddedPostgres, Child]) -> None:
    for database in ("prefect", "catalogue"):
        engine = create_engine(server[0].url("postgresql+psycopg", database))
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT current_database()")) == database
            assert connection.scalar(text("SHOW fsync")) == "on"
            assert connection.scalar(text("SHOW listen_addresses")) == "127.0.0.1"
        engine.dispose()


def test_a_connection_without_the_password_is_refused(server: tuple[postgres.EmbeddedPostgres, Child]) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host="127.0.0.1", port=server[0].port, user="dailies", dbname="catalogue", passfile="/dev/null")


def test_the_password_is_for_its_owner_alone_and_in_no_url(server: tuple[postgres.EmbeddedPostgres, Child]) -> None:
    file = server[0].password_file
    password = file.read_text("utf-8").strip().rpartition(":")[2]

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(password) >= 32
    assert password not in server[0].url("postgresql+psycopg", "catalogue")


def test_data_survives_a_killed_server_whose_stale_pid_file_names_another_process(home: Path) -> None:
    cluster, child = start(home)
    with psycopg.connect(cluster.url("postgresql", "catalogue")) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('still here')")
    psutil.Process(child.pid).kill()
    child.stop()
    pid_file = cluster.data_directory / "postmaster.pid"
    lines = pid_file.read_text("utf-8").splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n", "utf-8")

    cluster, child = start(home)
    with psycopg.connect(cluster.url("postgresql", "catalogue")) as connection:
        assert connection.execute("SELECT word FROM kept").fetchone() == ("still here",)
    child.stop()


def test_a_server_that_a_killed_stack_left_is_ended_first(home: Path, wait_until: WaitUntil) -> None:
    _, left = start(home)

    _, child = start(home)

    wait_until(lambda: left.exit_code() is not None, description="the end of the one that was left")
    child.stop()


def test_data_of_another_major_version_is_refused(home: Path) -> None:
    version = home / "postgres" / "data" / "PG_VERSION"
    if not version.exists():
        start(home)[1].stop()
    own = version.read_text("utf-8")
    version.write_text("13\n", "utf-8")

    try:
        with pytest.raises(PostgresError, match="made by Postgres 13"):
            postgres.prepare(home, 1)
    finally:
        version.write_text(own, "utf-8")


def test_an_initialisation_that_was_cut_short_is_done_again(state_home: Callable[[str], Path]) -> None:
    home = state_home("cut")
    (home / "postgres" / "data").mkdir(parents=True)
    (home / "postgres" / "data" / "half").touch()

    assert (postgres.prepare(home, 1).data_directory / "PG_VERSION").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as somebody else")
def test_root_keeps_the_data_elsewhere_when_its_home_cannot_be_reached(state_home: Callable[[str], Path]) -> None:
    home = state_home("closed")
    home.chmod(0o700)

    cluster, child = start(home)
    child.stop()

    assert not cluster.data_directory.is_relative_to(home)
    assert postgres.prepare(home, 1).data_directory == cluster.data_directory
    assert stat.S_IMODE(cluster.data_directory.parent.stat().st_mode) == 0o700
    postgres.forget(home)
    assert not cluster.data_directory.parent.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as somebody else")
def test_binaries_that_cannot_be_reached_are_copied_and_run(state_home: Callable[[str], Path]) -> None:
    home = state_home("copy")
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    packaged = postgres.packaged_binaries()
    (closed / packaged.parent.name).symlink_to(packaged.parent)
    libraries = packaged.parent.with_name(f"{packaged.parent.name}.libs")
    (closed / libraries.name).symlink_to(libraries)

    binaries = postgres.reachable_binaries(home, closed / packaged.parent.name / packaged.name, postgres.NOBODY)

    assert binaries.is_relative_to(home)
    assert not binaries.is_relative_to(closed)
    assert "18" in postgres.run_tool([binaries / "bin" / "postgres", "--version"], postgres.NOBODY)
