"""Writing the audit without making requests wait for more than they must.

What changed something is in the catalogue (or, while that is away, on this machine's disk) before its answer is sent:
the process may die right afterwards. What was only looked at is written within a fifth of a second. All that comes
while a write is under way goes into the next one together, so that many requests share one transaction.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from api.metrics.counters import AUDITED
from data.auditing import AuditTrail, Spool
from data.domain.audit import AuditEntry
from data.domain.errors import DailiesError

FLUSH_SECONDS = 0.2
MOST_WAITING = 10_000
"""Beyond that also reads wait until they are written."""
MOST_AT_ONCE = 500

logger = logging.getLogger(__name__)


class AuditRecorder:
    """Takes entries from requests and writes them in the background; lives as long as the application.

    Args:
        trail: The audit.
        spool: Where entries wait while the catalogue is away.
    """

    def __init__(self, trail: AuditTrail, spool: Spool) -> None:
        self._trail = trail
        self._spool = spool
        self._waiting: list[tuple[AuditEntry, asyncio.Future[None] | None]] = []
        self._wanted = asyncio.Event()
        self._is_over = False
        # Not of the threads that requests share: they may all be waiting for this one.
        self._writer = ThreadPoolExecutor(1, "audit")

    async def record(self, entry: AuditEntry, *, durable: bool) -> None:
        """Take an entry.

        Args:
            entry: What happened.
            durable: Return only when it is written down.
        """
        if self._is_over:
            await run_in_threadpool(self._write, [entry])
            return
        if not durable and len(self._waiting) < MOST_WAITING:
            self._waiting.append((entry, None))
            return
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, written))
        self._wanted.set()
        await asyncio.shield(written)

    async def run(self) -> None:
        """Write until cancelled; then write what is left."""
        try:
            while True:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wanted.wait(), FLUSH_SECONDS)
                self._wanted.clear()
                await self._flush()
        finally:
            self._is_over = True  # who comes now writes for itself: nobody waits for ever
            await self._flush()
            self._writer.shutdown()

    @property
    def backlog(self) -> int:
        """How many entries wait in this process."""
        return len(self._waiting)

    async def _flush(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            entries = [entry for entry, _ in taken]
            try:
                await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._writer, self._write, entries))
            finally:
                for _, written in taken:
                    if written is not None and not written.done():
                        written.set_result(None)

    def _write(self, entries: list[AuditEntry]) -> None:
        try:
            self._spool.drain(self._trail)
            self._trail.append(entries)
            AUDITED.labels("written").inc(len(entries))
        except (DailiesError, SQLAlchemyError, OSError) as error:  # before the first migration there are no tables
            logger.warning("The catalogue takes no audit; %d entries wait on the disk: %s", len(entries), error)
            self._put_aside(entries)

    def _put_aside(self, entries: list[AuditEntry]) -> None:
        try:
            self._spool.add(entries)
            AUDITED.labels("spooled").inc(len(entries))
        except OSError:
            # What was asked for is done already: the log is the last place left to say so.
            AUDITED.labels("lost").inc(len(entries))
            for entry in entries:
                logger.exception("Not in the audit: %s", entry.model_dump_json(exclude_none=True))
