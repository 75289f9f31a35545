"""What the routes work with: opened once for the life of the application, handed to each route by FastAPI."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from api.access import current_caller
from api.authentication import Authenticator
from api.coalescing import CoalescedReads
from api.edge.quotas import UploadQuotas
from api.edge.rates import Rates
from api.publications import Publications
from api.signing_secrets import signing_secrets
from api.starting import without_collection
from api.tokens import TokenSigner
from data.database import Database
from data.domain.identity import LOCAL_CALLER, Caller
from data.repositories import AssetRepository
from data.settings import Settings
from data.storage import ObjectStore, open_store

if TYPE_CHECKING:
    from api.gateway import PrefectGateway
    from api.live.feed import JobFeed
    from data.search.index import SearchIndex


class GatewayDoor:
    """Opens the gateway when it is first needed: Prefect's client takes as long to load as all the rest together."""

    def __init__(
        self,
        open_it: Callable[[], AbstractAsyncContextManager[tuple["PrefectGateway", "JobFeed"]]],
        exits: AsyncExitStack,
    ) -> None:
        self._open_it = open_it
        self._exits = exits
        self._opening = asyncio.Lock()
        self._opened: tuple[PrefectGateway, JobFeed] | None = None

    @property
    def gateway(self) -> "PrefectGateway":
        """The gateway, once it was opened."""
        return self._doors[0]

    @property
    def feed(self) -> "JobFeed":
        """The one subscription for all who listen to jobs, once the gateway was opened."""
        return self._doors[1]

    async def open(self) -> None:
        """Open the gateway, unless it is open; those who come at once wait for the first."""
        if self._opened is not None:
            return
        async with self._opening:
            if self._opened is None:
                self._opened = await self._exits.enter_async_context(self._open_it())

    @property
    def _doors(self) -> "tuple[PrefectGateway, JobFeed]":
        assert self._opened is not None, "the door was not opened: routes get their services as a dependency"
        return self._opened


class SearchDoor:
    """Makes the index of moments when it is first asked; with it comes numpy."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._making = Lock()
        self._index: SearchIndex | None = None

    @property
    def index(self) -> "SearchIndex":
        """The index: one for all, since it keeps what it has read."""
        from data.search.index import SearchIndex

        with self._making:
            self._index = self._index or SearchIndex(self._database)
            return self._index


@dataclass(frozen=True)
class Services:
    """The doors to everything outside this process, as a caller may go through them."""

    settings: Settings
    door: GatewayDoor
    database: Database
    store: ObjectStore
    publications: Publications
    search_door: SearchDoor
    authenticator: Authenticator
    rates: Rates
    failures: Rates
    """Counts wrong credentials by address, in this process alone: it is asked before each call."""
    quotas: UploadQuotas
    assets_of_jobs: CoalescedReads[str, str]
    """The id of the asset that a job has made, by the job's."""
    caller: Caller = LOCAL_CALLER
    """Whose jobs, batches and assets are there to be seen: the service itself sees all."""

    @property
    def gateway(self) -> "PrefectGateway":
        """The one door to Prefect."""
        return self.door.gateway.seen_by(self.caller)

    @property
    def feed(self) -> "JobFeed":
        """Tells listeners what happens to jobs."""
        return self.door.feed

    @property
    def search(self) -> "SearchIndex":
        """Finds moments."""
        return self.search_door.index

    def seen_by(self, caller: Caller) -> "Services":
        """Return the doors as a caller may go through them."""
        return self if caller is self.caller else replace(self, caller=caller)


@asynccontextmanager
async def open_services(settings: Settings, prefect_api_url: str, *, at_once: bool = True) -> AsyncIterator[Services]:
    """Open the doors; none of them connects before its first use, so the API starts while others are still starting.

    Args:
        settings: Of the process.
        prefect_api_url: Address of the Prefect API.
        at_once: Load Prefect's client now; else with the first call that needs anything.
    """
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
            door=GatewayDoor(partial(_open_gateway, settings, prefect_api_url), exits),
            database=database,
            store=store,
            publications=Publications(store, database),
            search_door=SearchDoor(database),
            authenticator=authenticator_of(settings, database),
            rates=rates,
            failures=Rates(settings.limits.model_copy(update={"storage": None})),
            quotas=UploadQuotas(rates, settings.limits),
            assets_of_jobs=assets,
        )
        if at_once:
            await services.door.open()
        yield services


def authenticator_of(settings: Settings, database: Database) -> Authenticator:
    """Return who finds out who calls, by the settings."""
    auth = settings.auth
    return Authenticator(
        database,
        TokenSigner(signing_secrets(settings)),
        is_required=settings.is_auth_required,
        access_life=timedelta(minutes=auth.access_minutes),
        refresh_life=timedelta(days=auth.refresh_days),
    )


@asynccontextmanager
async def _open_gateway(settings: Settings, prefect_api_url: str) -> AsyncIterator[tuple["PrefectGateway", "JobFeed"]]:
    with without_collection():
        from api.gateway import open_gateway
        from api.live.feed import JobFeed

    api, crash_attempts = settings.api, settings.orchestration.crash_attempts
    async with open_gateway(
        prefect_api_url,
        crash_attempts=crash_attempts,
        keep_seconds=api.read_cache_seconds,
        timeout_seconds=api.prefect_timeout_seconds,
    ) as gateway:
        feed = JobFeed(gateway.watch(), most_listeners=api.stream_clients, poll_seconds=api.stream_poll_seconds)
        try:
            yield gateway, feed
        finally:
            await feed.close()


async def _assets_of_jobs(database: Database, job_ids: Sequence[str]) -> dict[str, str]:
    def read() -> dict[str, str]:
        with database.session() as session:
            return AssetRepository(session).assets_of_jobs(job_ids)

    return await run_in_threadpool(read)


async def _open_services(request: Request) -> Services:
    services: Services = request.app.state.services
    await services.door.open()
    return services


async def services_of(request: Request) -> Services:
    """Return the doors as the caller of a request may go through them: others' things are not there.

    Raises:
        AuthenticationError: The token or key is not right, or not any more.
    """
    return (await _open_services(request)).seen_by(await current_caller(request))


ServicesDependency = Annotated[Services, Depends(services_of)]
"""For routes that need a scope: others' things are not there."""

PublicServices = Annotated[Services, Depends(_open_services)]
"""For routes that everybody may call, whose credentials are not looked at: they show nothing of anybody's."""
