"""What each encoder is told, so that rungs of any codec can be cut alike; pure.

Whatever the codec: 8 bits 4:2:0, which every decoder takes, quality first and the rung's rate as its cap, closed groups
of pictures that begin by the clock (:mod:`tasks.media.packaging` cuts there, in every rung), nothing in the stream
about who wrote it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from data.domain.recipes import Codec, Preset, VideoOptions

Options = dict[str, Any]


@dataclass(frozen=True)
class RungTarget:
    """What one rung is encoded to."""

    crf: float
    """On x264's scale, whatever the encoder."""
    max_kbps: int
    keyframe_times: str
    """Where keyframes are forced: an expression or a list of times, as ``-force_key_frames`` takes it."""
    keyframe_frames: int
    """Most frames between two keyframes."""
    threads: int


@dataclass(frozen=True)
class Encoder:
    """One of ffmpeg's encoders, and how it is to be used."""

    name: str
    """As ffmpeg calls it (``libx264``)."""
    codec: Codec
    options: Callable[[Preset, RungTarget], Options]
    """Gives what it is told beside what all are told."""
    is_hardware: bool = False
    device: tuple[str, ...] = ()
    """Global arguments that open the device."""
    upload: tuple[str, ...] = ()
    """Filters that bring a picture to the device."""


def rung_options(encoder: Encoder, preset: Preset, target: RungTarget) -> Options:
    """Return the output options, by name, that encode one rung."""
    return {
        "c:v": encoder.name,
        "flags:v": "+bitexact",
        "maxrate": f"{target.max_kbps}k",
        "bufsize": f"{2 * target.max_kbps}k",
        # Keyframes by the clock and nowhere else, so that segments of all rungs begin with the same frame.
        "force_key_frames": target.keyframe_times,
        "g": target.keyframe_frames,
        "threads": target.threads,
        **encoder.options(preset, target),
    }


def uploaded(stream: Any, encoder: Encoder) -> Any:
    """Return a stream of pictures where its encoder wants them."""
    for name, _, value in (step.partition("=") for step in encoder.upload):
        stream = stream.filter(name, *([value] if value else []))
    return stream


def encoder_crf(codec: Codec, crf: float) -> float:
    """Return the number that asks a codec's encoder for the quality that x264 gives at ``crf``.

    Straight lines through equal VMAF, measured with ffmpeg 9.0.2 on two clips at 360 lines and what ``veryfast`` is for
    each; x265's makers put its 28 beside x264's 23. Not more than near: a test holds each codec to a few VMAF of x264,
    ``target_vmaf`` asks for quality as such.
    """
    factor, offset, most = _SCALES[codec]
    return min(most, max(1.0, round(factor * crf + offset, 2)))


# Codec: factor and offset from x264's scale, and the most of its own.
_SCALES: Mapping[Codec, tuple[float, float, float]] = {
    "h264": (1.0, 0.0, 51.0),
    "hevc": (1.1, 0.2, 51.0),
    "av1": (2.7, -22.0, 63.0),
    "vp9": (2.6, -23.0, 63.0),
}


def _x264(preset: Preset, target: RungTarget) -> Options:
    return {"preset": preset, "crf": target.crf, "sc_threshold": 0}


def _x265(preset: Preset, target: RungTarget) -> Options:
    # Its threads are a pool of its own, and its description of itself would be in every stream.
    own = f"open-gop=0:scenecut=0:info=0:log-level=error:pools={target.threads}"
    return {
        "preset": preset,
        "crf": encoder_crf("hevc", target.crf),
        "forced-idr": 1,
        "x265-params": own,
        "tag:v": "hvc1",  # with the parameters in the header alone, as Apple's players want it
    }


_SVT_PRESETS: Mapping[Preset, int] = {
    "ultrafast": 12,
    "superfast": 11,
    "veryfast": 10,
    "faster": 9,
    "fast": 8,
    "medium": 6,
    "slow": 4,
}


def _svt_av1(preset: Preset, target: RungTarget) -> Options:
    # Of parallelism it has levels, 6 at most; closed groups of pictures are its refresh type 2.
    own = f"lp={min(6, target.threads)}:scd=0:irefresh-type=2"
    return {
        "preset": _SVT_PRESETS[preset],
        "crf": round(encoder_crf("av1", target.crf)),
        "svtav1-params": own,
    }


_VPX_SPEEDS: Mapping[Preset, tuple[str, int]] = {
    "ultrafast": ("realtime", 8),
    "superfast": ("realtime", 6),
    "veryfast": ("good", 5),
    "faster": ("good", 4),
    "fast": ("good", 3),
    "medium": ("good", 2),
    "slow": ("good", 1),
}


def _vpx_vp9(preset: Preset, target: RungTarget) -> Options:
    deadline, speed = _VPX_SPEEDS[preset]
    return {
        "deadline": deadline,
        "cpu-used": speed,
        "crf": round(encoder_crf("vp9", target.crf)),
        "b:v": f"{target.max_kbps}k",  # constrained quality: the rate is a cap where a quality is named
        "row-mt": 1,
    }


H264 = Encoder("libx264", "h264", _x264)
HEVC = Encoder("libx265", "hevc", _x265)
AV1 = Encoder("libsvtav1", "av1", _svt_av1)
VP9 = Encoder("libvpx-vp9", "vp9", _vpx_vp9)

SOFTWARE: Mapping[Codec, Encoder] = {encoder.codec: encoder for encoder in (H264, HEVC, AV1, VP9)}
"""What encodes each codec on any machine."""


def software_encoder(options: VideoOptions) -> Encoder:
    """Return the encoder of a recipe's codec that runs on any machine."""
    return SOFTWARE[options.codec]
