from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.domain.batches import BatchOptions, BatchReason, BatchState, BatchWish, ItemState, SkipReason
from data.domain.errors import ManifestError, SourceUnavailableError
from data.domain.generations import GenerationRequest, GenerationState
from data.domain.ledger import Generation, Subject
from data.domain.retries import RetryFilter
from data.repositories import BatchItemRepository, BatchRepository, GenerationRepository
from tasks.providers.sources import FetchedSource
from tests.fakes.bulk import BatchHouse
from tests.fakes.manifests import write_manifest


def good_rows(house: BatchHouse, count: int = 3) -> list[dict[str, str]]:
    return [{"source": house.source(f"{n}.mp4"), "custom_id": f"clip-{n}", "title": ""} for n in range(1, count + 1)]


def test_a_batch_belongs_to_whom_it_was_registered_for_at_first(house: BatchHouse) -> None:
    manifest = write_manifest(house.media, good_rows(house))

    registered = [house.register(manifest, owner=owner).owner for owner in ("ann", "bob")]

    assert registered == ["ann", "ann"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_rows_of_a_good_manifest_become_items(house: BatchHouse, kind: str) -> None:
    batch = house.take_in(good_rows(house), kind=kind, recipe="quick", priority="high")

    items = house.items()
    assert (batch.state, batch.rows, batch.name) == (BatchState.PLANNING, 3, "Monday")
    assert [(item.custom_id, item.recipe, item.priority) for item in items.values()] == [
        (f"clip-{n}", "quick", "high") for n in (1, 2, 3)
    ]
    assert batch.manifest_key == f"batches/b1/manifest.{kind}"
    assert house.store.get_bytes(batch.manifest_key) == (house.media / f"manifest.{kind}").read_bytes()
    assert batch.manifest_sha256 is not None
    assert len(batch.manifest_sha256) == 64


def _nothing(address: str, target: Path) -> FetchedSource:
    raise ManifestError("It is not there.")


def test_a_batch_that_a_run_makes_by_itself_is_of_the_runs_trace(house: BatchHouse) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    intake = replace(house.intake, traceparent=traceparent)

    batch = intake.register("b1", house.source("1.mp4"), "Monday", BatchOptions(), _nothing)

    assert batch.traceparent == traceparent


def test_one_bad_row_refuses_a_batch_that_is_taken_whole_or_not_at_all(house: BatchHouse) -> None:
    rows = good_rows(house)
    rows[1]["source"] = str(house.media / "gone.mp4")

    batch = house.take_in(rows)

    assert (batch.state, batch.reason) == (BatchState.REJECTED, BatchReason.INVALID_ROWS)
    assert "1 of 3 rows are invalid" in batch.message
    assert "Row 2, column source: [DATA.SOURCE.NOT_FOUND]" in batch.message
    counts = house.counts()
    assert (counts.rejected, counts.cancelled, counts.balances) == (1, 2, True)
    rejects = house.store.get_bytes(batch.outputs["rejects"]).decode()
    assert "gone.mp4" in rejects
    assert "clip-1" not in rejects


def test_a_batch_may_take_the_valid_rows_and_account_for_the_others(house: BatchHouse) -> None:
    rows = good_rows(house, 4)
    rows[1]["source"] = "ftp://nowhere/x.mp4"
    rows[2]["custom_id"] = "clip-1"

    batch = house.take_in(rows, on_invalid="accept_valid")

    items, counts = house.items(), house.counts()
    assert batch.state is BatchState.PLANNING
    assert (counts.rows, counts.pending, counts.rejected) == (4, 2, 2)
    assert items[2].state is ItemState.REJECTED
    assert (items[2].failure_class, items[2].source) == ("DATA", "ftp://nowhere/x.mp4")
    assert items[3].code == "DATA.MANIFEST.DUPLICATE_ID"
    assert "Row 1 has the custom_id" in items[3].message
    assert len({item.custom_id for item in items.values()}) == 4
    assert [items[row].own_id for row in (1, 2, 3, 4)] == ["clip-1", "clip-2", "clip-1", "clip-4"]


def test_a_row_that_asks_for_the_same_again_is_skipped_and_names_the_first(house: BatchHouse) -> None:
    rows = good_rows(house)
    rows.append({**rows[0], "custom_id": "again"})
    rows.append({**rows[0], "custom_id": "other title", "title": "Another"})

    house.take_in(rows)

    items = house.items()
    assert (items[4].state, items[4].reason) == (ItemState.SKIPPED, SkipReason.DUPLICATE)
    assert "row 1" in items[4].message
    assert items[5].state is ItemState.PENDING


def test_a_manifest_that_cannot_be_read_rejects_the_batch_and_says_why(house: BatchHouse) -> None:
    workbook = house.media / "list.csv"
    workbook.write_bytes(b"PK\x03\x04 a workbook")

    batch = house.intake.register("b1", str(workbook), "", BatchOptions(), _copy)

    assert (batch.state, batch.reason) == (BatchState.REJECTED, BatchReason.INVALID_MANIFEST)
    assert "[DATA.MANIFEST.FORMAT]" in batch.message
    assert house.counts().balances
    assert house.intake.validate("b1", house.rules) == batch


def test_an_unknown_column_refuses_the_manifest(house: BatchHouse) -> None:
    batch = house.take_in([{**row, "titel": "x"} for row in good_rows(house)], on_invalid="accept_valid")

    assert (batch.state, batch.reason) == (BatchState.REJECTED, BatchReason.INVALID_MANIFEST)
    assert "did you mean `title`" in batch.message
    assert house.counts().balances


def test_a_host_that_does_not_answer_leaves_the_batch_to_another_try(house: BatchHouse) -> None:
    def unavailable(manifest: str, target: Path) -> FetchedSource:
        raise SourceUnavailableError("No answer.")

    with pytest.raises(SourceUnavailableError):
        house.intake.register("b1", "s3://camera/list.csv", "", BatchOptions(), unavailable)

    assert house.batch().state is BatchState.RECEIVED
    assert house.take_in(good_rows(house)).state is BatchState.REJECTED  # of the address that it was made with
    assert house.batch().manifest_uri == "s3://camera/list.csv"


def test_validation_that_died_midway_begins_anew(house: BatchHouse) -> None:
    house.take_in(good_rows(house))
    with house.database.session() as session:
        BatchRepository(session).move("b1", BatchState.VALIDATING, allowed_from=[BatchState.PLANNING])
        BatchItemRepository(session).add("b1", [{"row": 9, "custom_id": "left over", "recipe": "quick"}])

    again = house.intake.validate("b1", house.rules)

    assert (again.state, again.rows) == (BatchState.PLANNING, 3)
    assert sorted(house.items()) == [1, 2, 3]


def test_a_batch_that_got_further_is_left_alone(house: BatchHouse) -> None:
    first = house.take_in(good_rows(house))
    again = house.take_in(good_rows(house, 1))

    assert again == first
    assert len(house.items()) == 3


def test_a_batch_that_is_cancelled_while_it_is_read_accounts_for_all_its_rows_and_checks_no_more(
    house: BatchHouse,
) -> None:
    house.intake.register("b1", _listing(house), "", BatchOptions(), _copy)
    with house.database.session() as session:
        BatchRepository(session).set_wish("b1", BatchWish.CANCEL)

    batch = house.intake.validate("b1", house.rules)

    assert batch.wish is BatchWish.CANCEL
    counts = house.counts()
    assert batch.rows == counts.rows == 25_000
    assert 0 < counts.pending < 25_000, "what was checked already, which its feed cancels"
    assert counts.cancelled == 25_000 - counts.pending


def _listing(house: BatchHouse) -> str:
    source = house.source("one.mp4")
    listing = house.media / "many.csv"
    listing.write_text("source,title\n" + "".join(f"{source},{n}\n" for n in range(25_000)), encoding="utf-8")
    return str(listing)


def _copy(manifest: str, target: Path) -> FetchedSource:
    target.write_bytes(Path(manifest).read_bytes())
    return FetchedSource(target, "a" * 64, target.stat().st_size, Path(manifest).name)


def test_a_batch_that_retries_another_takes_the_chosen_rows_of_its_manifest(house: BatchHouse) -> None:
    rows = good_rows(house, 3)
    house.take_in(rows)
    with house.database.session() as session:
        items = BatchItemRepository(session)
        items.claim("b1", [1, 2, 3], "run")
        items.finish("b1", 1, "run", ItemState.FAILED, failure_class="DATA", code="DATA.INPUT.CORRUPT")
        items.finish("b1", 2, "run", ItemState.FAILED, failure_class="INFRA", code="INFRA.DISK.FULL")
        items.finish("b1", 3, "run", ItemState.SUCCEEDED)
        parent = BatchRepository(session).get("b1")
        again = {"id": "b2", "retry_of": "b1", "retry_filter": RetryFilter(codes=("INFRA",)), "manifest_key": None}
        BatchRepository(session).create(parent.model_copy(update={**again, "state": BatchState.RECEIVED}))

    house.register(house.media / "not asked for.csv", "b2")
    batch = house.intake.validate("b2", house.rules)

    assert (batch.state, batch.rows, batch.manifest_uri) == (BatchState.PLANNING, 1, parent.manifest_uri)
    assert [item.custom_id for item in house.items("b2").values()] == ["clip-2"]


def test_a_batch_may_retry_the_rows_that_a_provider_was_asked_for(house: BatchHouse) -> None:
    house.take_in(good_rows(house, 2))
    request = GenerationRequest(prompt="a sunrise")
    asked = Generation(
        id="g1",
        key="key",
        request_digest=request.digest(),
        idempotency_key="i1",
        subject=Subject(job_id="job-2", batch_id="b1"),
        provider="dear",
        engine="comfyui",
        capability=request.capability,
        state=GenerationState.FAILED,
        price=2.0,
        request=request,
        created_at=datetime.now(UTC),
    )
    with house.database.session() as session:
        GenerationRepository(session).add(asked, "me")
        items = BatchItemRepository(session)
        for row in (1, 2):
            items.claim("b1", [row], f"run-{row}")
            items.submitted(f"run-{row}", f"job-{row}")
            items.finish("b1", row, f"run-{row}", ItemState.FAILED, failure_class="PROVIDER", code="PROVIDER.BUSY")
        parent = BatchRepository(session).get("b1")
        again = {"id": "b2", "retry_of": "b1", "retry_filter": RetryFilter(providers=("dear",)), "manifest_key": None}
        BatchRepository(session).create(parent.model_copy(update={**again, "state": BatchState.RECEIVED}))

    house.register(house.media / "not asked for.csv", "b2")
    house.intake.validate("b2", house.rules)

    assert [item.custom_id for item in house.items("b2").values()] == ["clip-2"]
