from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from data.domain.assets import Asset, Preparation
from data.domain.edits import Cut, TrimOptions
from data.domain.errors import EditImpossibleError
from data.domain.publications import KeptPart, Package
from data.domain.recipes import Recipe
from tasks.media.decoding import Clip, DecodeContext, decoded_pictures, decoded_sound
from tasks.media.kept_part import part_to_prepare
from tasks.media.mezzanine import Changes, write_mezzanine
from tasks.media.probe import probe
from tasks.media.process import Limits
from tasks.media.tools import find_tools
from tasks.media.transcode import transcode
from tests.fakes.footage import make_clip
from tests.fakes.packages import SMALL

TOOLS = find_tools()
SIZE = (64, 48)
CODEC = (
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-g",
    "25",
    "-sc_threshold",
    "0",
    "-bf",
    "2",
    "-pix_fmt",
    "yuv420p",
    "-c:a",
    "flac",
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of frames of a brightness of their own, unlike their neighbours', and a tone that rises."""
    pictures = "nullsrc=s=64x48:r=25:d=8,geq=lum='16+mod(N*53,200)':cb=128:cr=128"
    sound = "aevalsrc='0.8*sin(2*PI*(100+50*t)*t)':s=48000:d=8"
    return make_clip(tmp_path_factory.mktemp("part") / "clip.mp4", pictures, sound, *CODEC)


def seen(clip: Clip, folder: Path) -> NDArray[np.uint8]:
    with decoded_pictures(clip, SIZE, DecodeContext(TOOLS), folder / "pictures.log") as pictures:
        return np.stack([picture.copy() for picture in pictures])


def heard(clip: Clip, folder: Path) -> NDArray[np.float32]:
    with decoded_sound(clip, 1, 48_000, DecodeContext(TOOLS), folder / "sound.log") as blocks:
        return np.concatenate([block.copy() for block in blocks])


def trimmed(start: float, end: float | None, cut: Cut = "exact", **more: object) -> Recipe:
    trim = {"start_seconds": start, "end_seconds": end, "cut": cut}
    return SMALL.with_overrides({"edit.trim": trim, "anonymise.enabled": True, "captions.enabled": False, **more})


def test_a_part_of_a_clip_is_what_the_whole_shows_and_says_at_that_time(source: Path, tmp_path: Path) -> None:
    facts = probe(source, TOOLS)
    whole, part = Clip(source, facts), Clip(source, facts, TrimOptions(start_seconds=3.2, end_seconds=4))

    assert (part.frame_count, part.begins_at_seconds, part.duration_seconds) == (20, 3.2, 0.8)
    assert np.array_equal(seen(part, tmp_path), seen(whole, tmp_path)[80:100])
    assert np.allclose(heard(part, tmp_path), heard(whole, tmp_path)[153_600:192_000], atol=1e-4)


@pytest.mark.parametrize(
    ("start", "end", "read"), [(3, 5, (1.5, 6.5)), (1, 7, (0, None)), (3, None, (1.5, None)), (0, 2, (0, 3.5))]
)
def test_no_more_is_prepared_than_is_kept_and_a_little_around_it(
    source: Path, tmp_path: Path, start: float, end: float | None, read: tuple[float, float | None]
) -> None:
    found = part_to_prepare(source, probe(source, TOOLS), trimmed(start, end), TOOLS, tmp_path, Limits())

    assert found is not None
    assert (found.read.start_seconds, found.read.end_seconds) == read
    assert found.kept_seconds == (end or 8) - start


def test_without_a_trim_all_is_prepared(source: Path, tmp_path: Path) -> None:
    assert part_to_prepare(source, probe(source, TOOLS), trimmed(0, None), TOOLS, tmp_path, Limits()) is None


def test_a_trim_past_the_end_is_refused_before_anything_is_prepared(source: Path, tmp_path: Path) -> None:
    with pytest.raises(EditImpossibleError, match="begins at 9 s"):
        part_to_prepare(source, probe(source, TOOLS), trimmed(9, None), TOOLS, tmp_path, Limits())


def packaged(source: Path, recipe: Recipe, folder: Path, promised_seconds: float = 8.0) -> Package:
    """Prepare what a recipe keeps, without changing anything, and encode it with the other edits."""
    facts = probe(source, TOOLS).model_copy(update={"duration_seconds": promised_seconds})
    mezzanine = folder / "mezzanine.mp4"
    part = part_to_prepare(source, facts, recipe, TOOLS, folder, Limits())
    assert part is not None
    clip = Clip(source, facts, part.read)
    write_mezzanine(clip, Changes(), mezzanine, scratch=folder, tools=TOOLS, threads=1, limits=Limits())
    made = probe(mezzanine, TOOLS)
    given = part.prepared(clip, made.duration_seconds)
    prepared = Preparation(key="p", media_key="m", facts=made, sound_content="s", part=given)
    asset = Asset(id="a", sha256="a", source_key="a", original_name="a", facts=facts, preparation=prepared)
    (folder / "package").mkdir()
    (folder / "scratch").mkdir()
    return transcode(
        mezzanine,
        asset,
        recipe,
        key="k",
        prefix="packages/a/k/",
        directory=folder / "package",
        scratch=folder / "scratch",
        tools=TOOLS,
        encode_slot=lambda: nullcontext(1),
        limits=Limits(),
    )


@pytest.mark.parametrize(("cut", "first"), [("exact", 90), ("keyframe", 75)])
def test_the_rest_is_cut_off_to_the_frame_and_told_by_the_clock_of_the_source(
    source: Path, tmp_path: Path, cut: Cut, first: int
) -> None:
    package = packaged(source, trimmed(3.6, 4.4, cut), tmp_path)

    assert package.edit is not None
    assert package.edit.kept == KeptPart(start_seconds=first / 25, end_seconds=4.4, cut=cut)
    assert package.edit.notes[0].startswith(f"Of 8.00 s, {4.4 - first / 25:.2f} s were kept, from {first / 25:.2f} s")
    made = seen(Clip(tmp_path / "package" / package.mp4_path, probe(tmp_path / "package/video.mp4", TOOLS)), tmp_path)
    whole = seen(Clip(source, probe(source, TOOLS)), tmp_path)[first:110]
    assert len(made) == len(whole)
    assert np.abs(made.mean(axis=(1, 2, 3)) - whole.mean(axis=(1, 2, 3))).max() < 10


def test_up_to_the_promised_end_of_a_source_that_has_a_little_less_all_there_is_is_kept(
    source: Path, tmp_path: Path
) -> None:
    package = packaged(source, trimmed(7, 8.2), tmp_path, promised_seconds=8.2)

    assert package.edit is not None
    assert package.edit.kept == KeptPart(start_seconds=7, end_seconds=8)
    assert package.duration_seconds == 1.0
