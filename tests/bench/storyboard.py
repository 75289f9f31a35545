"""How long a storyboard takes for each second of it: ``python -m tests.bench.storyboard``.

About 30 s of 720p with everything in it: a script that is narrated, stills and a clip of the user's, cards, captions,
music. Weights are fetched and this process is warm from a short video, as the GPU worker's is; nothing else is kept.
"""

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from platformdirs import user_cache_path
from rich.console import Console
from rich.table import Table

from data.domain.generations import GenerationOptions, GenerationRequest, Reference
from tasks.media.cores import usable_cores
from tasks.providers.base import ProviderConfig
from tasks.providers.storyboard import create
from tasks.providers.storyboard.provider import StoryboardProvider
from tests.fakes.clips import clip

PROMISED = 2.5
"""Seconds of work for each second of video, on two cores."""
SCRIPT = (
    "On the open plains of Africa, the fastest animal on land waits in the grass. "
    "In three seconds it can reach seventy miles per hour, faster than most sports cars! "
    "But speed has its price: it must soon stop and rest. "
    "Far away, engineers study its spine to build better robots. "
    "Their machines learn to bend, to leap, and to land on their feet. "
    "What will we learn from nature next?"
)
FILES = {"running cheetah.jpg": "cheetah", "IMG_2041.jpg": "single_face", "street traffic.mp4": "bikes"}


@dataclass(frozen=True)
class Made:
    """What one video took."""

    video_seconds: float
    wall_seconds: float
    cpu_seconds: float
    """Of this process and all that it started: what it would take with one core of its own."""

    @property
    def ratio(self) -> float:
        """Seconds of work for each second of video."""
        return self.wall_seconds / self.video_seconds


def request(script: str, short_side: int) -> GenerationRequest:
    """Return a request that shows all files."""
    references = tuple(
        Reference(name=name, key=name, kind="video" if name.endswith(".mp4") else "image") for name in FILES
    )
    options = GenerationOptions(short_side=short_side, seed=1)
    return GenerationRequest(script=script, references=references, options=options)


def make(provider: StoryboardProvider, wanted: GenerationRequest) -> Made:
    """Make one video in a scratch directory of its own."""
    references = {name: clip(source) for name, source in FILES.items()}
    with tempfile.TemporaryDirectory(prefix="dailies-bench-") as scratch:
        began, cpu = time.perf_counter(), _cpu_seconds()
        media = provider.make(wanted, references, Path(scratch), lambda share: None)
        wall, spent = time.perf_counter() - began, _cpu_seconds() - cpu
    return Made(float(str(media.details["duration_seconds"])), wall, spent)


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make it a few times and print what that took; exit status 1 when the promise does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.storyboard", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how many times (default 3)")
    parser.add_argument("--short-side", type=int, default=720, help="height of the picture (default 720)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args(arguments)
    config = ProviderConfig(
        name="storyboard", engine="storyboard", models_directory=user_cache_path("dailies") / "models"
    )
    provider = create(config)
    make(provider, request("The cheetah runs. Traffic stops. She smiles.", 144))
    made = [make(provider, request(SCRIPT, options.short_side)) for _ in range(options.rounds)]
    ratios = [one.ratio for one in made]
    kept = statistics.median(ratios) <= PROMISED
    length = f"{made[0].video_seconds:.0f} s of {options.short_side}p"
    table = Table(title=f"storyboard: {length}, narrated, with stills, a clip and music, on {usable_cores()} cores")
    for heading in ("time / length", "median", "min", "max", "CPU / length", "promised", "holds"):
        table.add_column(heading)
    figures = [f"{figure:.2f}" for figure in (statistics.median(ratios), min(ratios), max(ratios))]
    cpu = statistics.median(one.cpu_seconds / one.video_seconds for one in made)
    table.add_row("storyboard", *figures, f"{cpu:.2f}", f"≤ {PROMISED}", "yes" if kept else "NO")
    Console(width=None if sys.stdout.isatty() else 150).print(table)
    if options.json:
        options.json.write_text(json.dumps({"made": [asdict(one) for one in made], "kept": kept}), encoding="utf-8")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
