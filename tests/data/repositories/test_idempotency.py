import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from data.database import Database
from data.domain.errors import IdempotencyInFlightError, IdempotencyMismatchError
from data.repositories import IdempotencyRepository, StoredAnswer


def begin(database: Database, key: str = "k", fingerprint: str = "f", **options: timedelta) -> StoredAnswer | None:
    with database.session() as session:
        return IdempotencyRepository(session).begin("scope", key, fingerprint, **options)


def finish(database: Database, status_code: int = 202) -> None:
    with database.session() as session:
        answer = {"id": "job", "list": [1, None]}
        IdempotencyRepository(session).finish(
            "scope", "k", status_code=status_code, response=answer, location="/jobs/1"
        )


def test_the_first_call_is_carried_out_and_its_answer_given_again(database: Database) -> None:
    assert begin(database) is None
    finish(database)

    stored = StoredAnswer(202, {"id": "job", "list": [1, None]}, "/jobs/1")
    assert begin(database) == stored
    assert begin(database) == stored


def test_the_same_key_in_another_scope_is_another_key(database: Database) -> None:
    assert begin(database) is None
    with database.session() as session:
        assert IdempotencyRepository(session).begin("another scope", "k", "another body") is None


def test_another_body_is_refused_whether_the_first_call_has_ended_or_not(database: Database) -> None:
    begin(database)
    with pytest.raises(IdempotencyMismatchError):
        begin(database, fingerprint="another")
    finish(database)
    with pytest.raises(IdempotencyMismatchError):
        begin(database, fingerprint="another")


def test_while_the_first_call_runs_the_second_is_refused(database: Database) -> None:
    begin(database)

    with pytest.raises(IdempotencyInFlightError):
        begin(database)


def test_a_claim_that_is_given_back_is_free_again(database: Database) -> None:
    begin(database)
    with database.session() as session:
        IdempotencyRepository(session).abandon("scope", "k")

    assert begin(database) is None


def test_an_answer_that_was_given_cannot_be_taken_back_or_changed(database: Database) -> None:
    begin(database)
    finish(database)
    with database.session() as session:
        IdempotencyRepository(session).abandon("scope", "k")
    finish(database, status_code=500)

    answer = begin(database)
    assert answer is not None
    assert answer.status_code == 202


def test_a_claim_of_a_dead_process_is_taken_over_by_exactly_one(database: Database) -> None:
    begin(database)

    assert begin(database, take_over_after=timedelta(0)) is None
    with pytest.raises(IdempotencyInFlightError):
        begin(database)


def test_of_many_calls_at_once_exactly_one_is_carried_out(database: Database) -> None:
    barrier = threading.Barrier(10)

    def call(_: int) -> str:
        barrier.wait()
        try:
            return "first" if begin(database) is None else "answered"
        except IdempotencyInFlightError:
            return "refused"

    with ThreadPoolExecutor(10) as pool:
        outcomes = sorted(pool.map(call, range(10)))
    assert outcomes == ["first"] + ["refused"] * 9


def test_old_keys_are_forgotten(database: Database) -> None:
    begin(database)
    with database.session() as session:
        assert IdempotencyRepository(session).forget(timedelta(hours=1)) == 0
        assert IdempotencyRepository(session).forget(timedelta(0)) == 1

    assert begin(database, fingerprint="another") is None
