"""Generations against a provider that misbehaves: what is sent, what is paid, and what the ledger says."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from data.domain.batches import Batch, BatchOptions, BatchState
from data.domain.errors import (
    BudgetSpentError,
    DownloadFailedError,
    GenerationFailedError,
    GenerationHeldError,
    GenerationRefusedError,
    GenerationRejectedError,
    GenerationTimeoutError,
    NoProviderError,
    ProviderUnavailableError,
    RecipeInvalidError,
)
from data.domain.generations import GenerationState
from data.domain.keys import source_key
from data.domain.ledger import BreakerState, Health, Subject
from data.repositories import BatchRepository, GenerationRepository, ProviderHealthRepository
from tasks.providers.generation import Rules
from tests.fakes.generation_world import QUICK, GenerationWorld, hostile, request, tiny_video
from tests.fakes.hostile_provider import HostileProvider
from tests.fakes.postgres_server import PostgresServer

MakeWorld = Callable[..., GenerationWorld]


@pytest.fixture
def server() -> Iterator[HostileProvider]:
    with HostileProvider(tiny_video()).running() as running:
        yield running


@pytest.fixture
def other() -> Iterator[HostileProvider]:
    with HostileProvider(tiny_video()).running() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty catalogue on Postgres, or none: then it is a file beside the rest."""
    if request.param == "sqlite":
        return ""
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return postgres.create_catalogue()


@pytest.fixture
def make_world(tmp_path: Path, url: str, server: HostileProvider) -> Iterator[MakeWorld]:
    made: list[GenerationWorld] = []

    def make(*providers: Any, **options: Any) -> GenerationWorld:
        made.append(GenerationWorld(tmp_path, *(providers or (hostile(server.url),)), url=url, **options))
        return made[-1]

    yield make
    for world in made:
        world.database.close()


def test_a_generation_is_made_stored_and_paid_once(make_world: MakeWorld, server: HostileProvider) -> None:
    world = make_world()

    result = world.generate("ok sunrise")

    [entry] = world.entries()
    assert (entry.state, entry.charged, entry.provider_id, entry.attempts) == (GenerationState.STORED, 1.0, "made-0", 1)
    assert entry.idempotency_key in server.charges
    assert world.store.get_bytes(result.key) == tiny_video()
    assert (result.is_reused, result.charged, result.details) == (False, 1.0, {"model": "hostile-1"})
    assert world.rate_limited == ["hostile"]
    assert world.health().making_seconds is not None


def test_the_same_again_is_free_for_whoever_asks(make_world: MakeWorld, server: HostileProvider) -> None:
    world = make_world()
    first = world.generate("ok sunrise", job="one")

    again = world.generate(request("ok sunrise", max_cost=0.0, providers=("hostile",)), job="another")

    assert (again.key, again.is_reused) == (first.key, True)
    assert server.charges.total() == 1


def test_a_result_that_is_gone_from_the_store_is_made_again(make_world: MakeWorld, server: HostileProvider) -> None:
    world = make_world()
    world.store.delete(world.generate().key)

    assert world.store.stat(world.generate().key)
    assert server.charges.total() == 2


def test_several_who_want_the_same_at_once_pay_once(make_world: MakeWorld, server: HostileProvider) -> None:
    world = make_world()
    server.mishaps.polls_needed = 10

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda job: world.generate("ok same", job=str(job)), range(4)))

    assert len({result.key for result in results}) == 1
    assert server.charges.total() == 1
    assert sorted(result.is_reused for result in results) == [False, True, True, True]


@pytest.mark.parametrize("mishap", ["lost", "timeout", "nonsense"])
@pytest.mark.parametrize("able", [{"keys": True}, {"keys": False, "look_up": True}])
def test_a_lost_answer_is_found_again(
    make_world: MakeWorld, server: HostileProvider, mishap: str, able: dict[str, bool]
) -> None:
    world = make_world(hostile(server.url, options=able))
    server.script = [mishap]

    world.generate()

    assert server.charges.total() == 1
    assert world.states() == ["stored"]


def test_a_lost_answer_that_nobody_can_find_again_is_left_to_a_person(
    make_world: MakeWorld, server: HostileProvider
) -> None:
    world = make_world(hostile(server.url, options={"keys": False}), hostile(server.url, name="second"))
    server.script = ["lost"]

    for _ in range(2):
        with pytest.raises(GenerationHeldError):
            world.generate()

    assert server.charges.total() == 1, "neither sent again nor to another"
    assert world.states() == ["held"]


