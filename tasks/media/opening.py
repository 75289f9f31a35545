"""Open files in a filter graph: none can make ffmpeg open another, and one that is to be trimmed is sought in first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import ffmpeg

from data.domain.assets import SourceFacts
from tasks.media.chunks import Chunk
from tasks.media.edits.editing import EditPlan
from tasks.media.edits.footage import Footage, Shape
from tasks.media.normalise import normalised_pictures, sound_in_step

OWN_TIMES = ("-copyts", "-start_at_zero")
"""Global arguments by which times are those of the whole file, from 0 on, wherever it was sought in."""


@dataclass(frozen=True)
class Opener:
    """How files are opened."""

    input_arguments: Sequence[str]
    """Name and value pairs that make opening a foreign file safe."""
    threads: int
    """Of each decoder, and of everything else together; at least 1."""

    def file(self, path: Path, **options: Any) -> Any:
        """Return an input stream of ffmpeg-python; options are ffmpeg's, ``None`` stands for a flag."""
        # Pictures that change size midway are scaled like the others: rebuilding the graph would start its clock anew.
        safe = paired(self.input_arguments)
        return ffmpeg.input(str(path), reinit_filter=0, threads=self.threads, **safe, **options)

    def footage(self, source: Path, facts: SourceFacts, shape: Shape, edits: EditPlan | None = None) -> Footage:
        """Return a source in the graph, in the form on which everything else works.

        Args:
            source: Absolute path of the source.
            facts: What probing found in it.
            shape: Of the whole source, as it is worked on.
            edits: What is to be done to it: frames that it skips are missing, though the shape still tells of them.
        """
        skipped = edits.skipped_frames if edits else 0
        return self.from_frame(source, facts, shape, skipped, edits.options.deinterlace if edits else "auto")

    def from_frame(
        self,
        source: Path,
        facts: SourceFacts,
        shape: Shape,
        skipped: int,
        deinterlace: Literal["auto", "always", "never"] = "auto",
        layouts: str = "stereo",
    ) -> Footage:
        """Return a source from one of its frames on, though the shape still tells of those before it.

        Args:
            source: Absolute path of the source.
            facts: What probing found in it.
            shape: Of the whole source, as it is worked on.
            skipped: How many frames are missing; 0: none.
            deinterlace: As of a recipe.
            layouts: Which channels its sound may have, in ffmpeg's words.
        """
        if skipped:
            # Not accurate: pictures from the keyframe on come before time 0, and the last of them is shown at 0.
            at_seconds = float(skipped / shape.frame_rate) + facts.picture_delay_seconds
            opened = self.file(source, ss=f"{at_seconds:.6f}", noaccurate_seek=None)
            facts = facts.model_copy(update={"picture_delay_seconds": 0.0})
        else:
            opened = self.file(source)
        stream = opened[str(facts.video.stream_index)]
        picture = normalised_pictures(stream, facts, shape.frame_rate, shape.size, deinterlace)
        if facts.audio is None:
            return Footage(shape, picture, None)
        sound = opened[str(facts.audio.stream_index)]
        if skipped:
            sound = sound.filter("atrim", start=0)
        left = replace(shape, frame_count=shape.frame_count - skipped)
        return Footage(shape, picture, sound_in_step(sound, facts, left.sample_count, layouts))

    def pictures_of(self, source: Path, facts: SourceFacts, shape: Shape, chunk: Chunk) -> Any:
        """Return the pictures that a chunk looks at, from time 0 on.

        Needs ffmpeg to keep the source's own times (:data:`OWN_TIMES`), so that they are picked as of the whole.

        Args:
            source: Absolute path of the source.
            facts: What probing found in it.
            shape: Of the whole source, as it is worked on.
            chunk: Which part of it.
        """
        sought = chunk.sought_seconds + facts.picture_delay_seconds if chunk.sought_seconds else 0.0
        opened = self.file(source, ss=f"{sought:.6f}", noaccurate_seek=None) if sought else self.file(source)
        stream = opened[str(facts.video.stream_index)]
        return normalised_pictures(stream, facts, shape.frame_rate, shape.size, frames=chunk.read_frames)


def paired(arguments: Sequence[str]) -> dict[str, str]:
    """Return ``-name value`` pairs as the keyword options that ffmpeg-python takes."""
    return {name.removeprefix("-"): value for name, value in zip(arguments[::2], arguments[1::2], strict=True)}
