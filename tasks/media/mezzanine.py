"""Write a mezzanine: the source once more, nearly without loss, with its pictures or its sound changed.

Pictures that Python changes go through pipes, one at a time::

    ffmpeg (decode, normalise) → raw BGR → the operations, in turn → raw BGR → ffmpeg (captions, x264, sound)

Each end waits for the other, so there are never more than a few frames in memory. The encoder is run, watched and ended
like every other; when it ends the rest does too, and a failure of the rest ends it.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg

from data.domain.errors import EncodeFailedError
from tasks.media.accounts import blamed, refuse_damaged
from tasks.media.arguments import NO_LEFTOVERS
from tasks.media.decoding import Clip, DecodeContext, decoded_pictures
from tasks.media.edits.footage import AUDIO_RATE_HZ
from tasks.media.frames import Picture
from tasks.media.measures import read_log
from tasks.media.normalise import BT709
from tasks.media.process import Limits, Progress, run_ffmpeg
from tasks.media.tools import Toolset

CRF = 15
"""x264 quality: what it loses is not seen after the ladder has encoded it again."""
_PRESET = "veryfast"
_LOOKAHEAD_FRAMES = 10  # the stall watchdog must see frames come out, also where each one takes seconds to make
_FLAC_LAYOUTS = "mono|stereo|3.0|quad|5.0|5.1|6.1|7.1"

FrameOperation = Callable[[int, Picture], Picture]
"""Takes the number and the picture of a frame, and returns another picture; of one size for all frames."""


@dataclass(frozen=True)
class Subtitles:
    """Captions to be drawn into the picture."""

    ass_file: Path
    fonts_directory: Path


@dataclass(frozen=True)
class CleanSound:
    """Sound that takes the place of the source's: raw 32-bit floats at 48 kHz, channels in turn."""

    path: Path
    channels: int


@dataclass(frozen=True)
class VoiceOver:
    """A voice that is laid over the sound."""

    path: Path
    """A sound file of one channel."""
    start_seconds: float
    """Before 0: its beginning is not heard."""
    duck_ratio: float
    """Of the compressor by which the other sound steps back; 1 leaves it as it is."""


@dataclass(frozen=True)
class Changes:
    """What is to be different in the mezzanine."""

    operations: tuple[FrameOperation, ...] = ()
    """Carried out in this order."""
    size: tuple[int, int] | None = None
    """Width and height that the operations end with; ``None`` where they keep those of the clip."""
    subtitles: Subtitles | None = None
    sound: CleanSound | None = None
    voice: VoiceOver | None = None


def write_mezzanine(
    clip: Clip,
    changes: Changes,
    target: Path,
    *,
    scratch: Path,
    tools: Toolset,
    threads: int,
    limits: Limits,
    on_progress: Callable[[Progress], None] | None = None,
    run_id: str = "",
) -> None:
    """Write a clip with its changes as MP4: H.264 at the clip's own rate, and FLAC sound as long as the picture.

    Args:
        clip: The source.
        changes: What to change.
        target: The file to write.
        scratch: Directory for logs.
        tools: The programs.
        threads: Threads that the encode may keep busy, at least 1.
        limits: Time limits in seconds.
        on_progress: Called with the encoder's own progress.
        run_id: Marks the processes for a later sweep.

    Raises:
        CorruptInputError: The source cannot be decoded, or much of it cannot.
        TruncatedInputError: The source ends clearly before it promised to.
        DailiesError: A program or an operation failed, stalled, was killed, or ran out of time or disk.
    """
    log_path = scratch / "mezzanine.log"
    watched: dict[str, Any] = {
        "tools": tools,
        "log_path": log_path,
        "limits": limits,
        "expected_seconds": clip.duration_seconds,
        "on_progress": on_progress,
        "run_id": run_id,
    }
    arguments = mezzanine_arguments(clip, changes, target, threads)
    if not changes.operations:
        try:
            run_ffmpeg(arguments, **watched)
        except EncodeFailedError as error:
            raise blamed(error, read_log(log_path)) from error
        log = read_log(log_path)
        made = log.frames_to(target)
        promised, unseen = clip.frame_count, clip.unseen_seconds
        refuse_damaged(log, clip.kept_facts, encoded=made, promised=promised, unseen_seconds=unseen)
        return
    context = DecodeContext(tools, limits.stall_seconds, run_id, threads)
    decoder_log = scratch / "decode.log"
    count = pumped(
        arguments, watched, lambda sink: pump(clip, clip.size, changes.operations, sink, context, decoder_log)
    )
    log = read_log(decoder_log)
    promised, unseen = clip.frame_count, clip.unseen_seconds
    refuse_damaged(log, clip.kept_facts, encoded=count, promised=promised, unseen_seconds=unseen)


