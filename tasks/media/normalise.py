"""Bring any source's streams to one form, on which everything else works; pure pieces of a filter graph."""

from fractions import Fraction
from typing import Any, Literal

from data.domain.assets import SourceFacts
from tasks.media.edits.deinterlace import deinterlaced
from tasks.media.edits.footage import AUDIO_RATE_HZ

# Unlabelled pictures of this many lines are BT.709 by custom, smaller ones BT.601; swscale takes 601 for both.
_HD_LINES = 720
_ALIKE = (None, "bt709", "smpte170m", "bt470bg", "fcc", "smpte240m", "bt2020nc")
"""Matrices that make grey of a picture that is much the same."""
_MANY_LINES = 4
"""For each line of a glance: every other one of them is enough, and takes half of the time."""
Frames = tuple[int, int | None]
"""The first of some frames, and the one behind the last; ``None``: all there are."""
EVERY_FRAME: Frames = (0, None)
BT709 = {"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709", "range": "tv"}


def normalised_pictures(
    stream: Any,
    facts: SourceFacts,
    frame_rate: Fraction,
    size: tuple[int, int],
    deinterlace: Literal["auto", "always", "never"] = "auto",
    step: int = 1,
    frames: Frames = EVERY_FRAME,
) -> Any:
    """Progressive, constant rate from the first picture on, SDR, square pixels, BT.709 4:2:0, at a size in pixels.

    Of every ``step`` pictures at that rate only the first is given; of ``frames`` at that rate, none but those, from
    time 0 on.
    """
    stream = _in_step(deinterlaced(stream, deinterlace, facts), facts, frame_rate, step, frames)
    stream = _tone_mapped(stream, size) if facts.video.is_hdr else _as_bt709(stream, size, facts)
    return stream.filter("format", "yuv420p").filter("setsar", 1).filter("setparams", **BT709)


def glanced_pictures(stream: Any, facts: SourceFacts, frame_rate: Fraction, size: tuple[int, int], step: int) -> Any:
    """The same for eyes that do not mind which matrix colours are coded by: 4:2:0 as it comes, much less work.

    Of pictures that are many times as high as the size, only every other line is read.

    Where pictures are HDR, or coded in another way than as brightness and two differences, they become BT.709.
    """
    if facts.video.is_hdr or facts.video.color_matrix not in _ALIKE:
        return normalised_pictures(stream, facts, frame_rate, size, step=step)
    stream = _in_step(deinterlaced(stream, "auto", facts), facts, frame_rate, step)
    if facts.video.height >= _MANY_LINES * size[1]:
        stream = stream.filter("field")
    return stream.filter("scale", *size, flags="area", out_range="tv").filter("format", "yuv420p")


def is_bt709(facts: SourceFacts) -> bool:
    """Say whether what :func:`glanced_pictures` gives is coded by BT.709, not by BT.601."""
    matrix = facts.video.color_matrix
    if matrix is None:
        return facts.video.is_hdr or facts.video.height >= _HD_LINES
    return facts.video.is_hdr or matrix == "bt709" or matrix not in _ALIKE


def _in_step(stream: Any, facts: SourceFacts, frame_rate: Fraction, step: int, frames: Frames = EVERY_FRAME) -> Any:
    """At a constant rate from the first picture on; of every ``step`` pictures the first, of some frames those."""
    # The picture begins the video, also where sound is heard before it; both are moved alike, so they stay together.
    if facts.picture_delay_seconds > 0:
        stream = stream.filter("setpts", f"PTS-{facts.picture_delay_seconds:.6f}/TB")
    # From zero: should the first pictures not decode, the first that does is held instead.
    stream = stream.filter("fps", fps=str(frame_rate), start_time=0)
    if frames != EVERY_FRAME:
        # Here, where what fills the time before them is the same picture again and again, which costs next to nothing.
        first, end = frames
        stream = stream.filter("trim", start_frame=first, **({} if end is None else {"end_frame": end}))
        stream = stream.filter("setpts", "PTS-STARTPTS")
    return every(step, stream)


def every(step: int, stream: Any) -> Any:
    """Of every so many pictures only the first."""
    return stream if step == 1 else stream.filter("select", f"not(mod(n,{step}))")


def _as_bt709(stream: Any, size: tuple[int, int], facts: SourceFacts) -> Any:
    options = {"out_color_matrix": "bt709", "out_range": "tv"}
    if facts.video.color_matrix is None and facts.video.height >= _HD_LINES:
        options["in_color_matrix"] = "bt709"
    return stream.filter("scale", *size, **options)


def _tone_mapped(stream: Any, size: tuple[int, int]) -> Any:
    """HDR (PQ or HLG) to SDR; scaled first, since tone mapping works in floating point and is slow."""
    linear = (
        stream.filter("scale", *size)
        .filter("setparams", color_primaries="bt2020", colorspace="bt2020nc")
        .filter("zscale", t="linear", npl=100)
        .filter("format", "gbrpf32le")
    )
    mapped = linear.filter("zscale", p="bt709").filter("tonemap", "hable", desat=0)
    return mapped.filter("zscale", t="bt709", m="bt709", r="tv")


def _from_first_picture(sound: Any, delay_seconds: float) -> Any:
    if delay_seconds <= 0:
        return sound
    start = f"{delay_seconds:.6f}"
    return sound.filter("atrim", start=start).filter("asetpts", f"PTS-{start}/TB")


def sound_in_step(stream: Any, facts: SourceFacts, sample_count: int, layouts: str) -> Any:
    """Sound at 48 kHz that begins and ends with the picture: gaps and a late start become silence."""
    return (
        _from_first_picture(stream, facts.picture_delay_seconds)
        .filter("aresample", AUDIO_RATE_HZ, **{"async": 1, "first_pts": 0})
        .filter("aformat", sample_fmts="fltp", channel_layouts=layouts)
        .filter("apad", whole_len=sample_count)
        .filter("atrim", end_sample=sample_count)
    )
