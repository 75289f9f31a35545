"""Brings voice, music and the sound of intro and outro together, at the loudness of the web, and joins the picture.

The music steps back while somebody speaks (side-chain compression by the voice). The whole is measured first and then
set to -16 LUFS in one step, so that quiet passages are not pumped up.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg

from data.domain.errors import EncodeFailedError
from tasks.media.process import Limits, run_ffmpeg
from tasks.media.tools import Toolset

LOUDNESS_LUFS = -16.0
_PEAK_DBTP = -1.5
_RANGE_LU = 11.0
_SILENT_LUFS = -70.0
_RATE_HZ = 48_000
_MUSIC_GAIN_DB = -9.0
_LIMITS = Limits(soft_seconds=3600.0, hard_seconds=3660.0, stall_seconds=120.0)
_REPORT = re.compile(r"\{[^{}]*\"input_i\"[^{}]*\}")


@dataclass(frozen=True)
class Placed:
    """A sound and when it begins in the video, in seconds."""

    path: Path
    start_seconds: float


@dataclass(frozen=True)
class Tracks:
    """What is to be heard; each may be missing."""

    voice: Placed | None
    music: Placed | None
    bumpers: tuple[Placed, ...]
    duration_seconds: float


def finish(picture: Path, tracks: Tracks, target: Path, tags: Mapping[str, str], tools: Toolset, scratch: Path) -> None:
    """Mix the sound, join it to the picture and write the finished video.

    Args:
        picture: The video without sound; its stream is copied.
        tracks: What is heard.
        target: The new file (``.mp4``), its index in front.
        tags: What the file says about itself.
        tools: Where ffmpeg is.
        scratch: Folder for the mix.

    Raises:
        DailiesError: ffmpeg failed, stalled, was killed or ran out of disk.
    """
    mix, log = scratch / "mix.wav", scratch / "mix.log"
    run_ffmpeg(mix_arguments(tracks, mix), tools=tools, log_path=log, limits=_LIMITS)
    measured = _measured(log)
    run_ffmpeg(
        finish_arguments(picture, mix, measured, target, tags),
        tools=tools,
        log_path=scratch / "finish.log",
        limits=_LIMITS,
        expected_seconds=tracks.duration_seconds,
    )


def mix_arguments(tracks: Tracks, target: Path) -> list[str]:
    """Return ffmpeg's arguments that mix everything into a WAV file and measure its loudness."""
    parts: list[Any] = [_silence(tracks.duration_seconds)]
    voice = _placed(tracks.voice) if tracks.voice else None
    music = _placed(tracks.music).filter("volume", f"{_MUSIC_GAIN_DB}dB") if tracks.music else None
    if voice is not None:
        voice = voice.filter("highpass", f=70).filter("volume", "3dB")
    if voice is not None and music is not None:
        heard = voice.filter_multi_output("asplit", 2)
        endless = heard[1].filter("apad", whole_dur=f"{tracks.duration_seconds:.3f}")
        ducked = ffmpeg.filter(
            [music, endless], "sidechaincompress", threshold=0.012, ratio=5, attack=40, release=650, knee=6
        )
        parts += [heard[0], ducked]
    else:
        parts += [part for part in (voice, music) if part is not None]
    parts += [_placed(bumper) for bumper in tracks.bumpers]
    mixed = ffmpeg.filter(parts, "amix", inputs=len(parts), duration="first", normalize=0)
    # Two outputs of one mix: the samples, and nothing but the measurement.
    branches = mixed.filter_multi_output("asplit", 2)
    wave = ffmpeg.output(branches[0], str(target), rf64="auto", **{"c:a": "pcm_f32le"})
    loudness = branches[1].filter("loudnorm", I=LOUDNESS_LUFS, TP=_PEAK_DBTP, LRA=_RANGE_LU, print_format="json")
    command: list[str] = ffmpeg.merge_outputs(wave, ffmpeg.output(loudness, "-", f="null")).compile()
    return command[1:]


def finish_arguments(
    picture: Path, mix: Path, measured: Mapping[str, str] | None, target: Path, tags: Mapping[str, str]
) -> list[str]:
    """Return ffmpeg's arguments that set the loudness, encode the sound and copy the picture.

    Args:
        picture: The video without sound.
        mix: The mixed sound.
        measured: What ``loudnorm`` measured of it; ``None`` for silence, which has no loudness.
        target: The new file.
        tags: What the file says about itself.
    """
    sound = ffmpeg.input(str(mix)).audio
    if measured is not None:
        sound = sound.filter(
            "loudnorm",
            I=LOUDNESS_LUFS,
            TP=_PEAK_DBTP,
            LRA=_RANGE_LU,
            measured_I=measured["input_i"],
            measured_TP=measured["input_tp"],
            measured_LRA=measured["input_lra"],
            measured_thresh=measured["input_thresh"],
            offset=measured["target_offset"],
            linear="true",
        ).filter("aresample", _RATE_HZ)
    output = ffmpeg.output(
        ffmpeg.input(str(picture)).video,
        sound,
        str(target),
        **{"c:v": "copy", "c:a": "aac", "b:a": "160k", "flags:a": "+bitexact"},
        movflags="+faststart+use_metadata_tags",
        fflags="+bitexact",
    )
    command: list[str] = output.compile()
    pairs: Sequence[str] = [part for name, text in tags.items() for part in ("-metadata", f"{name}={text}")]
    return [*command[1:-1], *pairs, command[-1]]


def _silence(duration_seconds: float) -> Any:
    return ffmpeg.input(f"anullsrc=r={_RATE_HZ}:cl=stereo", f="lavfi", t=f"{duration_seconds:.3f}").audio


def _placed(sound: Placed) -> Any:
    stream = (
        ffmpeg.input(str(sound.path))
        .audio.filter("aresample", _RATE_HZ)
        .filter("aformat", sample_fmts="fltp", channel_layouts="stereo")
    )
    if sound.start_seconds <= 0:
        return stream
    return stream.filter("adelay", delays=round(sound.start_seconds * 1000), all=1)


def _measured(log: Path) -> Mapping[str, str] | None:
    found = _REPORT.search(log.read_text(encoding="utf-8", errors="replace"))
    if found is None:
        raise EncodeFailedError("The loudness of the mix was not measured.", {"log": log.name})
    report: dict[str, str] = json.loads(found.group())
    try:
        is_silent = float(report["input_i"]) <= _SILENT_LUFS
    except ValueError:  # "-inf"
        return None
    return None if is_silent or "inf" in "".join(report.values()) else report
