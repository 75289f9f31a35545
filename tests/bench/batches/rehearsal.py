"""`python -m tests.bench.batches.rehearsal`: many rows without media work, and a worker that is killed again and again.

What is proved: every row ends once, whatever dies; and how long validating, planning and feeding so many rows takes.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from rich.console import Console

from data.domain.batches import Batch, BatchState, ItemCounts
from deployments.environment import isolated
from deployments.stack import Stack
from tests.bench.batches.memory import MemoryWatch
from tests.fakes.batch_client import BatchClient

_WORKERS = ("cpu-worker", "control-worker")


def rows(source: Path, count: int) -> list[dict[str, str]]:
    """Return rows that all differ in what they ask for, so that none is a duplicate."""
    return [{"custom_id": f"row-{number}", "source": str(source), "title": str(number)} for number in range(count)]


def kill_one(stack: Stack, chance: random.Random) -> str:
    """Kill a worker of the stack and return its name; the stack starts it again."""
    victim = chance.choice([child for child in stack.children if child.name in _WORKERS and child.exit_code() is None])
    os.kill(victim.pid, signal.SIGKILL)
    return victim.name


def feed(
    stack: Stack, batches: BatchClient, batch_id: str, kills: int, chance: random.Random, console: Console
) -> Batch:
    """Watch the batch to its end, killing workers whenever another share of its rows has ended."""
    killed, limit = 0, time.monotonic() + 1800
    while time.monotonic() < limit:
        stack.revive()
        batch, counts = batches.batch(batch_id), batches.counts(batch_id)
        if batch.ended_at:
            return batch
        if killed < kills and counts.rows and counts.ended >= counts.rows * (killed + 0.5) / (kills + 1):
            killed += 1
            console.print(f"{counts.ended} of {counts.rows} rows ended: killed {kill_one(stack, chance)} ({killed})")
        time.sleep(0.2)
    raise TimeoutError(f"The batch did not end: {batches.batch(batch_id)}, {batches.counts(batch_id)}")


def is_whole(batches: BatchClient, batch: Batch, counts: ItemCounts, console: Console) -> bool:
    """Say whether every row ended once, by the catalogue and by Prefect's runs."""
    keys = [run.idempotency_key for run in batches.runs(batch.id)]
    items = batches.items(batch.id).values()
    unknown = {item.run_key for item in items} - set(keys)
    attempts = max(item.attempt for item in items)
    console.print(f"{counts.model_dump()}\n{len(keys)} runs, {len(keys) - len(set(keys))} made twice, ", end="")
    console.print(f"{len(unknown)} unknown; most attempts of a row: {attempts}")
    return (
        batch.state is BatchState.COMPLETED
        and counts.balances
        and counts.succeeded == counts.rows
        and len(keys) == len(set(keys))
        and not unknown
    )


def seconds_between(first: datetime | None, last: datetime | None) -> float:
    """Return the seconds from one moment to the next; 0 where one is not known."""
    return (last - first).total_seconds() if first and last else 0.0


def main() -> int:
    """Run it and return 0 if nothing was lost and nothing was done twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.batches.rehearsal", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="rows of the manifest (default 10000)")
    parser.add_argument("--kills", type=int, default=10, help="how often a worker is killed (default 10)")
    parser.add_argument("--seed", type=int, default=1, help="which workers die (default 1)")
    options = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="dailies-bench-") as folder:
        home, media = Path(folder) / "home", Path(folder) / "media"
        for each in (Path(folder), home, media):
            each.mkdir(exist_ok=True)
            each.chmod(0o755)  # Postgres does not run as root, and looks from the top
        source = media / "clip.mp4"
        source.write_bytes(b"a rehearsal does not open it")
        settings = {"DAILIES_INGEST__ALLOWED_ROOTS": json.dumps([str(media)])}
        with Stack(home, environment={**isolated(), **settings}) as stack:
            batches = BatchClient(stack, media)
            batch_id = batches.submit(rows(source, options.rows), recipe="rehearsal")
            batches.wait_for(batch_id, lambda batch, _: batch.started_at, 300)
            with MemoryWatch(stack, batch_id) as memory:
                feed(stack, batches, batch_id, options.kills, random.Random(options.seed), console)
            batch, counts = batches.batch(batch_id), batches.counts(batch_id)
            whole = is_whole(batches, batch, counts, console)
    planned = seconds_between(batch.created_at, batch.started_at)
    fed = seconds_between(batch.started_at, batch.ended_at)
    console.print(f"validated and planned in {planned:.1f} s, fed in {fed:.1f} s; MB: {memory.growth}")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
