"""`python -m tests.bench.batches`: a batch against the same work without Dailies, and a second night against the first.

The same clips go three ways: their encodes alone by `xargs -P`, with the very ffmpeg command that the transcode step
runs; all their media work (from probing to signing and the gate) by a bare pool of processes; and as a batch
through a stack of its own that has done a clip before, as one that serves a second night has. What the batch takes
beyond the pool is orchestration.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from data.domain.batches import ItemCounts
from data.recipes import load_recipe
from deployments.environment import isolated
from deployments.stack import Stack
from tasks.media.cores import usable_cores
from tasks.media.tools import Toolset, find_tools
from tests.bench.batches.bare import BareWork, by_pool, by_xargs
from tests.bench.batches.memory import Growth, MemoryWatch
from tests.bench.batches.processor import of_stack, since
from tests.fakes.batch_client import BatchClient
from tests.fakes.clips import clip

FILM_SECONDS = 590
OVERRIDES = {"captions.enabled": False, "chapters.enabled": False, "poster.faces": False}
MOST_OVERHEAD = 1.10
LEAST_SECOND_NIGHT = 50.0
_LOOK_SECONDS = 2.0
"""Looking takes from what is looked at; the catalogue itself says when the batch ended."""


@dataclass(frozen=True)
class Night:
    """One batch, from its submission to the end of its last item."""

    seconds: float
    counts: ItemCounts
    growth: dict[str, Growth]
    processor: dict[str, float]
    """CPU-seconds by component."""


def make_clips(tools: Toolset, folder: Path, count: int, seconds: float, height: int) -> list[Path]:
    """Cut so many pieces out of a film, each from another place."""
    made = []
    step = (FILM_SECONDS - seconds) / count
    for number in range(count):
        path = folder / f"clip-{number:04d}.mp4"
        command = [tools.ffmpeg, "-v", "error", "-y", "-ss", f"{number * step:.3f}", "-t", str(seconds)]
        command += ["-i", clip("bbb"), "-vf", f"scale=-2:{height}", "-c:v", "libx264", "-preset", "ultrafast"]
        subprocess.run([*command, "-pix_fmt", "yuv420p", "-c:a", "aac", path], check=True)
        made.append(path)
    return made


def by_batch(stack: Stack, batches: BatchClient, clips: list[Path], recipe: str, timeout: float) -> Night:
    """Feed the clips as a batch and wait for its end."""
    rows = [_row(path) for path in clips]
    before, submitted = of_stack(stack), datetime.now(UTC)
    batch_id = batches.submit(rows, recipe=recipe)
    with MemoryWatch(stack, batch_id) as memory:
        batch = batches.ended(batch_id, timeout, _LOOK_SECONDS)
    assert batch.ended_at is not None
    seconds, processor = (batch.ended_at - submitted).total_seconds(), since(of_stack(stack), before)
    return Night(seconds, batches.counts(batch_id), memory.growth, processor)


def _row(clip_path: Path) -> dict[str, Any]:
    return {"custom_id": clip_path.stem, "source": str(clip_path), **OVERRIDES}


def _told(work: BareWork) -> str:
    return f"{work.seconds:.1f} s, {work.processor:.1f} CPU-seconds"


def replace_some(tools: Toolset, clips: list[Path], share: float) -> int:
    """Put other pictures under the names of a share of the clips; return how many."""
    chosen = clips[:: max(1, round(1 / share))]
    for path in chosen:
        fresh = path.with_suffix(".new.mp4")
        command = [tools.ffmpeg, "-v", "error", "-y", "-i", path, "-vf", "negate", "-c:v", "libx264", "-preset"]
        subprocess.run([*command, "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "copy", fresh], check=True)
        fresh.rename(path)
    return len(chosen)


def report(console: Console, names: list[str], nights: list[Night]) -> bool:
    """Print what became of the rows of each night; say whether each row was accounted for and none failed."""
    table = Table(title="rows of each night")
    for heading in ("night", "seconds", "rows", "succeeded", "skipped", "failed", "feed MB", "server MB"):
        table.add_column(heading)
    for name, night in zip(names, nights, strict=True):
        counts = night.counts
        grown = [night.growth.get(each) for each in ("feed", "server")]
        memory = [f"{each.early:.0f} → {each.late:.0f}" if each else "–" for each in grown]
        figures = (counts.rows, counts.succeeded, counts.skipped, counts.failed)
        table.add_row(name, f"{night.seconds:.1f}", *map(str, figures), *memory)
    console.print(table)
    return all(night.counts.ended == night.counts.rows and not night.counts.failed for night in nights)


def main() -> int:
    """Run the comparison and print it; exit status 1 when a promise of the README does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.batches", description=__doc__)
    parser.add_argument("--clips", type=int, default=16, help="how many clips (default 16)")
    parser.add_argument("--seconds", type=float, default=20, help="length of each (default 20)")
    parser.add_argument("--height", type=int, default=1080, help="height of each in pixels (default 1080)")
    parser.add_argument("--recipe", default="default", help="recipe; its AI steps are left out (default: default)")
    options = parser.parse_args()
    console, tools = Console(), find_tools()
    recipe = load_recipe(options.recipe).with_overrides(OVERRIDES)
    with tempfile.TemporaryDirectory(prefix="dailies-bench-") as folder:
        home, media = Path(folder) / "home", Path(folder) / "media"
        for each in (Path(folder), home, media):
            each.mkdir(exist_ok=True)
            each.chmod(0o755)  # Postgres does not run as root, and looks from the top
        (warm_up,) = make_clips(tools, media, 1, 2, 240)
        warm_up = warm_up.rename(media / "warm-up.mp4")
        clips = make_clips(tools, media, options.clips, options.seconds, options.height)
        console.print(f"{len(clips)} clips of {options.seconds:g} s at {options.height}p are ready.")
        bare = by_xargs(tools, clips, recipe)
        console.print(f"the encodes alone, by xargs -P {usable_cores()}: {_told(bare)}")
        pool = by_pool(tools, clips, recipe)
        console.print(f"all the media work, by a pool of {usable_cores()} processes: {_told(pool)}")
        settings = {"DAILIES_INGEST__ALLOWED_ROOTS": json.dumps([str(media)])}
        with Stack(home, environment={**isolated(), **settings}) as stack:
            batches = BatchClient(stack, media)
            timeout = 120 + 10 * bare.seconds
            batches.ended(batches.submit([_row(warm_up)], recipe=options.recipe), timeout)
            first = by_batch(stack, batches, clips, options.recipe, timeout)
            second = by_batch(stack, batches, clips, options.recipe, timeout)
            replaced = replace_some(tools, clips, 0.05)
            third = by_batch(stack, batches, clips, options.recipe, timeout)
    sound = report(console, ["first", "second: the same", f"third: {replaced} replaced"], [first, second, third])
    only_new = second.counts.skipped == len(clips) and third.counts.succeeded == replaced
    overhead, faster = first.seconds / pool.seconds, first.seconds / second.seconds
    used = sorted(first.processor.items(), key=lambda item: -item[1])
    console.print("CPU-seconds of the first night: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in used))
    console.print(
        f"CPU-seconds of the batch / the same media work: {sum(first.processor.values()) / pool.processor:.2f}"
    )
    console.print(f"batch / the same media work: {overhead:.2f} (promised ≤ {MOST_OVERHEAD:.2f})")
    console.print(f"batch / the encodes alone: {first.seconds / bare.seconds:.2f}")
    console.print(f"first night / second night: {faster:.0f} (promised ≥ {LEAST_SECOND_NIGHT:.0f} for 1,000 clips)")
    return 0 if sound and only_new and overhead <= MOST_OVERHEAD else 1


if __name__ == "__main__":
    sys.exit(main())
