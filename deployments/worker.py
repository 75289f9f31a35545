"""Prefect's command line with a worker that listens: ``python -m deployments.worker worker start --pool cpu …``.

A stock worker asks its pool for work all the time; each question costs the server 0.025 CPU-seconds, whether or not
there is any, and half of the interval lies between trigger and start. This one looks whether a run waits, which costs
0.005, when Prefect's event stream tells of a run of its pool that waits or has ended, and otherwise only now and then:
for what no event tells (a run whose time has come, a pool or queue that goes on, a limit that was raised). It asks for
work where one does. While there is no stream it asks as the stock worker does. Everything else is the stock process
worker; ``prefect worker start`` serves the same pools.
"""

import asyncio
import logging
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from prefect.cli import app
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter, EventResourceFilter
from prefect.events.schemas.events import ResourceSpecification
from prefect.utilities.dispatch import register_type
from prefect.workers.process import ProcessWorker

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

SILENCE_SECONDS = 5.0
"""So long it does not look when nothing is told. Less than ``PREFECT_WORKER_PREFETCH_SECONDS`` (10 by default): a run
whose time comes is fetched before."""
ECHO_SECONDS = (0.3, 1.0)
"""After so long it looks once more: Prefect tells of a state just before it commits it, of a hundred runs made in one
call well before."""
PRESENCE_SECONDS = 15.0
"""So often it asks whether or not a run waits: by that Prefect tells a queue that is served from one that is not."""
RECONNECT_SECONDS = 2.0
_TELLING_STATES = ("SCHEDULED", "COMPLETED", "FAILED", "CRASHED", "CANCELLED", "PAUSED")
"""A run of the pool waits, or has made room for another."""


class News:
    """When to look: at once after news, a little later again, and after a silence."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_heard = False
        """Whether news would be heard; else every time is right."""
        self._clock = clock
        self._due_at = clock()
        self._echoes: list[float] = []
        self._changed = asyncio.Event()

    def told(self) -> None:
        """Something happened in the pool."""
        self._due_at = self._clock()
        self._echoes = [self._due_at + seconds for seconds in ECHO_SECONDS]
        self._changed.set()

    def lost(self) -> None:
        """Nothing can be heard any more."""
        self.is_heard = False
        self._changed.set()

    async def due(self) -> None:
        """Return when it is time to look, and take the next time from there."""
        while self.is_heard and (seconds := self._due_at - self._clock()) > 0:
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds)
        self._due_at = self._echoes.pop(0) if self._echoes else self._clock() + SILENCE_SECONDS


class ListeningWorker(ProcessWorker):
    """A process worker that asks for work when there is news of its pool."""

    type = "listening"

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]  # Prefect's own, passed on as they are
        self._news = News()
        self._asked_at = 0.0

    async def start(self, *args: object, **options: object) -> None:
        """Work until stopped, listening meanwhile."""
        listening = asyncio.create_task(self._listen())
        try:
            await super().start(*args, **options)  # type: ignore[arg-type]
        finally:
            listening.cancel()

    async def get_and_submit_flow_runs(self) -> "list[FlowRun]":
        """Ask for runs and start them, once one waits."""
        await self._news.due()
        while self._news.is_heard and not await self._is_to_ask():
            await self._news.due()
        self._asked_at = time.monotonic()
        return await super().get_and_submit_flow_runs()

    async def _is_to_ask(self) -> bool:
        if time.monotonic() - self._asked_at >= PRESENCE_SECONDS:
            return True
        soon = datetime.now(UTC) + timedelta(seconds=self._prefetch_seconds)
        waiting = FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            next_scheduled_start_time=FlowRunFilterNextScheduledStartTime(before_=soon),
        )
        pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[self._work_pool_name]))
        return await self.client.count_flow_runs(flow_run_filter=waiting, work_pool_filter=pool) > 0

    async def _listen(self) -> None:
        is_told = False
        while True:
            try:
                async with get_events_subscriber(
                    filter=told_of(self._work_pool_name), reconnection_attempts=0
                ) as stream:
                    self._news.is_heard, is_told = True, False
                    self._news.told()  # of what came before
                    async for _event in stream:
                        self._news.told()
            except Exception as error:  # noqa: BLE001  # a refused login is a bare Exception; whatever it is, polling goes on
                level = logging.DEBUG if is_told else logging.WARNING
                self._logger.log(level, "No stream of events (%r): asking for work all the time.", error)
                is_told = True
            self._news.lost()
            await asyncio.sleep(RECONNECT_SECONDS)


def told_of(pool: str) -> EventFilter:
    """Return what a worker of that pool listens to."""
    return EventFilter(
        event=EventNameFilter(prefix=["prefect.flow-run."]),
        resource=EventResourceFilter(labels=ResourceSpecification({"prefect.state-type": list(_TELLING_STATES)})),
        any_resource=EventAnyResourceFilter(  # a filter of related resources is not applied to streams (3.8)
            labels=ResourceSpecification({"prefect.resource.role": "work-pool", "prefect.resource.name": pool})
        ),
    )


def main() -> None:
    """Run Prefect's command line; in this process the type `process` means the worker that listens."""
    ListeningWorker.type = ProcessWorker.type
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # that one type takes another's place
        register_type(ListeningWorker)
    app()


if __name__ == "__main__":
    main()
