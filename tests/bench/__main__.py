"""`make bench`: speed claims as ratios against named alternatives, alternating in one run.

Absolute times of a shared machine mean little; the median of the ratios of neighbouring runs holds.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from data.domain.assets import Asset
from data.domain.recipes import Recipe
from tasks.media.cores import usable_cores
from tasks.media.edits.editing import NO_INPUTS
from tasks.media.edits.inputs import Input, Inputs
from tasks.media.probe import probe
from tasks.media.process import Limits, run_tool
from tasks.media.tools import Toolset, find_tools
from tasks.media.transcode import transcode
from tasks.policies import MOST_ENCODER_THREADS
from tests.fakes.clips import clip

RUNGS = ((1080, 6000), (720, 3000), (480, 1400), (240, 400))
Run = Callable[[Path], None]


def make_source(tools: Toolset, target: Path, seconds: int) -> Path:
    """Make the benchmark's source: Big Buck Bunny from 2:00, 1080p with light grain at 12 Mb/s."""
    if not target.exists():
        partial = target.with_suffix(".part.mp4")
        command = [tools.ffmpeg, "-v", "error", "-y", "-ss", "120", "-t", str(seconds), "-i", clip("bbb")]
        command += ["-vf", "scale=1920:1080,noise=alls=6:allf=t", "-c:v", "libx264", "-preset", "veryfast"]
        command += ["-b:v", "12M", "-pix_fmt", "yuv420p", "-c:a", "aac", partial]
        subprocess.run(command, check=True)
        partial.rename(target)
    return target


def ours(tools: Toolset, source: Path, recipe: Recipe, inputs: Inputs = NO_INPUTS) -> Run:
    """Everything that the transcode step does: ladder, packaging, MP4, poster, sprite, measures."""
    facts = probe(source, tools)
    threads = min(usable_cores(), MOST_ENCODER_THREADS)  # what a lone encode is granted
    asset = Asset(id="bench", sha256="0" * 64, source_key="bench", original_name="bench.mp4", facts=facts)

    def run(scratch: Path) -> None:
        directory = scratch / "package"
        directory.mkdir()
        transcode(
            source,
            asset,
            recipe,
            key="bench",
            prefix="bench/",
            directory=directory,
            scratch=scratch,
            tools=tools,
            encode_slot=lambda: nullcontext(threads),
            limits=Limits(),
            inputs=inputs,
        )

    return run


def edited(tools: Toolset, source: Path, recipe: Recipe) -> Run:
    """The same, of the same length, from a part of the source behind an intro, with a watermark and set loudness."""
    intro, mark = source.with_suffix(".intro.mp4"), source.with_suffix(".mark.png")
    whole = probe(source, tools)
    length = min(10.0, whole.duration_seconds / 4)
    command = [tools.ffmpeg, "-v", "error", "-y", "-t", str(length), "-i", source, "-c:v", "libx264", "-preset"]
    subprocess.run([*command, "veryfast", "-b:v", "12M", "-c:a", "aac", intro], check=True)
    picture = np.zeros((120, 400, 4), dtype=np.uint8)
    cv2.putText(picture, "Dailies", (10, 90), cv2.FONT_HERSHEY_SIMPLEX, 3, (255, 255, 255, 255), 8)
    cv2.imwrite(str(mark), picture)
    facts = probe(intro, tools)
    inputs = {
        "intro": Input(intro, "clip", "1" * 64, facts=facts, sound=facts.audio),
        "mark": Input(mark, "picture", "2" * 64, size=(400, 120)),
    }
    edit = {
        "trim": {"start_seconds": length / 2, "end_seconds": whole.duration_seconds - length / 2},
        "watermark": {"source": "mark"},
        "join": {"intro": "intro"},
        "loudness": {"target_lufs": -16},
    }
    return ours(tools, source, Recipe.parse({**recipe.model_dump(), "edit": edit}), inputs)


def _encoder(kbps: int, recipe: Recipe) -> list[str]:
    video = recipe.video
    return [
        *("-c:v", "libx264", "-preset", video.preset, "-crf", f"{video.crf:g}"),
        *("-maxrate", f"{kbps}k", "-bufsize", f"{2 * kbps}k", "-pix_fmt", "yuv420p", "-sc_threshold", "0"),
        *("-force_key_frames", f"expr:gte(t,n_forced*{video.segment_seconds:g})"),
    ]


