"""From one source to its whole package with one decode: rungs, sound, sprite, poster and measurements.

The only slow step is one ffmpeg process (:mod:`tasks.media.arguments`); what follows copies streams and looks at a few
dozen small frames. Nothing is believed on an exit code: what was decoded and encoded is counted and held against what
probing promised.
"""

from collections.abc import Callable
from pathlib import Path

from data.domain.assets import Asset, SourceFacts
from data.domain.errors import CorruptInputError, EncodeFailedError, TruncatedInputError
from data.domain.publications import AudioRendition, Package, PosterCandidate, Rendition, SpriteSheet
from data.domain.recipes import Recipe
from tasks.media.arguments import WorkFiles, encode_arguments
from tasks.media.frames import best_frames, extract_frame, judge_frames, raw_pictures, write_jpeg
from tasks.media.measures import Decoded, ToolLog, read_log
from tasks.media.packaging import DASH_NAME, MASTER_NAME, MP4_NAME, write_progressive, write_tracks
from tasks.media.plan import AUDIO_RATE_HZ, EncodePlan, plan_encode
from tasks.media.playlists import variants
from tasks.media.probe import SAFE_INPUT_ARGUMENTS
from tasks.media.process import Limits, Progress, run_ffmpeg
from tasks.media.sprite import write_sprite
from tasks.media.tools import Toolset

POSTER_NAME = "poster.jpg"
_MOST_CANDIDATES = 12

_MISSING_SECONDS = 0.5
"""So much picture may be missing at the end: containers round, and a last frame's duration is a guess."""
_MISSING_FRAMES = 2
_DECODED_SHARE = 0.85
"""Fewer pictures than this out of the source's packets is damage; hidden and empty packets explain the rest."""

_BAD_INPUT_MARKS = (
    "Error opening input",
    "Invalid data found when processing input",
    "moov atom not found",
    "Could not find codec parameters",
    "Cannot determine format of input stream",
)


