"""Build the command of the one decode, apart from running it; pure, so that its tests need no ffmpeg.

One process decodes the source once. Its graph, with each scaler fed by the next larger one, and with the edits of a
recipe (:mod:`tasks.media.edits.editing`) between what is normalised and what is encoded::

    picture ─ deinterlace ─ constant rate ─ scale ─ tone map ─┬─ x264 1080p.mp4
                                                              ├─ judge: every nth frame → candidates.bgr
                                                              └─ scale ─┬─ x264 720p.mp4
                                                                        └─ scale ─┬─ x264 240p.mp4
                                                                                  └─ blackdetect → tiles.bgr
    sound ── resample ─ stereo ─ as long as the picture ─ silencedetect ─ ebur128 ─ AAC audio.mp4

The stills leave as raw BGR because their number is then the file's size, and numpy takes them as they are. What
encodes a rung is the recipe's to say (:mod:`tasks.media.codecs`); the highest may be a copy
(:mod:`tasks.media.conforming`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ffmpeg

from data.domain.assets import SourceFacts
from data.domain.recipes import AudioOptions, Recipe, VideoOptions
from tasks.media.chunks import OVERLAP_FRAMES, Chunk
from tasks.media.codecs import Encoder, RungTarget, rung_options, software_encoder, uploaded
from tasks.media.conforming import Copied
from tasks.media.edits.editing import NO_FINDINGS, Findings, edited_footage
from tasks.media.edits.footage import Footage, Shape
from tasks.media.opening import OWN_TIMES, Opener
from tasks.media.plan import EncodePlan, PlannedRung, StillPlan, rung_threads

_CLEANING = (
    "filter_units=remove_types=6",  # SEI messages: the encoder's description of itself, captions, times of day
    "h264_metadata=colour_primaries=1:transfer_characteristics=1:matrix_coefficients=1",  # BT.709
)
_FROM_ZERO = "setts=pts=PTS-STARTPTS:dts=DTS-STARTPTS"
LEAST_BLACK_SECONDS = 0.1
"""Shorter spells of black are not counted."""
_SPARE_SECONDS = 1.0
"""So long after its last picture a copied part is read on: coded pictures come in another order."""
_SOUND_ENCODERS = {"mp3": ("libmp3lame", 320), "opus": ("libopus", 512)}
"""By the kind of sound file: what encodes it, and the highest bitrate (kbit/s) that it takes."""
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

    def sound_file(self, suffix: str) -> Path:
        """The sound as a file of its own; the suffix is without a dot."""
        return self.directory / f"sound-file.{suffix}"

    @property
    def tiles(self) -> Path:
        """Sprite tiles, raw BGR."""
        return self.directory / "tiles.bgr"

    @property
    def opening(self) -> Path:
        """Digests of a chunk's first frames."""
        return self.directory / "opening.md5"

    @property
    def beyond(self) -> Path:
        """Digests of the frames behind a chunk's last."""
        return self.directory / "beyond.md5"

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
    *,
    findings: Findings = NO_FINDINGS,
    encoder: Encoder | None = None,
    crfs: Mapping[str, float] | None = None,
    copied: Copied | None = None,
    chunk: Chunk | None = None,
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
        encoder: What encodes the picture; the recipe's codec in software by default.
        crfs: Quality by the name of a rung, on x264's scale; the recipe's where none is given.
        copied: The highest rung, where it is the source's own pictures; never with edits that change them.
        chunk: A part of the pictures, in place of all; then there is no sound, and there are no edits.
    """
    threads = opener.threads
    quality = _Quality(encoder or software_encoder(recipe.video), recipe.video, crfs or {}, copied, chunk)
    if chunk is not None:
        pictures = opener.pictures_of(source, facts, _unedited_shape(plan), chunk)
        return _compiled(_chunk_outputs(pictures, chunk, quality, plan, work, threads), quality, threads)
    footage = _footage(source, facts, plan, opener, findings)
    outputs = _picture_outputs(footage.picture, quality, plan, work, threads)
    if copied is not None:
        stream = str(facts.video.stream_index)
        outputs.append(_copy_output(_own_pictures(source, opener, copied)[stream], copied, plan, work))
    if footage.sound is not None:
        outputs.extend(_sound_outputs(footage.sound, recipe.audio, work))
    return _compiled(outputs, quality, threads)


def sound_arguments(
    source: Path, facts: SourceFacts, recipe: Recipe, plan: EncodePlan, work: WorkFiles, opener: Opener
) -> list[str]:
    """Return the arguments, without the program, that turn a source into its sound alone, as the whole encode would.

    Args:
        source: Absolute path of the source, which has sound.
        facts: What probing found in it.
        recipe: What to make of it; without edits.
        plan: Of the whole.
        work: Where the parts go.
        opener: How files are opened.
    """
    sound = opener.footage(source, facts, _unedited_shape(plan)).sound
    return _compiled(_sound_outputs(sound, recipe.audio, work), None, opener.threads)


def _compiled(outputs: Sequence[Any], quality: "_Quality | None", threads: int) -> list[str]:
    command: list[str] = ffmpeg.merge_outputs(*outputs).compile()
    # Only at this level ffmpeg tells how many frames it decoded and how many of them were damaged.
    level = ["-loglevel", "verbose", "-y", "-filter_complex_threads", str(threads)]
    device = quality.encoder.device if quality else ()
    times = OWN_TIMES if quality and quality.chunk else ()
    return [*level, *times, *device, *command[1:]]


@dataclass(frozen=True)
class _Quality:
    """What encodes the rungs of one ladder, and how well."""

    encoder: Encoder
    options: VideoOptions
    crfs: Mapping[str, float]
    copied: Copied | None
    chunk: Chunk | None = None

    def threads(self, rungs: Sequence[PlannedRung], threads: int) -> dict[str, int]:
        """Return how many threads each rung gets that is encoded, by its name."""
        encoded = [rung for rung in rungs if self.copied is None or rung.spec.name != self.copied.rung]
        return {rung.spec.name: share for rung, share in zip(encoded, rung_threads(encoded, threads), strict=True)}

    def of(self, rung: PlannedRung, plan: EncodePlan, threads: int) -> dict[str, Any]:
        """Return the options of the output of one rung."""
        target = RungTarget(
            crf=self.crfs.get(rung.spec.name, self.options.crf),
            max_kbps=rung.spec.max_kbps,
            keyframe_times=self._keyframe_times(plan),
            keyframe_frames=self.copied.keyframe_frames if self.copied else plan.keyframe_frames,
            threads=threads,
        )
        return rung_options(self.encoder, self.options.preset, target)

    def _keyframe_times(self, plan: EncodePlan) -> str:
        if self.copied is not None:
            return self.copied.keyframe_times
        return self.chunk.keyframe_times if self.chunk else f"expr:gte(t,n_forced*{plan.segment_seconds:g})"


def _footage(source: Path, facts: SourceFacts, plan: EncodePlan, opener: Opener, findings: Findings) -> Footage:
    """What the ladder is made of, at the size of its top rung."""
    top = (plan.rungs[0].width, plan.rungs[0].height)
    if plan.edits is None:
        return opener.footage(source, facts, _unedited_shape(plan))
    opened = opener.footage(source, facts, replace(plan.edits.source, size=plan.working_size), plan.edits)
    footage = edited_footage(plan.edits, opened, findings)
    return footage if footage.shape.size == top else _scaled(footage, top)


def _unedited_shape(plan: EncodePlan) -> Shape:
    """The source at the size of the top rung."""
    top = plan.rungs[0]
    return Shape((top.width, top.height), plan.frame_rate, plan.frame_count, plan.has_sound)


def _chunk_outputs(
    pictures: Any, chunk: Chunk, quality: _Quality, plan: EncodePlan, work: WorkFiles, threads: int
) -> list[Any]:
    """Everything that is made of a chunk's pictures, with digests of its first frames and of those behind its last."""
    outputs = []
    if chunk.frame_count is not None:
        pictures, behind = _split(pictures, 2)
        behind = behind.filter("trim", start_frame=chunk.frame_count).filter("setpts", "PTS-STARTPTS")
        outputs.append(_digests_output(behind, work.beyond))
        pictures = pictures.filter("trim", end_frame=chunk.frame_count)
    if chunk.first_frame:
        pictures, first = _split(pictures, 2)
        outputs.append(_digests_output(first.filter("trim", end_frame=OVERLAP_FRAMES), work.opening))
    return [*_picture_outputs(pictures, quality, plan, work, threads), *outputs]


