"""Entries whose job is over come to an end, and nothing is sent, paid or lost by that."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from data.domain.generations import GenerationState
from data.domain.ledger import Generation, Subject
from data.named_locks import named_lock
from tasks.providers.base import RemoteProvider
from tasks.providers.choice import candidates
from tasks.providers.ledger import Ledger, lock_name
from tasks.providers.settling import Settlement, needs_provider, settle_here
from tests.fakes.generation_world import QUICK, GenerationWorld, hostile, request, tiny_video
from tests.fakes.hostile_provider import HostileProvider

ACCEPTED, CANCELLED, FAILED, HELD, MADE, STORED = (
    GenerationState.ACCEPTED,
    GenerationState.CANCELLED,
    GenerationState.FAILED,
    GenerationState.HELD,
    GenerationState.MADE,
    GenerationState.STORED,
)
LOOK_UP = {"keys": False, "look_up": True}


@pytest.fixture
def server() -> Iterator[HostileProvider]:
    with HostileProvider(tiny_video()).running() as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, server: HostileProvider) -> Iterator[GenerationWorld]:
    made = GenerationWorld(tmp_path, hostile(server.url, options=LOOK_UP))
    yield made
    made.database.close()


def left(world: GenerationWorld, state: str, prompt: str = "ok", *, arrives: bool = True) -> Generation:
    """Leave an entry in a state, as a process that is killed does; the provider knows of it from ``sending`` on."""
    ledger = Ledger(world.database)
    [chosen] = candidates(request(prompt), world.registry, "order", {})
    entry = ledger.prepare(chosen, Subject(job_id="gone"))
    if state == "prepared":
        return entry
    entry = ledger.begin_sending(entry)
    provider = world.registry.provider("hostile")
    assert isinstance(provider, RemoteProvider)
    provider_id = provider.submit(entry.request, {}, entry.idempotency_key) if arrives else ""
    if state == "sending":
        return entry
    entry = ledger.accept(entry, provider_id)
    return ledger.note_made(entry) if state == "made" else entry


def settled(world: GenerationWorld, entry: Generation, *, is_unwanted: bool = False) -> GenerationState | None:
    settlement = Settlement(world.registry, world.database, world.surroundings(), world.rules)
    return settlement.settle(entry, is_unwanted=is_unwanted)


def test_what_was_not_sent_is_cancelled_without_its_provider(world: GenerationWorld, server: HostileProvider) -> None:
    entry = left(world, "prepared")
    assert not needs_provider(entry)

    assert settle_here(world.database, entry)

    assert world.states() == ["cancelled"]
    assert not server.calls
    assert not settle_here(world.database, entry), "once is enough"


def test_what_was_begun_on_this_machine_is_cancelled_without_its_provider(world: GenerationWorld) -> None:
    entry = Ledger(world.database)
    begun = entry.begin_making(
        entry.prepare(candidates(request(), world.registry, "order", {})[0], Subject(job_id="gone"))
    )

    assert settle_here(world.database, begun)
    assert world.states() == ["cancelled"]


def test_what_somebody_works_on_is_left_to_them(world: GenerationWorld) -> None:
    prepared, accepted = left(world, "prepared"), left(world, "accepted", "ok else")

    with (
        named_lock(world.database, lock_name(prepared.request_digest), 1),
        named_lock(world.database, lock_name(accepted.request_digest), 1),
    ):
        assert not settle_here(world.database, prepared)
        assert settled(world, accepted, is_unwanted=True) is None

    assert sorted(world.states()) == ["accepted", "prepared"]


def test_what_a_provider_still_works_on_is_stopped_if_nobody_wants_it(
    world: GenerationWorld, server: HostileProvider
) -> None:
    server.mishaps.polls_needed = 100

    assert settled(world, left(world, "accepted"), is_unwanted=True) is CANCELLED

    assert server.cancelled == ["made-0"]
    assert world.entries()[0].charged == 1.0


def test_what_a_provider_still_works_on_is_fetched_later_if_somebody_may_want_it(
    world: GenerationWorld, server: HostileProvider
) -> None:
    entry = left(world, "accepted")

    assert settled(world, entry) is None
    assert settled(world, entry) is STORED

    assert not server.cancelled
    assert world.generate("ok").is_reused
    assert server.charges.total() == 1


@pytest.mark.parametrize("state", ["accepted", "made"])
@pytest.mark.parametrize("is_unwanted", [True, False])
def test_what_is_finished_is_fetched_since_it_is_paid(
    world: GenerationWorld, server: HostileProvider, state: str, is_unwanted: bool
) -> None:
    server.mishaps.polls_needed = 0

    assert settled(world, left(world, state), is_unwanted=is_unwanted) is STORED

    assert world.generate("ok").is_reused
    assert (server.cancelled, server.charges.total()) == ([], 1)


def test_what_is_not_whole_is_fetched_another_time(world: GenerationWorld, server: HostileProvider) -> None:
    entry = left(world, "made")
    server.mishaps.download = {"broken": 1.0}
    assert settled(world, entry) is None
    server.mishaps.download = {}

    assert settled(world, entry) is STORED


def test_what_takes_too_long_is_given_up(world: GenerationWorld, server: HostileProvider) -> None:
    world.patience = replace(QUICK, timeout_seconds=0.0)

    assert settled(world, left(world, "accepted", "never ends")) is FAILED

    assert server.cancelled == ["made-0"]


def test_what_failed_there_has_failed(world: GenerationWorld, server: HostileProvider) -> None:
    server.mishaps.polls_needed = 0

    assert settled(world, left(world, "accepted", "fail this")) is FAILED
    assert world.entries()[0].code == "PROVIDER.GENERATION.FAILED"


@pytest.mark.parametrize(("arrives", "becomes"), [(True, STORED), (False, CANCELLED)])
def test_a_request_whose_answer_was_lost_is_looked_up_and_never_sent_again(
    world: GenerationWorld, server: HostileProvider, arrives: bool, becomes: GenerationState
) -> None:
    server.mishaps.polls_needed = 0

    assert settled(world, left(world, "sending", arrives=arrives)) is becomes

    assert server.charges.total() == int(arrives)


def test_a_request_that_cannot_be_looked_up_is_held(tmp_path: Path, server: HostileProvider) -> None:
    world = GenerationWorld(tmp_path, hostile(server.url, options={"keys": True}))

    assert settled(world, left(world, "sending")) is HELD

    assert server.charges.total() == 1, "a key would have it made, if it never arrived"
    assert world.entries()[0].moves == ("release", "adopt", "drop")
    world.database.close()


def test_a_provider_that_is_away_or_unknown_is_asked_another_time(
    world: GenerationWorld, server: HostileProvider
) -> None:
    accepted, sending = left(world, "accepted"), left(world, "sending", "ok else")
    server.is_down = True

    assert [settled(world, each, is_unwanted=True) for each in (accepted, sending)] == [None, None]
    world.registry.configs.clear()
    assert settled(world, accepted) is None
    assert sorted(world.states()) == ["accepted", "sending"]
