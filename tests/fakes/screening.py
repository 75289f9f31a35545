"""Clips for tests of edits, footage made of them, and what comes out of a filter graph, frame by frame."""

import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import ffmpeg
import numpy as np
from numpy.typing import NDArray

from tasks.media.edits.footage import AUDIO_RATE_HZ, Footage, Shape
from tasks.media.edits.inputs import Input
from tasks.media.normalise import normalised_pictures, sound_in_step
from tasks.media.probe import SAFE_INPUT_ARGUMENTS, probe
from tasks.media.tools import find_tools

TOOLS = find_tools()
LOSSLESS = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le")
BT709_TAGS = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")


def make_clip(target: Path, picture: str, sound: str = "", *, options: tuple[str, ...] = LOSSLESS) -> Path:
    """Write a clip of two filter sources, without loss unless the options say otherwise."""
    heard = ("-f", "lavfi", "-i", sound) if sound else ()
    coloured = f"{picture},scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"
    command = [TOOLS.ffmpeg, "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", coloured, *heard]
    subprocess.run([*command, *options, *BT709_TAGS, target], check=True, timeout=60)
    return target


def clip_input(path: Path, sha256: str = "0" * 64) -> Input:
    """Return a clip as edits take it."""
    facts = probe(path, TOOLS)
    return Input(path, "clip", sha256, facts=facts, sound=facts.audio)


def footage_of(path: Path) -> Footage:
    """Return a clip as what the first edit of a graph is given."""
    facts = probe(path, TOOLS)
    video, rate = facts.video, facts.video.frame_rate
    size = (video.width // 2 * 2, video.height // 2 * 2)
    shape = Shape(size, rate, round(facts.duration_seconds * rate), facts.audio is not None)
    safe = dict(zip((n[1:] for n in SAFE_INPUT_ARGUMENTS[::2]), SAFE_INPUT_ARGUMENTS[1::2], strict=True))
    source = ffmpeg.input(str(path), reinit_filter=0, **safe)
    picture = normalised_pictures(source[str(video.stream_index)], facts, rate, shape.size)
    sound = None
    if facts.audio is not None:
        sound = sound_in_step(source[str(facts.audio.stream_index)], facts, shape.sample_count, "stereo")
    return Footage(shape, picture, sound)


@dataclass(frozen=True)
class Seen:
    """What came out of a graph."""

    luma: NDArray[np.uint8]
    """Frames x height x width: Y of BT.709, 16 to 235."""
    rate: Fraction
    sound: NDArray[np.float32] | None
    """Samples x 2 at 48 kHz."""
    log: str

    def level(self, start_seconds: float, end_seconds: float) -> float:
        """Return the root mean square of a stretch of the first channel."""
        assert self.sound is not None
        part = self.sound[round(start_seconds * AUDIO_RATE_HZ) : round(end_seconds * AUDIO_RATE_HZ), 0]
        return float(np.sqrt(np.mean(np.square(part, dtype=np.float64))))

    def hertz(self, start_seconds: float, end_seconds: float) -> float:
        """Return the loudest frequency of a stretch of the first channel."""
        assert self.sound is not None
        part = self.sound[round(start_seconds * AUDIO_RATE_HZ) : round(end_seconds * AUDIO_RATE_HZ), 0]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
        return float(np.argmax(spectrum) * AUDIO_RATE_HZ / len(part))


def seen(footage: Footage, target: Path) -> Seen:
    """Run a graph without loss and return what came out; it has the shape that it promised."""
    streams = [footage.picture] + ([footage.sound] if footage.sound is not None else [])
    codecs: dict[str, Any] = {"c:v": "libx264", "preset": "ultrafast", "qp": 0, "c:a": "pcm_f32le"}
    command = ffmpeg.output(*streams, str(target), fps_mode="passthrough", **codecs).compile()
    run = [TOOLS.ffmpeg, "-loglevel", "verbose", "-nostdin", "-y", *command[1:]]
    ran = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    with av.open(str(target)) as container:
        decoded = list(container.decode(video=0))
        luma = _luma(decoded)
        times = [frame.time for frame in decoded]
        rate = container.streams.video[0].average_rate
    sound = _sound(target) if footage.sound is not None else None
    shape = footage.shape
    assert len(decoded) == shape.frame_count
    assert (decoded[0].width, decoded[0].height) == shape.size
    assert np.allclose(times, np.arange(shape.frame_count) / float(shape.frame_rate), atol=0.0015)
    assert (sound is not None) == shape.has_sound
    if sound is not None:
        assert len(sound) == shape.sample_count
    return Seen(luma, Fraction(rate or 0), sound, ran.stderr)


def _luma(frames: list[av.VideoFrame]) -> NDArray[np.uint8]:
    return np.stack([_plane(frame) for frame in frames])


def _plane(frame: av.VideoFrame) -> NDArray[np.uint8]:
    plane = frame.planes[0]
    rows = np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)
    return np.array(rows[: frame.height, : frame.width])


def _sound(path: Path) -> NDArray[np.float32]:
    with av.open(str(path)) as container:
        blocks = [frame.to_ndarray().reshape(-1, 2) for frame in container.decode(audio=0)]
    return np.concatenate(blocks).astype(np.float32)
