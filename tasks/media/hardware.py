"""Encoders of the machine itself: which are tried for a codec, and whether one works here and now.

That ffmpeg lists an encoder proves nothing: it lists what it was built with. So each is tried on two frames, with the
very options of an encode and as many at once as a ladder has rungs, for consumer cards limit their sessions; what
succeeds is remembered for as long as the process lives.
"""

import subprocess
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path

import ffmpeg

from data.domain.recipes import Codec, Preset, VideoOptions
from tasks.media.codecs import Encoder, Options, RungTarget, encoder_crf, rung_options, software_encoder, uploaded
from tasks.media.tools import Toolset

_TRIAL_SECONDS = 20.0
_TRIAL_SIZE = "640x360"
_QUICK: frozenset[Preset] = frozenset({"ultrafast", "superfast", "veryfast"})


def chosen_encoder(options: VideoOptions, tools: Toolset) -> Encoder:
    """Return the encoder of a recipe: the machine's own where the recipe allows it and a trial succeeds.

    The first call of a process with ``auto`` takes up to a second for each encoder that could be there.
    """
    if options.encoder == "auto":
        sessions = len(options.ladder.rungs) + 1
        for encoder in hardware_encoders(options.codec):
            if works(tools.ffmpeg, tuple(trial_arguments(encoder, options.preset, sessions))):
                return encoder
    return software_encoder(options)


def hardware_encoders(codec: Codec) -> tuple[Encoder, ...]:
    """Return the hardware encoders of a codec, in the order in which they are tried."""
    nvenc = Encoder(f"{codec}_nvenc", codec, partial(_nvenc, codec), is_hardware=True)
    qsv = Encoder(f"{codec}_qsv", codec, partial(_qsv, codec), is_hardware=True)
    vaapi = Encoder(
        f"{codec}_vaapi",
        codec,
        partial(_vaapi, codec),
        is_hardware=True,
        device=("-init_hw_device", "vaapi=gpu", "-filter_hw_device", "gpu"),
        upload=("format=nv12", "hwupload"),
    )
    apple = Encoder(f"{codec}_videotoolbox", codec, partial(_videotoolbox, codec), is_hardware=True)
    by_codec: Mapping[Codec, tuple[Encoder, ...]] = {
        "h264": (nvenc, qsv, vaapi, apple),
        "hevc": (nvenc, qsv, vaapi, apple),
        "av1": (nvenc, qsv, vaapi),
        "vp9": (qsv, vaapi),
    }
    return by_codec[codec]


@lru_cache
def works(program: Path, arguments: tuple[str, ...]) -> bool:
    """Say whether a trial succeeds on this machine; it is done once for as long as the process lives.

    Args:
        program: ffmpeg.
        arguments: As :func:`trial_arguments` gives them.
    """
    try:
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def trial_arguments(encoder: Encoder, preset: Preset, sessions: int) -> list[str]:
    """Return the arguments, without the program, of a trial with two frames."""
    target = RungTarget(crf=23, max_kbps=2000, keyframe_times="expr:gte(t,n_forced*4)", keyframe_frames=100, threads=1)
    source = ffmpeg.input(f"testsrc2=s={_TRIAL_SIZE}:r=25,format=yuv420p", f="lavfi")
    copies = source.filter_multi_output("split", sessions)
    outputs = [
        ffmpeg.output(
            uploaded(copies[index], encoder),
            "-",
            f="null",
            **{"frames:v": 2, **rung_options(encoder, preset, target)},
        )
        for index in range(sessions)
    ]
    command: list[str] = ffmpeg.merge_outputs(*outputs).compile()
    return ["-nostdin", "-v", "error", *encoder.device, *command[1:]]


def _nvenc(codec: Codec, preset: Preset, target: RungTarget) -> Options:
    own = {"preset": "p2" if preset in _QUICK else "p5", "rc": "vbr", "forced-idr": 1, "no-scenecut": 1, "bf": 0}
    return {**own, "cq": encoder_crf(codec, target.crf), "b:v": 0}


def _qsv(codec: Codec, preset: Preset, target: RungTarget) -> Options:
    own = {"preset": "veryfast" if preset in _QUICK else "medium", "forced_idr": 1, "idr_interval": 0, "bf": 0}
    return {**own, "global_quality": round(encoder_crf(codec, target.crf))}


def _vaapi(codec: Codec, preset: Preset, target: RungTarget) -> Options:
    # Of quality under a cap few drivers are capable; on those that are not the trial fails.
    quality = {"rc_mode": "QVBR", "global_quality": round(encoder_crf(codec, target.crf))}
    return {**quality, "b:v": f"{target.max_kbps * 3 // 4}k", "idr_interval": 0, "bf": 0}


def _videotoolbox(codec: Codec, preset: Preset, target: RungTarget) -> Options:
    # Its scale is 1 to 100, and more is better.
    return {"q:v": round(100 - 2 * target.crf), "allow_sw": 0, "bf": 0}
