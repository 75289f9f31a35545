"""Which part of a source has to be prepared: what a trim keeps, and a little around it.

Models that follow faces, or learn what noise is, need what comes before; and a face is hidden for a while before it is
found. What lies around the part is cut off with the other edits, to the frame.
"""

from dataclasses import dataclass
from pathlib import Path

from data.domain.assets import PreparedPart, SourceFacts
from data.domain.edits import TrimOptions
from data.domain.recipes import Recipe
from tasks.media.decoding import Clip
from tasks.media.keyframes import find_cut
from tasks.media.process import Limits
from tasks.media.tools import Toolset

_AROUND_SECONDS = 1.0


@dataclass(frozen=True)
class PartToPrepare:
    """A part of a source, by the source's clock."""

    asked: TrimOptions
    """What is kept in the end, to the frame."""
    read: TrimOptions
    """What is prepared."""
    source_seconds: float
    notes: tuple[str, ...] = ()
    """What a person should know of where it begins: sentences."""

    @property
    def kept_seconds(self) -> float:
        """How long it lasts in the end."""
        return (self.asked.end_seconds or self.source_seconds) - self.asked.start_seconds

    def prepared(self, clip: Clip, lasts_seconds: float) -> PreparedPart:
        """Return how the rest is cut off what was made of a clip with this part.

        Args:
            clip: The part.
            lasts_seconds: What was made of it, in truth: a source may promise a few frames more than it has, and who
                asks for the part up to its promised end gets all there is.
        """
        begins_at, end = clip.begins_at_seconds, self.asked.end_seconds
        left = None if end is None or end - begins_at > lasts_seconds else end - begins_at
        trim = TrimOptions(start_seconds=max(0.0, self.asked.start_seconds - begins_at), end_seconds=left)
        return PreparedPart(begins_at_seconds=begins_at, source_seconds=self.source_seconds, trim=trim)


def part_to_prepare(
    source: Path, facts: SourceFacts, recipe: Recipe, tools: Toolset, scratch: Path, limits: Limits
) -> PartToPrepare | None:
    """Return the part of a source that a recipe's trim keeps; ``None`` where it keeps all.

    Raises:
        EditImpossibleError: The trim begins or ends after the end of the source.
        DailiesError: ffprobe failed, stalled, was killed, or ran out of time or disk.
    """
    asked = recipe.edit.effective.trim
    notes: tuple[str, ...] = ()
    if not asked.is_wanted:
        return None
    Clip(source, facts, asked).refuse_impossible_part()
    if asked.cut == "keyframe":
        cut = find_cut(source, facts, asked, tools=tools, scratch=scratch, limits=limits)
        notes = cut.notes_of_start()
        asked = TrimOptions(start_seconds=cut.start_seconds, end_seconds=asked.end_seconds)
    around = _AROUND_SECONDS + (recipe.anonymise.hold_seconds if recipe.anonymise.enabled else 0.0)
    end, lasts = asked.end_seconds, facts.duration_seconds
    read = TrimOptions(
        start_seconds=max(0.0, asked.start_seconds - around),
        end_seconds=None if end is None or end + around >= lasts else end + around,
    )
    return PartToPrepare(asked, read, lasts, notes)
