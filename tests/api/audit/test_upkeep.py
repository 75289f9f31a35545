"""The audit's upkeep: it keeps heads, and sees by itself that somebody has tampered."""

from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from api.audit.upkeep import AuditUpkeep
from data.auditing import ARCHIVE, HEADS, AuditTrail
from data.database import Database
from data.named_locks import named_lock
from data.storage import ObjectStore, open_store
from tests.data.test_auditing import entries
from tests.fakes.catalogues import make_catalogue


@pytest.fixture
def database(tmp_path: Path) -> Database:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    make_catalogue(url)
    return Database(url)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path / 'store'}")


def test_a_whole_chain_is_shown_as_such_and_its_head_is_kept(database: Database, store: ObjectStore) -> None:
    trail = AuditTrail(database, store)
    trail.append(entries(3))

    AuditUpkeep(trail, database).tend()

    assert REGISTRY.get_sample_value("dailies_audit_chain_ok") == 1
    assert len(list(store.list(HEADS))) == 1
    assert len(list(store.list(ARCHIVE))) == 0


def test_what_was_tampered_with_is_shown_before_a_new_head_could_hide_it(
    database: Database, store: ObjectStore, caplog: pytest.LogCaptureFixture
) -> None:
    trail = AuditTrail(database, store)
    trail.append(entries(3))
    trail.keep_head()
    with database.session() as session:
        session.execute(text("DROP TRIGGER audit_keeps_content"))
        session.execute(text("UPDATE audit SET user = 'bob' WHERE sequence = 2"))

    AuditUpkeep(trail, database).tend()

    assert REGISTRY.get_sample_value("dailies_audit_chain_ok") == 0
    assert "tampered with: entry 2 changed" in caplog.text


def test_entries_past_their_time_go_into_the_archive_where_that_is_asked(
    database: Database, store: ObjectStore
) -> None:
    trail = AuditTrail(database, store)
    trail.append(entries(3))

    AuditUpkeep(trail, database, archive_days=30).tend()

    assert len(list(store.list(ARCHIVE))) == 1
    assert trail.verify().ok


def test_only_one_process_is_at_it(database: Database, store: ObjectStore) -> None:
    trail = AuditTrail(database, store)
    trail.append(entries(1))

    with named_lock(database, "audit-upkeep", 0):
        AuditUpkeep(trail, database).tend()

    assert list(store.list(HEADS)) == []