def transcode(
    source: Path,
    asset: Asset,
    recipe: Recipe,
    *,
    key: str,
    prefix: str,
    directory: Path,
    scratch: Path,
    tools: Toolset,
    encoder_threads: int,
    limits: Limits,
    on_progress: Callable[[Progress], None] | None = None,
    run_id: str = "",
) -> Package:
    """Make every file of a package.

    Args:
        source: Absolute path of the source.
        asset: What ingest found out about it.
        recipe: What to make of it.
        key: Cache key of this step, recorded in the package.
        prefix: Where the files will lie in the object store, recorded in the package.
        directory: Empty directory that takes the package's files.
        scratch: Directory for work files, best on the same file system; the caller removes it.
        tools: The programs.
        encoder_threads: Threads of each x264; 0 lets it choose.
        limits: Time limits in seconds, for each program run.
        on_progress: Called with the encoder's own progress.
        run_id: Marks the processes for a later sweep.

    Raises:
        CorruptInputError: The source cannot be decoded, or much of it cannot.
        TruncatedInputError: The source ends clearly before it promised to.
        RecipeInvalidError: Two files of the package would have one name.
        DailiesError: A program failed, stalled, was killed, or ran out of time or disk.
    """
    facts = asset.facts
    plan = plan_encode(facts, recipe)
    work = WorkFiles(scratch)
    has_audio = facts.audio is not None
    arguments = encode_arguments(
        source, facts, recipe, plan, work, input_arguments=SAFE_INPUT_ARGUMENTS, encoder_threads=encoder_threads
    )
    log = _encode(arguments, plan, work, tools, limits, on_progress, run_id)
    frame_count = verified_frame_count(log, facts, plan, work)
    duration = float(frame_count / plan.frame_rate)

    language = _language(facts)
    write_tracks(
        work, plan, directory, has_audio=has_audio, language=language, tools=tools, limits=limits, run_id=run_id
    )
    mp4 = directory / MP4_NAME
    write_progressive(work, plan, mp4, has_audio=has_audio, tools=tools, limits=limits, run_id=run_id)
    sprite = _write_sprite(work, plan, duration, directory)
    candidates = _write_candidates(work, plan, directory)
    extract_frame(
        work.rung(plan.rungs[0].spec.name),
        candidates[0].at_seconds,
        directory / POSTER_NAME,
        tools,
        log_path=work.directory / "poster.log",
        limits=limits,
        run_id=run_id,
    )
    files = {
        path.relative_to(directory).as_posix(): path.stat().st_size
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    codecs = _codecs(directory)
    return Package(
        asset_id=asset.id,
        key=key,
        prefix=prefix,
        duration_seconds=duration,
        renditions=_renditions(plan, frame_count, files, codecs),
        audio=_audio_rendition(facts, duration, files, codecs),
        mp4_path=MP4_NAME,
        poster_path=POSTER_NAME,
        poster_at_seconds=candidates[0].at_seconds,
        poster_candidates=candidates,
        sprite=sprite,
        master_path=MASTER_NAME,
        dash_path=DASH_NAME,
        measures=log.measures(duration, has_audio=has_audio),
        tools=tools.versions(encoder_threads),
        files=files,
    )


def _language(facts: SourceFacts) -> str | None:
    language = facts.audio.language if facts.audio else None
    return None if language in (None, "", "und") else language


def _encode(
    arguments: list[str],
    plan: EncodePlan,
    work: WorkFiles,
    tools: Toolset,
    limits: Limits,
    on_progress: Callable[[Progress], None] | None,
    run_id: str,
) -> ToolLog:
    """Run the one decode and return its own account of it."""
    try:
        run_ffmpeg(
            arguments,
            tools=tools,
            log_path=work.log,
            limits=limits,
            expected_seconds=plan.duration_seconds,
            on_progress=on_progress,
            run_id=run_id,
        )
    except EncodeFailedError as error:
        raise blamed(error, read_log(work.log)) from error
    return read_log(work.log)


def blamed(error: EncodeFailedError, log: ToolLog) -> EncodeFailedError | CorruptInputError:
    """Return the error that says whether source or encoder was at fault when ffmpeg failed."""
    said = f"{error.message}\n{error.facts.get('stderr_tail', '')}"
    decoded = log.decoded.get("video")
    nothing_decoded = decoded is not None and decoded.frames == 0
    if nothing_decoded or (decoded and decoded.errors) or any(mark in said for mark in _BAD_INPUT_MARKS):
        return CorruptInputError("The source's picture cannot be decoded.", error.facts)
    return error


def verified_frame_count(log: ToolLog, facts: SourceFacts, plan: EncodePlan, work: WorkFiles) -> int:
    """Return how many frames every rung has, after holding them against what the source promised.

    Up to half a second (or two frames) may be missing at the end, or too many there.

    Raises:
        CorruptInputError: Nothing or too little could be decoded, or clearly more than there was a time for.
        TruncatedInputError: The pictures end early without a sign of damage.
        EncodeFailedError: The rungs differ in their number of frames.
    """
    decoded = log.decoded.get("video", Decoded())
    counts = {rung.spec.name: log.frames_to(work.rung(rung.spec.name)) for rung in plan.rungs}
    encoded = min(counts.values())
    details = {
        "promised_frames": plan.frame_count,
        "encoded_frames": encoded,
        "packets": decoded.packets,
        "decoded_frames": decoded.frames,
        "decode_errors": decoded.errors,
    }
    if encoded == 0 or _is_mostly_damaged(decoded, facts):
        message = f"Only {decoded.frames} of {decoded.packets} pictures of the source can be decoded."
        raise CorruptInputError(message, details)
    tolerance = max(_MISSING_FRAMES, _MISSING_SECONDS * plan.frame_rate)
    message = f"The source promised {plan.frame_count} frames and gave {encoded}."
    if encoded > plan.frame_count + tolerance:
        raise CorruptInputError(f"{message} Its time stamps start over.", details)
    if encoded < plan.frame_count - tolerance:
        # A cut leaves one broken picture behind; more of them are damage.
        raise (CorruptInputError if decoded.errors > _MISSING_FRAMES else TruncatedInputError)(message, details)
    if encoded != max(counts.values()):
        raise EncodeFailedError(f"The rungs have different numbers of frames: {counts}.", details)
    return encoded


def _is_mostly_damaged(decoded: Decoded, facts: SourceFacts) -> bool:
    promised = max(decoded.packets, facts.video.packet_count or 0)
    # Interlaced H.264 may come as one packet a field, two a frame.
    expected = promised / 2 if facts.video.is_interlaced else promised
    return decoded.frames < expected * _DECODED_SHARE - _MISSING_FRAMES


def _write_sprite(work: WorkFiles, plan: EncodePlan, duration_seconds: float, directory: Path) -> SpriteSheet:
    tiles = raw_pictures(work.tiles, plan.tiles.width, plan.tiles.height)
    return write_sprite(tiles, plan.tiles, plan.frame_rate, duration_seconds, directory)


def _write_candidates(work: WorkFiles, plan: EncodePlan, directory: Path) -> tuple[PosterCandidate, ...]:
    pictures = raw_pictures(work.candidates, plan.candidates.width, plan.candidates.height)
    step = plan.candidates.step_frames
    times = [float(index * step / plan.frame_rate) for index in range(len(pictures))]
    (directory / "candidates").mkdir()
    written = []
    for rank, frame in enumerate(best_frames(judge_frames(pictures, times), _MOST_CANDIDATES), start=1):
        path = f"candidates/{rank:02}.jpg"
        write_jpeg(pictures[frame.index], directory / path)
        written.append(PosterCandidate(path=path, at_seconds=frame.at_seconds, score=frame.quality.score))
    return tuple(written)


def _codecs(directory: Path) -> dict[str, tuple[str, ...]]:
    master = (directory / MASTER_NAME).read_text(encoding="utf-8")
    return {variant.playlist_path: variant.codecs for variant in variants(master)}


def _renditions(
    plan: EncodePlan, frame_count: int, files: dict[str, int], codecs: dict[str, tuple[str, ...]]
) -> tuple[Rendition, ...]:
    duration = float(frame_count / plan.frame_rate)
    renditions = []
    for rung in plan.rungs:
        media, playlist = f"{rung.spec.name}.mp4", f"{rung.spec.name}.m3u8"
        renditions.append(
            Rendition(
                name=rung.spec.name,
                width=rung.width,
                height=rung.height,
                frame_rate=str(plan.frame_rate),
                size_bytes=files[media],
                average_kbps=_kbps(files[media], duration),
                frame_count=frame_count,
                codec=next(codec for codec in codecs[playlist] if not codec.startswith("mp4a")),
                media_path=media,
                playlist_path=playlist,
            )
        )
    return tuple(renditions)


def _audio_rendition(
    facts: SourceFacts, duration_seconds: float, files: dict[str, int], codecs: dict[str, tuple[str, ...]]
) -> AudioRendition | None:
    if facts.audio is None:
        return None
    named = {codec for values in codecs.values() for codec in values if codec.startswith("mp4a")}
    return AudioRendition(
        channels=2,
        sample_rate_hz=AUDIO_RATE_HZ,
        size_bytes=files["audio.mp4"],
        average_kbps=_kbps(files["audio.mp4"], duration_seconds),
        codec=named.pop(),
        media_path="audio.mp4",
        playlist_path="audio.m3u8",
        language=_language(facts),
    )


def _kbps(size_bytes: int, duration_seconds: float) -> int:
    return max(1, round(size_bytes * 8 / duration_seconds / 1000))
