"""How fast an analysis is against ffmpeg that only decodes, and its memory: ``python -m tests.bench.analysis``.

Two baselines, each taken in turn with the analysis, in one run:

* **decode**: ``ffmpeg -f null``, the file at its own size, nothing done with it.
* **decode at the size analysis needs**: the very command that analysis decodes with, its pictures read and thrown away.

Every frame is looked at: detection, tracks, zones, checks, appearances, telemetry; the annotated video is another
encode and left out. This process is warm from a run before, and what it has loaded is frozen, as a worker's is.
"""

import argparse
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from data.domain.analysis import AnalysisOptions, Zone
from tasks.looking import Footage, Looking, analysis_plan
from tasks.media.cores import usable_cores
from tasks.media.decoding import Clip, planes_arguments
from tasks.media.probe import probe
from tasks.media.tools import Toolset, find_tools
from tasks.models.analysis.plan import AnalysisPlan
from tests.bench.__main__ import make_source
from tests.fakes.vtest import vtest

PROMISED = 0.6
"""Of the speed at which ffmpeg decodes to the size analysis needs."""
GROWN_MB = 40
"""By so much memory may be larger after ten minutes of video than after one."""
_OPTIONS = AnalysisOptions(
    enabled=True, annotate=False, zones=(Zone(name="all", kind="rectangle", points=((0.1, 0.1), (0.9, 0.9))),)
)


def repeated(tools: Toolset, source: Path, target: Path, seconds: float) -> Path:
    """Make a video of that length by repeating one, without encoding it again."""
    if not target.exists():
        partial = target.with_suffix(f".part{target.suffix}")
        command = [tools.ffmpeg, "-v", "error", "-y", "-stream_loop", "-1", "-i", source, "-t", str(seconds)]
        subprocess.run([*command, "-an", "-c", "copy", partial], check=True)
        partial.rename(target)
    return target


def analysed(clip: Clip, plan: AnalysisPlan, tools: Toolset) -> None:
    """Look at a video as the task does."""
    with tempfile.TemporaryDirectory(prefix="dailies-bench-") as scratch:
        Looking(Path(scratch), tools).look(Footage(clip, None), plan)


def contenders(clip: Clip, tools: Toolset) -> dict[str, Callable[[], object]]:
    """Return what is timed, by name."""
    plan = analysis_plan(clip, _OPTIONS, None, None)
    plain = [tools.ffmpeg, "-v", "error", "-i", clip.path, "-map", "0:v:0", "-f", "null", "-"]
    small = [tools.ffmpeg, *planes_arguments(clip, plan.size)]
    return {
        "decode": lambda: subprocess.run(plain, check=True),
        "decode small": lambda: _thrown_away(small),
        "analysis": lambda: analysed(clip, plan, tools),
    }


def _thrown_away(command: list[str | Path]) -> None:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0) as decoder:
        assert decoder.stdout is not None
        while os.read(decoder.stdout.fileno(), 1024 * 1024):
            pass


def memory_mb(clip: Clip, tools: Toolset) -> float:
    """Return how much memory a process needed at most that looked at a video."""
    with tempfile.TemporaryDirectory(prefix="dailies-bench-") as scratch:
        command = [sys.executable, "-m", "tests.bench.analysis", "--memory-of", str(clip.path), scratch]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(answer.stdout)


def _own_memory(video: Path) -> float:
    tools = find_tools()
    clip = Clip(video, probe(video, tools))
    analysed(clip, analysis_plan(clip, _OPTIONS, None, None), tools)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(clip: Clip, tools: Toolset, rounds: int) -> dict[str, list[float]]:
    """Time each contender once a round, in turn, and return frames a second."""
    runs = contenders(clip, tools)
    runs["analysis"]()
    gc.collect()
    gc.freeze()
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            found[name].append(clip.frame_count / (time.perf_counter() - began))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and print; exit status 1 when a promise does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.analysis", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds (default 5)")
    parser.add_argument("--minutes", type=float, default=10, help="of the video by which memory is judged (default 10)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--memory-of", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.memory_of:
        sys.stdout.write(str(_own_memory(options.memory_of[0])))
        return 0
    tools, temporary = find_tools(), Path(tempfile.gettempdir())
    street = vtest()
    sources = {
        "vtest.avi, 768x576 MPEG-4": repeated(tools, street, temporary / "dailies-bench-street.avi", 240),
        "1080p H.264": make_source(tools, temporary / "dailies-bench-20s.mp4", 20),
    }
    table = Table(title=f"analysis of every frame, on {usable_cores()} cores, ffmpeg {tools.ffmpeg_version}")
    for heading in ("video", "frames/s", "/ decode", "/ decode at the size analysis needs", "promised", "holds"):
        table.add_column(heading)
    figures, kept = {}, True
    for name, source in sources.items():
        found = timed(Clip(source, probe(source, tools)), tools, options.rounds)
        to_plain, to_small = (
            statistics.median(a / b for a, b in zip(found["analysis"], found[other], strict=True))
            for other in ("decode", "decode small")
        )
        kept = kept and to_small >= PROMISED
        speed = statistics.median(found["analysis"])
        holds = "yes" if to_small >= PROMISED else "NO"
        table.add_row(name, f"{speed:.0f}", f"{to_plain:.2f}", f"{to_small:.2f}", f"≥ {PROMISED}", holds)
        figures[name] = found
    lengths = {1.0: 60.0, options.minutes: options.minutes * 60}
    needed = {
        minutes: memory_mb(_clip(tools, street, temporary / f"dailies-bench-{seconds:.0f}s.avi", seconds), tools)
        for minutes, seconds in lengths.items()
    }
    grown = needed[options.minutes] - needed[1.0]
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(table)
    told = " · ".join(f"{minutes:g} min {megabytes:.0f} MB" for minutes, megabytes in needed.items())
    console.print(f"memory at most: {told}; promised: no more than {GROWN_MB} MB apart: {_holds(grown <= GROWN_MB)}")
    kept = kept and grown <= GROWN_MB
    if options.json:
        options.json.write_text(json.dumps({"speeds": figures, "memory_mb": needed, "kept": kept}), encoding="utf-8")
    return 0 if kept else 1


def _clip(tools: Toolset, source: Path, target: Path, seconds: float) -> Clip:
    video = repeated(tools, source, target, seconds)
    return Clip(video, probe(video, tools))


def _holds(is_so: bool) -> str:
    return "yes" if is_so else "NO"


if __name__ == "__main__":
    sys.exit(main())
