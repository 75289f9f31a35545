import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
import pytest

from data.domain.errors import GenerationRejectedError, ModelMissingError
from data.domain.generations import Brand, GenerationOptions, GenerationRequest, Reference
from tasks.media.captions import join_words
from tasks.media.probe import probe
from tasks.media.tools import find_tools
from tasks.models.speech import transcribe
from tasks.models.store import ModelStore
from tasks.providers.base import LocalProvider, MadeMedia, ProviderConfig
from tasks.providers.storyboard import create
from tests.fakes.clips import clip
from tests.fakes.word_errors import word_error_rate
from tests.tasks.providers.storyboard.conftest import MakeProvider

SCRIPT = (
    "On the open plains of Africa, the fastest animal on land waits in the grass. "
    "In three seconds it can reach seventy miles per hour, faster than most sports cars! "
    "But speed has its price: it must soon stop and rest. "
    "Far away, engineers study its spine to build better robots. "
    "What will we learn from nature next?"
)
FILES: Mapping[str, tuple[str, Literal["image", "video"]]] = {
    "running cheetah.jpg": ("cheetah", "image"),
    "street traffic.mp4": ("bikes", "video"),
    "IMG_2041.jpg": ("single_face", "image"),
}
REFERENCES = tuple(Reference(name=name, key=name, kind=kind) for name, (_, kind) in FILES.items())


def tiny(**options: Any) -> GenerationOptions:
    return GenerationOptions(**{"short_side": 144, "frame_rate": 8, "seed": 7, **options})


def make(provider: LocalProvider, request: GenerationRequest, folder: Path, **files: Path) -> MadeMedia:
    folder.mkdir(exist_ok=True)
    known = {name: clip(source) for name, (source, _) in FILES.items()}
    return provider.make(request, {**known, **files}, folder, lambda share: None)


def tags_of(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return dict(container.metadata)


def picture_hash(path: Path) -> str:
    arguments = [find_tools().ffmpeg, "-v", "error", "-i", path, "-map", "0:v", "-f", "rawvideo", "-"]
    return hashlib.sha256(subprocess.run(arguments, capture_output=True, check=True).stdout).hexdigest()


def loudness_of(path: Path) -> float:
    arguments = [find_tools().ffmpeg, "-hide_banner", "-i", path, "-af", "ebur128=framelog=quiet", "-f", "null", "-"]
    told = subprocess.run(arguments, capture_output=True, text=True, check=True).stderr
    return float(told.rpartition("I:")[2].split()[0])


@pytest.fixture(scope="module")
def provider(make_provider: MakeProvider) -> LocalProvider:
    return make_provider()


@pytest.fixture(scope="module")
def bare(provider: LocalProvider, tmp_path_factory: pytest.TempPathFactory) -> MadeMedia:
    return make(provider, GenerationRequest(prompt="A calm morning.", options=tiny()), tmp_path_factory.mktemp("bare"))


def test_it_is_a_local_provider_that_costs_nothing(provider: LocalProvider) -> None:
    provider.check()

    assert isinstance(provider, LocalProvider)
    assert not provider.profile.is_paid


def test_a_bare_prompt_becomes_a_narrated_title(bare: MadeMedia) -> None:
    facts = probe(bare.path, find_tools())

    assert (facts.video.width, facts.video.height) == (256, 144)
    assert facts.audio is not None
    assert facts.duration_seconds == pytest.approx(float(str(bare.details["duration_seconds"])), abs=0.2)
    assert bare.details["scene_count"] == 1
    assert bare.details["voice"] == "af_heart"


def test_the_file_and_the_details_say_what_made_it(bare: MadeMedia) -> None:
    label = "storyboard: composed, not diffusion"
    tags = tags_of(bare.path)

    assert bare.details["provider"] == label
    assert label in tags["comment"]
    assert "kokoro-82m-" in tags["comment"]
    assert '"seed":7' in tags["comment"]
    assert str(bare.details["music"]).startswith("composed: ")


def test_it_is_as_loud_as_the_web(bare: MadeMedia) -> None:
    assert loudness_of(bare.path) == pytest.approx(-16, abs=1.5)


def test_only_the_video_and_logs_are_left(bare: MadeMedia) -> None:
    left = {path.suffix for path in bare.path.parent.iterdir() if path != bare.path}

    assert left <= {".log"}


def test_hostile_words_are_only_shown(provider: LocalProvider, tmp_path: Path) -> None:
    prompt = "{\\an8}\\N 'x':[in];drawtext=text=%{eif} -y /etc 🎉"

    made = make(provider, GenerationRequest(prompt=prompt, options=tiny(music=False)), tmp_path / "a")

    assert probe(made.path, find_tools()).duration_seconds > 2


def test_what_no_voice_can_say_is_shown_to_be_read(provider: LocalProvider, tmp_path: Path) -> None:
    request = GenerationRequest(prompt="🎉🎉🎉", options=tiny(music=False))

    made = make(provider, request, tmp_path / "a")

    assert made.details["voice"] is None
    assert probe(made.path, find_tools()).audio is not None


def test_progress_only_rises_and_ends_at_one(provider: LocalProvider, tmp_path: Path) -> None:
    shares: list[float] = []

    provider.make(GenerationRequest(prompt="🎉", options=tiny(music=False)), {}, tmp_path, shares.append)

    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_what_progress_raises_ends_the_work(provider: LocalProvider, tmp_path: Path) -> None:
    def stop(share: float) -> None:
        if share > 0.35:
            raise KeyboardInterrupt

    request = GenerationRequest(prompt="🎉", options=tiny(music=False, duration_seconds=60))
    with pytest.raises(KeyboardInterrupt):
        provider.make(request, {}, tmp_path, stop)

    assert not (tmp_path / "storyboard.mp4").exists()


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (GenerationRequest(prompt="..."), "prompt"),
        (GenerationRequest(prompt="Bonjour", options=tiny(language="fr")), "options.language"),
        (GenerationRequest(prompt="Hello", options=tiny(voice="zz_top")), "options.voice"),
        (GenerationRequest(prompt="Hello", options=tiny(brand=Brand(logo="/etc/hostname"))), "brand.logo"),
        (GenerationRequest(prompt="Hello", options=tiny(brand=Brand(font="../../x.ttf"))), "brand.font"),
    ],
)
def test_what_it_cannot_make_is_rejected(
    provider: LocalProvider, tmp_path: Path, request_: GenerationRequest, field: str
) -> None:
    with pytest.raises(GenerationRejectedError) as caught:
        make(provider, request_, tmp_path / "a")

    assert caught.value.facts["field"] == field


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_file_that_is_no_picture_and_no_clip_is_rejected(
    provider: LocalProvider, tmp_path: Path, kind: Literal["image", "video"]
) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"neither")
    request = GenerationRequest(
        script="Look.", references=(Reference(name="broken", key="k", kind=kind),), options=tiny(music=False)
    )

    with pytest.raises(GenerationRejectedError):
        make(provider, request, tmp_path / "a", broken=broken)


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    provider = create(
        ProviderConfig(name="s", engine="storyboard", models_directory=tmp_path / "none", auto_pull=False)
    )

    with pytest.raises(ModelMissingError, match=r"python -m tasks\.models pull"):
        provider.make(GenerationRequest(prompt="Hello there."), {}, tmp_path, lambda share: None)


