"""Nights that never were: batches with items of every fate, for the reports."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

from data.domain.batches import (
    Batch,
    BatchItem,
    BatchOptions,
    BatchPlan,
    BatchReason,
    BatchState,
    ItemState,
    StepEstimate,
)
from data.domain.nights import CanaryOutcome, NightFacts, Pause, ReportLinks, StepActual
from data.domain.publications import PublicationManifest
from data.domain.windows import NightWindow
from tasks.reporting.results import results_frame
from tasks.reporting.tally import NightTally
from tests.data.samples import sample_asset, sample_manifest

BEGINS = datetime(2026, 11, 21, 21, 3, 12, tzinfo=UTC)
MADE = datetime(2026, 11, 22, 3, 13, tzinfo=UTC)
PAUSED_AT = BEGINS + timedelta(hours=2)
_FAILURES = {
    "DATA.INPUT.CORRUPT": 6,
    "DATA.SOURCE.NOT_FOUND": 3,
    "TRANSIENT.SOURCE.UNAVAILABLE": 2,
    "INFRA.TIME_LIMIT": 1,
}
_REJECTED = {
    "failure_class": "DATA",
    "code": "DATA.MANIFEST.VALUE",
    "message": "column video.crf: 99 is not between 0 and 51",
}
_FILES = {
    "results_csv": "results.csv",
    "results_parquet": "results.parquet",
    "retry": "retry.csv",
    "rejects": "rejects.csv",
}
HOSTILE = "<script>alert('\"&amp;')</script>{{ 7*7 }}"
WINDOW = NightWindow(opens=time(22), closes=time(6), time_zone="Europe/Berlin")


def sample_batch(**changes: Any) -> Batch:
    """A batch that ended at 04:12 in Berlin, 1 h 48 min before its window closes."""
    values: dict[str, Any] = {
        "id": "0b9c2f6e-5a1d-4a7c-9f7e-0d3f1c2b4a59",
        "name": "Nightly: newsroom",
        "manifest_uri": "s3://newsroom/nightly/2026-11-21.csv",
        "options": BatchOptions(recipe="default", window=WINDOW, canary_items=5),
        "state": BatchState.COMPLETED,
        "created_at": BEGINS,
        "started_at": BEGINS,
        "ended_at": datetime(2026, 11, 22, 3, 12, 4, tzinfo=UTC),
        "outputs": {name: f"batches/x/{name}" for name in ("results_csv", "results_parquet", "retry", "rejects")},
    }
    return Batch(**{**values, **changes})


def sample_item(row: int, state: ItemState | str = "succeeded", **changes: Any) -> BatchItem:
    """An item of that row that took 20 seconds."""
    ended = BEGINS + timedelta(seconds=20 * row)
    values: dict[str, Any] = {
        "batch_id": "b",
        "row": row,
        "custom_id": f"clip-{row:04d}",
        "source": f"/media/nightly/clip-{row:04d}.mp4",
        "recipe": "default",
        "state": state,
        "attempt": 1,
        "started_at": ended - timedelta(seconds=20),
        "ended_at": ended,
    }
    return BatchItem(**{**values, **changes})


def failed_item(row: int, code: str | None = "DATA.INPUT.CORRUPT", **changes: Any) -> BatchItem:
    """An item that failed with that code."""
    failure = {
        "failure_class": code and code.partition(".")[0],
        "code": code,
        "message": "moov atom not found",
        "step": "ingest",
    }
    return sample_item(row, "failed", **{**failure, **changes})


def sample_publications() -> dict[tuple[str, int], PublicationManifest]:
    """A few publications of different length, which the published items of the samples name."""
    found = {}
    for index, seconds in enumerate((10.5, 48.0, 95.0, 610.0)):
        manifest = sample_manifest(sample_asset(str(index))).model_copy(update={"duration_seconds": seconds})
        found[manifest.asset_id, manifest.version] = manifest
    return found


def facts_of(items: list[BatchItem], batch: Batch | None = None, rows: int | None = None, **more: Any) -> NightFacts:
    """Facts of a batch with these items."""
    tally = NightTally()
    tally.add(results_frame(items, sample_publications()))
    return tally.facts(batch or sample_batch(), len(items) if rows is None else rows, made_at=MADE, **more)


def newsroom_items(count: int, seed: int = 7) -> Iterator[BatchItem]:
    """Items as a real night has them, ascending by row."""
    chance = random.Random(seed)
    published = list(sample_publications())
    night = (sample_batch().ended_at or MADE) - BEGINS - timedelta(minutes=27)
    failures = [code for code, count in _FAILURES.items() for _ in range(count)]
    for row in range(1, count + 1):
        fate = row % 1000
        when = BEGINS + timedelta(minutes=3) + night * (row / count) ** 0.9
        when += timedelta(minutes=24 if when > PAUSED_AT else 0)
        asset_id, version = published[min(int(chance.expovariate(1.1)), 3)]
        took = min(chance.lognormvariate(3, 0.8), 150)
        common: dict[str, Any] = {"started_at": when - timedelta(seconds=took), "ended_at": when}
        if fate % 83 == 0 and fate:
            code = failures[(fate // 83 - 1) % len(failures)]
            yield failed_item(row, code, **common, message=f"clip-{row:04d}.mp4: {_words(code)}")
        elif fate % 66 == 1:
            reason = "unchanged" if fate % 5 else "duplicate"
            yield sample_item(row, "skipped", reason=reason, attempt=0, started_at=None)
        elif fate in (250, 251, 252, 500, 900):
            yield sample_item(row, "rejected", attempt=0, started_at=None, ended_at=BEGINS, **_REJECTED)
        else:
            yield sample_item(row, asset_id=asset_id, version=version, attempt=1 + (row % 140 == 5), **common)


def newsroom_facts(count: int = 1000) -> NightFacts:
    """Facts of a full night: pauses, canary, plan, steps and links."""
    plan = BatchPlan(
        rows=count,
        new=980,
        unchanged=11,
        duplicate=4,
        rejected=5,
        media_seconds=88_000,
        bytes_in=10**11,
        bytes_out=10**11,
        wall_seconds=23_000,
        starts_at=BEGINS,
        finishes_at=BEGINS + timedelta(seconds=23_800),
        cost=4.2,
        steps=(
            StepEstimate(step="ingest", items=980, machine_seconds=1800, learnt_from=200),
            StepEstimate(step="transcode", items=980, machine_seconds=17_500, learnt_from=200),
            StepEstimate(step="captions", items=980, machine_seconds=6400, cost=4.2, learnt_from=40),
            StepEstimate(step="publish", items=980, machine_seconds=1100, learnt_from=200),
        ),
    )
    batch = sample_batch(plan=plan, rows=count, spent=3.87)
    return facts_of(
        list(newsroom_items(count)),
        batch,
        count,
        pauses=[Pause(begins_at=PAUSED_AT, ends_at=PAUSED_AT + timedelta(minutes=24), reason=BatchReason.REQUEST)],
        canary=CanaryOutcome(items=5, failed=0, passed=True),
        steps=[
            StepActual(step="ingest", items=983, machine_seconds=1720),
            StepActual(step="transcode", items=975, machine_seconds=18_900),
            StepActual(step="captions", items=974, machine_seconds=5900, cost=3.87),
            StepActual(step="publish", items=974, machine_seconds=1090),
        ],
        links=ReportLinks(watch_base="https://video.example/watch/", files=_FILES),
    )


def _words(code: str) -> str:
    return {
        "DATA.INPUT.CORRUPT": "no picture of it can be decoded (ffmpeg: Invalid data found when processing input)",
        "DATA.SOURCE.NOT_FOUND": "there is no such file below /media/nightly",
        "TRANSIENT.SOURCE.UNAVAILABLE": "the host cdn.example answered 503 five times",
        "INFRA.TIME_LIMIT": "transcode reached its hard limit of 4,000 s",
    }[code]
