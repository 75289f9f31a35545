"""Results that are sources too, or cost nothing, go; what was paid for stays; nothing goes that is still needed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from data.database import Database
from data.domain.generations import Capability, GenerationRequest, Reference
from data.domain.keys import generation_key, reference_key, source_key
from data.domain.ledger import Generation, Subject
from data.repositories import GenerationRepository
from data.storage import ObjectStore
from tasks.retention.generations import expire_generations, expire_references
from tasks.retention.rounds import PARTS, Ages, Deleted

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
AGES = Ages(versions=None, attempts=DAY, caches=30 * DAY, uploads=None, results=None)
REQUEST = GenerationRequest(prompt="a sunrise")
SHA = "5" * 64


def generation(store: ObjectStore, database: Database, number: int, **values: Any) -> str:
    """Write down an entry that ended now, put a file where its result lies, and return the file's key."""
    key = generation_key(REQUEST.digest(), f"g{number}", ".mp4")
    entry = Generation.model_validate(
        {
            "id": f"g{number}",
            "key": "key",
            "request_digest": REQUEST.digest(),
            "idempotency_key": f"i{number}",
            "subject": Subject(job_id="job"),
            "provider": "p",
            "engine": "comfyui",
            "capability": Capability.TEXT_TO_VIDEO,
            "state": "stored",
            "charged": 0.0,
            "request": REQUEST,
            "result_key": key,
            "result_sha256": SHA,
            "created_at": NOW,
            "ended_at": NOW,
            **values,
        }
    )
    with database.session() as session:
        GenerationRepository(session).add(entry, "owner")
    store.put_bytes(b"video", key)
    return key


def expire(
    store: ObjectStore, database: Database, days: float, *, ages: Ages = AGES, awaited: Sequence[str] = ()
) -> dict[str, int]:
    deleted, now = Deleted(), NOW + days * DAY
    for part in PARTS:
        expire_generations(store, database, part, ages, now, awaited.__contains__, deleted)
        expire_references(store, database, part, ages, now, deleted)
    return deleted.counts


def keys(store: ObjectStore, prefix: str = "generations/") -> list[str]:
    return [stored.key for stored in store.list(prefix)]


def test_a_free_result_goes_after_its_time_and_the_ledger_keeps_what_it_says(
    store: ObjectStore, database: Database
) -> None:
    generation(store, database, 1)

    assert expire(store, database, 29) == {}
    assert expire(store, database, 31) == {"generations": 1}
    assert keys(store) == []
    with database.session() as session:
        assert GenerationRepository(session).get("g1").state.value == "stored"


def test_a_paid_result_stays_for_ever_unless_the_settings_say_otherwise(store: ObjectStore, database: Database) -> None:
    paid = generation(store, database, 1, charged=2.0)

    assert expire(store, database, 10_000) == {}
    assert keys(store) == [paid]
    ages = Ages(versions=None, attempts=DAY, caches=30 * DAY, uploads=None, results=None, paid=90 * DAY)
    assert expire(store, database, 89, ages=ages) == {}
    assert expire(store, database, 91, ages=ages) == {"generations": 1}


def test_of_a_paid_result_that_has_become_a_source_one_copy_stays(store: ObjectStore, database: Database) -> None:
    generation(store, database, 1, charged=2.0)
    store.put_bytes(b"video", source_key(SHA))

    assert expire(store, database, 31) == {"generations": 1}
    assert keys(store, "sources/") == [source_key(SHA)]


@pytest.mark.parametrize("state", ["prepared", "sending", "accepted", "made", "held"])
def test_a_file_of_an_entry_that_goes_on_stays(store: ObjectStore, database: Database, state: str) -> None:
    generation(store, database, 1, state=state, result_key=None, ended_at=NOW if state == "held" else None)

    assert expire(store, database, 10_000) == {}


def test_a_file_that_no_entry_names_as_its_result_goes_after_a_day(store: ObjectStore, database: Database) -> None:
    generation(store, database, 1, state="cancelled", result_key=None, charged=2.0)

    assert expire(store, database, 0.5) == {}
    assert expire(store, database, 2) == {"attempts": 1}


def test_a_file_that_the_ledger_does_not_know_stays(store: ObjectStore, database: Database) -> None:
    store.put_bytes(b"video", generation_key(REQUEST.digest(), "unknown", ".mp4"))

    assert expire(store, database, 10_000) == {}, "it may have been paid for"


def test_nothing_goes_that_a_living_job_had_made(store: ObjectStore, database: Database) -> None:
    generation(store, database, 1)

    assert expire(store, database, 31, awaited=["job"]) == {}


def test_a_file_sent_for_generations_goes_when_none_needs_it(store: ObjectStore, database: Database) -> None:
    needed, unused = reference_key("a" * 64, ".png"), reference_key("b" * 64, ".png")
    for key in (needed, unused):
        store.put_bytes(b"picture", key)
    request = REQUEST.model_copy(update={"references": (Reference(name="cat.png", key=needed, kind="image"),)})
    generation(store, database, 1, state="held", request=request, result_key=None)

    assert expire(store, database, 29) == {}
    assert expire(store, database, 31) == {"references": 1}
    assert keys(store, "references/") == [needed]


def test_nothing_goes_when_it_is_to_be_kept_for_ever(store: ObjectStore, database: Database) -> None:
    generation(store, database, 1)
    store.put_bytes(b"picture", reference_key("b" * 64, ".png"))
    for_ever = Ages(versions=None, attempts=None, caches=None, uploads=None, results=None)

    assert expire(store, database, 10_000, ages=for_ever) == {}