def _digests_output(pictures: Any, target: Path) -> Any:
    return ffmpeg.output(pictures, str(target), f="framemd5", fps_mode="passthrough")


def _scaled(footage: Footage, size: tuple[int, int]) -> Footage:
    picture = footage.picture.filter("scale", *size).filter("setsar", 1)
    return replace(footage, shape=replace(footage.shape, size=size), picture=picture)


def _picture_outputs(pictures: Any, quality: _Quality, plan: EncodePlan, work: WorkFiles, threads: int) -> list[Any]:
    outputs: list[Any] = []
    shares = quality.threads(plan.rungs, threads)
    first_frame = quality.chunk.first_frame if quality.chunk else 0
    least_black = 0.0 if quality.chunk else LEAST_BLACK_SECONDS  # a spell may go on in the next chunk
    for index, rung in enumerate(plan.rungs):
        uses_candidates = plan.candidates.rung_index == index
        uses_tiles = plan.tiles.rung_index == index
        is_last = index == len(plan.rungs) - 1
        share = shares.get(rung.spec.name)
        branches = iter(_split(pictures, (share is not None) + uses_candidates + uses_tiles + (not is_last)))
        if share is not None:
            outputs.append(_rung_output(next(branches), rung, quality, plan, work, share))
        if uses_candidates:
            outputs.append(_stills_output(next(branches), plan.candidates, work.candidates, first_frame))
        if uses_tiles:
            # Black is measured here, on every frame before the thinning, where frames are small.
            measured = next(branches).filter("blackdetect", d=least_black)
            outputs.append(_stills_output(measured, plan.tiles, work.tiles, first_frame))
        if not is_last:
            lower = plan.rungs[index + 1]
            pictures = next(branches).filter("scale", lower.width, lower.height).filter("setsar", 1)
    return outputs


