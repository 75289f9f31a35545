"""Limits counted in memory and in a real Redis, by the same tests."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from api.edge.rates import STORE_FAILURES, Rates, Standing
from data.settings import LimitSettings
from tests.fakes.redis_server import redis_server

RATE = "3/minute"


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["memory", "redis"])
def storage(request: pytest.FixtureRequest, redis_url: str) -> SecretStr | None:
    return SecretStr(redis_url) if request.param == "redis" else None


@pytest.mark.parametrize("window", ["fixed", "sliding", "moving"])
def test_so_many_calls_are_allowed_and_no_more(storage: SecretStr | None, window: str) -> None:
    async def calls() -> list[Standing]:
        rates = Rates(LimitSettings(storage=storage, window=window))
        taken = [await rates.take("reads", f"user:{window}", RATE) for _ in range(5)]
        taken += [await rates.take("reads", f"user:{window}-other", RATE)]
        taken += [await rates.take("writes", f"user:{window}", RATE)]
        await rates.close()
        return taken

    taken = asyncio.run(calls())

    assert [each.is_allowed for each in taken] == [True, True, True, False, False, True, True]
    assert [each.remaining for each in taken[:4]] == [2, 1, 0, 0]
    assert 1 <= taken[3].reset_seconds <= 61
    assert taken[0].headers["RateLimit-Policy"] == "3;w=60"


def test_processes_that_share_a_redis_count_together(redis_url: str) -> None:
    async def calls() -> list[bool]:
        settings = LimitSettings(storage=SecretStr(redis_url))
        one, other = Rates(settings), Rates(settings)
        taken = [await each.take("reads", "shared", "2/minute") for each in (one, other, one, other)]
        await one.close()
        await other.close()
        return [each.is_allowed for each in taken]

    assert asyncio.run(calls()) == [True, True, False, False]


def test_bytes_count_as_far_as_there_is_room(storage: SecretStr | None) -> None:
    async def calls() -> list[Standing]:
        rates = Rates(LimitSettings(storage=storage))
        spent = [await rates.spend("upload_bytes", "bytes", 1000, amount) for amount in (600, 400, 1)]
        await rates.close()
        return spent

    spent = asyncio.run(calls())

    assert [each.is_allowed for each in spent] == [True, True, False]
    assert [each.remaining for each in spent] == [400, 0, 0]


def test_without_its_redis_each_process_counts_for_itself_and_comes_back_to_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = STORE_FAILURES._value.get()

    async def calls(rates: Rates) -> list[bool]:
        return [(await rates.take("reads", "me", "2/minute")).is_allowed for _ in range(3)]

    async def story() -> list[list[bool]]:
        with redis_server(tmp_path) as url:
            away = Rates(LimitSettings(storage=SecretStr("redis://:hunter2@127.0.0.1:1/0")), away_seconds=0)
            port = int(url.rsplit(":", 1)[1].split("/")[0])
            rates = Rates(LimitSettings(storage=SecretStr(url)), away_seconds=0)
            said = [await calls(rates)]
        said.append(await calls(rates))
        with redis_server(tmp_path, port):
            said.append(await calls(rates))
        said.append(await calls(away))
        await rates.close()
        await away.close()
        return said

    with caplog.at_level(logging.WARNING):
        said = asyncio.run(story())

    assert said == [[True, True, False]] * 4, "there, away, back and never there"
    assert STORE_FAILURES._value.get() - before >= 4
    assert "the store of limits is away" in caplog.text.lower()
    assert "hunter2" not in caplog.text
