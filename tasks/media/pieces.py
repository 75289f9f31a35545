"""Make one piece of a long encode, a chunk of its pictures or all of its sound, and say what was seen on the way.

A piece depends on the source, the recipe, the tools and its place alone: whoever makes it, on whatever machine, the
others fit to it (:mod:`tasks.media.chunks`). What it leaves is files, and an account that is small enough to be kept
beside them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from data.domain.assets import SourceFacts
from data.domain.errors import EncodeFailedError
from data.domain.model import DomainModel
from data.domain.recipes import Recipe
from tasks.media.accounts import blamed
from tasks.media.arguments import WorkFiles, encode_arguments, sound_arguments
from tasks.media.chunks import Chunk, Piece
from tasks.media.codecs import Encoder
from tasks.media.measures import Decoded, ToolLog, read_log
from tasks.media.opening import Opener
from tasks.media.plan import EncodePlan
from tasks.media.probe import SAFE_INPUT_ARGUMENTS
from tasks.media.process import Limits, Progress, run_ffmpeg
from tasks.media.tools import Toolset

_NOT_KEPT = (".log", ".md5")
_READ_AHEAD_SECONDS = 60.0
"""So much may lie between a keyframe that is sought and the first frame that is kept, before anything seems to move."""


class PieceAccount(DomainModel):
    """What ffmpeg said of a piece; kept with it."""

    files: dict[str, int]
    """Size in bytes by name."""
    threads: int
    cpu_seconds: float
    frame_counts: dict[str, int]
    """By rung."""
    packets: int = 0
    decoded_frames: int = 0
    decode_errors: int = 0
    patched_frames: int = 0
    black_spells: tuple[tuple[float, float], ...] = ()
    """Of any length, by the chunk's own clock, in seconds."""
    opening: tuple[str, ...] = ()
    """Digests of its first frames."""
    beyond: tuple[str, ...] = ()
    """Digests of the first frames of the next one."""
    silent_seconds: float = 0.0
    silent_since: float | None = None
    loudness_lufs: float | None = None

    def why_unfit(self, chunk: Chunk) -> str:
        """Say why a chunk cannot be joined with others; empty where it can."""
        counts = set(self.frame_counts.values())
        wanted = {chunk.frame_count} if chunk.frame_count is not None else counts - {0}
        if len(counts) == 1 and counts == wanted:
            return ""
        first = chunk.begins_at_seconds
        return f"the part from {first:.3f} s on gave {sorted(counts)} frames, not {chunk.expected_frames}"


@dataclass(frozen=True)
class MadePiece:
    """A piece that is there."""

    piece: Piece
    account: PieceAccount


@dataclass(frozen=True)
class PieceMaker:
    """What it takes to make any piece of one encode; lives as long as that."""

    source: Path
    facts: SourceFacts
    recipe: Recipe
    plan: EncodePlan
    encoder: Encoder
    tools: Toolset
    limits: Limits
    run_id: str = ""

    def make(
        self, piece: Piece, directory: Path, threads: int, on_progress: Callable[[Progress], None] | None = None
    ) -> PieceAccount:
        """Make a piece.

        Args:
            piece: Which one.
            directory: Empty directory that takes its files, and logs.
            threads: That may be kept busy.
            on_progress: Called with the encoder's own progress, in this thread; what it raises ends the encoder.

        Raises:
            CorruptInputError: The source cannot be decoded there.
            DailiesError: ffmpeg failed, stalled, was killed, or ran out of time or disk.
        """
        work, opener = WorkFiles(directory), Opener(SAFE_INPUT_ARGUMENTS, threads)
        if piece.chunk is None:
            arguments = sound_arguments(self.source, self.facts, self.recipe, self.plan, work, opener)
        else:
            arguments = encode_arguments(
                self.source,
                self.facts,
                self.recipe,
                self.plan,
                work,
                opener,
                encoder=self.encoder,
                chunk=piece.chunk,
            )
        try:
            outcome = run_ffmpeg(
                arguments,
                tools=self.tools,
                log_path=work.log,
                limits=self.limits.patient(_READ_AHEAD_SECONDS if piece.chunk and piece.chunk.sought_seconds else 0.0),
                expected_seconds=piece.expected_seconds,
                on_progress=_by_frames(on_progress, piece.chunk) if piece.chunk else on_progress,
                run_id=self.run_id,
            )
        except EncodeFailedError as error:
            raise blamed(error, read_log(work.log)) from error
        log = read_log(work.log)
        decoded = log.decoded.get("video" if piece.chunk else "audio", Decoded())
        return PieceAccount(
            files=_kept_files(directory),
            threads=threads,
            cpu_seconds=outcome.cpu_seconds,
            frame_counts=self._frame_counts(log, work) if piece.chunk else {},
            packets=decoded.packets,
            decoded_frames=decoded.frames,
            decode_errors=decoded.errors,
            patched_frames=log.patched_frames,
            black_spells=tuple(log.black_spells),
            opening=_digests(work.opening),
            beyond=_digests(work.beyond),
            silent_seconds=log.silent_seconds,
            silent_since=log.silent_since,
            loudness_lufs=log.loudness_lufs,
        )

    def _frame_counts(self, log: ToolLog, work: WorkFiles) -> dict[str, int]:
        return {rung.spec.name: log.frames_to(work.rung(rung.spec.name)) for rung in self.plan.rungs}


def _by_frames(on_progress: Callable[[Progress], None] | None, chunk: Chunk) -> Callable[[Progress], None] | None:
    """With times of the source's own, ffmpeg tells the time since its first report, not since the beginning."""
    if on_progress is None:
        return None
    return lambda told: on_progress(replace(told, share=min(1.0, told.frame_count / chunk.expected_frames)))


def _kept_files(directory: Path) -> dict[str, int]:
    kept = (path for path in directory.iterdir() if path.suffix not in _NOT_KEPT)
    return {path.name: path.stat().st_size for path in sorted(kept)}


def _digests(path: Path) -> tuple[str, ...]:
    """Read the digest of each frame, the last field of a line."""
    if not path.exists():
        return ()
    lines = path.read_text(encoding="ascii").splitlines()
    return tuple(line.rpartition(",")[2].strip() for line in lines if line and not line.startswith("#"))
