"""All edits in their one order: what will come of a source, and the filters that do it.

Everything here is pure. :class:`EditPlan` says, before anything runs, what the source's own part and the whole will be,
and refuses what does not fit; :func:`edited_footage` builds the part of the filter graph between the opened source and
the ladder. Operations with further inputs have their places in :func:`_own_part`, :func:`_own_footage` and, for what
is joined to the own part, in :func:`_joined_shape` and :func:`_joined_footage`.
"""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from data.domain.assets import SourceFacts
from data.domain.edits import EditOptions
from data.domain.keys import options_digest
from tasks.media.edits import canvas, crop, fade, loudness, own_sound, rotate, speed, stabilise, trim
from tasks.media.edits.footage import Footage, Shape
from tasks.media.edits.inputs import Inputs, OpenInput

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

    @property
    def digest(self) -> str:
        """What decides, besides the source, what comes of it: the edits, and what is in every further file."""
        contents = {name: found.sha256 for name, found in sorted(self.inputs.items())}
        return options_digest({**self.options.model_dump(mode="json"), "inputs": contents})

    @property
    def changes_geometry(self) -> bool:
        """Whether the picture's pixels matter, so that it is worked on at the source's size."""
        return crop.is_wanted(self.options.crop) or canvas.is_wanted(self.options.canvas)


@dataclass(frozen=True)
class Findings:
    """What first passes found."""

    motion: Path | None = None
    """How the picture moves, in a file."""
    gain: loudness.Gain | None = None
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
    skipped = part.skipped_frames if _is_seekable(facts) else 0
    own = _own_part(options, source, inputs, most_frames_a_second)
    return EditPlan(
        options=options,
        inputs=inputs,
        source=source,
        skipped_frames=skipped,
        unseen_seconds=float((part.first_frame - skipped) / source.frame_rate),
        part_seconds=float(part.frame_count / source.frame_rate),
        own=own,
        whole=_joined_shape(options, own, inputs),
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


def _is_seekable(facts: SourceFacts) -> bool:
    return not _SEEKABLE.isdisjoint(facts.container.split(","))


def _own_part(options: EditOptions, shape: Shape, inputs: Inputs, most: float) -> Shape:
    shape = trim.outcome(options.trim, shape)
    shape = crop.outcome(options.crop, shape)
    shape = rotate.outcome(options.rotate, shape)
    shape = speed.outcome(options.speed, shape, most)
    shape = canvas.outcome(options.canvas, shape)
    # Here: picture-in-picture, watermark.
    shape = own_sound.outcome(options.sound, shape)
    return fade.outcome(options.fade, shape)


def _joined_shape(options: EditOptions, own: Shape, inputs: Inputs) -> Shape:
    # Here: intro, further clips, outro.
    return own


def kept_footage(plan: EditPlan, opened: Footage) -> Footage:
    """Return the kept part of an opened source, as far as it is what stabilising looks at.

    Args:
        plan: What is to be done.
        opened: The source without the skipped frames, but with the shape of the whole; of any size in pixels.
    """
    return trim.applied(plan.options.trim, opened, plan.skipped_frames)


def edited_footage(plan: EditPlan, opened: Footage, open_input: OpenInput, findings: Findings) -> Footage:
    """Return everything that goes to the ladder.

    Args:
        plan: What is to be done.
        opened: As for :func:`kept_footage`.
        open_input: Opens a further input.
        findings: Of first passes; without a gain the loudness is left as it is.
    """
    own = _own_footage(plan, kept_footage(plan, opened), open_input, findings)
    whole = _joined_footage(plan, own, open_input)
    return loudness.applied(findings.gain, whole) if findings.gain else whole


def _own_footage(plan: EditPlan, footage: Footage, open_input: OpenInput, findings: Findings) -> Footage:
    options = plan.options
    if findings.motion is not None:
        footage = stabilise.applied(footage, findings.motion)
    footage = crop.applied(options.crop, footage)
    footage = rotate.applied(options.rotate, footage)
    footage = speed.applied(options.speed, footage, plan.most_frames_a_second)
    footage = canvas.applied(options.canvas, footage)
    # Here: picture-in-picture, watermark.
    footage = own_sound.applied(options.sound, footage)
    return fade.applied(options.fade, footage)


def _joined_footage(plan: EditPlan, own: Footage, open_input: OpenInput) -> Footage:
    # Here: intro, further clips, outro.
    return own


def _even(pixels: int) -> int:
    return max(2, pixels // 2 * 2)
