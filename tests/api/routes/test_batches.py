import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.schemas.objects import State, StateType

from data.database import Database
from data.domain.batches import Batch, BatchOptions, BatchReason, BatchState, BatchWish, ItemState
from data.repositories import BatchItemRepository, BatchRepository, WebhookEndpointRepository
from data.storage import ObjectStore
from data.telemetry.tracing import TRACE_LABEL, trace_id_of
from tests.api.conftest import Prefect

BATCHES = "/api/v1/batches"
MANIFEST = b"custom_id,source\nfirst,/media/first.mp4\n"

Stored = Callable[..., str]


@pytest.fixture
def stored(database: Database) -> Stored:
    """Return a function that records a batch, as its feed would have left it, and returns its id."""

    def store(state: BatchState, items: list[dict[str, Any]] | None = None, **values: Any) -> str:
        batch_id = str(uuid.uuid4())
        named = {"name": "Night", "manifest_uri": "/media/night.csv", "options": BatchOptions(), **values}
        rows = items or []
        batch = Batch(id=batch_id, state=state, created_at=datetime.now(UTC), rows=len(rows), **named)
        with database.session() as session:
            BatchRepository(session).create(batch)
            BatchItemRepository(session).add(
                batch_id,
                [
                    {"row": row, "custom_id": f"c{row}", "source": f"/media/{row}.mp4", "recipe": "default", **each}
                    for row, each in enumerate(rows, start=1)
                ],
            )
        return batch_id

    return store


def hand_in(api: httpx.Client, manifest: bytes = MANIFEST, headers: dict[str, str] | None = None, **fields: str) -> Any:
    return api.post(BATCHES, files={"manifest": ("night.csv", manifest)}, data=fields, headers=headers)


HOOK = "https://receiver.example/batch"


def test_a_batch_brings_who_is_told_of_it_in_json_and_in_a_form(
    api: httpx.Client, media_folder: Path, database: Database
) -> None:
    (media_folder / "told.csv").write_bytes(MANIFEST)
    rows_too = {"url": HOOK, "events": ["batch.*", "item.failed"]}
    body = {"manifest": str(media_folder / "told.csv"), "webhooks": [HOOK, rows_too]}

    first, again = (api.post(BATCHES, json=body, headers={"Idempotency-Key": "told"}).json() for _ in range(2))
    of_form = hand_in(api, webhooks=json.dumps([rows_too, first["webhooks"][0]])).json()

    assert first["webhooks"] == again["webhooks"]
    assert len(first["webhooks"]) == len(of_form["webhooks"]) == 2
    with database.session() as session:
        made = WebhookEndpointRepository(session).of_ids([*first["webhooks"], *of_form["webhooks"]])
    assert [made[each].events for each in first["webhooks"]] == [("batch.*",), ("batch.*", "item.failed")]
    assert all(each.is_for_one_job for each in made.values())
    assert first["webhooks"][0] in of_form["webhooks"]


@pytest.mark.parametrize(
    "webhooks", [["https://10.0.0.1/"], ["whk_unknown"], [HOOK] * 11, [{"url": HOOK, "events": ["job.*"]}]]
)
def test_a_batch_with_a_receiver_that_cannot_be_told_is_refused(
    api: httpx.Client, media_folder: Path, webhooks: list[Any]
) -> None:
    (media_folder / "untold.csv").write_bytes(MANIFEST)
    body = {"manifest": str(media_folder / "untold.csv"), "webhooks": webhooks}

    refused = [api.post(BATCHES, json=body), hand_in(api, webhooks=json.dumps(webhooks))]

    assert [each.status_code for each in refused] == [422, 422]
    assert "webhooks" in refused[1].text or "url" in refused[1].text


def test_a_manifest_in_a_form_becomes_a_batch_with_a_run_that_feeds_it(api: httpx.Client, prefect: Prefect) -> None:
    answer = hand_in(api, options='{"canary_items": 5, "window": {"opens": "22:00", "closes": "06:00"}}')

    batch = answer.json()
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"{BATCHES}/{batch['id']}"
    assert (batch["state"], batch["name"], batch["moves"]) == ("received", "night.csv", ["cancel", "pause"])
    assert batch["options"]["canary_items"] == 5
    assert batch["manifest"].startswith("upload:")
    [run] = prefect.feeds(batch["id"])
    assert run.parameters == {"batch_id": batch["id"], "name": "night.csv"}