def mezzanine_arguments(clip: Clip, changes: Changes, target: Path, threads: int) -> list[str]:
    """Return the arguments, without the program, that write a mezzanine; pictures that are changed come by pipe."""
    outputs: list[Any] = [_pictures(clip, changes)]
    sound = _sound(clip, changes)
    if sound is not None:
        outputs.append(sound)
    language = clip.facts.audio.language if clip.facts.audio else None
    command: list[str] = ffmpeg.output(
        *outputs,
        str(target),
        **{"c:v": "libx264", "c:a": "flac", "sample_fmt:a": "s16"},
        preset=_PRESET,
        crf=CRF,
        g=max(1, round(2 * clip.frame_rate)),
        threads=threads,
        movflags="+faststart",
        **{"x264-params": f"rc-lookahead={_LOOKAHEAD_FRAMES}:sync-lookahead=0"},
        **NO_LEFTOVERS,
        **({"metadata:s:a:0": f"language={language}"} if sound is not None and language else {}),
    ).compile()
    return ["-loglevel", "verbose", "-y", "-filter_complex_threads", str(threads), *command[1:]]


def _pictures(clip: Clip, changes: Changes) -> Any:
    if changes.operations:
        # ffmpeg-python writes the size of two numbers itself.
        size = changes.size or clip.size
        piped = ffmpeg.input(
            "pipe:0", format="rawvideo", pixel_format="bgr24", video_size=size, framerate=clip.frame_rate
        )
        pictures = (
            piped["v"]
            .filter("scale", out_color_matrix="bt709", out_range="tv", flags="bicubic+accurate_rnd+full_chroma_int")
            .filter("format", "yuv420p")
            .filter("setparams", **BT709)
        )
    else:
        pictures = clip.footage(clip.size, _FLAC_LAYOUTS).picture
    if changes.subtitles is not None:
        drawn = changes.subtitles
        pictures = pictures.filter("ass", str(drawn.ass_file), fontsdir=str(drawn.fonts_directory))
    return pictures


def _sound(clip: Clip, changes: Changes) -> Any:
    other = _other_sound(clip, changes)
    if changes.voice is None:
        return other
    given = changes.voice
    spoken = ffmpeg.input(str(given.path))["a"].filter("aresample", AUDIO_RATE_HZ)
    if given.start_seconds < 0:
        spoken = spoken.filter("atrim", start=f"{-given.start_seconds:.6f}").filter("asetpts", "PTS-STARTPTS")
    voice = (
        spoken.filter("adelay", round(max(0.0, given.start_seconds) * 1000), all=1)
        .filter("apad", whole_len=clip.sample_count)
        .filter("atrim", end_sample=clip.sample_count)
        .filter("aformat", channel_layouts="stereo")
    )
    if other is None:
        return voice
    other = other.filter("aformat", channel_layouts="stereo")
    if given.duck_ratio > 1:
        heard = voice.asplit()
        voice, key = heard[0], heard[1]
        other = ffmpeg.filter(
            [other, key], "sidechaincompress", threshold=0.02, ratio=given.duck_ratio, attack=20, release=400
        )
    return ffmpeg.filter([other, voice], "amix", inputs=2, duration="first", normalize=0).filter("alimiter", limit=0.95)


def _other_sound(clip: Clip, changes: Changes) -> Any:
    if changes.sound is not None:
        given = changes.sound
        layout = "mono" if given.channels == 1 else "stereo"
        return ffmpeg.input(str(given.path), format="f32le", sample_rate=AUDIO_RATE_HZ, ch_layout=layout)["a"]
    return clip.footage(clip.size, _FLAC_LAYOUTS).sound


def pumped(arguments: list[str], watched: dict[str, Any], fill: Callable[[int], int]) -> int:
    """Run the encoder on what a thread pumps into it; return how many frames that were.

    Args:
        arguments: The encoder's, without the program; it reads from ``pipe:0``.
        watched: Everything else that :func:`tasks.media.process.run_ffmpeg` takes.
        fill: Writes frames to a descriptor, closes it, and returns how many there were.

    Whichever of the two fails, what it says is raised: the pump's word goes first, since an encoder that is given too
    little only fails in consequence.
    """
    source, sink = os.pipe()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="frames") as pool:
        pumping = pool.submit(fill, sink)
        try:
            run_ffmpeg(arguments, stdin=source, **watched)
        except EncodeFailedError:
            os.close(source)
            source = -1
            with suppress(BrokenPipeError):
                pumping.result()
            raise
        finally:
            if source >= 0:
                os.close(source)  # a pump that still writes learns by it that nobody reads any more
        return pumping.result()


def pump(
    clip: Clip,
    size: tuple[int, int],
    operations: Sequence[FrameOperation],
    sink: int,
    context: DecodeContext,
    log_path: Path,
) -> int:
    """Decode a clip at a size, change each picture, and write it to a descriptor, which is closed; count the frames."""
    count = 0
    try:
        with decoded_pictures(clip, size, context, log_path) as pictures:
            for picture in pictures:
                for operation in operations:
                    picture = operation(count, picture)
                _write(sink, picture.reshape(-1).data)
                count += 1
    finally:
        os.close(sink)
    return count


def _write(sink: int, data: memoryview) -> None:
    while data:
        data = data[os.write(sink, data) :]
