"""The REST API as an ASGI application."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from api.dependencies import open_services
from api.errors import install_error_handlers
from api.links import BASE
from api.middleware import RequestContext
from api.production import check_production
from api.relay import relaying
from api.routes import (
    api_keys,
    assets,
    auth,
    batches,
    generations,
    health,
    job_search,
    jobs,
    logs,
    media,
    providers,
    ranking,
    recipes,
    schedules,
    search,
    streams,
    uploads,
    users,
    watch,
    webhooks,
)
from api.schemas import Problem
from data.settings import Settings, get_settings

DENIED: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "Nobody knows who calls."},
    403: {"model": Problem, "description": "The caller lacks the scope."},
}

logger = logging.getLogger(__name__)

NO_LOGIN = (
    "Nobody needs to log in: whoever reaches the API at %s may do everything, so it answers on this machine only."
)


def create_app(settings: Settings | None = None, *, prefect_api_url: str = "") -> FastAPI:
    """Return the application.

    Args:
        settings: By default those of the process.
        prefect_api_url: Address of the Prefect API; empty takes Prefect's own setting ``PREFECT_API_URL``.

    Raises:
        UnsafeSettingsError: Mode ``production``, and settings that only a laptop may have.
    """
    chosen = settings or get_settings()
    check_production(chosen)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if not chosen.is_auth_required:
            logger.warning(NO_LOGIN, chosen.api.host)
        async with (
            open_services(chosen, prefect_api_url) as services,
            relaying(services.gateway, services.database, chosen),
        ):
            app.state.services = services
            yield

    app = FastAPI(
        title="Dailies",
        description="Folders, manifests and prompts into published video.",
        version="0.1.0",
        lifespan=lifespan,
        openapi_url=f"{BASE}/openapi.json",
        # FastAPI's own pages load scripts from another host, which our content security policy forbids.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a call has one address; a redirect would lose the body of half the clients
    )
    install_error_handlers(app)
    app.add_middleware(RequestContext)
    app.include_router(health.router, prefix=BASE)
    app.include_router(auth.router, prefix=BASE)
    # Before the jobs, by whose ids `search` and `metrics` would be taken.
    own = (api_keys, users, uploads, streams, job_search, jobs, logs, batches, schedules, ranking, assets, search)
    for area in (*own, recipes, providers, generations, webhooks):
        app.include_router(area.router, prefix=BASE, responses=DENIED)
    app.include_router(media.router)
    app.include_router(watch.router)
    app.mount("/console", watch.console_files)
    return app