def test_a_manifest_is_handed_in_by_its_address(api: httpx.Client, media_folder: Any) -> None:
    address = f"{media_folder}/tonight.csv"

    batch = api.post(BATCHES, json={"manifest": address, "options": {"on_invalid": "accept_valid"}}).json()

    assert (batch["manifest"], batch["name"]) == (address, "tonight.csv")
    assert batch["options"]["on_invalid"] == "accept_valid"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "REQUEST.INVALID"),
        ({"manifest": "upload:none"}, "DATA.SOURCE.NOT_FOUND"),
        ({"manifest": "/etc/passwd"}, "DATA.SOURCE.FORBIDDEN"),
        ({"manifest": "night.csv"}, "REQUEST.INVALID"),
        ({"manifest": "upload:x", "options": {"recipe": "unheard-of"}}, "DATA.RECIPE.UNKNOWN"),
        ({"manifest": "upload:x", "options": {"max_concurrency": 0}}, "REQUEST.INVALID"),
        ({"manifest": "upload:x", "options": {"window": {"opens": "22:00", "closes": "6"}}}, "REQUEST.INVALID"),
        ({"manifest": "upload:x", "nmae": "typo"}, "REQUEST.INVALID"),
    ],
)
def test_what_can_be_refused_early_is(api: httpx.Client, body: dict[str, Any], code: str) -> None:
    answer = api.post(BATCHES, json=body)

    assert (answer.status_code in (403, 422), answer.json()["code"]) == (True, code), answer.text


def test_a_refused_option_is_named(api: httpx.Client) -> None:
    answer = hand_in(api, options='{"failure_budget": {"share": 2}}')

    [error] = answer.json()["errors"]
    assert error["field"] == "options.failure_budget.share"


def test_the_same_call_with_a_key_makes_one_batch(api: httpx.Client, prefect: Prefect) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}

    first, again = hand_in(api, headers=key), hand_in(api, headers=key)
    other = hand_in(api, manifest=MANIFEST + b"second,/media/second.mp4\n", headers=key)

    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "REQUEST.IDEMPOTENCY.MISMATCH")
    assert len(prefect.feeds(first.json()["id"])) == 1


def test_a_dry_run_is_a_batch_that_waits_for_a_word(api: httpx.Client) -> None:
    batch = api.post(f"{BATCHES}/plan", files={"manifest": ("night.csv", MANIFEST)}).json()

    assert batch["options"]["dry_run"] is True


def test_a_planned_batch_starts_when_somebody_says_so(api: httpx.Client, stored: Stored, prefect: Prefect) -> None:
    batch_id = stored(BatchState.PLANNED, [{}], reason=BatchReason.DRY_RUN)

    key = {"Idempotency-Key": uuid.uuid4().hex}
    started, repeated = (api.post(f"{BATCHES}/{batch_id}/start", headers=key).json() for _ in range(2))

    assert (started["state"], started["reason"], started["moves"]) == ("planned", None, ["cancel", "pause"])
    assert len(prefect.feeds(batch_id)) == 1
    assert repeated == started
    again = api.post(f"{BATCHES}/{batch_id}/start")
    assert (again.status_code, again.json()["facts"]["allowed"]) == (409, ["cancel", "pause"])


def test_a_batch_and_all_who_feed_it_are_of_the_trace_that_it_was_handed_in_with(
    api: httpx.Client, prefect: Prefect, database: Database
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    batch_id = hand_in(api, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}).json()["id"]
    [first] = prefect.feeds(batch_id)
    prefect.force(str(first.id), State(type=StateType.CRASHED))
    api.post(f"{BATCHES}/{batch_id}/pause")

    with database.session() as session:
        traceparent = BatchRepository(session).get(batch_id).traceparent
    assert trace_id_of(traceparent or "") == trace
    assert [run.labels[TRACE_LABEL] for run in prefect.feeds(batch_id)] == [traceparent] * 2


def test_a_batch_whose_feed_is_gone_gets_another_one(api: httpx.Client, stored: Stored, prefect: Prefect) -> None:
    batch_id = stored(BatchState.RUNNING, [{}])

    api.post(f"{BATCHES}/{batch_id}/pause")
    api.post(f"{BATCHES}/{batch_id}/resume")
    [first] = prefect.feeds(batch_id)
    prefect.force(str(first.id), State(type=StateType.CRASHED))
    api.post(f"{BATCHES}/{batch_id}/pause")

    assert len(prefect.feeds(batch_id)) == 2