def test_a_person_adopts_what_was_accepted(make_world: MakeWorld, server: HostileProvider) -> None:
    world = make_world(hostile(server.url, options={"keys": False}))
    server.script = ["lost"]
    with pytest.raises(GenerationHeldError):
        world.generate()
    [held] = world.entries()

    with world.database.session() as session:
        GenerationRepository(session).adopt(held.id, "made-0")
    result = world.generate()

    assert (result.charged, result.generation_id) == (1.0, held.id)
    assert server.charges.total() == 1


def test_a_person_releases_what_was_not_accepted(make_world: MakeWorld, server: HostileProvider) -> None:
    world = make_world(hostile(server.url, options={"keys": False}))
    server.script = ["lost"]
    with pytest.raises(GenerationHeldError):
        world.generate()

    with world.database.session() as session:
        GenerationRepository(session).release(world.entries()[0].id)
    world.generate()

    assert world.states() == ["stored"]


def test_a_person_drops_what_nobody_wants_any_more(make_world: MakeWorld, server: HostileProvider) -> None:
    world = make_world(hostile(server.url, options={"keys": False}))
    server.script = ["lost"]
    with pytest.raises(GenerationHeldError):
        world.generate()

    with world.database.session() as session:
        GenerationRepository(session).drop(world.entries()[0].id)
    world.generate()

    assert world.states() == ["stored", "cancelled"]


@pytest.mark.parametrize("mishap", ["429", "500"])
def test_what_was_not_accepted_goes_to_the_next_provider(
    make_world: MakeWorld, server: HostileProvider, other: HostileProvider, mishap: str
) -> None:
    world = make_world(hostile(server.url), hostile(other.url, name="second"))
    server.script = [mishap]

    assert world.generate().provider == "second"

    assert (server.charges.total(), other.charges.total()) == (0, 1)
    assert world.states() == ["stored", "failed"]


@pytest.mark.parametrize("prompt", ["reject this", "fail this"])
def test_a_definite_failure_goes_to_the_next_provider(
    make_world: MakeWorld, server: HostileProvider, other: HostileProvider, prompt: str
) -> None:
    world = make_world(hostile(server.url), hostile(other.url, name="second"))
    if prompt.startswith("reject"):
        with pytest.raises(GenerationRejectedError):
            world.generate(prompt)
    else:
        with pytest.raises(GenerationFailedError):
            world.generate(prompt)

    assert world.states() == ["failed", "failed"]
    assert {entry.provider for entry in world.entries()} == {"hostile", "second"}


@pytest.mark.parametrize("prompt", ["refuse this", "censor this"])
def test_a_refusal_by_policy_is_not_taken_elsewhere(
    make_world: MakeWorld, server: HostileProvider, other: HostileProvider, prompt: str
) -> None:
    world = make_world(hostile(server.url), hostile(other.url, name="second"))

    with pytest.raises(GenerationRefusedError):
        world.generate(prompt)

    assert not other.calls
    assert [(entry.state.value, entry.failure_class) for entry in world.entries()] == [("failed", "POLICY")]
    assert world.health().failures == 0


def test_what_never_ends_is_stopped_and_not_taken_elsewhere(
    make_world: MakeWorld, server: HostileProvider, other: HostileProvider
) -> None:
    providers = hostile(server.url), hostile(other.url, name="second")
    world = make_world(*providers, patience=replace(QUICK, timeout_seconds=0.3))

    with pytest.raises(GenerationTimeoutError):
        world.generate("never ends")

    assert server.cancelled == ["made-0"]
    assert not other.calls
    assert world.entries()[0].charged == 1.0


def test_a_provider_that_asks_for_patience_gets_it_where_there_is_no_other(
    make_world: MakeWorld, server: HostileProvider
) -> None:
    world = make_world()
    server.script = ["429", "429"]

    world.generate()

    assert server.charges.total() == 1
    assert world.states() == ["stored", "failed", "failed"]


