"""What the demo proves of its publication: that the playlist decodes over HTTP, and how close the picture is."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from data.domain.errors import DailiesError
from tasks.media.process import Limits, run_ffmpeg
from tasks.media.tools import Toolset

# Short: the demo shall not take longer to measure than to make.
SAMPLE_SECONDS = 4.0
SAMPLE_AT = 0.4
LATEST_SAMPLE_SECONDS = 60.0  # what lies before it is decoded as well
TOLERATED_SECONDS = 0.5
LIMITS = Limits(soft_seconds=300, hard_seconds=320, stall_seconds=60)
METRICS = (
    ("vmaf", "libvmaf=n_threads=2:n_subsample=3", re.compile(r"VMAF score: ([\d.]+)")),
    ("ssim", "ssim", re.compile(r"SSIM .*All:([\d.]+)")),
)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    passed: bool
    detail: str


def decodes(hls_url: str, duration_seconds: float, tools: Toolset, log_path: Path) -> Check:
    """Decode every variant and the sound of a playlist, as fetched over HTTP.

    Args:
        hls_url: Address of the master playlist.
        duration_seconds: How long the publication says it is.
        tools: Where ffmpeg is.
        log_path: File for what ffmpeg says.
    """
    name = "the HLS playlist decodes over HTTP"
    # ffmpeg goes on after a broken segment: any word at level error counts, and so does a missing second.
    arguments = ["-v", "error", "-i", hls_url, "-map", "0:v", "-map", "0:a?", "-f", "null", "-"]
    try:
        outcome = run_ffmpeg(arguments, tools=tools, log_path=log_path, limits=LIMITS)
    except DailiesError as error:
        return Check(name, passed=False, detail=str(error))
    decoded = outcome.last_progress.out_seconds if outcome.last_progress else 0.0
    complaint = outcome.stderr_tail.strip()
    if complaint:
        return Check(name, passed=False, detail=complaint.splitlines()[0])
    whole = math.isclose(decoded, duration_seconds, abs_tol=TOLERATED_SECONDS)
    return Check(name, passed=whole, detail=f"{decoded:.2f} of {duration_seconds:.2f} s, every variant, no complaint")


@dataclass(frozen=True)
class Comparison:
    """Which seconds of which files are compared, and at which size: the best rendition's, as a player scales up."""

    source: Path
    media_url: str
    width: int
    height: int
    at_seconds: float

    @classmethod
    def of(cls, source: Path, publication: dict[str, Any], media_url: str) -> "Comparison":
        """Choose the seconds from the middle of the publication."""
        best = publication["renditions"][0]
        duration = float(publication["duration_seconds"])
        at = min(duration * SAMPLE_AT, LATEST_SAMPLE_SECONDS) if duration > 2 * SAMPLE_SECONDS else 0.0
        return cls(source, media_url, int(best["width"]), int(best["height"]), at)

    def arguments(self, playlist_path: str, metric: str) -> list[str]:
        """Return ffmpeg's arguments; the first input is the one that is judged."""
        # Cut by the filter: ffmpeg's seek in an HLS playlist lands a segment off.
        window = f"trim=start={self.at_seconds:.3f}:duration={SAMPLE_SECONDS:.3f}"
        same = f"settb=AVTB,{window},setpts=PTS-STARTPTS,scale={self.width}:{self.height}:flags=bicubic,format=yuv420p"
        graph = f"[0:v:0]{same}[judged];[1:v:0]{same}[reference];[judged][reference]{metric}"
        until = ["-t", f"{self.at_seconds + SAMPLE_SECONDS + 1:.3f}"]
        return [
            *(*until, "-i", urljoin(self.media_url, playlist_path), *until, "-i", str(self.source)),
            *("-filter_complex", graph, "-an", "-f", "null", "-"),
        ]


def measure(comparison: Comparison, rendition: dict[str, Any], tools: Toolset, log_path: Path) -> dict[str, float]:
    """Return ``{"vmaf": 0–100}``, or ``{"ssim": 0–1}`` where this ffmpeg has no VMAF; empty when neither worked."""
    for name, metric, pattern in METRICS:
        arguments = comparison.arguments(rendition["playlist_path"], metric)
        try:
            outcome = run_ffmpeg(arguments, tools=tools, log_path=log_path, limits=LIMITS)
        except DailiesError:
            continue
        if found := pattern.search(outcome.stderr_tail):
            return {name: round(float(found[1]), 4)}
    return {}
