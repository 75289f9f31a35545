"""Prefect's command line with a worker that listens: ``python -m deployments.worker worker start --pool cpu …``.

A stock worker asks its pool for work all the time; each question costs the server 0.02 CPU-seconds, whether or not
there is any, and half of the interval lies between trigger and start. This one asks when Prefect's event stream tells
of a run of its pool that waits or has ended, and otherwise only now and then: for what no event tells (a run whose time
has come, a pool or queue that goes on, a limit that was raised). While there is no stream it asks as the stock worker
does. Everything else is the stock process worker; ``prefect worker start`` serves the same pools.
"""

import asyncio
import logging
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from prefect.cli import app
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter, EventResourceFilter
from prefect.events.schemas.events import ResourceSpecification
from prefect.utilities.dispatch import register_type
from prefect.workers.process import ProcessWorker

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

SILENCE_SECONDS = 5.0
"""So long it asks nothing when nothing is told. Less than ``PREFECT_WORKER_PREFETCH_SECONDS`` (10 by default): a run
whose time comes is fetched before."""
ECHO_SECONDS = 1.0
"""After so long it asks once more: Prefect tells of a state just before it commits it, of a hundred runs made in one
call well before."""
RECONNECT_SECONDS = 2.0
_TELLING_STATES = ("SCHEDULED", "COMPLETED", "FAILED", "CRASHED", "CANCELLED", "PAUSED")
"""A run of the pool waits, or has made room for another."""


class News:
    """When to ask: at once after news, a little later again, and after a silence."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_heard = False
        """Whether news would be heard; else every time is right."""
        self._clock = clock
        self._due_at = clock()
        self._echo_at: float | None = None
        self._changed = asyncio.Event()

    def told(self) -> None:
        """Something happened in the pool."""
        self._due_at = self._clock()
        self._echo_at = self._due_at + ECHO_SECONDS
        self._changed.set()

    def lost(self) -> None:
        """Nothing can be heard any more."""
        self.is_heard = False
        self._changed.set()

    async def due(self) -> None:
        """Return when it is time to ask, and take the next time from there."""
        while self.is_heard and (seconds := self._due_at - self._clock()) > 0:
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds)
        now = self._clock()
        echo_at, self._echo_at = self._echo_at, None
        self._due_at = echo_at if echo_at is not None else now + SILENCE_SECONDS


class ListeningWorker(ProcessWorker):
    """A process worker that asks for work when there is news of its pool."""

    type = "listening"

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]  # Prefect's own, passed on as they are
        self._news = News()

    async def start(self, *args: object, **options: object) -> None:
        """Work until stopped, listening meanwhile."""
        listening = asyncio.create_task(self._listen())
        try:
            await super().start(*args, **options)  # type: ignore[arg-type]
        finally:
            listening.cancel()

    async def get_and_submit_flow_runs(self) -> "list[FlowRun]":
        """Ask for runs and start them, once it is time to."""
        await self._news.due()
        return await super().get_and_submit_flow_runs()

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
