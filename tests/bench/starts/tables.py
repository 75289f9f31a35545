"""What was measured, and whether it is what was promised."""

import statistics
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from rich.table import Table

from tests.bench.starts.cpu import Cpu
from tests.bench.starts.kinds import KINDS, STOCK_KIND, WARM_KIND
from tests.bench.starts.outcome import LATE_SECONDS, Burst, Start

LEAST_RATIO = 5.0
MOST_CPU_SECONDS = 1.0
MOST_SECONDS = 1.0
_CPU_HEADINGS = ("CPU: run", "worker", "server", "Postgres", "all")


@dataclass(frozen=True)
class Promise:
    """What is promised, what was found, and whether it decides the exit status.

    A time in seconds does not: it says as much about the machine. A ratio of neighbouring runs does.
    """

    name: str
    found: str
    promised: str
    holds: bool
    decides: bool = True

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.decides:
            return "yes" if self.holds else "NO"
        return "held" if self.holds else "not held"


def table_of_starts(starts: Sequence[Start], idle: Cpu) -> Table:
    """Return latency and CPU-seconds a run, by kind."""
    title = "one no-op run at a time: medians, seconds and CPU-seconds a run"
    caption = f"idle, while the workers poll: server {1000 * idle.server:.0f}, Postgres {1000 * idle.database:.0f} ms/s"
    table = _table(title, "", "→ RUNNING", "→ ended", *_CPU_HEADINGS, "× warm", caption=caption)
    ratio = ratios(starts)
    for kind in KINDS:
        mine = [start for start in starts if start.kind == kind.name]
        figures = [statistics.median(start.running_seconds for start in mine)]
        figures += [statistics.median(start.ended_seconds for start in mine)]
        figures += [statistics.median(column) for column in zip(*(_columns(start.cpu) for start in mine), strict=True)]
        table.add_row(kind.name, *(f"{figure:.2f}" for figure in figures), f"{ratio[kind.name]:.1f}")
    return table


def table_of_bursts(bursts: Sequence[Burst]) -> Table:
    """Return how the kinds grow with the number of queued runs."""
    title = "no-op runs queued at once: seconds, and CPU-seconds a run"
    headings = ("→ RUNNING", "longest", "all ended", "runs/s", "unpolled", "late", "lost", "cores")
    caption = (
        f"unpolled: longest wait beside a free slot; late: more than {LATE_SECONDS:.0f} s of that (Prefect's mark, "
        "also for full slots, in brackets); cores: how busy the machine was with everything"
    )
    table = _table(title, "", "runs", *headings, *_CPU_HEADINGS, caption=caption)
    for burst in bursts:
        times = (burst.median_seconds, burst.longest_seconds, burst.all_seconds)
        counts = (f"{burst.late} ({burst.marked_late})", str(burst.lost), f"{burst.busy_share:.0%}")
        table.add_row(
            burst.kind,
            str(burst.count),
            *(f"{seconds:.1f}" for seconds in times),
            f"{(burst.count - burst.lost) / max(burst.all_seconds, 0.01):.2f}",
            f"{burst.longest_poll_seconds:.1f}",
            *counts,
            *(f"{seconds:.2f}" for seconds in _columns(burst.cpu)),
        )
    return table


def ratios(starts: Sequence[Start]) -> dict[str, float]:
    """Return how many times as long as warm each kind takes to RUNNING: the median of neighbouring runs."""
    by_kind = {kind.name: [start.running_seconds for start in starts if start.kind == kind.name] for kind in KINDS}
    return {
        name: statistics.median(theirs / ours for theirs, ours in zip(seconds, by_kind[WARM_KIND.name], strict=True))
        for name, seconds in by_kind.items()
    }


def promises(starts: Sequence[Start], bursts: Sequence[Burst]) -> list[Promise]:
    """Return what is promised of warm starts."""
    warm = [start for start in starts if start.kind == WARM_KIND.name]
    seconds = statistics.median(start.running_seconds for start in warm)
    cpu = statistics.median(start.cpu.total for start in warm)
    ratio = ratios(starts)[STOCK_KIND.name]
    queued = [burst for burst in bursts if burst.kind == WARM_KIND.name]
    lost, late = sum(burst.lost for burst in queued), sum(burst.late for burst in queued)
    return [
        Promise("trigger to RUNNING, stock / warm", f"{ratio:.1f}", f"≥ {LEAST_RATIO:g}", ratio >= LEAST_RATIO),
        Promise(
            "CPU-seconds of a run, all components",
            f"{cpu:.2f}",
            f"≤ {MOST_CPU_SECONDS:.1f}",
            cpu <= MOST_CPU_SECONDS,
        ),
        Promise("queued runs lost", str(lost), "0", lost == 0),
        Promise("queued runs late for lack of polling", str(late), "0", late == 0),
        Promise(
            "trigger to RUNNING, median (on a quiet machine)",
            f"{seconds:.2f} s",
            f"≤ {MOST_SECONDS:.0f} s",
            seconds <= MOST_SECONDS,
            decides=False,
        ),
    ]


def table_of_promises(found: Sequence[Promise]) -> Table:
    """Return the promises and whether they hold."""
    table = Table(title="warm starts: promises", title_justify="left")
    for heading in ("", "found", "promised", "holds"):
        table.add_column(heading)
    for promise in found:
        table.add_row(promise.name, promise.found, promise.promised, promise.verdict)
    return table


def _columns(cpu: Cpu) -> tuple[float, ...]:
    return (*astuple(cpu), cpu.total)


def _table(title: str, *headings: str, caption: str) -> Table:
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table
