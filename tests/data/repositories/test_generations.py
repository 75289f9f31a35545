from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from data.database import Database
from data.domain.batches import Batch, BatchOptions, BatchState
from data.domain.errors import GenerationInFlightError, IllegalMoveError, NotFoundError
from data.domain.generations import Capability, GenerationRequest, GenerationState
from data.domain.ledger import Generation, Subject
from data.repositories import BatchRepository, GenerationFilter, GenerationRepository

NOW = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
REQUEST = GenerationRequest(prompt="a sunrise")


def entry(number: int = 1, **values: Any) -> Generation:
    return Generation.model_validate(
        {
            "id": f"g{number}",
            "key": "key",
            "request_digest": REQUEST.digest(),
            "idempotency_key": f"i{number}",
            "subject": Subject(job_id="job"),
            "provider": "p",
            "engine": "comfyui",
            "capability": Capability.TEXT_TO_VIDEO,
            "state": GenerationState.PREPARED,
            "price": 2.0,
            "request": REQUEST,
            "created_at": NOW + timedelta(seconds=number),
            **values,
        }
    )


def add(database: Database, *entries: Generation) -> None:
    with database.session() as session:
        for each in entries:
            GenerationRepository(session).add(each, "me")


def test_an_entry_comes_back_as_it_was_written(database: Database) -> None:
    written = entry(subject=Subject(job_id="run:3", batch_id="b", batch_row=3), details={"seed": 7})
    add(database, written)

    with database.session() as session:
        ledger = GenerationRepository(session)
        assert ledger.get("g1") == written
        assert ledger.unfinished(REQUEST.digest()) == written
        with pytest.raises(NotFoundError):
            ledger.get("g2")


def test_the_providers_that_were_asked_for_a_batch_are_known_by_job(database: Database) -> None:
    ours, theirs = Subject(job_id="run-1", batch_id="b"), Subject(job_id="run-9", batch_id="other")
    add(
        database,
        entry(1, subject=ours, provider="dear"),
        entry(2, subject=ours, provider="cheap"),
        entry(3, subject=theirs, provider="dear", also_wanted_by=(Subject(job_id="run-2", batch_id="b"),)),
        entry(4, subject=theirs, provider="dear", also_wanted_by=(Subject(job_id="b"),)),
        entry(5, provider="dear"),
    )

    with database.session() as session:
        asked = GenerationRepository(session).asked_for_batch("b")

    assert asked == {"run-1": {"dear", "cheap"}, "run-2": {"dear"}}


def test_only_its_owner_changes_an_entry_and_only_from_the_states_named(database: Database) -> None:
    add(database, entry())
    prepared, sending = [GenerationState.PREPARED], GenerationState.SENDING
    with database.session() as session:
        ledger = GenerationRepository(session)
        with pytest.raises(GenerationInFlightError):
            ledger.change("g1", "you", sending, allowed_from=prepared)
        assert ledger.change("g1", "me", sending, allowed_from=prepared, attempts=1).attempts == 1
        with pytest.raises(GenerationInFlightError):
            ledger.change("g1", "me", sending, allowed_from=prepared)

        ledger.take("g1", "you")
        ledger.change("g1", "you", GenerationState.HELD, allowed_from=[sending])


def test_a_person_decides_once_about_what_is_held(database: Database) -> None:
    with database.session() as session:
        made = Batch(
            id="b", name="n", manifest_uri="u", options=BatchOptions(), state=BatchState.RUNNING, created_at=NOW
        )
        BatchRepository(session).create(made)
    add(database, *(entry(n, state="held", subject=Subject(job_id="j", batch_id="b")) for n in range(3)))

    with database.session() as session:
        ledger = GenerationRepository(session)
        assert ledger.release("g0").state is GenerationState.PREPARED
        adopted, dropped = ledger.adopt("g1", "theirs"), ledger.drop("g2")
        with pytest.raises(IllegalMoveError) as caught:
            ledger.release("g1")
        spent = BatchRepository(session).get("b").spent

    assert (adopted.state, adopted.provider_id, adopted.charged) == (GenerationState.ACCEPTED, "theirs", 2.0)
    assert (dropped.state, dropped.charged) == (GenerationState.CANCELLED, 2.0)
    assert caught.value.facts == {"state": "accepted", "allowed": []}
    assert spent == 4.0


def test_sums_tell_what_is_charged_and_what_is_reserved(database: Database) -> None:
    add(
        database,
        entry(1),
        entry(2, state="held"),
        entry(3, state="failed"),
        entry(4, state="stored", charged=1.5, provider="q"),
        entry(5, state="stored", charged=1.0, created_at=NOW - timedelta(days=1)),
    )

    with database.session() as session:
        ledger = GenerationRepository(session)
        totals, today = ledger.totals(GenerationFilter()), GenerationFilter(since=NOW)
        assert (totals.count, totals.charged, totals.reserved) == (5, 2.5, 4.0)
        assert totals.by_state == {"prepared": 1, "held": 1, "failed": 1, "stored": 2}
        assert ledger.spent(today) == 5.5
        assert ledger.spent(today, uncharged_only=True) == 4.0
        assert ledger.spent(GenerationFilter(job_id="nobody")) == 0.0
        assert ledger.by_provider() == {"p": (1, 1.0), "q": (1, 1.5)}


def test_entries_are_read_in_pages_the_latest_first(database: Database) -> None:
    add(database, *(entry(n) for n in range(5)))

    with database.session() as session:
        ledger = GenerationRepository(session)
        first = ledger.page(GenerationFilter(), limit=2)
        rest = ledger.page(GenerationFilter(), before=(first[-1].created_at, first[-1].id))
        none = ledger.page(GenerationFilter(states=[GenerationState.STORED]))

    assert [each.id for each in (*first, *rest)] == ["g4", "g3", "g2", "g1", "g0"]
    assert none == ()


def test_content_is_known_as_the_result_of_the_first_who_made_it(database: Database) -> None:
    add(
        database,
        entry(1, state="failed", result_sha256="a" * 64),
        entry(2, state="stored", result_sha256="a" * 64),
        entry(3, state="stored", result_sha256="a" * 64, created_at=NOW + timedelta(days=1)),
    )

    with database.session() as session:
        ledger = GenerationRepository(session)
        made, unknown = ledger.of_result("a" * 64), ledger.of_result("b" * 64)
    assert made is not None
    assert made.id == entry(2).id
    assert unknown is None
