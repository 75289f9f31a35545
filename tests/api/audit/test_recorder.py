"""What the recorder promises: a write is on a disk before its answer, whatever happens to catalogue and process."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.audit.recorder import AuditRecorder
from data.auditing import AuditTrail, Spool
from data.database import Database
from data.domain.audit import AuditEntry, AuditKind
from data.repositories import AuditFilter
from data.storage import open_store
from tests.fakes.catalogues import make_catalogue
from tests.fakes.processes import free_ports


def entry(number: int) -> AuditEntry:
    return AuditEntry(id=str(number), kind=AuditKind.ACCESS, at=datetime(2026, 5, 1, tzinfo=UTC))


@pytest.fixture
def trail(tmp_path: Path) -> AuditTrail:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    make_catalogue(url)
    return AuditTrail(Database(url), open_store(f"file://{tmp_path / 'store'}"))


def ids(trail: AuditTrail) -> set[str]:
    return {each.entry.id for each in trail.read(AuditFilter())}


async def while_recording(recorder: AuditRecorder, *entries: AuditEntry, durable: bool) -> None:
    task = asyncio.create_task(recorder.run())
    await asyncio.gather(*(recorder.record(each, durable=durable) for each in entries))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_durable_entry_is_written_when_record_returns(trail: AuditTrail, tmp_path: Path) -> None:
    async def work() -> set[str]:
        recorder = AuditRecorder(trail, Spool(tmp_path / "spool"))
        task = asyncio.create_task(recorder.run())
        await recorder.record(entry(1), durable=True)
        found = ids(trail)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return found

    assert asyncio.run(work()) == {"1"}


def test_what_was_only_looked_at_is_written_at_the_end_at_the_latest(trail: AuditTrail, tmp_path: Path) -> None:
    recorder = AuditRecorder(trail, Spool(tmp_path / "spool"))

    asyncio.run(while_recording(recorder, *map(entry, range(1200)), durable=False))

    assert len(ids(trail)) == 1200
    assert trail.verify().ok


def test_many_writes_at_once_share_transactions_and_make_one_chain(trail: AuditTrail, tmp_path: Path) -> None:
    recorder = AuditRecorder(trail, Spool(tmp_path / "spool"))

    asyncio.run(while_recording(recorder, *map(entry, range(300)), durable=True))

    assert len(ids(trail)) == 300
    assert trail.verify().ok


def test_while_the_catalogue_is_away_a_write_is_on_the_disk_and_comes_into_the_chain_later(
    trail: AuditTrail, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "spool")
    away = AuditTrail(Database(f"postgresql://u@127.0.0.1:{free_ports(1)[0]}/d"), open_store(f"file://{tmp_path}/s"))

    asyncio.run(while_recording(AuditRecorder(away, spool), entry(1), durable=True))
    assert ids(trail) == set()
    asyncio.run(while_recording(AuditRecorder(trail, spool), entry(2), durable=True))

    assert ids(trail) == {"1", "2"}


def test_before_the_first_migration_a_write_is_on_the_disk(tmp_path: Path) -> None:
    early = AuditTrail(Database(f"sqlite:///{tmp_path / 'empty.db'}"), open_store(f"file://{tmp_path}/s"))

    asyncio.run(while_recording(AuditRecorder(early, Spool(tmp_path / "spool")), entry(1), durable=True))

    assert len((tmp_path / "spool").read_bytes().splitlines()) == 1


def test_who_comes_after_the_end_writes_for_itself(trail: AuditTrail, tmp_path: Path) -> None:
    async def work() -> None:
        recorder = AuditRecorder(trail, Spool(tmp_path / "spool"))
        await while_recording(recorder, entry(1), durable=True)
        await recorder.record(entry(2), durable=False)

    asyncio.run(work())

    assert ids(trail) == {"1", "2"}
