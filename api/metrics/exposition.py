"""What Prometheus gets: the counters of all processes, and figures that are asked for when it comes.

Asking costs Prefect and the catalogue a few queries, so what they said is kept for a while: several scrapers, or an
impatient one, cost no more than one. Who is away is shown as such (``dailies_up``) and never fails the scrape.
"""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress

from fastapi.concurrency import run_in_threadpool
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import QueuePool

from api.dependencies import Services
from api.metrics.families import (
    DiskFigures,
    PoolFigures,
    catalogue_families,
    machine_families,
    provider_families,
    run_families,
    up_family,
    webhook_families,
)
from api.metrics.sharing import is_alive, leave, shared_folder
from data.domain.errors import DailiesError
from data.repositories import ProviderHealthRepository, WebhookOutbox
from data.repositories.figures import read_figures
from data.tables import utc_now

__all__ = ["CONTENT_TYPE_LATEST", "Exposition"]

PREFECT_SECONDS = 5.0
CATALOGUE_SECONDS = 15.0
"""So long is kept what was said."""
PATIENCE_SECONDS = 5.0
"""Prometheus gives up after ten by default; then it would not even learn who is away."""

Families = tuple[Metric, ...]


class _Source:
    """One component that is asked; one question at a time, and its answer is kept for a while."""

    def __init__(self, ask: Callable[[], Awaitable[Families]], keep_seconds: float) -> None:
        self._ask = ask
        self._keep_seconds = keep_seconds
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._answer: Families | None = None

    async def families(self) -> Families | None:
        """Return what it said; ``None`` when it does not answer."""
        async with self._asking:
            if time.monotonic() - self._asked_at > self._keep_seconds:
                self._answer = None
                with suppress(DailiesError, TimeoutError):
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        self._answer = await self._ask()
                self._asked_at = time.monotonic()
            return self._answer


class Exposition:
    """Makes what Prometheus gets; lives as long as the application."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._sources = {
            "prefect": _Source(self._of_prefect, PREFECT_SECONDS),
            "catalogue": _Source(self._of_catalogue, CATALOGUE_SECONDS),
            "store": _Source(self._of_store, CATALOGUE_SECONDS),
        }

    async def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        answers = await asyncio.gather(*(source.families() for source in self._sources.values()))
        told = dict(zip(self._sources, answers, strict=True))
        families = [up_family({name: answer is not None for name, answer in told.items()})]
        for answer in told.values():
            families += answer or ()
        families += machine_families(self._pool(), self._disks())
        return await run_in_threadpool(_written, families)

    async def _of_prefect(self) -> Families:
        return tuple(run_families(await self._services.gateway.figures(utc_now())))

    async def _of_catalogue(self) -> Families:
        return await run_in_threadpool(self._catalogue)

    def _catalogue(self) -> Families:
        with self._services.database.session() as session:
            figures, providers = read_figures(session), ProviderHealthRepository(session).all()
            backlog = WebhookOutbox(session).backlog(utc_now())
        currency = self._services.settings.batch.currency
        return (*catalogue_families(figures, currency), *provider_families(providers), *webhook_families(backlog))

    async def _of_store(self) -> Families:
        await run_in_threadpool(self._services.store.stat, "readiness")
        return ()

    def _pool(self) -> PoolFigures | None:
        pool = self._services.database.engine.pool
        if not isinstance(pool, QueuePool):
            return None
        return PoolFigures(in_use=pool.checkedout(), idle=pool.checkedin())

    def _disks(self) -> tuple[DiskFigures, ...]:
        home = self._services.settings.home_path
        with suppress(OSError):
            usage = shutil.disk_usage(home)
            return (DiskFigures(home, usage.free, usage.total),)
        return ()


class _Fixed(Collector):
    """Families that are there already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def _written(families: Iterable[Metric]) -> bytes:
    asked = CollectorRegistry()
    asked.register(_Fixed(families))
    return generate_latest(counted()) + generate_latest(asked)


def counted() -> CollectorRegistry:
    """Return what the processes count: this one alone, or all that share a directory."""
    folder = shared_folder()
    if folder is None:
        return REGISTRY
    for path in folder.glob("gauge_live*_*.db"):
        process_id = path.stem.rpartition("_")[2]
        if process_id.isdigit() and not is_alive(int(process_id)):
            leave(int(process_id), folder)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    return registry
