"""Join the pieces of a long encode by copying: what they leave together is what an encode in one piece would leave.

Nothing is believed here either: of each joined rung every packet's time is read and held against the grid of frames.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.domain.assets import SourceFacts
from tasks.media.arguments import LEAST_BLACK_SECONDS, WorkFiles
from tasks.media.chunks import Chunk, black_seconds
from tasks.media.conforming import read_packets
from tasks.media.measures import Decoded, Encoded, ToolLog
from tasks.media.pieces import MadePiece, PieceAccount
from tasks.media.plan import EncodePlan
from tasks.media.process import Limits, run_ffmpeg, run_tool
from tasks.media.tools import Toolset

_OFF_GRID = 0.1
"""In frames: how far from its place a picture may be shown, by the rounding of time bases."""


@dataclass(frozen=True)
class Joiner:
    """Puts the pieces of one encode together in its scratch directory; lives as long as that."""

    facts: SourceFacts
    plan: EncodePlan
    work: WorkFiles
    tools: Toolset
    limits: Limits
    run_id: str = ""

    def join(self, pieces: Sequence[MadePiece], bring: Callable[[MadePiece, str, Path], Path]) -> ToolLog | str:
        """Leave the work files of an encode in one piece; return what that would have said, or why it cannot be.

        Args:
            pieces: All of them, in order.
            bring: Brings one file of a piece, by its name, to a path; it may be a link, and is never written to.

        Raises:
            DailiesError: A tool failed, stalled, was killed, or ran out of time or disk.
        """
        chunks = [made for made in pieces if made.piece.chunk is not None]
        for made in pieces:
            if made.piece.chunk is None:
                for name in made.account.files:
                    bring(made, name, self.work.directory / name)
        for rung in self.plan.rungs:
            if why := self._join_rung(rung.spec.name, chunks, bring):
                return why
        for target in (self.work.tiles, self.work.candidates):
            parts = (bring(made, target.name, self._part(made, target)) for made in chunks)
            _put_together(parts, target)
        return joined_log(self.facts, self.plan, self.work, pieces)

    def _part(self, made: MadePiece, target: Path) -> Path:
        return target.with_name(f"part-{made.piece.name}-{target.name}")

    def _join_rung(self, name: str, chunks: Sequence[MadePiece], bring: Callable[[MadePiece, str, Path], Path]) -> str:
        """Join one rung; say why that cannot be done truly, if so."""
        target = self.work.rung(name)
        parts = [bring(made, target.name, self._part(made, target)) for made in chunks]
        try:
            headers = {self._header(part) for part in parts}
            if len(headers) > 1:
                return f"the encoder described the parts of {name} in different ways"
            self._concatenate(target, parts, chunks)
        finally:
            for part in parts:
                part.unlink(missing_ok=True)
        count = sum(made.account.frame_counts[name] for made in chunks)
        return "" if self._is_on_grid(target, count) else f"the parts of {name} did not join at their exact times"

    def _concatenate(self, target: Path, parts: Sequence[Path], chunks: Sequence[MadePiece]) -> None:
        # Exact to the microsecond, and begun anew at no joint: what an MP4 says of its own length is rounded.
        listed = target.with_suffix(".ffconcat")
        ends = [
            float(self._frames_until(chunks[: index + 1], target) / self.plan.frame_rate) for index in range(len(parts))
        ]
        starts = [0.0, *ends[:-1]]
        lines = [
            f"file '{part.name}'\nduration {round(end, 6) - round(start, 6):.6f}"
            for part, start, end in zip(parts, starts, ends, strict=True)
        ]
        listed.write_text("ffconcat version 1.0\n" + "\n".join(lines) + "\n", encoding="ascii")
        run_ffmpeg(
            [
                # As they are: brought to another form and back they would carry their header at each keyframe.
                *("-f", "concat", "-safe", "0", "-auto_convert", "0", "-i", str(listed)),
                *("-map", "0:v", "-c", "copy", "-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact"),
                *_tag_of(self._header(parts[0])),
                str(target),
            ],
            tools=self.tools,
            log_path=target.with_suffix(".join.log"),
            limits=self.limits,
            expected_seconds=self.plan.duration_seconds,
            run_id=self.run_id,
        )

    def _frames_until(self, chunks: Sequence[MadePiece], target: Path) -> int:
        name = next(rung.spec.name for rung in self.plan.rungs if self.work.rung(rung.spec.name) == target)
        return sum(made.account.frame_counts[name] for made in chunks)

    def _header(self, part: Path) -> str:
        """Return what decoders are told ahead of the pictures of a file, as a digest, with the tag of its codec."""
        answer, log = part.with_suffix(".header"), part.with_suffix(".header.log")
        shown = ["-show_entries", "stream=codec_tag_string,extradata_hash", "-show_data_hash", "md5", "-of", "csv=p=0"]
        run_tool(
            [self.tools.ffprobe, "-v", "error", *shown, part],
            log_path=log,
            stdout_path=answer,
            limits=self.limits,
            run_id=self.run_id,
        )
        return answer.read_text(encoding="utf-8").strip()

    def _is_on_grid(self, rung: Path, frame_count: int) -> bool:
        """Whether there is exactly one picture at the time of each frame."""
        packets = read_packets(
            rung, 0, tools=self.tools, scratch=self.work.directory, limits=self.limits, run_id=self.run_id
        )
        places = sorted(packet.at_seconds * float(self.plan.frame_rate) for packet in packets if not packet.is_hidden)
        return len(places) == frame_count == len(packets) and all(
            abs(place - index) < _OFF_GRID for index, place in enumerate(places)
        )


def joined_log(facts: SourceFacts, plan: EncodePlan, work: WorkFiles, pieces: Sequence[MadePiece]) -> ToolLog:
    """Return what ffmpeg would have said of an encode in one piece; pictures around joints were decoded twice."""
    chunks = [(made.piece.chunk, made.account) for made in pieces if made.piece.chunk is not None]
    sounds = [made.account for made in pieces if made.piece.chunk is None]
    decoded = _summed([account for _, account in chunks])
    decoded.frames = min(decoded.frames, round(facts.duration_seconds * facts.video.frame_rate))
    log = ToolLog(
        decoded={"video": decoded},
        encoded={
            (str(work.rung(rung.spec.name)), "video"): Encoded(
                sum(account.frame_counts[rung.spec.name] for _, account in chunks)
            )
            for rung in plan.rungs
        },
        patched_frames=sum(account.patched_frames for _, account in chunks),
        black_seconds=black_seconds(_spells(chunks), LEAST_BLACK_SECONDS),
    )
    for sound in sounds:
        log.decoded["audio"] = _summed([sound])
        log.silent_seconds, log.silent_since = sound.silent_seconds, sound.silent_since
        log.loudness_lufs = sound.loudness_lufs
    return log


def _spells(
    chunks: Iterable[tuple[Chunk, PieceAccount]],
) -> list[tuple[Chunk, tuple[tuple[float, float], ...]]]:
    return [(chunk, account.black_spells) for chunk, account in chunks]


def _summed(accounts: Sequence[PieceAccount]) -> Decoded:
    return Decoded(
        packets=sum(account.packets for account in accounts),
        frames=sum(account.decoded_frames for account in accounts),
        errors=sum(account.decode_errors for account in accounts),
    )


def _tag_of(header: str) -> tuple[str, ...]:
    """Return what keeps the tag of HEVC whose parameters are in the header alone, as Apple's players want it."""
    return ("-tag:v", "hvc1") if header.startswith("hvc1") else ()


def _put_together(parts: Iterable[Path], target: Path) -> None:
    with target.open("wb") as whole:
        for part in parts:
            with part.open("rb") as opened:
                shutil.copyfileobj(opened, whole)
            part.unlink()
