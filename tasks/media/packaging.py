"""From encoded parts to what is served: CMAF segments for HLS and DASH, and a progressive MP4. Copies only.

Shaka Packager writes one folder of segments per track, named by both playlists, so that HLS and DASH share every byte.
One file per track with byte ranges would be fewer objects, but ffmpeg 9.0 plays no more than the first segment of such
an HLS playlist over HTTP. The packager runs in the scratch directory with relative names because commas and equal signs
in a path would end its stream descriptors early.

The progressive MP4 is a rung, byte by byte, and so of the recipe's codec: an H.264 of its own beside AV1 would cost an
encode that the other codec was chosen to spare. Who needs a file that plays everywhere asks for ``h264``, the default.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tasks.media.arguments import WorkFiles
from tasks.media.plan import EncodePlan, PlannedRung
from tasks.media.playlists import dash_with_sound, media_playlist, with_sound, without_generator_lines
from tasks.media.process import Limits, run_ffmpeg, run_tool
from tasks.media.tools import Toolset

MASTER_NAME = "master.m3u8"
DASH_NAME = "manifest.mpd"
MP4_NAME = "video.mp4"
AUDIO_NAME = "audio"
_OUTPUT_FOLDER = "tracks"
_PROGRESSIVE_SHORT_SIDE = 1080


def packager_arguments(work: WorkFiles, plan: EncodePlan, *, has_audio: bool) -> list[str]:
    """Return the packager's arguments, to be run in the scratch directory.

    Args:
        work: The encoded parts.
        plan: The rungs, highest first.
        has_audio: Whether there is sound.
    """
    descriptors = [
        f"in={work.rung(rung.spec.name).name},stream=video,{_segments_in(rung.spec.name)}" for rung in plan.rungs
    ]
    if has_audio:
        descriptors.append(
            f"in={work.audio.name},stream=audio,{_segments_in(AUDIO_NAME)},hls_group_id=audio,hls_name=Main"
        )
    return [
        *descriptors,
        *("--segment_duration", f"{plan.segment_seconds:g}"),
        *("--hls_master_playlist_output", f"{_OUTPUT_FOLDER}/{MASTER_NAME}"),
        *("--mpd_output", f"{_OUTPUT_FOLDER}/{DASH_NAME}"),
        *("--hls_playlist_type", "VOD", "--generate_static_live_mpd"),
        "--use_fake_clock_for_muxer",  # the same parts give the same bytes
    ]


def _segments_in(name: str) -> str:
    """The packager's words for: this track's segments go into a folder of its name."""
    folder = f"{_OUTPUT_FOLDER}/{name}"
    return f"init_segment={folder}/init.mp4,segment_template={folder}/$Number%05d$.m4s,playlist_name={name}.m3u8"


def write_tracks(
    work: WorkFiles,
    plan: EncodePlan,
    directory: Path,
    *,
    has_audio: bool,
    language: str | None,
    tools: Toolset,
    limits: Limits,
    run_id: str = "",
) -> None:
    """Package the encoded parts and move tracks and playlists into ``directory``.

    Args:
        work: The encoded parts.
        plan: The rungs, highest first.
        directory: Where tracks and playlists go.
        has_audio: Whether there is sound.
        language: Language tag of the sound, if it is known.
        tools: The programs.
        limits: Time limits in seconds.
        run_id: Marks the process for a later sweep.

    Raises:
        DailiesError: The packager failed, stalled, was killed or ran out of disk.
    """
    arguments = packager_arguments(work, plan, has_audio=has_audio)
    output = work.directory / _OUTPUT_FOLDER
    output.mkdir()
    run_tool(
        [tools.packager, *arguments],
        log_path=work.directory / "packager.log",
        limits=limits,
        cwd=work.directory,
        run_id=run_id,
    )
    for path in output.iterdir():
        if path.suffix not in (".m3u8", ".mpd"):
            path.rename(directory / path.name)
            continue
        text = without_generator_lines(path.read_text(encoding="utf-8"))
        if path.name == MASTER_NAME:
            text = with_sound(text, language)
        elif path.name == DASH_NAME:
            text = dash_with_sound(text, language)
        (directory / path.name).write_text(text, encoding="utf-8")


def join_segments(directory: Path, playlist_path: str, target: Path, parts: slice = slice(None)) -> Path:
    """Join segments of a track into one fragmented MP4, which is what they are when put one behind the other.

    Args:
        directory: Where the package's files are.
        playlist_path: The track's media playlist, relative to it.
        target: The file to write.
        parts: Which of its segments; all by default. The initialisation section always comes first.

    Raises:
        ValueError: The playlist cannot be read.
        OSError: A segment is not there.
    """
    initialisation, *media = media_playlist((directory / playlist_path).read_text(encoding="utf-8")).paths
    with target.open("wb") as joined:
        for path in (initialisation, *media[parts]):
            with (directory / path).open("rb") as part:
                shutil.copyfileobj(part, joined)
    return target


def progressive_rung(plan: EncodePlan) -> PlannedRung:
    """Return the rung that the progressive MP4 carries: the highest up to 1080 lines, else the lowest."""
    fitting = (rung for rung in plan.rungs if min(rung.width, rung.height) <= _PROGRESSIVE_SHORT_SIDE)
    return next(fitting, plan.rungs[-1])


def progressive_arguments(parts: Sequence[Path], target: Path) -> list[str]:
    """Return the arguments that put picture and sound into one MP4 without encoding, its index in front."""
    inputs = [argument for part in parts for argument in ("-i", str(part))]
    maps = [argument for index in range(len(parts)) for argument in ("-map", str(index))]
    return [
        *("-y", *inputs, *maps, "-c", "copy"),
        *("-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-movflags", "+faststart"),
        str(target),
    ]


def write_progressive(
    work: WorkFiles,
    plan: EncodePlan,
    target: Path,
    *,
    has_audio: bool,
    tools: Toolset,
    limits: Limits,
    run_id: str = "",
) -> None:
    """Write the progressive MP4 by copying streams.

    Raises:
        DailiesError: ffmpeg failed, stalled, was killed or ran out of disk.
    """
    parts = [work.rung(progressive_rung(plan).spec.name)] + ([work.audio] if has_audio else [])
    run_ffmpeg(
        progressive_arguments(parts, target),
        tools=tools,
        log_path=work.directory / "progressive.log",
        limits=limits,
        expected_seconds=plan.duration_seconds,
        run_id=run_id,
    )
