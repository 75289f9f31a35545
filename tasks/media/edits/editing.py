"""All edits in their one order: what will come of a source, and the filters that do it.

Everything here is pure. :class:`EditPlan` says, before anything runs, what the source's own part and the whole will be,
and refuses what does not fit; :func:`edited_footage` builds the part of the filter graph between the opened source and
the ladder.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from data.domain.assets import SourceFacts
from data.domain.edits import EditOptions
from data.domain.keys import options_digest
from tasks.media.edits import (
    canvas,
    crop,
    fade,
    join,
    loudness,
    own_sound,
    picture_in_picture,
    rotate,
    speed,
    stabilise,
    trim,
    watermark,
)
from tasks.media.edits.footage import Footage, Shape
from tasks.media.edits.inputs import Input, Inputs

_SEEKABLE = frozenset({"mov", "matroska"})
"""Containers with an index of keyframes. Others may lead to a place from which nothing decodes for long: they are read
from their beginning."""

NO_INPUTS: Inputs = MappingProxyType({})


@dataclass(frozen=True)
class EditPlan:
    """What edits make of one source."""

    options: EditOptions
    inputs: Inputs
    source: Shape
    """The whole source as it is worked on: at its display size, at its working rate."""
    skipped_frames: int
    """How many of its frames are not even read, since a trim seeks."""
    unseen_seconds: float
    """How much of it is decoded before the first picture that is kept, apart from what its keyframes ask for."""
    part_seconds: float
    """How much of it is kept."""
    own: Shape
    """Its own part after all edits but the join."""
    whole: Shape
    """What goes to the ladder."""
    most_frames_a_second: float
    begins_at_seconds: float = 0.0
    """When the source began, where it is itself a part of one; by the clock of that."""
    whole_seconds: float | None = None
    """How long that one is."""

    @property
    def digest(self) -> str:
        """What decides, besides the source, what comes of it: the edits, and what is in every further file."""
        contents = {name: found.sha256 for name, found in sorted(self.inputs.items())}
        return options_digest({**self.options.of_keys(), "inputs": contents})

    @property
    def kept_seconds(self) -> tuple[float, float]:
        """When its part begins and ends, by the source's clock."""
        start, end = self.read_seconds
        return self.begins_at_seconds + start, self.begins_at_seconds + end

    @property
    def read_seconds(self) -> tuple[float, float]:
        """When its part begins and ends, by the clock of the file that is read."""
        part = trim.part(self.options.trim, self.source)
        first, last = part.first_frame, part.first_frame + part.frame_count
        return float(first / self.source.frame_rate), float(last / self.source.frame_rate)

    @property
    def changes_geometry(self) -> bool:
        """Whether the picture's pixels matter, so that it is worked on at the source's size."""
        return crop.is_wanted(self.options.crop) or self.options.canvas.is_wanted


@dataclass(frozen=True)
class Findings:
    """What first passes found."""

    motion: Path | None = None
    """How the picture moves, in a file."""
    gain: loudness.Gain | None = None
    stamp: watermark.Stamp | None = None
    """The watermark, drawn; not a finding, but made before the encode like them."""
    notes: tuple[str, ...] = ()
    """What was found, and what comes of it, in sentences for a person."""


NO_FINDINGS = Findings()


def plan_edits(options: EditOptions, facts: SourceFacts, inputs: Inputs, most_frames_a_second: float) -> EditPlan:
    """Return what edits make of a source.

    Args:
        options: The edits.
        facts: What probing found in the source.
        inputs: Everything that ``options.sources`` names.
        most_frames_a_second: Cap of the output's rate.

    Raises:
        EditImpossibleError: An edit does not fit this source; names the numbers.
    """
    source = _source_shape(options, facts, most_frames_a_second)
    part = trim.part(options.trim, source)
    skipped = part.skipped_frames if is_seekable(facts) else 0
    own = _own_part(options, source, inputs, most_frames_a_second)
    return EditPlan(
        options=options,
        inputs=inputs,
        source=source,
        skipped_frames=skipped,
        unseen_seconds=float((part.first_frame - skipped) / source.frame_rate),
        part_seconds=float(part.frame_count / source.frame_rate),
        own=own,
        whole=join.outcome(options.join, own, inputs),
        most_frames_a_second=most_frames_a_second,
    )


