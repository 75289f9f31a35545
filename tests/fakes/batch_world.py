"""A feed's surroundings on a real Prefect server: batches in a catalogue, and workers whose work is done by hand."""

import logging
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort

from data.database import Database
from data.domain.batches import Batch, BatchItem, BatchOptions, BatchState, ItemCounts
from data.domain.errors import DailiesError
from data.repositories import AssetRepository, BatchItemRepository, BatchRepository, PublicationRepository
from tasks.bulk.feed import Feed, FeedRules, Progress
from tasks.bulk.fleet import Fleet
from tasks.bulk.ledger import Ledger
from tasks.bulk.pack import Pack
from tests.data.samples import sample_asset, sample_manifest

LIVE = {StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING}
FEED_RUN = "feed-1"


class World:
    """One batch, its feed, and its workers. What they do, they do when told."""

    def __init__(self, database: Database, client: SyncPrefectClient, seconds: Iterable[float], **options: Any) -> None:
        self.database = database
        self.client = client
        self.batch_id = uuid.uuid4().hex
        self.now = datetime(2026, 1, 2, 12, tzinfo=UTC)
        self.log: list[str] = []
        rows = [
            {
                "row": row,
                "custom_id": f"item-{row}",
                "recipe": "quick",
                "source": f"/m/{row}.mp4",
                "estimated_seconds": s,
            }
            for row, s in enumerate(seconds, 1)
        ]
        batch = Batch(
            id=self.batch_id,
            name="Monday",
            manifest_uri="/m/monday.csv",
            options=BatchOptions(**options),
            state=BatchState.PLANNED,
            rows=len(rows),
            created_at=self.now,
        )
        with database.session() as session:
            BatchRepository(session).create(batch)
            BatchItemRepository(session).add(batch.id, rows)

    def feed(self, wrap: Callable[[Any], Any] = lambda door: door, run_id: str = FEED_RUN) -> Feed:
        """Start a feed; its doors to the catalogue and to Prefect can be wrapped."""
        ledger, fleet = wrap(Ledger(self.database, self.batch_id)), wrap(Fleet(self.client))
        ledger.take_over(run_id)
        logger = logging.Logger("feed")
        logger.addHandler(_Lines(self.log))
        rules = FeedRules(run_id, frozenset({"rehearsal"}), unlimited_slots=2, hour_cost=3600.0)
        return Feed(ledger, fleet, rules, logger, lambda: self.now)

    def runs(self) -> list[FlowRun]:
        """All runs of the batch at Prefect, in the order of their making."""
        tag = FlowRunFilterTags(all_=[f"batch:{self.batch_id}"])
        found = self.client.read_flow_runs(
            flow_run_filter=FlowRunFilter(tags=tag), sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=200
        )
        return sorted(found, key=lambda run: run.created or self.now)

    def live(self) -> list[FlowRun]:
        return [run for run in self.runs() if run.state_type in LIVE]

    def force(self, run: FlowRun, kind: StateType, message: str = "") -> None:
        self.client.set_flow_run_state(run.id, State(type=kind, message=message or None), force=True)

    def work(self, run: FlowRun, failing: Callable[[BatchItem], DailiesError | None] = lambda _: None) -> None:
        """Do what a worker does with a run, from its start to its end."""
        self.force(run, StateType.RUNNING)
        if "run_key" in run.parameters:
            pack = self.pack(run)
            for item in pack.items:
                self.end(pack, item, failing(item))
            self.force(run, StateType.COMPLETED)
            return
        error = failing(self.items_of(run)[0])
        if error is not None:
            self.force(run, StateType.FAILED, f"Flow run encountered an exception: {error}")
            return
        self.publish(run)
        self.force(run, StateType.COMPLETED)

    def pack(self, run: FlowRun) -> Pack:
        return Pack.open(self.database, self.batch_id, run.parameters["run_key"])

    def end(self, pack: Pack, item: BatchItem, error: DailiesError | None) -> None:
        """Work on one item of a pack."""
        if pack.begin(item, "transcode"):
            if error is not None:
                pack.fail(item, error, cost=0.5)
            else:
                asset = self.record_asset(item.custom_id)
                pack.succeed(item, asset, version=1, cost=0.25)

    def record_asset(self, name: str) -> str:
        asset = sample_asset(name)
        with self.database.session() as session:
            AssetRepository(session).record(asset)
        return asset.id

    def publish(self, run: FlowRun) -> None:
        """Leave behind what a job that succeeds leaves."""
        asset = sample_asset(str(run.id))
        with self.database.session() as session:
            assets = AssetRepository(session)
            assets.record(asset)
            assets.bind_job(str(run.id), asset.id)
            PublicationRepository(session).record(sample_manifest(asset, version=1, job=str(run.id)))

    def items_of(self, run: FlowRun) -> tuple[BatchItem, ...]:
        with self.database.session() as session:
            return BatchItemRepository(session).of_run(run.idempotency_key or "")

    def items(self) -> dict[int, BatchItem]:
        with self.database.session() as session:
            return {item.row: item for item in BatchItemRepository(session).all(self.batch_id)}

    def batch(self) -> Batch:
        with self.database.session() as session:
            return BatchRepository(session).get(self.batch_id)

    def counts(self) -> ItemCounts:
        with self.database.session() as session:
            return BatchItemRepository(session).counts(self.batch_id)

    def wish(self, wish: Any) -> None:
        with self.database.session() as session:
            BatchRepository(session).set_wish(self.batch_id, wish)

    def finish(self, feed: Feed, ticks: int = 50, **work: Any) -> None:
        """Have everything done that is left, and fail if that does not end."""
        for _ in range(ticks):
            if feed.tick() is Progress.ENDED:
                return
            for run in self.live():
                self.work(run, **work)
        raise AssertionError(f"not over after {ticks} ticks: {self.counts()} {self.log}")


class _Lines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


class Died(BaseException):
    """The process of the feed is gone."""


class Fuse:
    """Lets a process die at one of the calls that it makes through its doors.

    Args:
        calls: At which one, from 1.
        is_before: Before it is made, else after it.
        method: Count only calls of this name.
    """

    def __init__(self, calls: int, *, is_before: bool, method: str = "") -> None:
        self.left = calls
        self._is_before = is_before
        self._method = method

    def wrap(self, door: Any) -> Any:
        """Return the door with the fuse in every call."""
        return _Fused(door, self)

    def pull(self, name: str, call: Callable[[], Any]) -> Any:
        """Make a call, unless it is the one at which the process dies; or die when it has been made."""
        if self._method not in ("", name):
            return call()
        self.left -= 1
        if self.left == 0 and self._is_before:
            raise Died
        result = call()
        if self.left == 0:
            raise Died
        return result


class _Fused:
    def __init__(self, door: Any, fuse: Fuse) -> None:
        self._door = door
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._door, name)
        return lambda *args, **kwargs: self._fuse.pull(name, lambda: method(*args, **kwargs))
