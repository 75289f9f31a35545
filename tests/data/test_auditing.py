"""The audit on both databases: what it keeps, what the database refuses, and what a check finds."""

import gzip
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from data.auditing import ANCHORS, ARCHIVE, HEADS, AuditTrail, Spool
from data.database import Database
from data.domain.audit import AuditEntry, AuditKind
from data.domain.errors import CancelledByRequestError, CatalogueUnavailableError
from data.repositories import AuditFilter, AuditRepository
from data.storage import ObjectStore, open_store
from tests.fakes.processes import free_ports

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
OFF = {
    "sqlite": ["DROP TRIGGER audit_keeps_content", "DROP TRIGGER audit_keeps_rows"],
    "postgresql": ["ALTER TABLE audit DISABLE TRIGGER ALL"],
}


def entries(count: int, start: int = 0) -> list[AuditEntry]:
    return [
        AuditEntry(id=f"e{n}", kind=AuditKind.ACCESS, at=NOON + timedelta(minutes=n), user="ann", status=200)
        for n in range(start, start + count)
    ]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path / 'store'}")


@pytest.fixture
def trail(database: Database, store: ObjectStore) -> AuditTrail:
    return AuditTrail(database, store, b"key")


@pytest.fixture
def tamper(database: Database) -> Callable[..., None]:
    """Return a function that does what a database administrator could do."""

    def change(*statements: str) -> None:
        with database.session() as session:
            for statement in (*OFF[database.engine.dialect.name], *statements):
                session.execute(text(statement))

    return change


def test_what_is_appended_is_one_chain_that_verifies(trail: AuditTrail, database: Database) -> None:
    trail.append(entries(3))
    trail.append(entries(2, start=3))

    found = trail.verify()

    assert (found.ok, found.checked, found.head.sequence) == (True, 5, 5)
    with database.session() as session:
        page = AuditRepository(session).page(AuditFilter(user="ann"), limit=2)
    assert [each.sequence for each in page] == [5, 4]


def test_the_same_entry_again_is_kept_once(trail: AuditTrail) -> None:
    assert len(trail.append(entries(3))) == 3
    assert [each.entry.id for each in trail.append([*entries(4), *entries(4)])] == ["e3"]
    assert trail.verify().checked == 4


def test_many_writers_make_one_chain_without_gaps(database: Database, trail: AuditTrail) -> None:
    def write(worker: int) -> None:
        for turn in range(10):
            trail.append(entries(2, start=100 * worker + 2 * turn))

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = trail.verify()

    assert (found.ok, found.checked) == (True, 80)


def test_texts_that_no_database_holds_are_hashed_as_they_are_stored(trail: AuditTrail) -> None:
    nasty = entries(1)[0].model_copy(update={"user": "a\0b\ud800é€", "resource": "x" * 10_000})

    trail.append([nasty])

    assert trail.verify().ok


@pytest.mark.parametrize("statement", ["UPDATE audit SET status = 500 WHERE sequence = 2", "DELETE FROM audit"])
def test_the_database_itself_refuses_changes(database: Database, trail: AuditTrail, statement: str) -> None:
    trail.append(entries(3))

    with pytest.raises((DBAPIError, IntegrityError), match="append-only"), database.session() as session:
        session.execute(text(statement))

    assert trail.verify().ok


@pytest.mark.parametrize(
    ("statements", "sequence", "problem"),
    [
        (["UPDATE audit SET status = 403 WHERE sequence = 3"], 3, "changed"),
        (["UPDATE audit SET kind = 'nonsense' WHERE sequence = 3"], 3, "changed"),
        (["DELETE FROM audit WHERE sequence = 2"], 2, "missing"),
        (
            [
                "UPDATE audit SET sequence = 99 WHERE sequence = 2",
                "UPDATE audit SET sequence = 2 WHERE sequence = 4",
                "UPDATE audit SET sequence = 4 WHERE sequence = 99",
            ],
            2,
            "changed",
        ),
        (["DELETE FROM audit WHERE sequence > 3"], 4, "removed"),
        (["DELETE FROM audit"], 1, "removed"),
        (["UPDATE audit_head SET pruned = 2", "DELETE FROM audit WHERE sequence <= 2"], 1, "removed"),
    ],
)
def test_whatever_was_done_to_it_is_found(
    trail: AuditTrail, tamper: Callable[..., None], statements: list[str], sequence: int, problem: str
) -> None:
    trail.append(entries(5))
    trail.keep_head()

    tamper(*statements)

    fault = trail.verify().fault
    assert fault is not None
    assert (fault.sequence, fault.problem.split(":")[0]) == (sequence, problem)