def _source_shape(options: EditOptions, facts: SourceFacts, most: float) -> Shape:
    rate = speed.working_rate(options.speed, facts.video.frame_rate, most)
    return Shape(
        size=(_even(facts.video.width), _even(facts.video.height)),
        frame_rate=rate,
        frame_count=max(1, round(facts.duration_seconds * rate)),
        has_sound=facts.audio is not None,
    )


def is_seekable(facts: SourceFacts) -> bool:
    """Say whether a place in a source can be found by an index of keyframes."""
    return not _SEEKABLE.isdisjoint(facts.container.split(","))


def _own_part(options: EditOptions, shape: Shape, inputs: Inputs, most: float) -> Shape:
    shape = trim.outcome(options.trim, shape)
    shape = crop.outcome(options.crop, shape)
    shape = rotate.outcome(options.rotate, shape)
    shape = speed.outcome(options.speed, shape, most)
    shape = canvas.outcome(options.canvas, shape)
    if options.picture_in_picture.source:
        shape = picture_in_picture.outcome(options.picture_in_picture, shape)
    shape = watermark.outcome(options.watermark, shape)
    shape = own_sound.outcome(options.sound, shape)
    return fade.outcome(options.fade, shape)


def own_size(plan: EditPlan, working_size: tuple[int, int]) -> tuple[int, int]:
    """Return (width, height) in pixels of the own part after all edits, where the source is worked on at some size."""
    opened = replace(plan.source, size=working_size)
    return _own_part(plan.options, opened, plan.inputs, plan.most_frames_a_second).size


def watched_clips(plan: EditPlan) -> Iterator[tuple[str, Input, int]]:
    """Give each further clip with the name under which its frames are counted, and how many it promises."""
    pip = plan.options.picture_in_picture
    if pip.source:
        given = plan.inputs[pip.source]
        yield picture_in_picture.ROLE, given, picture_in_picture.shown_frames(pip, plan.own, given)
    for role, given in join.joined_clips(plan.options.join, plan.inputs):
        yield role, given, given.frame_count(plan.own.frame_rate)


def kept_footage(plan: EditPlan, opened: Footage) -> Footage:
    """Return the kept part of an opened source, as far as it is what stabilising looks at.

    Args:
        plan: What is to be done.
        opened: The source without the skipped frames, but with the shape of the whole; of any size in pixels.
    """
    return trim.applied(plan.options.trim, opened, plan.skipped_frames)


def edited_footage(plan: EditPlan, opened: Footage, findings: Findings) -> Footage:
    """Return everything that goes to the ladder.

    Args:
        plan: What is to be done.
        opened: As for :func:`kept_footage`.
        findings: Of first passes; without a gain the loudness is left as it is.
    """
    own = _own_footage(plan, kept_footage(plan, opened), findings)
    whole = join.applied(plan.options.join, own, plan.inputs)
    return loudness.applied(findings.gain, whole) if findings.gain else whole


def _own_footage(plan: EditPlan, footage: Footage, findings: Findings) -> Footage:
    options, inputs = plan.options, plan.inputs
    if findings.motion is not None:
        footage = stabilise.applied(footage, findings.motion)
    footage = crop.applied(options.crop, footage)
    footage = rotate.applied(options.rotate, footage)
    footage = speed.applied(options.speed, footage, plan.most_frames_a_second)
    footage = canvas.applied(options.canvas, footage)
    if options.picture_in_picture.source:
        other = inputs[options.picture_in_picture.source]
        footage = picture_in_picture.applied(options.picture_in_picture, footage, other)
    if findings.stamp is not None:
        footage = watermark.applied(options.watermark, footage, findings.stamp)
    footage = own_sound.applied(options.sound, footage, inputs.get(options.sound.source))
    return fade.applied(options.fade, footage)


def _even(pixels: int) -> int:
    return max(2, pixels // 2 * 2)
