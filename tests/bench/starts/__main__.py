"""How soon a run starts and what that costs: warm starts against Prefect's process worker, alternating in one run.

``python -m tests.bench.starts``. The run does nothing, so that everything measured is overhead. Three ways to start
it, on one Prefect server with Postgres:

* **warm**: our pool's command and our worker, which asks for work when it is told of some;
* **stock**: a process worker as Prefect makes it, polling every 10 s;
* **polled**: the ordinary command, polled twice a second: what remains is the new interpreter.

Absolute times of a shared machine mean little; the ratios of neighbouring runs hold.
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from tests.bench.starts.kinds import KINDS, STOCK_KIND, WARM_KIND
from tests.bench.starts.outcome import Burst, Start
from tests.bench.starts.running import Bench, bench
from tests.bench.starts.tables import promises, table_of_bursts, table_of_promises, table_of_starts

FULL = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison and print it; exit status 1 when a promise does not hold."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left
    console = Console(width=None if sys.stdout.isatty() else 150)
    with bench(options.limit, console) as running:
        for kind in KINDS:
            running.start(kind.name)  # the first run of the warm pool starts its server
        running.measure_idle(options.idle_seconds)
        idle = running.idle
        starts = _start_in_turn(running, options.rounds, console)
        bursts = _queue_in_turn(running, options.queued, FULL if options.full else options.stock_runs, console)
    found = promises(starts, bursts)
    for table in (table_of_starts(starts, idle), table_of_bursts(bursts), table_of_promises(found)):
        console.print(table)
    kept = all(promise.holds for promise in found if promise.decides)
    if options.json:
        figures = {"starts": [asdict(one) for one in starts], "bursts": [asdict(one) for one in bursts], "kept": kept}
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    return 0 if kept else 1


def _start_in_turn(running: Bench, rounds: int, console: Console) -> list[Start]:
    starts = []
    for number in range(rounds):
        for kind in KINDS:
            starts.append(running.start(kind.name))
            console.print(f"round {number + 1}/{rounds}  {kind.name:<7} {starts[-1].running_seconds:6.2f} s")
    return starts


def _queue_in_turn(running: Bench, sizes: Sequence[int], most_stock: int, console: Console) -> list[Burst]:
    """Queue each number of runs in the warm pool, and as many as there is time for in the stock one."""
    bursts = []
    for size in sizes:
        kinds = (WARM_KIND, STOCK_KIND) if size <= most_stock else (WARM_KIND,)
        if len(kinds) == 1:
            console.print(f"{size} queued  stock   left out: more than --stock-runs {most_stock} (--full for all)")
        for kind in kinds:
            bursts.append(running.burst(kind.name, size))
            console.print(f"{size} queued  {kind.name:<7} all ended after {bursts[-1].all_seconds:.1f} s")
    return bursts


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.starts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds of single runs (default 5)")
    parser.add_argument(
        "--queued", type=_numbers, default=[1, 10, 50, 200], help="how many runs to queue at once (1,10,50,200)"
    )
    parser.add_argument(
        "--stock-runs", type=int, default=10, help="the most to queue for the stock worker, which takes 3 s a run (10)"
    )
    parser.add_argument("--full", action="store_true", help="queue as many for the stock worker: ten minutes more")
    parser.add_argument("--limit", type=int, default=8, help="runs at once in each pool (8)")
    parser.add_argument("--idle-seconds", type=float, default=8, help="how long to measure the idle server (8)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    return parser.parse_args(arguments)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
