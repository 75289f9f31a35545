"""Join: intro, the source's own part, further clips and outro, one after the other, by hard cuts or cross-fades.

Each clip is fitted to the size and rate of the own part first: whole, in its own form, with black beside it, enlarged
where it is smaller. Everything is counted in frames, and each part has exactly the frames that were promised, so the
outcome is known before anything is encoded. ffmpeg reads the parts one at a time: memory does not grow with length.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from typing import Any

import ffmpeg

from data.domain.edits import JoinOptions
from data.domain.errors import EditImpossibleError
from tasks.media.edits.footage import AUDIO_RATE_HZ, Footage, Shape, lasting
from tasks.media.edits.inputs import Input, Inputs, clip_pictures, clip_sound, even, held_to, silence

OWN_PART = "edit.join.own"
"""Under which the frames of the source's own part are counted before they are joined with others."""


@dataclass(frozen=True)
class _Part:
    """One of the clips in turn."""

    role: str
    given: Input | None
    """``None``: the source's own part."""
    frame_count: int

    def sample_count(self, frame_rate: Fraction) -> int:
        return max(1, round(self.frame_count / frame_rate * AUDIO_RATE_HZ))


def outcome(options: JoinOptions, shape: Shape, inputs: Inputs) -> Shape:
    """Return the shape with all clips in it; it has sound if any of them has.

    Raises:
        EditImpossibleError: A clip is too short for the cross-fades at its ends.
    """
    parts = _parts(options, shape, inputs)
    fade = _fade_frames(options, shape)
    for place, part in enumerate(parts):
        ends = (place > 0) + (place < len(parts) - 1)
        if fade and part.frame_count <= ends * fade:
            raise _too_short(part, ends, options, shape)
    frames = sum(part.frame_count for part in parts) - fade * (len(parts) - 1)
    return replace(shape, frame_count=frames, has_sound=_has_sound(parts, shape))


def applied(options: JoinOptions, footage: Footage, inputs: Inputs) -> Footage:
    """Join the clips."""
    own = footage.shape
    parts = _parts(options, own, inputs)
    if len(parts) == 1:
        return footage
    shape = outcome(options, own, inputs)
    fade = _fade_frames(options, own)
    pictures = [_pictures(part, footage) for part in parts]
    picture = _faded_pictures(pictures, parts, fade, own) if fade else _cut_pictures(pictures, own)
    if not shape.has_sound:
        return Footage(shape, picture, None)
    sounds = [_sound(part, footage) for part in parts]
    sound = _faded_sounds(sounds, fade, own) if fade else ffmpeg.concat(*sounds, v=0, a=1)
    return Footage(shape, picture, lasting(sound, shape.sample_count))


def joined_clips(options: JoinOptions, inputs: Inputs) -> Iterator[tuple[str, Input]]:
    """Give each further clip with its role (the recipe's field), in the order in which they are seen."""
    if options.intro:
        yield "edit.join.intro", inputs[options.intro]
    for place, source in enumerate(options.append):
        yield f"edit.join.append.{place}", inputs[source]
    if options.outro:
        yield "edit.join.outro", inputs[options.outro]


def _parts(options: JoinOptions, shape: Shape, inputs: Inputs) -> tuple[_Part, ...]:
    clips = [_Part(role, given, given.frame_count(shape.frame_rate)) for role, given in joined_clips(options, inputs)]
    clips.insert(1 if options.intro else 0, _Part(OWN_PART, None, shape.frame_count))
    return tuple(clips)


def _fade_frames(options: JoinOptions, shape: Shape) -> int:
    return round(Fraction(options.cross_fade_seconds) * shape.frame_rate)


def _has_sound(parts: tuple[_Part, ...], shape: Shape) -> bool:
    return shape.has_sound or any(part.given and part.given.clip.audio for part in parts)


def _too_short(part: _Part, ends: int, options: JoinOptions, shape: Shape) -> EditImpossibleError:
    seconds = float(part.frame_count / shape.frame_rate)
    where = "at both its ends" if ends == 2 else "at its end"
    name = "The source's own part" if part.given is None else part.role
    return EditImpossibleError(
        f"{name} lasts {seconds:.3f} s: too short for a cross-fade of {options.cross_fade_seconds:g} s {where} "
        "(edit.join.cross_fade_seconds).",
        {
            "field": "edit.join.cross_fade_seconds",
            "clip": part.role,
            "duration_seconds": seconds,
            "cross_fade_seconds": options.cross_fade_seconds,
        },
    )


def _pictures(part: _Part, footage: Footage) -> Any:
    shape = footage.shape
    if part.given is None:
        counted = footage.picture.filter(f"fps@{OWN_PART}", fps=str(shape.frame_rate))
        return held_to(counted, part.frame_count)
    fitted = fitted_size((part.given.clip.video.width, part.given.clip.video.height), shape.size)
    pictures = clip_pictures(part.given, part.role, part.frame_count, shape.frame_rate, fitted)
    return _padded(pictures, fitted, shape.size)


def fitted_size(own_size: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Return the even (width, height) at which a picture fills another, even one, as far as its form allows."""
    scale = min(size[0] / own_size[0], size[1] / own_size[1])
    exact = (own_size[0] * scale, own_size[1] * scale)
    # No bar is as narrow as a pixel: what nearly fills the picture does.
    width, height = (room if room - wanted < 2 else even(wanted) for wanted, room in zip(exact, size, strict=True))
    return width, height


def _padded(pictures: Any, fitted: tuple[int, int], size: tuple[int, int]) -> Any:
    if fitted == size:
        return pictures
    left, top = ((room - used) // 4 * 2 for used, room in zip(fitted, size, strict=True))
    return pictures.filter("pad", *size, left, top)


def _sound(part: _Part, footage: Footage) -> Any:
    samples = part.sample_count(footage.shape.frame_rate)
    if part.given is not None:
        return clip_sound(part.given, part.role, samples)
    return silence(part.role, samples) if footage.sound is None else footage.sound


def _cut_pictures(pictures: list[Any], shape: Shape) -> Any:
    # `concat` guesses how long a part's last picture lasts; counted frames need no guess.
    joined = ffmpeg.concat(*pictures, v=1, a=0)
    return joined.filter("settb", str(1 / shape.frame_rate)).filter("setpts", "N")


def _faded_pictures(pictures: list[Any], parts: tuple[_Part, ...], fade: int, shape: Shape) -> Any:
    joined, frames = pictures[0], parts[0].frame_count
    for picture, part in zip(pictures[1:], parts[1:], strict=True):
        joined = ffmpeg.filter(
            [joined, picture],
            "xfade",
            transition="fade",
            duration=_seconds(fade, shape),
            offset=_seconds(frames - fade, shape),
        )
        frames += part.frame_count - fade
    return joined


def _faded_sounds(sounds: list[Any], fade: int, shape: Shape) -> Any:
    samples = round(fade / shape.frame_rate * AUDIO_RATE_HZ)
    return reduce(lambda left, right: ffmpeg.filter([left, right], "acrossfade", nb_samples=samples), sounds)


def _seconds(frames: int, shape: Shape) -> str:
    return f"{float(frames / shape.frame_rate):.6f}"
