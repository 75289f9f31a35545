"""What the routes work with: opened once for the life of the application, handed to each route by FastAPI."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from api.coalescing import CoalescedReads
from api.edge.quotas import UploadQuotas
from api.edge.rates import Rates
from api.publications import Publications
from data.database import Database
from data.repositories import AssetRepository
from data.settings import Settings
from data.storage import ObjectStore, open_store

if TYPE_CHECKING:
    from api.gateway import PrefectGateway
    from data.search.index import SearchIndex

ANONYMOUS = "anonymous"
"""The caller, until authentication is there."""


class GatewayDoor:
    """Opens the gateway when it is first needed: Prefect's client takes as long to load as all the rest together."""

    def __init__(
        self, open_it: Callable[[], AbstractAsyncContextManager["PrefectGateway"]], exits: AsyncExitStack
    ) -> None:
        self._open_it = open_it
        self._exits = exits
        self._opening = asyncio.Lock()
        self._gateway: PrefectGateway | None = None

    @property
    def gateway(self) -> "PrefectGateway":
        """The gateway, once it was opened."""
        assert self._gateway is not None, "the door was not opened: routes get their services as a dependency"
        return self._gateway

    async def open(self) -> None:
        """Open the gateway, unless it is open; those who come at once wait for the first."""
        if self._gateway is not None:
            return
        async with self._opening:
            if self._gateway is None:
                self._gateway = await self._exits.enter_async_context(self._open_it())


@dataclass(frozen=True)
class Services:
    """The doors to everything outside this process."""

    settings: Settings
    door: GatewayDoor
    database: Database
    store: ObjectStore
    publications: Publications
    rates: Rates
    failures: Rates
    """Counts wrong credentials by address, in this process alone: it is asked before each call."""
    quotas: UploadQuotas
    assets_of_jobs: CoalescedReads[str, str]
    """The id of the asset that a job has made, by the job's."""

    @property
    def gateway(self) -> "PrefectGateway":
        """The one door to Prefect."""
        return self.door.gateway

    @cached_property
    def search(self) -> "SearchIndex":
        """Finds moments; loads numpy when it is first asked."""
        from data.search.index import SearchIndex

        return SearchIndex(self.database)


@asynccontextmanager
async def open_services(settings: Settings, prefect_api_url: str, *, at_once: bool = True) -> AsyncIterator[Services]:
    """Open the doors; none of them connects before its first use, so the API starts while others are still starting.

    Args:
        settings: Of the process.
        prefect_api_url: Address of the Prefect API.
        at_once: Load Prefect's client now; else with the first call that needs anything.
    """

    def open_it() -> AbstractAsyncContextManager["PrefectGateway"]:
        from api.gateway import open_gateway

        crash_attempts, keep_seconds = settings.orchestration.crash_attempts, settings.api.read_cache_seconds
        return open_gateway(prefect_api_url, crash_attempts=crash_attempts, keep_seconds=keep_seconds)

    async with AsyncExitStack() as exits:
        database = Database(settings.catalogue_url)
        exits.push_async_callback(run_in_threadpool, database.close)
        options: dict[str, Any] = dict(settings.storage_options)
        store = open_store(settings.storage_url, **options)
        rates = Rates(settings.limits)
        exits.push_async_callback(rates.close)
        assets = CoalescedReads(partial(_assets_of_jobs, database), keep_seconds=settings.api.read_cache_seconds)
        exits.push_async_callback(assets.close)
        services = Services(
            settings=settings,
            door=GatewayDoor(open_it, exits),
            database=database,
            store=store,
            publications=Publications(store, database),
            rates=rates,
            failures=Rates(settings.limits.model_copy(update={"storage": None})),
            quotas=UploadQuotas(rates, settings.limits),
            assets_of_jobs=assets,
        )
        if at_once:
            await services.door.open()
        yield services


async def _assets_of_jobs(database: Database, job_ids: Sequence[str]) -> dict[str, str]:
    def read() -> dict[str, str]:
        with database.session() as session:
            return AssetRepository(session).assets_of_jobs(job_ids)

    return await run_in_threadpool(read)


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    await services.door.open()
    return services


ServicesDependency = Annotated[Services, Depends(_services)]
