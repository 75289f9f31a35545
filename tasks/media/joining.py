"""Join the pieces of a long encode by copying: what they leave together is what an encode in one piece would leave.

Nothing is believed here either: of each joined rung every packet's time is read and held against the grid of frames.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from data.domain.assets import SourceFacts
from tasks.media.arguments import LEAST_BLACK_SECONDS, WorkFiles
from tasks.media.chunks import black_seconds
from tasks.media.measures import Decoded, Encoded, ToolLog
from tasks.media.pieces import MadePiece, PieceAccount
from tasks.media.plan import EncodePlan
from tasks.media.process import Limits, run_ffmpeg, run_tool
from tasks.media.timing import read_timeline
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
        for rung in self.plan.rungs:
            if why := self._join_rung(rung.spec.name, chunks, bring):
                return why
        for target in (self.work.tiles, self.work.candidates):
            parts = (bring(made, target.name, self._part(made, target)) for made in chunks)
            _put_together(parts, target)
        for made in pieces:  # last: what an encode in one piece would write over must not be somebody's link
            if made.piece.chunk is None:
                for name in made.account.files:
                    bring(made, name, self.work.directory / name)
        return joined_log(self.facts, self.plan, self.work, pieces)

    def _part(self, made: MadePiece, target: Path) -> Path:
        return target.with_name(f"part-{made.piece.name}-{target.name}")

    def _join_rung(self, name: str, chunks: Sequence[MadePiece], bring: Callable[[MadePiece, str, Path], Path]) -> str:
        """Join one rung; say why that cannot be done truly, if so."""
        target, counts = self.work.rung(name), [made.account.frame_counts[name] for made in chunks]
        parts = [bring(made, target.name, self._part(made, target)) for made in chunks]
        headers = {self._header(part) for part in parts}
        if len(headers) > 1:
            return f"the encoder described the parts of {name} in different ways"
        self._concatenate(target, parts, counts, headers.pop())
        for part in parts:
            part.unlink()
        is_true = self._is_on_grid(target, sum(counts))
        return "" if is_true else f"the parts of {name} did not join at their exact times"

    def _concatenate(self, target: Path, parts: Sequence[Path], counts: Sequence[int], header: str) -> None:
        listed = target.with_suffix(".ffconcat")
        # What an MP4 says of its own length is rounded. This is too, but each time from the beginning.
        ends = [round(float(frames / self.plan.frame_rate), 6) for frames in accumulate(counts)]
        lasting = zip(parts, [0.0, *ends], ends, strict=False)
        lines = [f"file '{part.name}'\nduration {end - start:.6f}\n" for part, start, end in lasting]
        listed.write_text("ffconcat version 1.0\n" + "".join(lines), encoding="ascii")
        run_ffmpeg(
            [
                # As they are: brought to another form and back they would carry their header at each keyframe.
                *("-f", "concat", "-safe", "0", "-auto_convert", "0", "-i", str(listed)),
                *("-map", "0:v", "-c", "copy", "-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact"),
                *_tag_of(header),
                str(target),
            ],
            tools=self.tools,
            log_path=target.with_suffix(".join.log"),
            limits=self.limits,
            expected_seconds=self.plan.duration_seconds,
            run_id=self.run_id,
        )

    def _header(self, part: Path) -> str:
        """Return what decoders are told ahead of the pictures of a file, as a digest, with the tag of its codec."""
        answer = part.with_suffix(".header")
        shown = ["-show_entries", "stream=codec_tag_string,extradata_hash", "-show_data_hash", "md5", "-of", "csv=p=0"]
        self._ask(part, shown, answer)
        return answer.read_text(encoding="utf-8").strip()

    def _is_on_grid(self, rung: Path, frame_count: int) -> bool:
        """Whether there is exactly one picture at the time of each frame."""
        answer = rung.with_suffix(".packets")
        shown = ["-show_entries", "packet=stream_index,pts_time,dts_time,duration_time,flags", "-of", "csv=p=0"]
        self._ask(rung, shown, answer)
        timeline = read_timeline(answer, 0)
        answer.unlink()
        rate = float(self.plan.frame_rate)
        return len(timeline.picture_times) == frame_count == timeline.picture_count and all(
            abs(at * rate - index) < _OFF_GRID for index, at in enumerate(timeline.picture_times)
        )

    def _ask(self, media: Path, shown: Sequence[str], answer: Path) -> None:
        run_tool(
            [self.tools.ffprobe, "-v", "error", *shown, media],
            log_path=answer.with_suffix(".probe.log"),
            stdout_path=answer,
            limits=self.limits,
            run_id=self.run_id,
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
        black_seconds=black_seconds([(chunk, account.black_spells) for chunk, account in chunks], LEAST_BLACK_SECONDS),
    )
    for sound in sounds:
        log.decoded["audio"] = _summed([sound])
        log.silent_seconds, log.silent_since = sound.silent_seconds, sound.silent_since
        log.loudness_lufs = sound.loudness_lufs
    return log


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