def test_what_was_asked_counts_before_the_feed_obeys(api: httpx.Client, stored: Stored) -> None:
    batch_id = stored(BatchState.RUNNING, [{}])

    paused = api.post(f"{BATCHES}/{batch_id}/pause").json()
    again = api.post(f"{BATCHES}/{batch_id}/pause")
    cancelled = api.post(f"{BATCHES}/{batch_id}/cancel").json()

    assert (paused["state"], paused["asked"], paused["moves"]) == ("running", "pause", ["cancel", "resume"])
    assert again.status_code == 409
    assert (cancelled["asked"], cancelled["moves"]) == ("cancel", [])


@pytest.mark.parametrize(
    ("state", "reason"), [(BatchState.RECEIVED, None), (BatchState.PLANNED, BatchReason.APPROVAL_NEEDED)]
)
def test_a_batch_that_nobody_works_on_is_cancelled_at_once(
    api: httpx.Client, stored: Stored, state: BatchState, reason: BatchReason | None
) -> None:
    batch_id = stored(state, [{}, {"state": "skipped"}] if reason else [], reason=reason)

    batch = api.post(f"{BATCHES}/{batch_id}/cancel").json()

    assert (batch["state"], batch["counts"]["balances"]) == ("cancelled", True)
    assert batch["counts"]["cancelled"] == (1 if reason else 0)


def test_a_batch_shows_its_counts_and_when_it_will_be_done(
    api: httpx.Client, stored: Stored, database: Database
) -> None:
    began = datetime.now(UTC) - timedelta(minutes=10)
    done = {"state": "succeeded", "estimated_seconds": 60, "ended_at": datetime.now(UTC)}
    batch_id = stored(BatchState.RUNNING, [done, done, {"estimated_seconds": 240}], started_at=began)

    batch = api.get(f"{BATCHES}/{batch_id}").json()

    assert (batch["counts"]["succeeded"], batch["counts"]["pending"], batch["counts"]["balances"]) == (2, 1, False)
    assert batch["progress"]["share"] == pytest.approx(1 / 3, abs=0.01)
    wanted = datetime.now(UTC) + timedelta(minutes=20)
    assert abs(datetime.fromisoformat(batch["progress"]["finishes_at"]) - wanted) < timedelta(minutes=2)
    assert batch["links"]["report"] is None


def test_a_batch_that_did_not_change_is_not_sent_again(api: httpx.Client, stored: Stored, database: Database) -> None:
    url = f"{BATCHES}/{stored(BatchState.PAUSED, [{}], wish=BatchWish.PAUSE)}"
    etag = api.get(url).headers["ETag"]

    same = api.get(url, headers={"If-None-Match": etag})
    api.post(f"{url}/resume")
    changed = api.get(url, headers={"If-None-Match": etag})

    assert (same.status_code, changed.status_code) == (304, 200)


def test_a_batch_is_moved_only_as_it_was_seen(api: httpx.Client, stored: Stored, database: Database) -> None:
    url = f"{BATCHES}/{stored(BatchState.RUNNING, [{}])}"
    seen = api.get(url).headers["ETag"]
    with database.session() as session:
        BatchRepository(session).move(url.rpartition("/")[2], BatchState.PAUSED, allowed_from=[BatchState.RUNNING])

    stale = api.post(f"{url}/cancel", headers={"If-Match": seen})
    known = api.post(f"{url}/cancel", headers={"If-Match": api.get(url).headers["ETag"]})

    assert (stale.status_code, stale.json()["code"]) == (412, "REQUEST.PRECONDITION_FAILED")
    assert known.status_code == 202, known.text


def test_items_are_paged_and_told_apart_by_state(api: httpx.Client, stored: Stored, database: Database) -> None:
    broken = {"state": "failed", "step": "ingest", "failure_class": "DATA", "code": "DATA.INPUT.CORRUPT"}
    batch_id = stored(
        BatchState.RUNNING, [{"estimated_seconds": 900}, {}, {**broken, "message": "at /srv/x/y.mp4"}, {}]
    )
    with database.session() as session:
        for row in (1, 2):
            BatchItemRepository(session).claim(batch_id, [row], f"{batch_id}:{row}:1")
            BatchItemRepository(session).submitted(f"{batch_id}:{row}:1", f"run-{row}")

    page = api.get(f"{BATCHES}/{batch_id}/items", params={"limit": 3}).json()
    rest = api.get(f"{BATCHES}/{batch_id}/items", params={"limit": 3, "after": page["next"]}).json()
    [failed] = api.get(f"{BATCHES}/{batch_id}/items", params={"state": "failed"}).json()["items"]

    assert [item["row"] for item in (*page["items"], *rest["items"])] == [1, 2, 3, 4]
    assert rest["next"] is None
    assert [item["links"]["job"] for item in page["items"][:2]] == ["/api/v1/jobs/run-1", None]  # it shares its run
    assert all(item["links"]["prefect"] for item in page["items"][:2])
    assert (failed["step"], failed["code"], failed["message"]) == ("ingest", "DATA.INPUT.CORRUPT", "at …/y.mp4")