def one_command(tools: Toolset, source: Path, recipe: Recipe) -> Run:
    """Encode the ladder and its sound as an expert would write it by hand: one command, one decode."""

    def run(scratch: Path) -> None:
        splits = "".join(f"[s{n}]" for n in range(len(RUNGS)))
        scales = ";".join(f"[s{n}]scale=-2:{height}[v{n}]" for n, (height, _) in enumerate(RUNGS))
        command = [str(tools.ffmpeg), "-v", "error", "-y", "-i", str(source)]
        command += ["-filter_complex", f"[0:v]split={len(RUNGS)}{splits};{scales}"]
        for n, (height, kbps) in enumerate(RUNGS):
            command += ["-map", f"[v{n}]", *_encoder(kbps, recipe), str(scratch / f"{height}.mp4")]
        command += ["-map", "0:a", "-c:a", "aac", "-b:a", "128k", str(scratch / "audio.mp4")]
        run_tool(command, log_path=scratch / "log.txt")

    return run


def rung_by_rung(tools: Toolset, source: Path, recipe: Recipe) -> Run:
    """Encode one rung after the other, each with a command and a decode of its own, as scripts do."""

    def run(scratch: Path) -> None:
        for height, kbps in RUNGS:
            command = [str(tools.ffmpeg), "-v", "error", "-y", "-i", str(source), "-vf", f"scale=-2:{height}", "-an"]
            run_tool([*command, *_encoder(kbps, recipe), str(scratch / f"{height}.mp4")], log_path=scratch / "log.txt")
        command = [str(tools.ffmpeg), "-v", "error", "-y", "-i", str(source), "-vn", "-c:a", "aac", "-b:a", "128k"]
        run_tool([*command, str(scratch / "audio.mp4")], log_path=scratch / "log.txt")

    return run


def seconds(run: Run) -> float:
    """Return the wall time of one run in a scratch directory of its own."""
    with tempfile.TemporaryDirectory(prefix="dailies-bench-") as scratch:
        started = time.perf_counter()
        run(Path(scratch))
        return time.perf_counter() - started


def compare(runs: dict[str, Run], rounds: int, console: Console) -> dict[str, list[float]]:
    """Time every alternative once a round, in turn."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        for name, run in runs.items():
            times[name].append(seconds(run))
            console.print(f"round {number + 1}/{rounds}  {name:<14} {times[name][-1]:7.1f} s")
    return times


def ratios(times: dict[str, list[float]], name: str, to: str) -> list[float]:
    """Return how many times as long ``name`` took as ``to``, round by round."""
    return [a / b for a, b in zip(times[name], times[to], strict=True)]


def main() -> int:
    """Run the comparison and print it; exit status 1 when a promise of the README does not hold."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="length of the 1080p source (default 60)")
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds (default 3)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    console, tools, recipe = Console(), find_tools(), Recipe()
    source = make_source(tools, Path(tempfile.gettempdir()) / f"dailies-bench-{options.seconds}s.mp4", options.seconds)
    makers = {"dailies": ours, "one command": one_command, "rung by rung": rung_by_rung, "edited": edited}
    times = compare({name: make(tools, source, recipe) for name, make in makers.items()}, options.rounds, console)
    claims = [
        ("dailies / one hand-written command", ratios(times, "dailies", "one command"), "≤ 1.10", 1.10, False),
        ("one ffmpeg per rung / dailies", ratios(times, "rung by rung", "dailies"), "≥ 1.40", 1.40, True),
        ("trim, watermark, intro, loudness / dailies", ratios(times, "edited", "dailies"), "≤ 1.15", 1.15, False),
    ]
    table = Table(title=f"transcode of {options.seconds} s 1080p to 4 rungs, ffmpeg {tools.ffmpeg_version}")
    for heading in ("ratio", "median", "min", "max", "promised", "holds"):
        table.add_column(heading)
    kept = True
    for claim, found, promise, bound, at_least in claims:
        median = statistics.median(found)
        holds = median >= bound if at_least else median <= bound
        kept = kept and holds
        figures = [f"{figure:.2f}" for figure in (median, min(found), max(found))]
        table.add_row(claim, *figures, promise, "yes" if holds else "NO")
    console.print(table)
    if options.json:
        options.json.write_text(json.dumps({"times": times, "kept": kept}, indent=2), encoding="utf-8")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
