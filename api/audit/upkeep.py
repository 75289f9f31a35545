"""The audit's upkeep, by one process at a time: its head is kept, its chain checked, what is past its time archived."""

import asyncio
import logging
import time
from datetime import timedelta

from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from api.metrics.counters import CHAIN_OK
from data.auditing import AuditTrail
from data.database import Database
from data.domain.audit import Fault
from data.domain.errors import DailiesError
from data.named_locks import named_lock
from data.tables import utc_now

HEAD_SECONDS = 60.0
CHECK_SECONDS = 6 * 3600.0
"""A check reads every entry: a minute of processor time for a million."""
PRUNE_SECONDS = 3600.0
TICK_SECONDS = 5.0
_LOCK = "audit-upkeep"

logger = logging.getLogger(__name__)


class AuditUpkeep:
    """Does what is due; lives as long as the application.

    Args:
        trail: The audit.
        database: Its processes take turns by it.
        archive_days: After so many days entries go into the archive; 0: never.
    """

    def __init__(self, trail: AuditTrail, database: Database, archive_days: int = 0) -> None:
        self._trail = trail
        self._database = database
        self._archive_days = archive_days
        self._due = {duty: time.monotonic() for duty in (self._check, self._keep_head, self._prune)}

    async def run(self) -> None:
        """Do what is due until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if any(at <= time.monotonic() for at in self._due.values()):
                await run_in_threadpool(self.tend)

    def tend(self) -> None:
        """Do what is due, unless another process is at it."""
        try:
            with named_lock(self._database, _LOCK, 0):
                for duty, at in self._due.items():
                    if at <= time.monotonic():
                        self._due[duty] = time.monotonic() + duty()
        except TimeoutError:
            logger.debug("Another process tends the audit.")
        except (DailiesError, SQLAlchemyError) as error:  # before the first migration there are no tables
            logger.warning("The audit's upkeep is done later: %s", error)

    def _keep_head(self) -> float:
        if fault := self._trail.keep_head():
            self._tell(fault)
        return HEAD_SECONDS

    def _check(self) -> float:
        found = self._trail.verify()
        CHAIN_OK.set(found.ok)
        if found.fault is not None:
            self._tell(found.fault)
        return CHECK_SECONDS

    def _tell(self, fault: Fault) -> None:
        CHAIN_OK.set(0)
        logger.error("The audit was tampered with: entry %d %s.", fault.sequence, fault.problem)

    def _prune(self) -> float:
        if self._archive_days:
            self._trail.prune(utc_now() - timedelta(days=self._archive_days))
        return PRUNE_SECONDS
