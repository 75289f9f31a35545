"""Edits carried out without an encoder, so that a test sees exactly what the filters made."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from data.domain.assets import SourceFacts
from data.domain.edits import EditOptions
from tasks.media.edits.editing import NO_FINDINGS, NO_INPUTS, Findings, edited_footage, plan_edits
from tasks.media.edits.footage import Footage, Shape
from tasks.media.edits.inputs import Inputs
from tasks.media.opening import Opener
from tasks.media.probe import SAFE_INPUT_ARGUMENTS, probe
from tasks.media.tools import find_tools

OPENER = Opener(SAFE_INPUT_ARGUMENTS, 1)


@dataclass(frozen=True, eq=False)
class Rendered:
    """What came out of a filter graph."""

    pictures: NDArray[np.uint8]
    """Frames × height × width × 3, BGR."""
    sound: NDArray[np.float32] | None
    """Samples × 2 at 48 kHz."""

    @property
    def luma(self) -> NDArray[np.float64]:
        """The mean of each frame, 0–255."""
        return self.pictures.reshape(len(self.pictures), -1).mean(axis=1)


def make_clip(target: Path, picture: str, sound: str | None = None, *options: str) -> Path:
    """Write a small clip from ffmpeg's own sources; x264 and PCM or what the options say."""
    sources = ["-f", "lavfi", "-i", picture, *(["-f", "lavfi", "-i", sound] if sound else [])]
    codec = options or ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
    subprocess.run(
        [find_tools().ffmpeg, "-v", "error", "-nostdin", "-y", *sources, *codec, target], check=True, timeout=60
    )
    return target


def edited(
    source: Path,
    raw: dict[str, Any],
    *,
    inputs: Inputs = NO_INPUTS,
    findings: Findings = NO_FINDINGS,
    facts: SourceFacts | None = None,
    most_frames_a_second: float = 60,
) -> tuple[Rendered, Shape]:
    """Return what the edits of a recipe make of a source at its own size, and what they promised."""
    facts = facts or probe(source, find_tools())
    plan = plan_edits(EditOptions.model_validate(raw), facts, inputs, most_frames_a_second)
    opened = OPENER.footage(source, facts, plan.source, plan)
    footage = edited_footage(plan, opened, findings)
    assert footage.shape == plan.whole
    return rendered(footage, source.parent), plan.whole


def rendered(footage: Footage, folder: Path) -> Rendered:
    """Run a filter graph."""
    pictures, sound = folder / "rendered.bgr", folder / "rendered.f32"
    outputs = [ffmpeg.output(footage.picture, str(pictures), f="rawvideo", pix_fmt="bgr24", fps_mode="passthrough")]
    if footage.sound is not None:
        outputs.append(ffmpeg.output(footage.sound, str(sound), f="f32le"))
    command = ffmpeg.merge_outputs(*outputs).compile()
    subprocess.run([find_tools().ffmpeg, "-v", "error", "-nostdin", "-y", *command[1:]], check=True, timeout=60)
    width, height = footage.shape.size
    return Rendered(
        np.fromfile(pictures, dtype=np.uint8).reshape(-1, height, width, 3),
        np.fromfile(sound, dtype=np.float32).reshape(-1, 2) if footage.sound is not None else None,
    )


def keeps_its_promise(made: Rendered, shape: Shape) -> bool:
    """Say whether frames, size and sound are exactly as was promised."""
    height, width = made.pictures.shape[1:3]
    has_sound = made.sound is not None and len(made.sound) == shape.sample_count
    return (len(made.pictures), (width, height)) == (shape.frame_count, shape.size) and has_sound == shape.has_sound
