"""Adds up a batch's results, chunk by chunk, into the facts of the morning report."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pandas as pd

from data.domain.batches import Batch, ItemCounts, ItemState
from data.domain.jobs import REVIEW_REASON
from data.domain.nights import (
    CanaryOutcome,
    FailureGroup,
    ItemExample,
    ItemTime,
    NightFacts,
    Pause,
    ReportLinks,
    StepActual,
    Throughput,
)
from tasks.reporting.columns import PREFIX

EXAMPLES = 3
"""Items shown for each kind of failure."""
MESSAGE_LIMIT = 400
"""Most characters of a message in a report; the results have it whole."""
SLOWEST = 10
MAX_SPANS = 96
"""Most spans in a throughput, so that each is wide enough to be seen."""
_TICK_SECONDS = 10
_SPAN_SECONDS = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400)


_EXAMPLE = ("row", "custom_id", "source", "message", "run_id")
_TIMED = ("row", "custom_id", "source", "state", "wall_seconds", "duration_seconds", "asset_id", "attempts")


@dataclass
class _Group:
    count: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    examples: list[ItemExample] = field(default_factory=list)


@dataclass
class _Tick:
    published: int = 0
    failed: int = 0
    media_seconds: float = 0.0


class NightTally:
    """Counts what happened to the items of one batch; lives while its results are written.

    Holds counts, a few examples and a sum for every ten seconds of the night, however many items there are.
    """

    def __init__(self) -> None:
        self._states: Counter[str] = Counter()
        self._reasons: dict[str, Counter[str]] = {
            state: Counter() for state in (ItemState.SUCCEEDED, ItemState.SKIPPED, ItemState.CANCELLED)
        }
        self._groups: dict[str, dict[tuple[str, str], _Group]] = {ItemState.FAILED: {}, ItemState.REJECTED: {}}
        self._ticks: dict[int, _Tick] = {}
        self._slowest: list[ItemTime] = []
        self._media_seconds = 0.0
        self._copied_bytes = 0
        self._retried = 0

    def add(self, results: pd.DataFrame) -> None:
        """Add a chunk, as :func:`tasks.reporting.results.results_frame` gives it, ascending by row."""
        items = results.rename(columns=lambda name: name.removeprefix(PREFIX))
        self._states.update(_counted(items["state"]))
        for state, reasons in self._reasons.items():
            reasons.update(_counted(items.loc[items["state"] == state, "reason"].fillna("")))
        for state, groups in self._groups.items():
            _add_groups(groups, items[items["state"] == state])
        worked = items[items["state"].isin([ItemState.SUCCEEDED, ItemState.FAILED]) & items["wall_seconds"].notna()]
        self._retried += int((items["attempts"] > 1).sum())
        self._add_times(worked)

    def _add_times(self, worked: pd.DataFrame) -> None:
        if worked.empty:
            return
        published = worked["state"] == ItemState.SUCCEEDED
        media = worked["duration_seconds"].astype("float64").fillna(0.0).where(published, 0.0)
        self._media_seconds += float(media.sum())
        self._copied_bytes += int(worked.loc[published, "copied_bytes"].fillna(0).sum())
        seconds = worked["ended_at"].astype("datetime64[ms, UTC]").astype("int64") // 1000
        sums = (
            pd.DataFrame({"published": published, "failed": ~published, "media": media})
            .groupby(seconds // _TICK_SECONDS * _TICK_SECONDS)
            .sum()
        )
        for at, good, bad, playing in sums.itertuples(name=None):
            tick = self._ticks.setdefault(int(at), _Tick())
            tick.published += int(good)
            tick.failed += int(bad)
            tick.media_seconds += float(playing)
        self._slowest += [_item_time(each) for each in _tuples(worked.nlargest(SLOWEST, "wall_seconds"), *_TIMED)]
        self._slowest = sorted(self._slowest, key=lambda item: (-item.wall_seconds, item.row))[:SLOWEST]

    def facts(
        self,
        batch: Batch,
        rows: int,
        *,
        made_at: datetime,
        steps: Sequence[StepActual] = (),
        pauses: Sequence[Pause] = (),
        canary: CanaryOutcome | None = None,
        links: ReportLinks | None = None,
    ) -> NightFacts:
        """Return the facts of the batch.

        Args:
            batch: The batch, ended.
            rows: Rows counted in the manifest itself, so that the equation does not check a number against itself.
            made_at: The time.
            steps: What each step really took, where that is known.
            pauses: When the batch stood still, in order.
            canary: What the canary items came to, where there were any.
            links: Where the report points.
        """
        return NightFacts(
            batch=batch,
            counts=ItemCounts.of(rows, self._states),
            in_review=self._reasons[ItemState.SUCCEEDED][REVIEW_REASON],
            skipped=dict(self._reasons[ItemState.SKIPPED].most_common()),
            cancelled=dict(self._reasons[ItemState.CANCELLED].most_common()),
            failures=_ranked(self._groups[ItemState.FAILED]),
            rejects=_ranked(self._groups[ItemState.REJECTED]),
            throughput=_spans(self._ticks),
            slowest=tuple(self._slowest),
            media_seconds=self._media_seconds,
            copied_bytes=self._copied_bytes,
            retried=self._retried,
            steps=tuple(steps),
            pauses=tuple(pauses),
            canary=canary,
            links=links or ReportLinks(),
            made_at=made_at,
        )


def _add_groups(groups: dict[tuple[str, str], _Group], items: pd.DataFrame) -> None:
    """Add items that ended badly to the groups of their kind."""
    kinds = [items["failure_class"].fillna(""), items["code"].fillna("")]
    for kind, members in items.groupby(kinds):
        group = groups.setdefault(cast("tuple[str, str]", kind), _Group())
        group.count += len(members)
        group.steps.update(_counted(members["step"].dropna()))
        wanted = members.head(EXAMPLES - len(group.examples))
        for row, custom_id, source, message, run_id in _tuples(wanted, *_EXAMPLE):
            text = (message or "")[:MESSAGE_LIMIT]
            example = ItemExample(row=row, custom_id=custom_id, source=source or "", message=text, run_id=run_id)
            group.examples.append(example)


def _ranked(groups: dict[tuple[str, str], _Group]) -> tuple[FailureGroup, ...]:
    return tuple(
        FailureGroup(
            failure_class=failure_class,
            code=code,
            count=group.count,
            steps=dict(group.steps.most_common()),
            examples=tuple(group.examples),
        )
        for (failure_class, code), group in sorted(groups.items(), key=lambda entry: (-entry[1].count, entry[0]))
    )


def _counted(column: "pd.Series[Any]") -> dict[str, int]:
    return {str(value): int(count) for value, count in column.value_counts().items()}


def _tuples(items: pd.DataFrame, *names: str) -> Iterator[tuple[Any, ...]]:
    """Iterate over the given columns of the rows; what is missing is ``None``."""
    for values in items[list(names)].itertuples(index=False, name=None):
        yield tuple(None if pd.isna(value) else value for value in values)


def _item_time(values: tuple[Any, ...]) -> ItemTime:
    row, custom_id, source, state, wall_seconds, media_seconds, asset_id, attempts = values
    return ItemTime(
        row=row,
        custom_id=custom_id,
        source=source or "",
        state=state,
        wall_seconds=wall_seconds,
        media_seconds=media_seconds,
        asset_id=asset_id,
        attempts=attempts,
    )


def _spans(ticks: dict[int, _Tick]) -> tuple[Throughput, ...]:
    """Return equal spans without gaps, as fine as :data:`MAX_SPANS` allows."""
    if not ticks:
        return ()
    first, last = min(ticks), max(ticks)
    width = next((each for each in _SPAN_SECONDS if last // each - first // each < MAX_SPANS), _SPAN_SECONDS[-1])
    begin = first // width * width
    sums = [_Tick() for _ in range((last - begin) // width + 1)]
    for at, tick in ticks.items():
        span = sums[(at - begin) // width]
        span.published += tick.published
        span.failed += tick.failed
        span.media_seconds += tick.media_seconds
    return tuple(
        Throughput(
            at=datetime.fromtimestamp(begin + index * width, UTC),
            seconds=width,
            published=span.published,
            failed=span.failed,
            media_seconds=span.media_seconds,
        )
        for index, span in enumerate(sums)
    )
