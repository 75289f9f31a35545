"""Further clips in the one encode: held to what they promise, each by the name of its field."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.domain.assets import Asset, SourceFacts
from data.domain.errors import CorruptInputError, TruncatedInputError
from data.domain.publications import Package
from data.domain.recipes import Recipe
from tasks.media.edits.inputs import Input
from tasks.media.probe import probe
from tasks.media.process import Limits
from tasks.media.transcode import transcode
from tests.fakes.pictures import frame
from tests.fakes.screening import TOOLS, clip_input, make_clip
from tests.fakes.similarity import ssim

LADDER = {
    "rungs": [{"name": "180p", "short_side": 180, "max_kbps": 2000}, {"name": "90p", "short_side": 90, "max_kbps": 300}]
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    make_clip(folder / "own.mkv", "testsrc2=s=320x180:r=25:d=2", "sine=440:d=2:r=48000")
    make_clip(folder / "intro.mkv", "testsrc=s=320x180:r=25:d=1")
    return folder


def edited(
    source: Path, inputs: dict[str, Input], scratch: Path, facts: SourceFacts | None = None, **edit: Any
) -> tuple[Package, Path]:
    facts = facts or probe(source, TOOLS)
    recipe = Recipe.parse({"video": {"preset": "ultrafast", "ladder": LADDER}, "edit": edit})
    directory = scratch / "package"
    directory.mkdir()
    package = transcode(
        source,
        Asset(id="a" * 24, sha256="a" * 64, source_key="sources/a", original_name="own", facts=facts),
        recipe,
        key="key",
        prefix="packages/a/key/",
        directory=directory,
        scratch=scratch,
        tools=TOOLS,
        encode_slot=lambda: nullcontext(2),
        limits=Limits(),
        inputs=inputs,
    )
    return package, directory


def test_intro_and_outro_are_as_they_were_and_the_watermark_is_on_the_own_part_alone(
    folder: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "mark.png"
    Image.new("RGBA", (64, 64), (255, 255, 255, 255)).save(mark)
    inputs = {"intro": clip_input(folder / "intro.mkv"), "mark": Input(mark, "picture", "1" * 64, size=(64, 64))}

    package, directory = edited(
        folder / "own.mkv",
        inputs,
        tmp_path,
        join={"intro": "intro", "outro": "intro"},
        watermark={"source": "mark", "size": 0.2, "opacity": 1.0, "position": "top_left", "margin": 0},
    )

    assert [rendition.frame_count for rendition in package.renditions] == [100, 100]
    assert package.audio is not None
    film = directory / package.mp4_path
    for number in (0, 12, 24):
        original = frame(folder / "intro.mkv", number)
        assert ssim(original, frame(film, number)) >= 0.98
        assert ssim(original, frame(film, 75 + number)) >= 0.98
    own = frame(film, 50)
    assert np.median(own[8:56, 8:56]) >= 250
    assert ssim(frame(folder / "own.mkv", 25)[80:], own[80:]) >= 0.95


def test_an_intro_that_ends_before_it_promised_to_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    short = clip_input(folder / "intro.mkv")
    promising = replace(short, facts=short.clip.model_copy(update={"duration_seconds": 2.0}))

    with pytest.raises(
        TruncatedInputError, match=r"edit\.join\.intro: the clip promised 50 frames and gave 25"
    ) as refused:
        edited(folder / "own.mkv", {"intro": promising}, tmp_path, join={"intro": "intro"})

    assert refused.value.facts["field"] == "edit.join.intro"


def test_an_own_part_that_ends_early_is_refused_also_where_it_is_joined(folder: Path, tmp_path: Path) -> None:
    facts = probe(folder / "own.mkv", TOOLS)
    promising = facts.model_copy(update={"duration_seconds": 4.0})
    inputs = {"intro": clip_input(folder / "intro.mkv")}

    with pytest.raises(TruncatedInputError, match="promised 100 frames and gave 50"):
        edited(folder / "own.mkv", inputs, tmp_path, promising, join={"intro": "intro", "cross_fade_seconds": 0.2})


def test_pictures_of_a_clip_that_cannot_be_decoded_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    damaged = make_clip(
        tmp_path / "damaged.mp4",
        "testsrc2=s=320x180:r=25:d=2",
        options=("-c:v", "libx264", "-preset", "ultrafast", "-movflags", "+faststart"),
    )
    given = clip_input(damaged)
    content = bytearray(damaged.read_bytes())
    start = content.index(b"mdat") + 1000
    content[start:] = np.random.default_rng(7).bytes(len(content) - start)
    damaged.write_bytes(bytes(content))

    with pytest.raises(CorruptInputError, match=r"edit\.join\.outro"):
        edited(folder / "own.mkv", {"outro": given}, tmp_path, join={"outro": "outro"})


@pytest.mark.parametrize(
    ("edit", "size"),
    [
        ({"rotate": {"degrees": 90}}, (180, 320)),
        ({"crop": {"left": 0.5, "width": 0.5}}, (160, 180)),
        ({"canvas": {"aspect_ratio": "1:1"}}, (320, 320)),
    ],
)
def test_a_watermark_is_placed_in_the_picture_as_it_is_seen_in_the_end(
    edit: dict[str, Any], size: tuple[int, int], folder: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "mark.png"
    Image.new("RGBA", (64, 64), (255, 255, 255, 255)).save(mark)
    options = {"source": "mark", "size": 0.25, "opacity": 1.0, "position": "bottom_right", "margin": 0}

    package, directory = edited(
        folder / "own.mkv",
        {"mark": Input(mark, "picture", "1" * 64, size=(64, 64))},
        tmp_path,
        watermark=options,
        **edit,
    )

    film = frame(directory / package.mp4_path, 10)
    scale = film.shape[1] / size[0]
    assert film.shape[:2] == (round(size[1] * scale), round(size[0] * scale))
    side = round(size[0] / 4 * scale)
    assert np.median(film[-side + 4 :, -side + 4 :].min(axis=2)) >= 245
    assert np.median(film[-side - 20 : -side - 8, -side:].min(axis=2)) < 200
