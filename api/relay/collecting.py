"""The collector: reads what became of jobs and batches, and records it in the outbox.

Why it is not one with the reader of the audit: see ``api.collecting``.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from api.gateway import PrefectGateway
from api.links import batch_url, job_url
from api.relay.delivering import IDLE_FACTOR
from data.database import Database
from data.domain.errors import OrchestratorUnavailableError
from data.domain.tidings import JobStory, batch_event, item_event, job_events
from data.domain.webhooks import Event
from data.repositories import BatchTidingsRepository, WebhookEndpointRepository, WebhookOutbox

OVERLAP = timedelta(minutes=5)
"""How far behind what was read is looked again: what was written late, or by a clock that is not ours."""
THOROUGH_SECONDS = 60.0
"""How often all of that is looked at again."""
_JOBS, _MOVES, _ITEMS = "jobs", "batch-moves", "items"
_MOVES_AGAIN = 200
"""Numbers of moves are given before they are written: so many are looked at again."""
_AT_ONCE = 500
_LATE = timedelta(seconds=30)
"""How long after its moment the end of a row may become visible."""
_MOST_SEEN = 100_000

logger = logging.getLogger(__name__)


class Collector:
    """Reads on from where it, or another before it, has stopped. Lives as long as this process relays.

    Args:
        gateway: The door to Prefect.
        database: The catalogue.
        public_url: Where people reach the API; begins the links in events.
        poll_seconds: How often to look.
        news: Set when there is something new to deliver.
    """

    def __init__(
        self,
        gateway: PrefectGateway,
        database: Database,
        *,
        public_url: str,
        poll_seconds: float,
        news: asyncio.Event,
    ) -> None:
        self._gateway = gateway
        self._database = database
        self._public_url = public_url.rstrip("/")
        self._poll_seconds = poll_seconds
        self._news = news
        self._seen: dict[str, str] = {}
        self._seen_moves: set[int] = set()
        self._thorough_at = 0.0

    async def run(self) -> None:
        """Collect until cancelled; while Prefect is away, wait for it."""
        pause, is_away = self._poll_seconds, False
        while True:
            try:
                count = await self.collect()
                is_away = False
            except OrchestratorUnavailableError as error:
                if not is_away:
                    logger.warning("Webhooks wait for Prefect: %s", error)
                count, is_away = 0, True
            pause = self._poll_seconds if count else min(pause * 1.5, self._poll_seconds * IDLE_FACTOR)
            await asyncio.sleep(pause)

    async def collect(self) -> int:
        """Record what happened since the last time; return how many deliveries are new.

        Raises:
            OrchestratorUnavailableError: Prefect is away.
            CatalogueUnavailableError: The catalogue is.
        """
        since = await asyncio.to_thread(self._since)
        if since is None:
            return 0
        count = await asyncio.to_thread(self._collect_batches, since)
        return count + await self._collect_jobs(since)

    async def _collect_jobs(self, since: datetime) -> int:
        is_thorough = not self._thorough_at or time.monotonic() - self._thorough_at > THOROUGH_SECONDS
        began, count = datetime.now(UTC), 0
        async for stories in self._gateway.changes(since, self._seen, is_thorough=is_thorough):
            count += await asyncio.to_thread(self._record, self._told(stories))
            self._seen.update({story.job_id: story.moments[-1].state_id for story in stories})
            if count:
                self._news.set()
        if is_thorough:
            await asyncio.to_thread(self._move_cursor, _JOBS, began.isoformat())
            self._thorough_at = time.monotonic()
            self._forget_some()
        return count

    def _since(self) -> datetime | None:
        """From when on to look; ``None`` when nobody wants to be told of anything."""
        with self._database.session() as session:
            listening_since = WebhookEndpointRepository(session).listening_since()
            cursor = WebhookOutbox(session).cursor(_JOBS)
        if listening_since is None:
            return None
        read_until = datetime.fromisoformat(cursor) if cursor else listening_since
        return max(read_until, listening_since) - OVERLAP

    def _collect_batches(self, since: datetime) -> int:
        with self._database.session() as session:
            outbox, batches = WebhookOutbox(session), BatchTidingsRepository(session)
            cursor = outbox.cursor(_MOVES)
            number = batches.last_move() if cursor is None else int(cursor)
            moves = batches.moves_after(max(0, number - _MOVES_AGAIN), _AT_ONCE)
            new = [move for move in moves if move.id not in self._seen_moves]
            told = [batch_event(move, {"batch": self._link(batch_url(move.batch_id))}) for move in new]
            count = outbox.record([event for event in told if event is not None])
            last = max((move.id for move in moves), default=number)
            if cursor is None or last > number:
                outbox.move_cursor(_MOVES, str(max(last, number)))
            if WebhookEndpointRepository(session).wants_items():
                count += self._collect_items(outbox, batches, since)
        self._seen_moves = {move.id for move in moves}
        if count:
            self._news.set()
        return count

    def _collect_items(self, outbox: WebhookOutbox, batches: BatchTidingsRepository, since: datetime) -> int:
        cursor = outbox.cursor(_ITEMS)
        after = _decoded(cursor) if cursor else (since, "", 0)
        items = batches.items_ended_after(after, _AT_ONCE)
        count = outbox.record([item_event(item, {"batch": self._link(batch_url(item.batch_id))}) for item in items])
        if items:
            last = items[-1]
            # A full page goes on at its end; else what was written late is looked for once more.
            reached = (last.ended_at, last.batch_id, last.row)
            following = reached if len(items) == _AT_ONCE else (last.ended_at - _LATE, "", 0)
            at, batch_id, row = max(after, following)
            outbox.move_cursor(_ITEMS, f"{at.isoformat()} {row} {batch_id}")
        return count

    def _told(self, stories: Sequence[JobStory]) -> list[Event]:
        return [event for story in stories for event in told_of(story, self._public_url)]

    def _record(self, events: Sequence[Event]) -> int:
        with self._database.session() as session:
            return WebhookOutbox(session).record(events)

    def _move_cursor(self, name: str, value: str) -> None:
        with self._database.session() as session:
            WebhookOutbox(session).move_cursor(name, value)

    def _link(self, path: str) -> str:
        return f"{self._public_url}{path}"

    def _forget_some(self) -> None:
        """Keep only what was seen lately; what is forgotten is read again, and comes to the same events."""
        while len(self._seen) > _MOST_SEEN:
            del self._seen[next(iter(self._seen))]


def told_of(story: JobStory, public_url: str) -> tuple[Event, ...]:
    """Return the events of a job, with links that begin with the address of the API."""
    url = f"{public_url.rstrip('/')}{job_url(story.job_id)}"
    return job_events(story, {"job": url, "history": f"{url}/history", "logs": f"{url}/logs"})


def _decoded(cursor: str) -> tuple[datetime, str, int]:
    at, row, batch_id = cursor.split(" ", 2)
    return datetime.fromisoformat(at), batch_id, int(row)
