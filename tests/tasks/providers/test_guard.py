"""The breaker, as several processes share it."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from data.domain.errors import (
    AnswerLostError,
    BudgetSpentError,
    CorruptInputError,
    DailiesError,
    GenerationRefusedError,
    GenerationRejectedError,
    ProviderBusyError,
    ProviderUnavailableError,
)
from data.domain.ledger import BreakerState
from tasks.providers.guard import ProviderGuard
from tests.fakes.generation_world import GenerationWorld


@pytest.fixture
def world(tmp_path: Path) -> Iterator[GenerationWorld]:
    world = GenerationWorld(tmp_path)
    yield world
    world.database.close()


def guard(world: GenerationWorld, seconds: float = 60.0) -> ProviderGuard:
    return ProviderGuard("hostile", world.database, failures=2, seconds=seconds)


def fail(with_error: BaseException) -> None:
    raise with_error


@pytest.mark.parametrize("kind", [ProviderUnavailableError, AnswerLostError])
def test_what_a_provider_is_to_blame_for_opens_the_breaker_for_everybody(
    world: GenerationWorld, kind: type[DailiesError]
) -> None:
    for _ in range(2):
        with pytest.raises(kind):
            guard(world).call(lambda: fail(kind("No.")))

    another = guard(world)
    assert another.is_shut()
    with pytest.raises(ProviderUnavailableError) as caught:
        another.call(lambda: pytest.fail("it is left alone"))
    assert caught.value.facts["breaker"] == "open"


@pytest.mark.parametrize(
    "kind",
    [CorruptInputError, GenerationRefusedError, GenerationRejectedError, BudgetSpentError, ProviderBusyError],
)
def test_what_was_asked_of_it_does_not(world: GenerationWorld, kind: type[DailiesError]) -> None:
    for _ in range(3):
        with pytest.raises(kind):
            guard(world).call(lambda: fail(kind("No.")))

    assert (world.health().breaker, world.health().failures) == (BreakerState.CLOSED, 0)


def test_an_interruption_and_a_bug_of_ours_say_nothing(world: GenerationWorld) -> None:
    with pytest.raises(ProviderUnavailableError):
        guard(world).call(lambda: fail(ProviderUnavailableError("No.")))
    for error in (KeyboardInterrupt(), KeyError("id")):
        with pytest.raises(type(error)):
            guard(world).call(lambda error=error: fail(error))

    assert world.health().failures == 1, "neither one more nor none"


def test_only_one_tries_whether_it_is_back(world: GenerationWorld) -> None:
    for _ in range(2):
        with pytest.raises(ProviderUnavailableError):
            guard(world, 0.3).call(lambda: fail(ProviderUnavailableError("No.")))
    time.sleep(0.35)
    inside, leave, calls = threading.Event(), threading.Event(), []

    def slowly() -> str:
        calls.append(1)
        inside.set()
        assert leave.wait(20)
        return "back"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(guard(world, 0.3).call, slowly)
        assert inside.wait(20)
        with pytest.raises(ProviderUnavailableError):
            guard(world, 60).call(slowly)
        leave.set()
        assert first.result(20) == "back"

    assert len(calls) == 1
    assert world.health().breaker is BreakerState.CLOSED
