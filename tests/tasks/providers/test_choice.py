"""What each provider is asked for where files are to be shown, and who is passed over."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from data.domain.errors import GenerationRejectedError, NoProviderError
from data.domain.generations import Capability, GenerationRequest, Reference
from data.domain.ledger import Subject, passed_over_in
from data.settings import ProviderSettings
from tasks.providers.choice import candidates
from tests.fakes.generation_world import GenerationWorld, hostile, request
from tests.fakes.hostile_provider import HostileProvider
from tests.fakes.openai_videos import OpenAIVideosServer
from tests.fakes.provider_server import KEY

CAT = Reference(name="cat.jpg", key="references/cat.jpg", kind="image")
DOG = CAT.model_copy(update={"name": "dog.jpg"})
CLIP = CAT.model_copy(update={"name": "clip.mp4", "kind": "video"})
LOGO = CAT.model_copy(update={"name": "logo.png", "is_brand": True})

MakeWorld = Callable[..., GenerationWorld]


@pytest.fixture
def studio(made_video: bytes) -> Iterator[OpenAIVideosServer]:
    with OpenAIVideosServer(made_video).running() as running:
        yield running


@pytest.fixture
def words_only(made_video: bytes) -> Iterator[HostileProvider]:
    with HostileProvider(made_video).running() as running:
        yield running


@pytest.fixture
def make_world(tmp_path: Path, picture: Path) -> Iterator[MakeWorld]:
    made: list[GenerationWorld] = []

    def make(*providers: ProviderSettings) -> GenerationWorld:
        made.append(GenerationWorld(tmp_path, *providers))
        made[-1].store.put_file(picture, CAT.key)
        return made[-1]

    yield make
    for world in made:
        world.database.close()


def speaking_openai(server: OpenAIVideosServer, name: str = "studio") -> ProviderSettings:
    return ProviderSettings.model_validate(
        {
            "name": name,
            "engine": "openai_videos",
            "url": f"{server.url}/v1",
            "api_key": KEY,
            "model": "wan2.2",
            "price_per_generation": 1.0,
        }
    )


def showing(*files: Reference) -> GenerationRequest:
    return request("ok it moves").model_copy(update={"references": files})


def references_of(server: OpenAIVideosServer) -> list[bytes | None]:
    return [each.reference for each in server.videos.values()]


def test_a_picture_is_sent_to_whom_can_set_it_in_motion(make_world: MakeWorld, studio: OpenAIVideosServer) -> None:
    world = make_world(speaking_openai(studio))

    made = world.generate(showing(CAT, LOGO))

    [sent] = references_of(studio)
    assert sent is not None
    assert Image.open(io.BytesIO(sent)).size == (1280, 720)
    assert made.capability is Capability.IMAGE_TO_VIDEO
    assert [entry.capability for entry in world.entries()] == [Capability.IMAGE_TO_VIDEO]


def test_who_takes_words_alone_is_passed_over_and_the_ledger_says_why(
    make_world: MakeWorld, words_only: HostileProvider, studio: OpenAIVideosServer
) -> None:
    world = make_world(hostile(words_only.url), speaking_openai(studio))

    made = world.generate(showing(CAT))

    [entry] = world.entries()
    [passed_over] = entry.passed_over
    assert (made.provider, words_only.calls.total()) == ("studio", 0)
    assert (passed_over.provider, passed_over.code) == ("hostile", GenerationRejectedError.code)
    assert "words alone" in passed_over.message
    assert passed_over_in(made.details) == entry.passed_over
    assert made.details["model"] == "wan2.2"


def test_without_anything_to_show_everybody_is_asked_for_the_same_as_ever(
    make_world: MakeWorld, words_only: HostileProvider, studio: OpenAIVideosServer
) -> None:
    world = make_world(hostile(words_only.url), speaking_openai(studio))

    found = candidates(showing(LOGO), world.registry, "order", {})

    assert [(each.request, each.request_digest, each.passed_over) for each in found] == [
        (showing(LOGO), showing(LOGO).digest(), ())
    ] * 2


def test_a_storyboard_shows_the_files_itself(make_world: MakeWorld) -> None:
    world = make_world(ProviderSettings(name="storyboard", engine="storyboard"))

    [found] = candidates(showing(CAT, CLIP), world.registry, "order", {})

    assert found.request == showing(CAT, CLIP)


def test_a_model_that_only_sets_pictures_in_motion_is_asked_where_there_is_one(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    folder = tmp_path / "wan-i2v"
    folder.mkdir()
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "WanImageToVideoPipeline"}))
    world = make_world(ProviderSettings(name="wan", engine="diffusers", model=str(folder)))

    [found] = candidates(showing(CAT), world.registry, "order", {})

    assert found.request.capability is Capability.IMAGE_TO_VIDEO
    with pytest.raises(NoProviderError, match="there is none"):
        candidates(showing(), world.registry, "order", {})


@pytest.mark.parametrize("files", [(CAT, DOG), (CLIP,), (CAT, CLIP)])
def test_who_shows_one_picture_does_not_leave_the_others_out(
    make_world: MakeWorld, studio: OpenAIVideosServer, files: tuple[Reference, ...]
) -> None:
    world = make_world(speaking_openai(studio))

    with pytest.raises(NoProviderError, match="one picture"):
        world.generate(showing(*files))

    assert not studio.videos


def test_where_nobody_shows_files_nothing_is_made_without_them(
    make_world: MakeWorld, words_only: HostileProvider
) -> None:
    world = make_world(hostile(words_only.url))

    with pytest.raises(NoProviderError, match="hostile: it makes video of words alone"):
        world.generate(showing(CAT))

    assert not world.entries()


def test_a_picture_goes_along_to_the_next_provider(
    make_world: MakeWorld, words_only: HostileProvider, studio: OpenAIVideosServer, made_video: bytes
) -> None:
    with OpenAIVideosServer(made_video).running() as first:
        first.fail_next_with = {"code": "internal_error", "message": "It broke."}
        world = make_world(speaking_openai(first, "first"), hostile(words_only.url), speaking_openai(studio))

        made = world.generate(showing(CAT))

    assert (made.provider, words_only.calls.total()) == ("studio", 0)
    assert references_of(studio) == references_of(first)
    assert [(entry.provider, entry.state.value) for entry in world.entries()] == [
        ("studio", "stored"),
        ("first", "failed"),
    ]


def test_who_tries_again_goes_on_with_the_picture_that_was_accepted(
    make_world: MakeWorld, studio: OpenAIVideosServer
) -> None:
    world = make_world(speaking_openai(studio))

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.generator(sleep=stop).generate(showing(CAT), Subject(job_id="job"))
    world.generate(showing(CAT))

    assert len(studio.accepted) == 1
    assert world.states() == ["stored"]
