from datetime import UTC, datetime, timedelta

from data.database import Database
from data.domain.batches import Batch, BatchOptions, BatchState
from data.domain.webhooks import DisabledReason, new_secret
from data.repositories import (
    BatchItemRepository,
    BatchRepository,
    DeliveryFilter,
    UploadRepository,
    WebhookEndpointRepository,
    WebhookOutbox,
)
from data.storage import ObjectStore
from tasks.retention.rounds import Deleted
from tasks.retention.small_things import expire_results, expire_uploads, expire_webhooks, sweep
from tests.fakes.webhooks import endpoint_at, event_of

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def keys(store: ObjectStore) -> list[str]:
    return [stored.key for stored in store.list()]


def test_uploads_go_unless_a_job_or_an_item_waits_for_them(store: ObjectStore, database: Database) -> None:
    batch = Batch(
        id="b1",
        name="Monday",
        manifest_uri="/media/monday.csv",
        options=BatchOptions(),
        state=BatchState.PAUSED,
        rows=1,
        created_at=NOW,
    )
    with database.session() as session:
        BatchRepository(session).create(batch)
        item = {"row": 1, "custom_id": "a", "recipe": "quick", "source": "upload:named"}
        BatchItemRepository(session).add(batch.id, [item])
    for name in ("used", "awaited", "named"):
        store.put_bytes(b"film", f"uploads/{name}/film.mp4")
        with database.session() as session:
            UploadRepository(session).create(name, key=f"uploads/{name}/film.mp4", original_name="film.mp4")
            UploadRepository(session).complete(name, size_bytes=4, sha256="0" * 64)
    deleted = Deleted()

    expire_uploads(store, database, None, lambda _: False, deleted)
    expire_uploads(store, database, DAY, lambda _: False, deleted)
    assert deleted.counts == {}
    expire_uploads(store, database, timedelta(0), lambda upload: upload == "awaited", deleted)

    assert (deleted.counts, deleted.size_bytes) == ({"uploads": 1}, 4)
    assert keys(store) == ["uploads/awaited/film.mp4", "uploads/named/film.mp4"]


def test_uploads_that_are_kept_do_not_hold_up_those_behind_them(store: ObjectStore, database: Database) -> None:
    for number in range(5):
        store.put_bytes(b"film", f"uploads/{number}/film.mp4")
        with database.session() as session:
            UploadRepository(session).create(str(number), key=f"uploads/{number}/film.mp4", original_name="film.mp4")
    deleted = Deleted()

    expire_uploads(store, database, timedelta(0), lambda upload: upload in "0123", deleted, most=2)

    assert deleted.counts == {"uploads": 1}
    assert keys(store) == [f"uploads/{number}/film.mp4" for number in range(4)]


def test_results_go_when_they_are_old(store: ObjectStore) -> None:
    for name in ("0a", "0b", "1a"):
        store.put_bytes(b"{}", f"results/{name}")
    deleted = Deleted()

    expire_results(store, "0", None, NOW + 100 * DAY, deleted)
    expire_results(store, "0", 30 * DAY, NOW + 29 * DAY, deleted)
    assert deleted.counts == {}
    expire_results(store, "0", 30 * DAY, NOW + 31 * DAY, deleted)

    assert deleted.counts == {"results": 2}
    assert keys(store) == ["results/1a"]


def test_a_sweep_of_a_clean_store_finds_nothing(store: ObjectStore, database: Database) -> None:
    deleted = Deleted()

    sweep(store, database, deleted)

    assert deleted.counts == {}


def test_deliveries_go_when_they_are_old_unless_somebody_is_still_to_be_told(database: Database) -> None:
    endpoint = endpoint_at("https://receiver.example", new_secret()).model_copy(update={"is_for_one_job": True})
    told, awaited = (event_of(job, endpoints=(endpoint.id,)) for job in ("told", "awaited"))
    with database.session() as session:
        WebhookEndpointRepository(session).add(endpoint)
        WebhookOutbox(session).record([told])
        WebhookEndpointRepository(session).disable(endpoint.id, DisabledReason.REQUEST)
        WebhookEndpointRepository(session).enable(endpoint.id)
        WebhookOutbox(session).record([awaited])
    deleted = Deleted()

    expire_webhooks(database, None, deleted)
    expire_webhooks(database, DAY, deleted)
    assert deleted.counts == {}
    expire_webhooks(database, timedelta(0), deleted)

    assert deleted.counts == {"webhook events": 1}
    with database.session() as session:
        [(_, left)] = WebhookOutbox(session).page(DeliveryFilter())
        assert left.subject == "awaited"
        assert WebhookEndpointRepository(session).get(endpoint.id)
