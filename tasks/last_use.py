"""When finished work was used last: the record that says it is whole is written anew, at most twice a day."""

from datetime import UTC, datetime, timedelta

from data.storage import ObjectStore, StoredObject

RENEW_AFTER = timedelta(hours=12)


def is_stale(stored: StoredObject) -> bool:
    """Say whether what is used now is to be written anew."""
    return datetime.now(UTC) - stored.modified_at > RENEW_AFTER


def note_use(store: ObjectStore, record: StoredObject) -> None:
    """Make a record of finished work young again, so that retention leaves what is in use."""
    if is_stale(record):
        store.put_bytes(store.get_bytes(record.key), record.key)