def test_polls_that_fail_change_nothing(make_world: MakeWorld, server: HostileProvider) -> None:
    server.mishaps.poll = {"429": 0.3, "500": 0.3, "nonsense": 0.2}
    world = make_world()

    world.generate()

    assert world.states() == ["stored"]


def test_a_broken_download_is_fetched_again_and_never_made_again(
    make_world: MakeWorld, server: HostileProvider
) -> None:
    server.mishaps.download = {"broken": 0.4, "text": 0.3, "500": 0.3}
    world = make_world()
    with pytest.raises(DownloadFailedError) as caught:
        world.generate()
    assert caught.value.retryable
    assert world.states() == ["made"]
    server.mishaps.download = {}

    world.generate()

    assert server.charges.total() == 1
    assert world.states() == ["stored"]


def test_the_breaker_opens_leaves_the_provider_alone_and_closes(make_world: MakeWorld, server: HostileProvider) -> None:
    world = make_world(rules=Rules(breaker_failures=3, breaker_seconds=2))
    server.is_down = True
    for _ in range(3):
        with pytest.raises(ProviderUnavailableError):
            world.generate()
    calls = server.calls.total()
    assert (world.health().breaker, world.health().health) == (BreakerState.OPEN, Health.UNHEALTHY)

    with pytest.raises(ProviderUnavailableError) as caught:
        world.generate()
    assert caught.value.retryable
    assert server.calls.total() == calls, "it is left alone"

    server.is_down = False
    time.sleep(2.1)
    world.generate()
    assert (world.health().breaker, world.health().failures) == (BreakerState.CLOSED, 0)


def test_an_open_breaker_sends_requests_to_the_next_provider(
    make_world: MakeWorld, server: HostileProvider, other: HostileProvider
) -> None:
    rules = Rules(breaker_failures=1, breaker_seconds=60)
    world = make_world(hostile(server.url), hostile(other.url, name="second"), rules=rules)
    server.is_down = True

    assert [world.generate(f"ok {n}").provider for n in range(2)] == ["second", "second"]

    assert server.calls.total() == 1
    with world.database.session() as session:
        ProviderHealthRepository(session).reset("hostile")
    server.is_down = False
    assert world.generate("ok again").provider == "hostile"


@pytest.mark.parametrize(("policy", "first"), [("order", "dear"), ("cheapest", "cheap"), ("fastest", "cheap")])
def test_the_policy_says_who_is_asked_first(
    make_world: MakeWorld, server: HostileProvider, policy: Any, first: str
) -> None:
    dear, cheap = hostile(server.url, name="dear", price_per_generation=2), hostile(server.url, name="cheap")
    world = make_world(dear, cheap, rules=Rules(policy=policy))
    with world.database.session() as session:
        ProviderHealthRepository(session).note_making("dear", 9.0)
        ProviderHealthRepository(session).note_making("cheap", 3.0)

    assert world.generate().provider == first


def test_a_recipe_names_its_providers(make_world: MakeWorld, server: HostileProvider) -> None:
    world = make_world(hostile(server.url), hostile(server.url, name="second"))

    assert world.generate(request(providers=("second",))).provider == "second"
    with pytest.raises(RecipeInvalidError):
        world.generate(request("ok else", providers=("nobody",)))


def test_nobody_can_do_what_is_too_long(make_world: MakeWorld, server: HostileProvider) -> None:
    world = make_world(hostile(server.url, max_duration_seconds=5))

    with pytest.raises(NoProviderError) as caught:
        world.generate(request(duration_seconds=8))

    assert "at most 5 s" in caught.value.message


def test_a_cap_of_the_job_stops_paid_work_and_no_other(make_world: MakeWorld, server: HostileProvider) -> None:
    world = make_world()
    for n in range(2):
        world.generate(request(f"ok {n}", max_cost=2.0), job="capped")

    with pytest.raises(BudgetSpentError) as caught:
        world.generate(request("ok 3", max_cost=2.0), job="capped")

    assert (caught.value.facts["cap"], caught.value.facts["spent"]) == ("job", 2.0)
    world.generate(request("ok 3", max_cost=2.0), job="other")


def batch(world: GenerationWorld, batch_id: str, max_cost: float | None) -> str:
    options = BatchOptions(max_cost=max_cost)
    made = Batch(
        id=batch_id,
        name="n",
        manifest_uri="u",
        options=options,
        state=BatchState.RUNNING,
        created_at=datetime(2026, 3, 2, tzinfo=UTC),
    )
    with world.database.session() as session:
        BatchRepository(session).create(made)
    return batch_id