def test_an_end_cut_off_with_its_count_is_found_by_the_kept_head(
    trail: AuditTrail, tamper: Callable[..., None], database: Database
) -> None:
    trail.append(entries(5))
    trail.keep_head()
    with database.session() as session:
        third = AuditRepository(session).following(2, limit=1)[0]

    tamper("DELETE FROM audit WHERE sequence > 3", f"UPDATE audit_head SET sequence = 3, hash = '{third.hash}'")

    fault = trail.verify().fault
    assert fault is not None
    assert (fault.sequence, fault.problem.split(":")[0]) == (4, "removed")


def test_a_kept_head_is_never_replaced_by_one_that_disagrees(
    trail: AuditTrail, tamper: Callable[..., None], database: Database, store: ObjectStore
) -> None:
    trail.append(entries(5))
    assert trail.keep_head() is None
    with database.session() as session:
        third = AuditRepository(session).following(2, limit=1)[0]
    tamper("DELETE FROM audit WHERE sequence > 3", f"UPDATE audit_head SET sequence = 3, hash = '{third.hash}'")

    faults = [trail.keep_head(), AuditTrail(database, store, b"key").keep_head()]
    trail.append(entries(4, start=10))
    faults.append(trail.keep_head())

    assert [fault and fault.sequence for fault in faults] == [5, 5, 5]
    assert not trail.verify().ok


def test_a_process_that_ends_does_not_wait_for_a_check(trail: AuditTrail) -> None:
    trail.append(entries(3))
    trail.close()

    with pytest.raises(CancelledByRequestError):
        trail.verify()

    assert len(trail.append(entries(1, start=3))) == 1


def test_a_forged_head_is_found(trail: AuditTrail, database: Database, store: ObjectStore) -> None:
    trail.append(entries(5))
    AuditTrail(database, store, b"another key").keep_head()

    fault = trail.verify().fault
    assert fault is not None
    assert "not signed" in fault.problem


def test_heads_of_an_hour_are_one_object(trail: AuditTrail, store: ObjectStore) -> None:
    trail.append(entries(1))
    trail.keep_head()
    trail.append(entries(1, start=1))
    trail.keep_head()

    assert 1 <= len(list(store.list(HEADS))) <= 2


def test_what_is_past_its_time_goes_into_the_archive_and_the_rest_verifies(
    trail: AuditTrail, store: ObjectStore, database: Database
) -> None:
    trail.append(entries(10))
    trail.keep_head()

    assert trail.prune(NOON + timedelta(minutes=4)) == 4
    trail.append(entries(1, start=10))

    found = trail.verify()
    assert (found.ok, found.first, found.checked) == (True, 5, 7)
    [archive], [anchor] = list(store.list(ARCHIVE)), list(store.list(ANCHORS))
    lines = [json.loads(line) for line in gzip.decompress(store.get_bytes(archive.key)).splitlines()]
    assert [line["sequence"] for line in lines] == [1, 2, 3, 4]
    assert json.loads(store.get_bytes(anchor.key))["hash"] == lines[-1]["hash"]
    assert [each.sequence for each in trail.read(AuditFilter())] == list(range(5, 12))


def test_what_waits_on_the_disk_comes_into_the_chain_once(trail: AuditTrail, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "audit" / "spool.jsonl")
    spool.add(entries(2))
    spool.add(entries(1, start=2))
    trail.append(entries(1))

    assert spool.drain(trail) == 2
    assert spool.drain(trail) == 0
    assert trail.verify().checked == 3


def test_half_a_line_of_a_process_that_died_is_passed_over(trail: AuditTrail, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.jsonl")
    spool.add(entries(2))
    with (tmp_path / "spool.jsonl").open("ab") as file:
        file.write(b'{"id":"half')

    assert spool.drain(trail) == 2


def test_while_the_catalogue_is_away_entries_go_on_waiting(tmp_path: Path, store: ObjectStore) -> None:
    away = AuditTrail(Database(f"postgresql://u@127.0.0.1:{free_ports(1)[0]}/d"), store)
    spool = Spool(tmp_path / "spool.jsonl")
    spool.add(entries(2))

    with pytest.raises(CatalogueUnavailableError):
        spool.drain(away)

    assert len((tmp_path / "spool.jsonl").read_bytes().splitlines()) == 2
