"""Cuts at keyframes: where such a part begins and ends, and whether its pictures can be taken as they are.

A part begins at the nearest keyframe at or before what was asked for. Its end is as exact as any, unless the pictures
are copied: a copy is a run of coded pictures, and ends where all of them are shown before all that follow, at most the
few frames late by which an encoder had put them in another order. Only packets near the part are read, nothing is
decoded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from data.domain.assets import SourceFacts
from data.domain.edits import TrimOptions
from data.domain.errors import EditImpossibleError
from data.domain.recipes import Recipe
from tasks.media.conforming import OPEN_GROUP, Copied, Packet, copied_from, difference, read_packets
from tasks.media.edits.inputs import Inputs
from tasks.media.plan import EncodePlan, plan_encode
from tasks.media.process import Limits
from tasks.media.tools import Toolset

_LEAD_SECONDS = 1.0
"""So far ahead of what was asked for reading begins, at the keyframe before: an index may lead to a late one."""
_TAIL_SECONDS = 2.0
"""So far behind its end reading goes on: no encoder puts pictures in another order over a longer time."""
_SAME_SECONDS = 0.0005
_ABOUT_A_FRAME = Fraction(3, 4)
_NO_END = "it has no place near the end of the part where coded pictures can be parted"


@dataclass(frozen=True)
class KeyframeCut:
    """What was found at the ends of a part."""

    asked: TrimOptions
    start_seconds: float
    """Where it begins, by the source's clock."""
    has_keyframe: bool
    """Whether there is a keyframe at or before what was asked for; else it begins with the source."""
    packets: tuple[Packet, ...] = ()
    """From there on until well past its end, in the order of decoding; times from its beginning. Not that far where
    nothing is to be copied."""

    def trimmed(self, end_seconds: float | None) -> TrimOptions:
        """Return the trim that begins at the keyframe."""
        return self.asked.model_copy(update={"start_seconds": self.start_seconds, "end_seconds": end_seconds})

    def whole_frames(self, at_least: int | None) -> int | None:
        """Return how many coded pictures, from its beginning on, are shown before all that follow.

        Args:
            at_least: So many, or the next more; ``None``: all.
        """
        if at_least is None:
            return len(self.packets)
        following = _earliest_after(self.packets)
        latest = -1.0
        for count, packet in enumerate(self.packets, start=1):
            latest = max(latest, packet.at_seconds)
            if count >= at_least and latest < following[count]:
                return count
        return None

    def notes(self, plan: EncodePlan) -> tuple[str, ...]:
        """Say how far what is kept differs from what was asked for."""
        return (*self.notes_of_start(), *self._notes_of_end(plan))

    def notes_of_start(self) -> tuple[str, ...]:
        """Say how far its beginning differs from what was asked for."""
        return tuple(self._notes_of_start())

    def _notes_of_start(self) -> Iterator[str]:
        asked = self.asked
        if not self.has_keyframe:
            yield f"No keyframe comes before {asked.start_seconds:.3f} s: it begins with the source."
        elif asked.start_seconds - self.start_seconds > _SAME_SECONDS:
            early = asked.start_seconds - self.start_seconds
            yield f"It begins at the keyframe at {self.start_seconds:.3f} s, {early:.3f} s before the start asked for."

    def _notes_of_end(self, plan: EncodePlan) -> Iterator[str]:
        ends = plan.edits.kept_seconds[1] if plan.edits else plan.duration_seconds
        late = ends - (self.asked.end_seconds or ends)
        if late > float(_ABOUT_A_FRAME / plan.frame_rate):
            yield f"It ends at {ends:.3f} s, {late:.3f} s late: coded pictures cannot be parted before."


@dataclass(frozen=True)
class CutPlan:
    """What is made of a source whose trim begins at a keyframe."""

    plan: EncodePlan
    cut: KeyframeCut
    copy: Copied | str
    """The highest rung, where it is the source's own pictures; else why it is not, or nothing where none is wanted."""


def plan_cut(
    source: Path,
    facts: SourceFacts,
    recipe: Recipe,
    inputs: Inputs,
    *,
    tools: Toolset,
    scratch: Path,
    limits: Limits,
    run_id: str = "",
) -> CutPlan:
    """Find the keyframe at which a trim begins, and plan what is made of the part.

    Raises:
        EditImpossibleError: An edit does not fit this source; nothing was read.
        DailiesError: ffprobe failed, stalled, was killed, or ran out of time or disk.
    """
    asked = plan_encode(facts, recipe, inputs)  # what does not fit is told with the numbers that were asked for
    may_copy = recipe.wants_copy and not difference(facts, recipe.video, asked)
    cut = find_cut(
        source,
        facts,
        recipe.edit.trim,
        with_end=may_copy,
        tools=tools,
        scratch=scratch,
        limits=limits,
        run_id=run_id,
    )
    exact = plan_encode(facts, _cut(recipe, cut, recipe.edit.trim.end_seconds), inputs)
    if not recipe.wants_copy:
        return CutPlan(exact, cut, "the recipe changes its pictures")
    if why := difference(facts, recipe.video, exact):
        return CutPlan(exact, cut, why)
    return _copied(facts, recipe, inputs, cut, exact)


