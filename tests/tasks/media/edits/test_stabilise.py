import subprocess
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.domain.recipes import Recipe
from tasks.media.first_passes import FirstPasses
from tasks.media.plan import plan_encode
from tasks.media.probe import probe
from tasks.media.process import Limits
from tasks.media.tools import find_tools
from tests.fakes.clips import clip
from tests.fakes.footage import OPENER, Rendered, edited, keeps_its_promise, make_clip


def shaky(target: Path, seconds: float) -> Path:
    """A still landscape as if filmed by hand."""
    shake = "crop=320:180:x='90+9*sin(1.9*n)':y='60+7*sin(2.3*n)'"
    still = ["-loop", "1", "-framerate", "25", "-t", str(seconds), "-i", clip("mountain")]
    codec = ["-vf", f"scale=520:-2,{shake}", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    command = [find_tools().ffmpeg, "-v", "error", "-nostdin", "-y", *still, *codec, target]
    subprocess.run(command, check=True, timeout=60)
    return target


def shake(made: Rendered) -> float:
    """How far the picture jumps from frame to frame, in pixels."""
    grey = [cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float64) for picture in made.pictures]
    jumps = [cv2.phaseCorrelate(one, other)[0] for one, other in pairwise(grey)]
    return float(np.median([np.hypot(*jump) for jump in jumps]))


@pytest.mark.parametrize("trim", [{}, {"start_seconds": 0.4, "end_seconds": 1.4}])
def test_a_shaky_picture_becomes_calm(tmp_path: Path, trim: dict[str, float]) -> None:
    source = shaky(tmp_path / "shaky.mp4", 1.6)
    raw = {"stabilise": True, "trim": trim}
    plan = plan_encode(probe(source, find_tools()), Recipe.parse({"edit": raw}))

    passes = FirstPasses(source, probe(source, find_tools()), plan, OPENER, tmp_path, find_tools(), Limits())
    made, shape = edited(source, raw, findings=passes.findings())

    assert keeps_its_promise(made, shape)
    plain, _ = edited(source, {"trim": trim})
    assert shake(plain) > 5
    assert shake(made) < 0.3 * shake(plain)


def test_one_frame_is_calm_already(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "clip.mp4", "testsrc2=s=128x96:r=25:d=0.04")
    facts = probe(source, find_tools())
    plan = plan_encode(facts, Recipe.parse({"edit": {"stabilise": True}}))

    findings = FirstPasses(source, facts, plan, OPENER, tmp_path, find_tools(), Limits()).findings()
    made, shape = edited(source, {"stabilise": True}, findings=findings)

    assert keeps_its_promise(made, shape)
