"""One reader of what runs go through, and those who want to know.

Of all processes that serve the API one collects. It tells every sink everything since the time that the sink names,
also what happened while nobody collected; what it tells twice (after a crash, or because it looks back a little) has
the same state id.

The relay of webhooks reads Prefect's states by itself (``api.relay.collecting``), on purpose. It asks for jobs alone
and tells whole stories in their order, only while somebody listens, only since then, and maybe in a process of its own;
here every run is of interest, packs of batches too, once and for ever. What both would read, the histories of jobs, is
read once (``api.gateway.histories``); while nothing moves, this one asks Prefect two questions in twenty seconds, that
one three in five.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from api.gateway import PrefectGateway
from api.gateway.transitions import RunTransition
from api.metrics.counters import COLLECTED_AT
from api.turns import in_turn
from data.database import Database
from data.domain.errors import DailiesError
from data.tables import utc_now

IDLE_FACTOR = 5
"""While nothing moves, the pause between two looks grows to so many times what it is."""
FIRST_LOOK_BACK = timedelta(days=1)
"""How far to look back where a sink knows nothing yet."""
_LOCK = "run-transitions"

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """Who wants to know what runs go through."""

    def since(self) -> datetime | None:
        """Return up to when everything is known; ``None`` when nothing is."""

    def take(self, transitions: Sequence[RunTransition]) -> None:
        """Take transitions, by time; those that are known already are passed over. All or none is taken."""


class Collector:
    """Reads transitions and hands them to the sinks; lives as long as the application.

    Args:
        gateway: The door to Prefect.
        database: Its processes take turns by it.
        sinks: Called in a thread; a DailiesError of one has everything told again later.
        poll_seconds: Between two looks, while something moves.
        retry_seconds: How soon to look again whether one's turn has come, or what was away is back.
    """

    def __init__(
        self,
        gateway: PrefectGateway,
        database: Database,
        sinks: Sequence[Sink],
        *,
        poll_seconds: float = 4.0,
        retry_seconds: float = 5.0,
    ) -> None:
        self._gateway = gateway
        self._database = database
        self._sinks = sinks
        self._poll_seconds = poll_seconds
        self._retry_seconds = retry_seconds

    async def run(self) -> None:
        """Collect until cancelled."""
        while True:
            try:
                await in_turn(self._database, _LOCK, self._collect)
            except TimeoutError:
                logger.debug("Another process collects the transitions of runs.")
            except (DailiesError, SQLAlchemyError) as error:  # before the first migration there are no tables
                logger.warning("Transitions of runs are collected later: %s", error)
            await asyncio.sleep(self._retry_seconds)

    async def _collect(self) -> None:
        known = [await run_in_threadpool(sink.since) for sink in self._sinks]
        since = min(each or utc_now() - FIRST_LOOK_BACK for each in known)
        reader = self._gateway.transition_reader(since)
        pause = self._poll_seconds
        while True:
            moves = await reader.read(utc_now())
            if moves.transitions:
                for sink in self._sinks:
                    await run_in_threadpool(sink.take, moves.transitions)
            reader.taken(moves)
            COLLECTED_AT.set_to_current_time()
            pause = self._poll_seconds if moves.transitions else min(pause * 1.5, self._poll_seconds * IDLE_FACTOR)
            await asyncio.sleep(pause)
