"""What every provider has to hold to, whatever it speaks: the suites that the engines' own modules run.

The module of an engine elsewhere makes a fixture ``world`` and a class of :class:`RemoteProviderContract`, that of one
on this machine a fixture ``local`` and a class of :class:`LocalProviderContract`. The server behind a world behaves
like the real one, faults included. What money hangs on is checked against the server's own record of what it has
accepted.
"""

import json
import logging
import pickle
from dataclasses import dataclass
from pathlib import Path

import pytest

from data.domain.errors import (
    AnswerLostError,
    DailiesError,
    DownloadFailedError,
    GenerationFailedError,
    GenerationRefusedError,
    GenerationRejectedError,
    ProviderBusyError,
    ProviderUnavailableError,
)
from data.domain.generations import Capability, GenerationOptions, GenerationRequest
from tasks.media.probe import probe
from tasks.media.tools import find_tools
from tasks.providers.base import LocalProvider, RemoteProvider, RemoteState, RemoteStatus
from tests.fakes.provider_server import KEY, PATIENCE_SECONDS, DownloadFault, Fault, ProviderServer

REQUEST = GenerationRequest(
    prompt="A lighthouse in a storm, {{seed}}", options=GenerationOptions(duration_seconds=4, seed=7, short_side=720)
)
MANY_POLLS = 20


@dataclass
class World:
    """A provider, the server behind it, and the same provider where nobody listens."""

    provider: RemoteProvider
    server: ProviderServer
    unreachable: RemoteProvider

    def submit(self, key: str = "key-1") -> str:
        """Hand the usual request in."""
        return self.provider.submit(REQUEST, {}, key)

    def finished(self, key: str = "key-1") -> str:
        """Hand the usual request in and wait until it is made."""
        provider_id = self.submit(key)
        polled(self.provider, provider_id)
        return provider_id


def polled(provider: RemoteProvider, provider_id: str) -> list[RemoteStatus]:
    """Ask until it is finished; return what was told."""
    told: list[RemoteStatus] = []
    for _ in range(MANY_POLLS):
        told.append(provider.poll(provider_id))
        if told[-1].state is RemoteState.FINISHED:
            return told
    raise AssertionError(f"not finished after {MANY_POLLS} polls")


@dataclass
class LocalWorld:
    """A provider on this machine, and a request that it can make in seconds."""

    provider: LocalProvider
    request: GenerationRequest


class LocalProviderContract:
    """What holds for those on this machine; the module makes a fixture ``local``."""

    def test_it_is_a_local_provider(self, local: LocalWorld) -> None:
        assert isinstance(local.provider, LocalProvider)
        assert local.request.capability in local.provider.profile.capabilities
        local.provider.check()

    def test_a_request_becomes_a_file_in_the_scratch_directory(self, local: LocalWorld, tmp_path: Path) -> None:
        shares: list[float] = []

        made = local.provider.make(local.request, {}, tmp_path, shares.append)

        assert made.path.parent == tmp_path
        assert probe(made.path, find_tools()).duration_seconds > 0
        assert shares == sorted(shares)
        assert all(0 <= share <= 1 for share in shares)
        assert json.loads(json.dumps(dict(made.details))) == made.details

    def test_what_it_does_not_make_is_rejected(self, local: LocalWorld, tmp_path: Path) -> None:
        with pytest.raises(GenerationRejectedError):
            local.provider.make(
                local.request.model_copy(update={"capability": Capability.CHAT}), {}, tmp_path, lambda _: None
            )