@pytest.mark.slow
@pytest.mark.parametrize("aspect_ratio", ["16:9", "9:16", "1:1"])
def test_the_words_are_the_scripts_in_every_shape(
    provider: LocalProvider, models: ModelStore, tmp_path: Path, aspect_ratio: Literal["16:9", "9:16", "1:1"]
) -> None:
    options = GenerationOptions(aspect_ratio=aspect_ratio, short_side=240, frame_rate=12, seed=3)
    request = GenerationRequest(script=SCRIPT, references=REFERENCES, options=options)

    made = make(provider, request, tmp_path / "a")

    heard = transcribe(made.path, models.path("whisper-base"), language="en", threads=2)
    facts = probe(made.path, find_tools())
    assert word_error_rate(join_words(heard.words), SCRIPT) <= 0.05
    assert (facts.video.width, facts.video.height) == (request.width, request.height)
    assert 15 < facts.duration_seconds < 40
    assert made.details["shown"] == sorted(FILES)


@pytest.mark.slow
def test_the_same_seed_makes_the_same_pictures_and_another_does_not(provider: LocalProvider, tmp_path: Path) -> None:
    def hash_of(name: str, seed: int) -> str:
        request = GenerationRequest(
            script="The cheetah runs. It must soon rest again.", references=REFERENCES[:1], options=tiny(seed=seed)
        )
        return picture_hash(make(provider, request, tmp_path / name).path)

    assert hash_of("a", 1) == hash_of("b", 1) != hash_of("c", 2)


@pytest.mark.slow
def test_the_brand_is_seen_and_heard(provider: LocalProvider, tmp_path: Path) -> None:
    logo = np.zeros((80, 80, 4), dtype=np.uint8)
    logo[..., 1] = logo[..., 3] = 255
    cv2.imwrite(str(tmp_path / "logo.png"), logo)
    brand = Brand(background="#ffffff", primary="#101010", logo="logo.png", intro="intro.mp4")
    options = tiny(brand=brand, short_side=240, music=False)
    files = {"logo.png": tmp_path / "logo.png", "intro.mp4": clip("bigbuckbunny")}

    made = make(provider, GenerationRequest(prompt="Made by us.", options=options), tmp_path / "a", **files)

    with av.open(str(made.path)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    card = frames[int(len(frames) * 0.8)]
    assert len(frames) / 8 > 7
    assert card[120:200, 330:420].mean() > 150  # a light card
    mark = card[15:28, -28:-16].mean(axis=(0, 1))
    assert mark[1] > mark[0] + 60
    assert mark[1] > mark[2] + 60