def sound_encoders(options: AudioOptions) -> tuple[str, ...]:
    """Return the encoders that a file of the sound alone needs, beside AAC."""
    return (_SOUND_ENCODERS[options.rendition][0],) if options.rendition in _SOUND_ENCODERS else ()


def _split(stream: Any, count: int, name: str = "split") -> list[Any]:
    if count == 1:
        return [stream]
    parts = stream.filter_multi_output(name, count)
    return [parts[index] for index in range(count)]


def _rung_output(
    stream: Any, rung: PlannedRung, quality: _Quality, plan: EncodePlan, work: WorkFiles, threads: int
) -> Any:
    pictures = uploaded(stream, quality.encoder)
    return ffmpeg.output(pictures, str(work.rung(rung.spec.name)), **quality.of(rung, plan, threads), **NO_LEFTOVERS)


def _own_pictures(source: Path, opener: Opener, copied: Copied) -> Any:
    """The source as it is copied: that which is decoded, unless the copy begins elsewhere."""
    sought = copied.sought_seconds
    return opener.file(source, ss=f"{sought:.6f}") if sought else opener.file(source)  # equal inputs are one


def _copy_output(stream: Any, copied: Copied, plan: EncodePlan, work: WorkFiles) -> Any:
    """The source's own pictures, labelled as they are, without what its maker wrote between them."""
    filters: tuple[str, ...] = _CLEANING
    options: dict[str, Any] = {"c:v": "copy"}
    if copied.starts_at_seconds is not None:
        # By their times: an index with an edit list may lead to an earlier keyframe than the one that is sought.
        between = copied.between_seconds(plan.frame_rate)
        first, after = (f"{seconds - copied.sought_seconds:.6f}" for seconds in between)
        filters = (f"noise=drop=lt(pts*tb\\,{first})+gte(pts*tb\\,{after})", _FROM_ZERO, *_CLEANING)
        options["t"] = f"{float(after) + _SPARE_SECONDS:.6f}"
    options["bsf:v"] = ",".join(filters)
    return ffmpeg.output(stream, str(work.rung(copied.rung)), **options, **NO_LEFTOVERS)


def _stills_output(stream: Any, stills: StillPlan, target: Path, first_frame: int) -> Any:
    """Every nth frame, counted and not timed: even a single frame gives one, and each one's time is exact."""
    before = first_frame % stills.step_frames
    number = f"n+{before}" if before else "n"
    chosen = stream.filter("select", f"not(mod({number},{stills.step_frames}))").filter(
        "scale", stills.width, stills.height
    )
    return ffmpeg.output(chosen, str(target), f="rawvideo", pix_fmt="bgr24", fps_mode="passthrough")


def _sound_outputs(stream: Any, options: AudioOptions, work: WorkFiles) -> list[Any]:
    """The sound of the rungs, and that of a file of its own where it is not the same."""
    sound = stream.filter("silencedetect", noise="-50dB", duration=0.5).filter("ebur128", framelog="quiet")
    wanted = [(work.audio, "aac", options.kbps)]
    if options.rendition in _SOUND_ENCODERS:
        name, most_kbps = _SOUND_ENCODERS[options.rendition]
        wanted.append((work.sound_file(options.rendition), name, min(options.kbps, most_kbps)))
    branches = _split(sound, len(wanted), "asplit")
    return [_sound_output(branch, *one) for branch, one in zip(branches, wanted, strict=True)]


def _sound_output(sound: Any, target: Path, encoder: str, kbps: int) -> Any:
    return ffmpeg.output(
        sound, str(target), **{"c:a": encoder, "b:a": f"{kbps}k", "flags:a": "+bitexact"}, **NO_LEFTOVERS
    )
