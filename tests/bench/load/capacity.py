"""What rounds of videos say of an installation's capacity: pure reckoning, and the report."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from tests.bench.batches.processor import RUNS

NIGHT_HOURS = 8
NIGHTS = (500, 2_000, 10_000)
"""Videos a night for which the report says how many machines it takes."""
OF_WORKERS = frozenset({RUNS, "cpu-worker", "gpu-worker"})
"""What of a machine's processor time each further machine brings along; the rest is shared by all."""


@dataclass(frozen=True)
class Video:
    """What became of one video. Times in seconds since the epoch."""

    size_bytes: int
    began_at: float
    uploaded_at: float
    ended_at: float
    work_seconds: float | None = None
    """From the start of its run to its end; without the time in the queue."""
    error: str = ""

    @property
    def seconds(self) -> float:
        """From the first byte of its upload until somebody could watch it."""
        return self.ended_at - self.began_at

    @classmethod
    def of(cls, outcome: Mapping[str, Any]) -> "Video":
        """Read what a user of the load test has noted."""
        started, finished = outcome["started_at"], outcome["finished_at"]
        work = (datetime.fromisoformat(finished) - datetime.fromisoformat(started)) if started and finished else None
        return cls(
            size_bytes=outcome["size_bytes"],
            began_at=outcome["began_at"],
            uploaded_at=outcome["uploaded_at"],
            ended_at=outcome["ended_at"],
            work_seconds=work.total_seconds() if work else None,
            error=outcome["error"],
        )


@dataclass(frozen=True)
class Round:
    """Videos of one size, handed in together to a number of workers."""

    workers: int
    megabytes: float
    videos: tuple[Video, ...]
    processor: Mapping[str, float] = field(default_factory=dict)
    """CPU-seconds by component; empty where the installation is elsewhere."""

    @property
    def published(self) -> tuple[Video, ...]:
        """The videos of which all went well."""
        return tuple(video for video in self.videos if not video.error)

    @property
    def errors(self) -> int:
        """How many were not published."""
        return len(self.videos) - len(self.published)

    @property
    def seconds(self) -> float:
        """From the first upload to the last publication."""
        return max(video.ended_at for video in self.videos) - min(video.began_at for video in self.videos)

    @property
    def videos_a_minute(self) -> float:
        """Published videos by the minute."""
        return 60 * len(self.published) / self.seconds

    @property
    def megabytes_a_second(self) -> float:
        """Bytes that went in and were published, in MB a second."""
        return sum(video.size_bytes for video in self.published) / 1e6 / self.seconds

    def percentile(self, share: float, what: str) -> float:
        """Return a percentile of ``seconds`` or ``work_seconds`` of what was published; NaN where there is none."""
        found = [value for video in self.published if (value := getattr(video, what)) is not None]
        return float(np.percentile(found, share)) if found else math.nan

    def processor_a_video(self, *, shared: bool) -> float:
        """Return CPU-seconds a video: of the parts that all machines share, or of the workers."""
        used = sum(seconds for name, seconds in self.processor.items() if (name not in OF_WORKERS) is shared)
        return used / len(self.videos)


def machines_for(videos: int, videos_a_minute: float, hours: float = NIGHT_HOURS) -> int:
    """Return how many machines of the measured kind publish so many videos in so many hours."""
    return math.ceil(videos / (videos_a_minute * 60 * hours))


def best(rounds: Iterable[Round]) -> dict[float, Round]:
    """Return for each size the round that published most in its time."""
    found: dict[float, Round] = {}
    for each in rounds:
        if each.megabytes not in found or each.videos_a_minute > found[each.megabytes].videos_a_minute:
            found[each.megabytes] = each
    return found


def as_json(rounds: Sequence[Round], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that was measured."""
    return {"facts": dict(facts), "rounds": [{**asdict(each), **_figures(each)} for each in rounds]}


def _figures(of: Round) -> dict[str, Any]:
    return {
        "videos_a_minute": of.videos_a_minute,
        "megabytes_a_second": of.megabytes_a_second,
        "errors": of.errors,
        "seconds": of.seconds,
        "p50_seconds": of.percentile(50, "seconds"),
        "p95_seconds": of.percentile(95, "seconds"),
        "worker_cpu_seconds_a_video": of.processor_a_video(shared=False),
        "shared_cpu_seconds_a_video": of.processor_a_video(shared=True),
    }


def as_markdown(rounds: Sequence[Round], facts: Mapping[str, Any]) -> str:
    """Return the report for people."""
    lines = ["# Capacity of the worker tier", ""]
    lines += [f"* {name}: {value}" for name, value in facts.items()]
    lines += ["", *_measured(rounds), ""]
    found = {size: each for size, each in best(rounds).items() if each.published}
    if found:
        lines += [f"## Machines for a night of {NIGHT_HOURS} hours", "", *_nights(found), ""]
        lines += _limits(found)
    return "\n".join(lines) + "\n"


def _measured(rounds: Sequence[Round]) -> list[str]:
    heads = ["MB each", "workers", "videos", "errors", "videos/min", "MB/s", "p50 s", "p95 s", "p50 s at work"]
    heads += ["CPU s a video", "of them shared"]
    rows = []
    for each in rounds:
        shared, own = each.processor_a_video(shared=True), each.processor_a_video(shared=False)
        cells = [f"{each.megabytes:g}", str(each.workers), str(len(each.videos)), str(each.errors)]
        cells += [f"{each.videos_a_minute:.1f}", f"{each.megabytes_a_second:.2f}"]
        cells += [f"{each.percentile(50, 'seconds'):.1f}", f"{each.percentile(95, 'seconds'):.1f}"]
        cells += [f"{each.percentile(50, 'work_seconds'):.1f}"]
        cells += [f"{shared + own:.1f}", f"{shared:.2f}"] if each.processor else ["–", "–"]
        rows.append(cells)
    return _table(heads, rows)


def _nights(found: Mapping[float, Round]) -> list[str]:
    heads = ["MB each", "best with", *(f"{videos:,} videos" for videos in NIGHTS)]
    rows = [
        [f"{size:g}", f"{each.workers} workers", *(str(machines_for(n, each.videos_a_minute)) for n in NIGHTS)]
        for size, each in found.items()
    ]
    return _table(heads, rows)


def _limits(found: Mapping[float, Round]) -> list[str]:
    lines = [
        "Machines of the kind that was measured, each with its workers. More machines publish that much more until "
        "what they share is busy: Prefect's server, Postgres, the API, and the object store with its network. Few or "
        "small videos make the shared parts look dearer than they are: what these do when idle is counted too.",
        "",
    ]
    for size, each in found.items():
        shared = each.processor_a_video(shared=True)
        if shared > 0:
            carried = 60 / shared
            lines.append(
                f"* At {size:g} MB the shared parts take {shared:.2f} CPU-seconds a video: one core of theirs carries "
                f"{carried:.0f} videos a minute, which is {max(1, int(carried / each.videos_a_minute))} such machines; "
                f"they bring in {each.megabytes_a_second * carried / each.videos_a_minute:.0f} MB a second then."
            )
    return lines


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    made = [heads, ["---:"] * len(heads), *rows]
    return [f"| {' | '.join(cells)} |" for cells in made]
