"""Build the command of the one decode, apart from running it; pure, so that its tests need no ffmpeg.

One process decodes the source once. Its graph, with each scaler fed by the next larger one, and with the edits of a
recipe (:mod:`tasks.media.edits.editing`) between what is normalised and what is encoded::

    picture ─ deinterlace ─ constant rate ─ scale ─ tone map ─┬─ x264 1080p.mp4
                                                              ├─ judge: every nth frame → candidates.bgr
                                                              └─ scale ─┬─ x264 720p.mp4
                                                                        └─ scale ─┬─ x264 240p.mp4
                                                                                  └─ blackdetect → tiles.bgr
    sound ── resample ─ stereo ─ as long as the picture ─ silencedetect ─ ebur128 ─ AAC audio.mp4

The stills leave as raw BGR because their number is then the file's size, and numpy takes them as they are.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ffmpeg

from data.domain.assets import SourceFacts
from data.domain.recipes import AudioOptions, Recipe, VideoOptions
from tasks.media.edits.editing import NO_FINDINGS, Findings, edited_footage
from tasks.media.edits.footage import Footage, Shape
from tasks.media.opening import Opener
from tasks.media.plan import EncodePlan, PlannedRung, StillPlan, rung_threads

NO_LEFTOVERS = {"map_metadata": "-1", "map_chapters": "-1", "fflags": "+bitexact"}


@dataclass(frozen=True)
class WorkFiles:
    """Where one encode leaves its files; all in the scratch directory of the attempt."""

    directory: Path

    def rung(self, name: str) -> Path:
        """The picture of one rung, as an ordinary MP4."""
        return self.directory / f"rung-{name}.mp4"

    @property
    def audio(self) -> Path:
        """The sound, as an ordinary MP4."""
        return self.directory / "sound.mp4"

    @property
    def tiles(self) -> Path:
        """Sprite tiles, raw BGR."""
        return self.directory / "tiles.bgr"

    @property
    def candidates(self) -> Path:
        """Poster candidates, raw BGR."""
        return self.directory / "candidates.bgr"

    @property
    def log(self) -> Path:
        """What ffmpeg said; the measurements are read from it."""
        return self.directory / "encode.log"


def encode_arguments(
    source: Path,
    facts: SourceFacts,
    recipe: Recipe,
    plan: EncodePlan,
    work: WorkFiles,
    opener: Opener,
    findings: Findings = NO_FINDINGS,
) -> list[str]:
    """Return the arguments, without the program, that turn a source into all its parts.

    Args:
        source: Absolute path of the source.
        facts: What probing found in it.
        recipe: What to make of it.
        plan: Sizes, rate and counts for that source and recipe.
        work: Where the parts go.
        opener: How files are opened; its threads are what the whole encode may keep busy.
        findings: Of the first passes that its edits need.
    """
    threads = opener.threads
    footage = _footage(source, facts, plan, opener, findings)
    outputs = _picture_outputs(footage.picture, recipe.video, plan, work, threads)
    if footage.sound is not None:
        outputs.append(_sound_output(footage.sound, recipe.audio, work))
    command: list[str] = ffmpeg.merge_outputs(*outputs).compile()
    # Only at this level ffmpeg tells how many frames it decoded and how many of them were damaged.
    return ["-loglevel", "verbose", "-y", "-filter_complex_threads", str(threads), *command[1:]]


def _footage(source: Path, facts: SourceFacts, plan: EncodePlan, opener: Opener, findings: Findings) -> Footage:
    """What the ladder is made of, at the size of its top rung."""
    top = (plan.rungs[0].width, plan.rungs[0].height)
    if plan.edits is None:
        shape = Shape(top, plan.frame_rate, plan.frame_count, plan.has_sound)
        return opener.footage(source, facts, shape)
    opened = opener.footage(source, facts, replace(plan.edits.source, size=plan.working_size), plan.edits)
    footage = edited_footage(plan.edits, opened, findings)
    return footage if footage.shape.size == top else _scaled(footage, top)


def _scaled(footage: Footage, size: tuple[int, int]) -> Footage:
    picture = footage.picture.filter("scale", *size).filter("setsar", 1)
    return replace(footage, shape=replace(footage.shape, size=size), picture=picture)


def _picture_outputs(
    pictures: Any, options: VideoOptions, plan: EncodePlan, work: WorkFiles, threads: int
) -> list[Any]:
    outputs: list[Any] = []
    for index, (rung, rung_share) in enumerate(zip(plan.rungs, rung_threads(plan.rungs, threads), strict=True)):
        uses_candidates = plan.candidates.rung_index == index
        uses_tiles = plan.tiles.rung_index == index
        is_last = index == len(plan.rungs) - 1
        branches = iter(_split(pictures, 1 + uses_candidates + uses_tiles + (not is_last)))
        outputs.append(_rung_output(next(branches), rung, options, plan, work, rung_share))
        if uses_candidates:
            outputs.append(_stills_output(next(branches), plan.candidates, work.candidates))
        if uses_tiles:
            # Black is measured here, on every frame before the thinning, where frames are small.
            measured = next(branches).filter("blackdetect", d=0.1)
            outputs.append(_stills_output(measured, plan.tiles, work.tiles))
        if not is_last:
            lower = plan.rungs[index + 1]
            pictures = next(branches).filter("scale", lower.width, lower.height).filter("setsar", 1)
    return outputs


def _split(stream: Any, count: int) -> list[Any]:
    if count == 1:
        return [stream]
    parts = stream.filter_multi_output("split", count)
    return [parts[index] for index in range(count)]


def _rung_output(
    stream: Any, rung: PlannedRung, options: VideoOptions, plan: EncodePlan, work: WorkFiles, threads: int
) -> Any:
    return ffmpeg.output(
        stream,
        str(work.rung(rung.spec.name)),
        **{"c:v": "libx264", "flags:v": "+bitexact"},
        preset=options.preset,
        crf=options.crf,
        maxrate=f"{rung.spec.max_kbps}k",
        bufsize=f"{2 * rung.spec.max_kbps}k",
        # Keyframes by the clock and nowhere else, so that segments of all rungs begin with the same frame.
        force_key_frames=f"expr:gte(t,n_forced*{options.segment_seconds:g})",
        sc_threshold=0,
        g=plan.keyframe_frames,
        threads=threads,
        **NO_LEFTOVERS,
    )


def _stills_output(stream: Any, stills: StillPlan, target: Path) -> Any:
    """Every nth frame, counted and not timed: even a single frame gives one, and each one's time is exact."""
    chosen = stream.filter("select", f"not(mod(n,{stills.step_frames}))").filter("scale", stills.width, stills.height)
    return ffmpeg.output(chosen, str(target), f="rawvideo", pix_fmt="bgr24", fps_mode="passthrough")


def _sound_output(stream: Any, options: AudioOptions, work: WorkFiles) -> Any:
    sound = stream.filter("silencedetect", noise="-50dB", duration=0.5).filter("ebur128", framelog="quiet")
    return ffmpeg.output(
        sound, str(work.audio), **{"c:a": "aac", "b:a": f"{options.kbps}k", "flags:a": "+bitexact"}, **NO_LEFTOVERS
    )