def test_the_latest_batches_come_first(api: httpx.Client, stored: Stored) -> None:
    ids = [stored(BatchState.REJECTED, [{"state": "rejected"}]) for _ in range(3)]

    first = api.get(BATCHES, params={"state": "rejected", "limit": 2}).json()
    rest = api.get(BATCHES, params={"state": "rejected", "limit": 2, "after": first["next"]}).json()

    assert [batch["id"] for batch in (*first["items"], *rest["items"])][:3] == ids[::-1]
    assert first["items"][0]["counts"]["rejected"] == 1


def test_files_are_there_once_they_were_made(api: httpx.Client, stored: Stored, store: ObjectStore) -> None:
    outputs = {}
    for name, file in (("results_csv", "results.csv"), ("report", "report.html"), ("retry", "retry.jsonl")):
        outputs[name] = store.put_bytes(f"{name}\n".encode(), f"batches/{uuid.uuid4()}/{file}").key
    url = f"{BATCHES}/{stored(BatchState.COMPLETED, outputs=outputs)}"

    results, report, retry = api.get(f"{url}/results"), api.get(f"{url}/report"), api.get(f"{url}/retry-manifest")
    parquet = api.get(f"{url}/results", params={"format": "parquet"})

    assert (results.text, results.headers["Content-Type"]) == ("results_csv\n", "text/csv; charset=utf-8")
    assert results.headers["Content-Disposition"] == 'attachment; filename="results.csv"'
    assert "default-src 'none'" in report.headers["Content-Security-Policy"]
    assert "script" not in report.headers["Content-Security-Policy"]
    assert retry.text == "retry\n"
    assert (parquet.status_code, parquet.json()["code"]) == (404, "REQUEST.NOT_FOUND")


def test_failed_rows_are_tried_again_as_a_batch_of_their_own(
    api: httpx.Client, stored: Stored, prefect: Prefect
) -> None:
    failed = {"state": ItemState.FAILED.value, "failure_class": "DATA", "code": "DATA.INPUT.CORRUPT"}
    parent = stored(BatchState.COMPLETED, [failed, {"state": "succeeded"}], options=BatchOptions(dry_run=True))

    none = api.post(f"{BATCHES}/{parent}/retry", json={"rows": {"classes": ["INFRA"]}})
    by_nobody = api.post(f"{BATCHES}/{parent}/retry", json={"rows": {"providers": ["storyboard"]}})
    answer = api.post(f"{BATCHES}/{parent}/retry", json={"rows": {"classes": ["DATA"], "codes": ["DATA.INPUT"]}})

    batch = answer.json()
    assert (none.status_code, none.json()["code"]) == (422, "REQUEST.INVALID")
    assert (by_nobody.status_code, by_nobody.json()["code"]) == (422, "REQUEST.INVALID")
    assert answer.status_code == 202
    assert (batch["retry_of"], batch["retry_filter"]["codes"]) == (parent, ["DATA.INPUT"])
    assert (batch["name"], batch["options"]["dry_run"]) == ("Night (again)", False)
    assert len(prefect.feeds(batch["id"])) == 1


@pytest.mark.parametrize("call", ["start", "pause", "resume", "cancel", "retry"])
def test_a_batch_that_was_rejected_can_be_asked_nothing(api: httpx.Client, stored: Stored, call: str) -> None:
    answer = api.post(f"{BATCHES}/{stored(BatchState.REJECTED)}/{call}")

    assert (answer.status_code, answer.json()["facts"]) == (409, {"state": "rejected", "allowed": []})


@pytest.mark.parametrize("call", ["", "/items", "/results", "/rejects", "/report", "/retry-manifest", "/start"])
def test_an_unknown_batch_is_not_found(api: httpx.Client, call: str) -> None:
    answer = api.request("POST" if call == "/start" else "GET", f"{BATCHES}/{uuid.uuid4()}{call}")

    assert (answer.status_code, answer.json()["code"]) == (404, "REQUEST.NOT_FOUND")