def test_a_cap_of_the_batch_counts_all_its_jobs_and_what_its_machines_cost(
    make_world: MakeWorld, server: HostileProvider
) -> None:
    world = make_world()
    capped, free = batch(world, "capped", 3.5), batch(world, "free", None)
    with world.database.session() as session:
        BatchRepository(session).spend(capped, 1.0)
    for n in range(2):
        world.generate(f"ok {n}", job=str(n), batch_id=capped)

    with pytest.raises(BudgetSpentError) as caught:
        world.generate("ok 2", job="2", batch_id=capped)

    assert (caught.value.facts["cap"], caught.value.facts["limit"], caught.value.facts["spent"]) == ("batch", 3.5, 3.0)
    assert server.charges.total() == 2
    world.generate("ok 2", job="3", batch_id=free)
    with world.database.session() as session:
        assert BatchRepository(session).get(capped).spent == 3.0


def test_a_cap_of_the_batch_counts_what_may_still_be_accepted(make_world: MakeWorld, server: HostileProvider) -> None:
    world = make_world(hostile(server.url, options={"keys": False}))
    capped = batch(world, "capped", 1.5)
    server.script = ["lost"]
    with pytest.raises(GenerationHeldError):
        world.generate("ok held", batch_id=capped)

    with pytest.raises(BudgetSpentError):
        world.generate("ok", job="other", batch_id=capped)

    assert server.charges.total() == 1


def test_a_result_that_has_become_a_source_is_found_there_once_its_own_copy_is_gone(
    make_world: MakeWorld, server: HostileProvider
) -> None:
    world = make_world()
    result = world.generate()
    world.store.copy(result.key, source_key(result.sha256))
    world.store.delete(result.key)

    again = world.generate()

    assert (again.key, again.is_reused) == (source_key(result.sha256), True)
    assert server.charges.total() == 1


def test_a_day_has_a_budget_that_several_at_once_do_not_pass(make_world: MakeWorld, server: HostileProvider) -> None:
    world = make_world(day_budget=3.0)
    barrier = threading.Barrier(6)

    def one(n: int) -> bool:
        barrier.wait()
        try:
            return bool(world.generate(f"ok {n}", job=str(n)))
        except BudgetSpentError:
            return False

    with ThreadPoolExecutor(6) as pool:
        paid = list(pool.map(one, range(6)))

    assert (sum(paid), server.charges.total()) == (3, 3)


def test_what_certainly_was_not_accepted_spends_nothing(make_world: MakeWorld, server: HostileProvider) -> None:
    world = make_world(day_budget=1.0)
    with pytest.raises(GenerationRejectedError):
        world.generate("reject this")

    world.generate("ok")


def test_seconds_are_paid_as_asked_for_else_as_the_longest(make_world: MakeWorld, server: HostileProvider) -> None:
    priced = hostile(server.url, price_per_generation=0, price_per_second=0.5, max_duration_seconds=10)
    world = make_world(priced)

    world.generate(request("ok 1", duration_seconds=4))
    world.generate(request("ok 2"))

    assert [entry.charged for entry in world.entries()] == [5.0, 2.0]


def test_a_cancelled_job_has_the_provider_stopped(make_world: MakeWorld, server: HostileProvider) -> None:
    world = make_world()
    server.mishaps.polls_needed = 10**6
    world.is_cancelled = True

    _interrupted(world)

    assert server.cancelled == ["made-0"]
    assert world.states() == ["cancelled"]


def test_a_paused_job_goes_on_where_it_was(make_world: MakeWorld, server: HostileProvider) -> None:
    world = make_world()
    server.mishaps.polls_needed = 10**6
    _interrupted(world)
    assert (server.cancelled, world.states()) == ([], ["accepted"])
    server.mishaps.polls_needed = 1

    world.generate()

    assert server.charges.total() == 1


class Stop(BaseException):
    """What stops a run, as a signal does."""


def _interrupted(world: GenerationWorld) -> None:
    def stop(_: float) -> None:
        raise Stop

    with pytest.raises(Stop):
        world.generator(sleep=stop).generate(request(), Subject(job_id="job"))
