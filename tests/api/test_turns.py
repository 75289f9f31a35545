"""One works at a time, and stops when its turn is lost: on a real Postgres whose connections end."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import text

from api.turns import in_turn
from data.database import Database
from tests.fakes.postgres_server import PostgresServer


@pytest.fixture(scope="module")
def postgres_url(postgres: PostgresServer) -> str:
    return postgres.create_database()


@pytest.fixture
def catalogue(postgres_url: str) -> Iterator[Database]:
    opened = Database(postgres_url)
    yield opened
    opened.close()


class Work:
    """Lasts until it is cancelled."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.was_cancelled = False

    async def __call__(self) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise


def test_work_ends_when_the_connection_that_holds_its_turn_does(catalogue: Database) -> None:
    async def live() -> None:
        work = Work()
        turn = asyncio.create_task(in_turn(catalogue, "work", work, check_seconds=0.05))
        await work.began.wait()
        with pytest.raises(TimeoutError):
            await in_turn(catalogue, "work", Work())

        await asyncio.to_thread(_end_holders_of_locks, catalogue)
        async with asyncio.timeout(30):
            await turn

        assert work.was_cancelled
        another = Work()
        following = asyncio.create_task(in_turn(catalogue, "work", another))
        await another.began.wait()
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        assert another.was_cancelled

    asyncio.run(live())


def test_what_goes_wrong_with_the_work_is_told_and_the_turn_is_given_back(catalogue: Database) -> None:
    async def fail() -> None:
        raise RuntimeError("It broke.")

    async def live() -> None:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="It broke"):
                await in_turn(catalogue, "work", fail)

    asyncio.run(live())


def _end_holders_of_locks(database: Database) -> None:
    with database.session() as session:
        holders = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'"
        assert session.scalar(text(holders)) is True
