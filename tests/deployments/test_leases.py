"""Prefect's leases as its server uses them: in files, and safe from a clock that jumps."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.server.concurrency.lease_storage import ConcurrencyLimitLeaseMetadata, get_concurrency_lease_storage
from prefect.settings import PREFECT_HOME, PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE, temporary_settings

from deployments.environment import TUNING
from deployments.leases import LONGEST, PAGE, ConcurrencyLeaseStorage


@pytest.fixture
def leases(tmp_path: Path) -> ConcurrencyLeaseStorage:
    return ConcurrencyLeaseStorage(tmp_path)


async def lease(leases: ConcurrencyLeaseStorage, seconds: float) -> str:
    made = await leases.create_lease([uuid4()], timedelta(seconds=seconds), ConcurrencyLimitLeaseMetadata(slots=1))
    return str(made.id)


def test_the_server_finds_them_by_the_setting(tmp_path: Path) -> None:
    name = TUNING["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"]
    with temporary_settings({PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE: name, PREFECT_HOME: tmp_path}):
        assert isinstance(get_concurrency_lease_storage(), ConcurrencyLeaseStorage)


def test_a_lease_expires_in_its_time_and_when_it_lies_further_ahead_than_any_is_given(
    leases: ConcurrencyLeaseStorage,
) -> None:
    async def work() -> tuple[set[str], set[str]]:
        expired = {await lease(leases, -1), await lease(leases, LONGEST.total_seconds() + 60)}
        await lease(leases, 300)
        found = await leases.read_expired_lease_ids()
        read = [await leases.read_lease(each) for each in found]
        assert all(each and each.expiration <= datetime.now(UTC) for each in read)
        return expired, {str(each) for each in found}

    expired, found = asyncio.run(work())

    assert found == expired


def test_one_from_a_jumped_clock_is_found_behind_many_good_ones(leases: ConcurrencyLeaseStorage) -> None:
    async def work() -> tuple[str, list[str]]:
        for _ in range(PAGE):
            await lease(leases, 300)
        jumped = await lease(leases, 10**9)
        return jumped, [str(each) for each in await leases.read_expired_lease_ids(1)]

    jumped, found = asyncio.run(work())

    assert found == [jumped]


def test_a_lease_that_is_renewed_lives_again(leases: ConcurrencyLeaseStorage) -> None:
    async def work() -> list[object]:
        made = await leases.create_lease([uuid4()], timedelta(days=300), ConcurrencyLimitLeaseMetadata(slots=1))
        await leases.renew_lease(made.id, timedelta(seconds=300))
        return list(await leases.read_expired_lease_ids())

    assert asyncio.run(work()) == []