def find_cut(
    source: Path,
    facts: SourceFacts,
    asked: TrimOptions,
    *,
    with_end: bool = False,
    tools: Toolset,
    scratch: Path,
    limits: Limits,
    run_id: str = "",
) -> KeyframeCut:
    """Find the keyframe at or before the start of a trim by reading packets near it.

    Args:
        source: The file.
        facts: What probing found in it.
        asked: The trim.
        with_end: Read on to the end of the part: a copy is made of all its packets.
        tools: The programs.
        scratch: Directory for work files.
        limits: Time limits in seconds.
        run_id: Marks the process for a later sweep.

    Raises:
        DailiesError: ffprobe failed, stalled, was killed, or ran out of time or disk.
    """

    def read(start: float | None) -> tuple[Packet, ...]:
        last = asked.end_seconds if with_end else asked.start_seconds
        end = None if last is None else facts.start_seconds + last + _TAIL_SECONDS
        begin = None if start is None else facts.start_seconds + start
        stream = facts.video.stream_index
        packets = read_packets(
            source, stream, between=(begin, end), tools=tools, scratch=scratch, limits=limits, run_id=run_id
        )
        return tuple(replace(each, at_seconds=each.at_seconds - facts.start_seconds) for each in packets)

    rate = facts.video.frame_rate
    near = asked.start_seconds - _LEAD_SECONDS
    packets = read(near if near > 0 else None)
    place = _keyframe_before(packets, asked.start_seconds, rate)
    if place is None and near > 0:  # a container without an index may lead anywhere
        packets = read(None)
        place = _keyframe_before(packets, asked.start_seconds, rate)
    if place is None:
        return KeyframeCut(asked, 0.0, has_keyframe=False, packets=packets)
    at_seconds = packets[place].at_seconds
    part = tuple(replace(each, at_seconds=each.at_seconds - at_seconds) for each in packets[place:])
    return KeyframeCut(asked, max(0.0, at_seconds), has_keyframe=True, packets=part)


def _keyframe_before(packets: Sequence[Packet], start_seconds: float, rate: Fraction) -> int | None:
    """Return the place of the last keyframe that is shown at or before a time, counted in frames."""
    first = round(start_seconds * rate)
    places = (
        place
        for place, packet in enumerate(packets)
        if packet.is_key and not packet.is_hidden and packet.at_seconds > -_SAME_SECONDS
        if round(packet.at_seconds * rate) <= first
    )
    return max(places, key=lambda place: packets[place].at_seconds, default=None)


def _cut(recipe: Recipe, cut: KeyframeCut, end_seconds: float | None) -> Recipe:
    edit = recipe.edit.model_copy(update={"trim": cut.trimmed(end_seconds)})
    return recipe.model_copy(update={"edit": edit})


def _copied(facts: SourceFacts, recipe: Recipe, inputs: Inputs, cut: KeyframeCut, exact: EncodePlan) -> CutPlan:
    """Return the plan by which the part is copied, or the exact one where it cannot be."""
    is_to_end = cut.asked.end_seconds is None
    if not cut.has_keyframe:
        return CutPlan(exact, cut, "there is no keyframe at which a copy could begin")
    if any(packet.at_seconds < -_SAME_SECONDS for packet in cut.packets):
        return CutPlan(exact, cut, OPEN_GROUP)
    frames = cut.whole_frames(None if is_to_end else exact.frame_count)
    if frames is None:
        return CutPlan(exact, cut, _NO_END)
    end = None if is_to_end else cut.start_seconds + float(frames / exact.frame_rate)
    try:
        plan = plan_encode(facts, _cut(recipe, cut, end), inputs)
    except EditImpossibleError:  # only after the end that the source promises
        return CutPlan(exact, cut, _NO_END)
    copied = copied_from(cut.packets[:frames], plan)
    if isinstance(copied, str):
        return CutPlan(exact, cut, copied)
    return CutPlan(plan, cut, replace(copied, starts_at_seconds=cut.start_seconds))


def _earliest_after(packets: Sequence[Packet]) -> list[float]:
    """Return, for each number of packets, when the first picture is shown that comes after so many of them."""
    earliest = [float("inf")] * (len(packets) + 1)
    for place in range(len(packets) - 1, -1, -1):
        earliest[place] = min(earliest[place + 1], packets[place].at_seconds)
    return earliest
