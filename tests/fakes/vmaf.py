"""VMAF of one file against another, frame by frame, as the tests measure it themselves."""

import json
import subprocess
from pathlib import Path

from tasks.media.tools import find_tools


def vmaf(encoded: Path, source: Path, size: tuple[int, int], scratch: Path) -> float:
    """Return the mean VMAF of all frames, the source scaled to ``size`` (width, height)."""
    scores = scratch / "vmaf.json"
    counted = "settb=1/25,setpts=N"
    graph = (
        f"[0:v]{counted}[encoded];[1:v]scale={size[0]}:{size[1]},setsar=1,format=yuv420p,{counted}[source];"
        f"[encoded][source]libvmaf=log_fmt=json:log_path={scores}:n_threads=2"
    )
    command = [find_tools().ffmpeg, "-v", "error", "-i", encoded, "-i", source, "-lavfi", graph, "-f", "null", "-"]
    subprocess.run(command, check=True, capture_output=True)
    return float(json.loads(scores.read_text())["pooled_metrics"]["vmaf"]["mean"])
