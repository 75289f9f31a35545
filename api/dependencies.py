"""What the routes work with: opened once for the life of the application, handed to each route by FastAPI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from api.access import CallerDependency
from api.authentication import Authenticator
from api.gateway import PrefectGateway, open_gateway
from api.live.feed import JobFeed
from api.publications import Publications
from api.signing_secrets import signing_secrets
from api.tokens import TokenSigner
from data.database import Database
from data.domain.identity import LOCAL_CALLER, Caller
from data.search.index import SearchIndex
from data.settings import Settings
from data.storage import ObjectStore, open_store


@dataclass(frozen=True)
class Services:
    """The doors to everything outside this process, as a caller may go through them."""

    settings: Settings
    gateway: PrefectGateway
    database: Database
    store: ObjectStore
    publications: Publications
    search: SearchIndex
    feed: JobFeed
    authenticator: Authenticator
    caller: Caller = LOCAL_CALLER
    """Whose jobs, batches and assets are there to be seen: the service itself sees all."""

    def seen_by(self, caller: Caller) -> "Services":
        """Return the doors as a caller may go through them."""
        return replace(self, gateway=self.gateway.seen_by(caller), caller=caller)


@asynccontextmanager
async def open_services(settings: Settings, prefect_api_url: str) -> AsyncIterator[Services]:
    """Open the doors; none of them connects before its first use, so the API starts while others are still starting."""
    database = Database(settings.catalogue_url)
    options: dict[str, Any] = dict(settings.storage_options)
    store = open_store(settings.storage_url, **options)
    crash_attempts = settings.orchestration.crash_attempts
    try:
        async with open_gateway(prefect_api_url, crash_attempts=crash_attempts) as gateway:
            feed = JobFeed(
                gateway.watch(),
                most_listeners=settings.api.stream_clients,
                poll_seconds=settings.api.stream_poll_seconds,
            )
            try:
                yield Services(
                    settings,
                    gateway,
                    database,
                    store,
                    Publications(store, database),
                    SearchIndex(database),
                    feed,
                    authenticator_of(settings, database),
                )
            finally:
                await feed.close()
    finally:
        await run_in_threadpool(database.close)


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


def _open_services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _services(request: Request, caller: CallerDependency) -> Services:
    return _open_services(request).seen_by(caller)


ServicesDependency = Annotated[Services, Depends(_services)]
"""For routes that need a scope: others' things are not there."""

PublicServices = Annotated[Services, Depends(_open_services)]
"""For routes that everybody may call, whose credentials are not looked at: they show nothing of anybody's."""
