"""ComfyUI: the contract, and what is its own: workflows, the queue, lost prompts, progress over the websocket."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from data.domain.errors import GenerationFailedError, ProviderMisconfiguredError, ProviderUnavailableError
from data.domain.generations import Capability, GenerationOptions, GenerationRequest, Reference
from tasks.providers.base import ProviderConfig, ProviderLimits, RemoteProvider, RemoteState
from tasks.providers.comfyui import create
from tests.fakes.comfyui import ComfyUIServer, workflow
from tests.fakes.processes import free_ports
from tests.fakes.provider_server import KEY, Fault
from tests.tasks.providers.contract import REQUEST, RemoteProviderContract, World, polled

Made = Callable[[str], RemoteProvider]


@pytest.fixture
def config(tmp_path_factory: pytest.TempPathFactory) -> ProviderConfig:
    folder = tmp_path_factory.mktemp("workflows")
    workflows = {}
    for name in ("text_to_video", "image_to_video", "text_to_image"):
        workflows[name] = str(folder / f"{name}.json")
        Path(workflows[name]).write_text(workflow(with_image=name == "image_to_video"), encoding="utf-8")
    return ProviderConfig(
        name="studio",
        engine="comfyui",
        api_key=KEY,
        limits=ProviderLimits(max_duration_seconds=10),
        options={"workflows": workflows, "timeout_seconds": 1},
    )


@pytest.fixture
def made(config: ProviderConfig) -> Made:
    def make(url: str) -> RemoteProvider:
        provider = create(replace(config, url=url))
        assert isinstance(provider, RemoteProvider)
        return provider

    return make


@pytest.fixture(params=[True, False], ids=["takes our ids", "gives its own"])
def world(request: pytest.FixtureRequest, made_video: bytes, made: Made) -> Iterator[World]:
    with ComfyUIServer(made_video, takes_prompt_ids=request.param).running() as server:
        yield World(made(server.url), server, made(f"http://127.0.0.1:{free_ports(1)[0]}"))


@pytest.fixture
def server(made_video: bytes) -> Iterator[ComfyUIServer]:
    with ComfyUIServer(made_video).running() as running:
        yield running


class TestComfyUI(RemoteProviderContract):
    def fail_next(self, world: World, message: str) -> None:
        assert isinstance(world.server, ComfyUIServer)
        world.server.fail_next_with = message


def test_the_workflow_is_filled_with_the_request(server: ComfyUIServer, made: Made) -> None:
    request = GenerationRequest(
        prompt='A "{{seed}}" lighthouse',
        options=GenerationOptions(negative_prompt="blur", duration_seconds=3, frame_rate=16, seed=11, short_side=480),
    )

    nodes = server.prompts[made(server.url).submit(request, {}, "key-1")].nodes

    assert nodes["1"]["inputs"] == {"text": 'A "{{seed}}" lighthouse, 35 mm', "clip": ["4", 0]}
    assert nodes["2"]["inputs"]["text"] == "blur"
    assert nodes["3"]["inputs"] == {"width": 848, "height": 480, "length": 49, "batch_size": 1}
    assert nodes["5"]["inputs"]["seed"] == 11
    assert nodes["9"]["inputs"]["fps"] == 16


def test_a_picture_is_uploaded_first_and_named_in_the_workflow(
    server: ComfyUIServer, made: Made, picture: Path
) -> None:
    request = GenerationRequest(
        capability=Capability.IMAGE_TO_VIDEO,
        prompt="It moves.",
        references=(Reference(name="cat.jpg", key="k", kind="image"),),
        options=GenerationOptions(short_side=480),
    )
    provider = made(server.url)

    first, second = (provider.submit(request, {"cat.jpg": picture}, key) for key in ("key-1", "key-2"))

    (name,) = server.uploads  # the same picture is there once
    assert {server.prompts[each].nodes["6"]["inputs"]["image"] for each in (first, second)} == {name}
    assert Image.open(io.BytesIO(server.uploads[name])).size == (848, 480)


def test_a_picture_is_made_of_words(server: ComfyUIServer, made: Made, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(buffer, "PNG")
    server.result, server.filename = buffer.getvalue(), "made_00001_.png"
    provider = made(server.url)

    provider_id = provider.submit(REQUEST.model_copy(update={"capability": Capability.TEXT_TO_IMAGE}), {}, "key-1")
    polled(provider, provider_id)

    assert Image.open(provider.download(provider_id, tmp_path / "made.png").path).size == (64, 64)


def test_progress_comes_over_the_websocket(server: ComfyUIServer, made: Made, wait_until: Callable[..., None]) -> None:
    provider = made(server.url)
    provider_id = provider.submit(REQUEST, {}, "key-1")

    assert provider.poll(provider_id).state is RemoteState.RUNNING
    wait_until(lambda: server.sockets, description="the websocket")
    provider.poll(provider_id)
    server.is_stuck = True
    wait_until(lambda: provider.poll(provider_id).progress, description="progress")

    assert provider.poll(provider_id).progress == pytest.approx(2 / 3 / 5)
    server.is_stuck = False
    polled(provider, provider_id)
    wait_until(lambda: not server.sockets, description="the end of the websocket")


def test_a_process_that_takes_over_hears_of_the_prompt_too(
    server: ComfyUIServer, made: Made, wait_until: Callable[..., None]
) -> None:
    provider_id = made(server.url).submit(REQUEST, {}, "key-1")
    another = made(server.url)

    another.poll(provider_id)
    wait_until(lambda: server.sockets, description="the websocket")

    assert list(server.sockets) == [provider_id]
    another.cancel(provider_id)


def test_the_second_waits_in_the_queue(server: ComfyUIServer, made: Made) -> None:
    provider = made(server.url)
    provider.submit(REQUEST, {}, "key-1")
    second = provider.submit(REQUEST, {}, "key-2")

    assert provider.poll(second).state is RemoteState.QUEUED
    provider.cancel(second)

    assert second not in server.prompts
    assert server.interrupted == []


def test_cancelling_interrupts_only_the_prompt_that_is_ours(server: ComfyUIServer, made: Made) -> None:
    provider = made(server.url)
    first = provider.submit(REQUEST, {}, "key-1")
    provider.submit(REQUEST, {}, "key-2")

    provider.cancel(first)

    assert server.interrupted == [first]
    with pytest.raises(GenerationFailedError, match="interrupted"):
        provider.poll(first)


def test_a_queue_without_sense_is_no_empty_queue(server: ComfyUIServer, made: Made) -> None:
    provider = made(server.url)
    server.odd_queue = True
    provider_id = provider.submit(REQUEST, {}, "key-1")

    with pytest.raises(ProviderUnavailableError):
        provider.look_up("key-1")
    with pytest.raises(ProviderUnavailableError):
        provider.poll(provider_id)


def test_a_finished_prompt_is_looked_up_too(server: ComfyUIServer, made: Made) -> None:
    provider = made(server.url)
    provider_id = provider.submit(REQUEST, {}, "key-1")
    polled(provider, provider_id)

    assert provider.look_up("key-1") == provider_id


def test_a_restarted_server_has_lost_the_prompt_for_good(server: ComfyUIServer, made: Made) -> None:
    provider = made(server.url)
    provider_id = provider.submit(REQUEST, {}, "key-1")
    server.restart()

    assert provider.look_up("key-1") is None
    with pytest.raises(GenerationFailedError, match="no longer knows"):
        provider.poll(provider_id)


def test_a_workflow_that_makes_no_video_is_a_failure(server: ComfyUIServer, made: Made) -> None:
    server.filename = "made.txt"
    server.faults.clear()
    provider = made(server.url)
    provider_id = provider.submit(REQUEST.model_copy(update={"capability": Capability.TEXT_TO_IMAGE}), {}, "key-1")

    with pytest.raises(GenerationFailedError, match="nothing of what"):
        polled(provider, provider_id)


def test_a_picture_that_cannot_be_uploaded_means_that_nothing_was_accepted(
    server: ComfyUIServer, made: Made, picture: Path, config: ProviderConfig
) -> None:
    request = GenerationRequest(
        capability=Capability.IMAGE_TO_VIDEO,
        prompt="It moves.",
        references=(Reference(name="cat.jpg", key="k", kind="image"),),
    )
    keyless = create(replace(config, url=server.url, api_key="wrong"))
    assert isinstance(keyless, RemoteProvider)

    with pytest.raises(ProviderUnavailableError):
        keyless.submit(request, {"cat.jpg": picture}, "key-1")


def test_something_else_at_the_address_fails_the_check(made: Made, made_video: bytes) -> None:
    from tests.fakes.openai_videos import OpenAIVideosServer

    with (
        OpenAIVideosServer(made_video).running() as something_else,
        pytest.raises(ProviderUnavailableError),
    ):
        made(something_else.url).check()


@pytest.mark.parametrize("workflows", [{}, {"speech": "a.json"}, {"text_to_video": "nowhere.json"}])
def test_settings_without_sense_are_told_at_once(config: ProviderConfig, workflows: dict[str, str]) -> None:
    with pytest.raises(ProviderMisconfiguredError):
        create(replace(config, url="http://localhost:8188", options={"workflows": workflows}))


def test_a_fault_told_to_the_fake_is_used_up(server: ComfyUIServer, made: Made) -> None:
    server.faults.append(Fault.BUSY)
    with pytest.raises(Exception, match="429"):
        made(server.url).submit(REQUEST, {}, "key-1")

    assert made(server.url).submit(REQUEST, {}, "key-1")