class RemoteProviderContract:
    """What holds for those elsewhere."""

    def test_it_is_a_remote_provider(self, world: World) -> None:
        assert isinstance(world.provider, RemoteProvider)
        assert world.provider.profile.name == "studio"
        assert world.provider.profile.capabilities

    def test_a_healthy_provider_passes_its_check(self, world: World) -> None:
        world.provider.check()

    def test_a_request_becomes_a_video(self, world: World, tmp_path: Path) -> None:
        provider_id = world.submit()
        told = polled(world.provider, provider_id)
        made = world.provider.download(provider_id, tmp_path / "made.mp4")

        assert made.path == tmp_path / "made.mp4"
        assert probe(made.path, find_tools()).duration_seconds > 0
        assert [each.name for each in tmp_path.iterdir()] == ["made.mp4"]
        assert told[-1].progress in (None, 1.0)
        assert world.server.accepted == ["key-1"]

    def test_progress_is_a_share_that_grows(self, world: World) -> None:
        told = polled(world.provider, world.submit())

        shares = [each.progress for each in told if each.progress is not None]
        assert shares == sorted(shares)
        assert all(0 <= share <= 1 for share in shares)

    def test_nobody_at_the_address_means_that_nothing_was_accepted(self, world: World) -> None:
        with pytest.raises(ProviderUnavailableError):
            world.unreachable.submit(REQUEST, {}, "key-1")
        with pytest.raises(ProviderUnavailableError):
            world.unreachable.check()
        with pytest.raises(ProviderUnavailableError):
            world.unreachable.poll("some-id")

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            (Fault.BUSY, ProviderBusyError),
            (Fault.DOWN, ProviderUnavailableError),
            (Fault.UNAUTHORISED, ProviderUnavailableError),
            (Fault.REDIRECT, ProviderUnavailableError),
            (Fault.REFUSED, GenerationRefusedError),
            (Fault.REJECTED, GenerationRejectedError),
        ],
    )
    def test_a_no_is_told_from_a_perhaps(self, world: World, fault: Fault, kind: type[DailiesError]) -> None:
        world.server.faults.append(fault)

        with pytest.raises(DailiesError) as caught:
            world.submit()

        assert type(caught.value) is kind
        assert world.server.accepted == []

    @pytest.mark.parametrize(
        "fault",
        [
            Fault.PROXY_ERROR,
            Fault.SERVER_ERROR,
            Fault.LOST_BEFORE,
            Fault.LOST_AFTER,
            Fault.SILENCE,
            Fault.NONSENSE,
            Fault.NO_ID,
        ],
    )
    def test_what_may_have_been_accepted_is_an_answer_lost(self, world: World, fault: Fault) -> None:
        world.server.faults.append(fault)

        with pytest.raises(AnswerLostError):
            world.submit()

    def test_a_busy_provider_says_for_how_long(self, world: World) -> None:
        world.server.faults.append(Fault.BUSY)

        with pytest.raises(ProviderBusyError) as caught:
            world.submit()

        assert caught.value.facts["retry_after_seconds"] == PATIENCE_SECONDS

    def test_after_a_lost_answer_it_is_found_again_and_not_paid_twice(self, world: World, tmp_path: Path) -> None:
        profile = world.provider.profile
        world.server.faults.append(Fault.LOST_AFTER)
        with pytest.raises(AnswerLostError):
            world.submit()
        if profile.can_look_up:
            provider_id = world.provider.look_up("key-1")
        elif profile.takes_idempotency_keys:
            provider_id = world.submit()
        else:
            pytest.skip("it promises neither: such a generation is held for a person")

        assert provider_id is not None
        polled(world.provider, provider_id)
        assert world.provider.download(provider_id, tmp_path / "made.mp4").path.exists()
        assert world.server.accepted == ["key-1"]

    def test_what_was_not_accepted_is_not_found(self, world: World) -> None:
        if not world.provider.profile.can_look_up:
            pytest.skip("it does not promise to look up")
        world.server.faults.append(Fault.LOST_BEFORE)
        with pytest.raises(AnswerLostError):
            world.submit()
        world.submit("another key")

        assert world.provider.look_up("key-1") is None
        with pytest.raises(ProviderUnavailableError):
            world.unreachable.look_up("key-1")

    @pytest.mark.parametrize("fault", list(DownloadFault))
    def test_a_broken_download_leaves_nothing_and_may_be_made_again(
        self, world: World, tmp_path: Path, fault: DownloadFault
    ) -> None:
        provider_id = world.finished()
        world.server.download_faults.append(fault)

        with pytest.raises(DownloadFailedError):
            world.provider.download(provider_id, tmp_path / "made.mp4")
        assert list(tmp_path.iterdir()) == []

        assert world.provider.download(provider_id, tmp_path / "made.mp4").path.read_bytes() == world.server.result
        assert world.server.accepted == ["key-1"]

    def test_a_generation_that_fails_says_why(self, world: World) -> None:
        self.fail_next(world, "out of pixels")
        provider_id = world.submit()

        with pytest.raises(GenerationFailedError, match="out of pixels"):
            polled(world.provider, provider_id)

    def fail_next(self, world: World, message: str) -> None:
        """Have the next accepted generation fail while it is made."""
        raise NotImplementedError

    def test_cancelling_is_a_wish_that_never_fails(self, world: World) -> None:
        world.provider.cancel(world.submit())
        world.provider.cancel("never heard of it")
        world.unreachable.cancel("some-id")

    def test_what_it_does_not_make_is_rejected_before_it_is_sent(self, world: World) -> None:
        odd = REQUEST.model_copy(update={"capability": Capability.SPEECH})
        endless = REQUEST.model_copy(update={"options": GenerationOptions(duration_seconds=3600)})

        for request in (odd, endless):
            with pytest.raises(GenerationRejectedError):
                world.provider.submit(request, {}, "key-1")
        assert world.server.accepted == []

    def test_the_key_is_nowhere_to_be_read(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        world.server.faults.extend([Fault.UNAUTHORISED, Fault.LOST_AFTER, Fault.NONSENSE])
        said = [repr(world.provider), str(world.provider), repr(world.provider.profile)]
        for number in range(3):
            with pytest.raises(DailiesError) as caught:
                world.submit(f"key-{number}")
            said += [str(caught.value), repr(caught.value), repr(caught.value.facts)]
            said += [repr(caught.value.__cause__), str(pickle.dumps(caught.value))]

        assert KEY not in "\n".join([*said, caplog.text])
