"""OpenAI-style video services: the contract, and what is this protocol's own."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from data.domain.errors import (
    GenerationFailedError,
    GenerationRefusedError,
    GenerationRejectedError,
    ProviderMisconfiguredError,
    ProviderUnavailableError,
)
from data.domain.generations import Capability, GenerationOptions, GenerationRequest, Reference
from tasks.providers.base import Price, ProviderConfig, RemoteProvider, RemoteState
from tasks.providers.openai_videos import OpenAIVideos, create
from tests.fakes.file_server import served
from tests.fakes.openai_videos import OpenAIVideosServer
from tests.fakes.processes import free_ports
from tests.fakes.provider_server import KEY, Fault
from tests.tasks.providers.contract import REQUEST, RemoteProviderContract, World, polled


def config(url: str, **options: object) -> ProviderConfig:
    return ProviderConfig(
        name="studio",
        engine="openai_videos",
        url=f"{url}/v1",
        api_key=KEY,
        model="wan2.2",
        price=Price(per_second=0.1),
        options={"timeout_seconds": 1, **options},
    )


def made(url: str, **options: object) -> RemoteProvider:
    provider = create(config(url, **options))
    assert isinstance(provider, RemoteProvider)
    return provider


@pytest.fixture(params=[True, False], ids=["honours keys", "ignores keys"])
def world(request: pytest.FixtureRequest, made_video: bytes) -> Iterator[World]:
    with OpenAIVideosServer(made_video, honours_keys=request.param).running() as server:
        nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
        honours = {"honours_idempotency_keys": request.param}
        yield World(made(server.url, **honours), server, made(nobody, **honours))


@pytest.fixture
def server(made_video: bytes) -> Iterator[OpenAIVideosServer]:
    with OpenAIVideosServer(made_video).running() as running:
        yield running


class TestOpenAIVideos(RemoteProviderContract):
    def fail_next(self, world: World, message: str) -> None:
        assert isinstance(world.server, OpenAIVideosServer)
        world.server.fail_next_with = {"code": "internal_error", "message": message}


def asked(**options: object) -> GenerationRequest:
    return REQUEST.model_copy(update={"options": GenerationOptions.model_validate(options)})


@pytest.mark.parametrize(
    ("options", "size", "seconds"),
    [
        ({}, "1280x720", "4"),
        ({"duration_seconds": 4.5}, "1280x720", "8"),
        ({"duration_seconds": 12, "aspect_ratio": "9:16"}, "720x1280", "12"),
        ({"short_side": 1080}, "1280x720", "4"),  # it makes no larger one, and nothing is ever upscaled
        ({"short_side": 360}, "1280x720", "4"),
    ],
)
def test_a_request_is_made_at_the_next_length_and_the_nearest_size(
    server: OpenAIVideosServer, options: dict[str, object], size: str, seconds: str
) -> None:
    provider_id = made(server.url).submit(asked(**options), {}, "key-1")

    fields = server.videos[provider_id].fields
    assert (fields["size"], fields["seconds"], fields["model"]) == (size, seconds, "wan2.2")
    assert fields["prompt"] == REQUEST.prompt


def test_what_has_no_such_size_or_length_is_rejected_with_what_there_is(server: OpenAIVideosServer) -> None:
    provider = made(server.url)

    with pytest.raises(GenerationRejectedError) as square:
        provider.submit(asked(aspect_ratio="1:1"), {}, "key-1")
    with pytest.raises(GenerationRejectedError) as long:
        provider.submit(asked(duration_seconds=13), {}, "key-1")

    assert square.value.facts["takes"] == ["1280x720", "720x1280"]
    assert long.value.facts["takes"] == ["4", "8", "12"]
    assert server.accepted == []


def test_a_request_is_billed_at_the_length_it_is_made_at(server: OpenAIVideosServer) -> None:
    profile = made(server.url).profile

    assert profile.cost_of(5) == pytest.approx(0.8)
    assert profile.cost_of(None) == pytest.approx(0.4)


def test_a_picture_is_sent_in_the_size_of_the_video(server: OpenAIVideosServer, picture: Path) -> None:
    request = GenerationRequest(
        capability=Capability.IMAGE_TO_VIDEO,
        prompt="It moves.",
        references=(Reference(name="cat.jpg", key="k", kind="image"),),
    )
    provider = made(server.url)

    provider_id = provider.submit(request, {"cat.jpg": picture}, "key-1")
    with pytest.raises(GenerationRejectedError):
        provider.submit(request, {}, "key-2")

    sent = server.videos[provider_id].reference
    assert sent is not None
    assert Image.open(io.BytesIO(sent)).size == (1280, 720)
    assert server.accepted == ["key-1"]


def test_a_result_that_is_refused_is_no_failure(server: OpenAIVideosServer) -> None:
    server.fail_next_with = {"code": "moderation_blocked", "message": "Blocked."}
    provider = made(server.url)

    with pytest.raises(GenerationRefusedError):
        polled(provider, provider.submit(REQUEST, {}, "key-1"))


def test_a_status_that_is_none_is_no_end(server: OpenAIVideosServer) -> None:
    provider = made(server.url)
    provider_id = provider.submit(REQUEST, {}, "key-1")
    server.odd_status = "pondering"

    with pytest.raises(ProviderUnavailableError):
        provider.poll(provider_id)
    server.odd_status = "expired"
    with pytest.raises(GenerationFailedError):
        provider.poll(provider_id)
    server.odd_status = ""
    assert polled(provider, provider_id)[-1].state is RemoteState.FINISHED


def test_an_unknown_generation_is_no_failed_one(server: OpenAIVideosServer) -> None:
    with pytest.raises(ProviderUnavailableError) as caught:
        made(server.url).poll("video_9999/../x")

    assert caught.value.facts["status"] == 404


def test_a_service_may_promise_that_its_500_accepts_nothing(server: OpenAIVideosServer) -> None:
    server.faults.append(Fault.SERVER_ERROR)

    with pytest.raises(ProviderUnavailableError):
        made(server.url, not_accepted_statuses=[500]).submit(REQUEST, {}, "key-1")


def test_cancelling_deletes(server: OpenAIVideosServer) -> None:
    provider = made(server.url)
    provider_id = provider.submit(REQUEST, {}, "key-1")

    provider.cancel(provider_id)

    assert server.videos[provider_id].is_deleted


def test_a_model_that_is_not_offered_fails_the_check(server: OpenAIVideosServer) -> None:
    with pytest.raises(ProviderUnavailableError, match="sora-9"):
        create(replace(config(server.url), model="sora-9")).check()


def test_a_download_is_followed_to_another_host_without_the_key(
    server: OpenAIVideosServer, made_video: bytes, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "made.mp4").write_bytes(made_video)
    provider = made(server.url)
    provider_id = provider.submit(REQUEST, {}, "key-1")
    polled(provider, provider_id)

    with served(tmp_path / "elsewhere") as elsewhere:
        server.redirect_downloads_to = f"{elsewhere}/made.mp4"
        assert provider.download(provider_id, tmp_path / "a.mp4").path.read_bytes() == made_video

    with OpenAIVideosServer(made_video).running() as wants_a_key:  # would give it to nobody but the bearer of the key
        server.redirect_downloads_to = f"{wants_a_key.url}/v1/videos/any/content"
        with pytest.raises(Exception, match="401"):
            provider.download(provider_id, tmp_path / "b.mp4")


@pytest.mark.parametrize(
    "options",
    [
        {"sizes": ["wide"]},
        {"sizes": []},
        {"seconds": []},
        {"seconds": ["4"]},
        {"honours_idempotency_keys": "yes"},
        {"timeout_second": 3},
    ],
)
def test_settings_without_sense_are_told_at_once(options: dict[str, object]) -> None:
    with pytest.raises(ProviderMisconfiguredError):
        create(config("http://localhost", **options))


@pytest.mark.parametrize(
    "changed",
    [
        {"url": ""},
        {"url": "ftp://host"},
        {"url": f"https://user:{KEY}@host"},
        {"url": f"https://host/?key={KEY}"},
        {"api_key": f"{KEY}\n"},
        {"model": ""},
    ],
)
def test_an_address_or_a_key_without_sense_is_told_without_repeating_it(changed: dict[str, str]) -> None:
    with pytest.raises(ProviderMisconfiguredError) as caught:
        OpenAIVideos(replace(config("http://localhost"), **changed))

    assert KEY not in str(caught.value)
