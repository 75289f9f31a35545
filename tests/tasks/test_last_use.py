from datetime import timedelta
from pathlib import Path

from data.storage import open_store
from tasks.last_use import RENEW_AFTER, is_stale, note_use


def test_using_finished_work_makes_its_record_young_again_but_not_at_every_use(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    fresh = store.put_bytes(b"{}", "packages/a/k.json")
    note_use(store, fresh)
    assert store.stat("packages/a/k.json") == fresh

    old = type(fresh)(fresh.key, 2, fresh.etag, fresh.modified_at - RENEW_AFTER - timedelta(hours=1))
    note_use(store, old)

    assert (is_stale(fresh), is_stale(old)) == (False, True)
    renewed = store.stat("packages/a/k.json")
    assert renewed is not None
    assert renewed.modified_at > fresh.modified_at
    assert store.get_bytes("packages/a/k.json") == b"{}"
