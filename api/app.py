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
from api.routes import (
    assets,
    batches,
    generations,
    health,
    job_search,
    jobs,
    logs,
    media,
    providers,
    recipes,
    schedules,
    search,
    streams,
    uploads,
    watch,
)
from api.schemas import Problem
from data.settings import Settings, get_settings

DENIED: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "Nobody knows who calls."},
    403: {"model": Problem, "description": "The caller lacks the scope."},
}

logger = logging.getLogger(__name__)

NO_AUTHENTICATION = (
    "There is no authentication yet: the API answers on this machine only (%s), and must not be made reachable from "
    "others."
)


def create_app(settings: Settings | None = None, *, prefect_api_url: str = "") -> FastAPI:
    """Return the application.

    Args:
        settings: By default those of the process.
        prefect_api_url: Address of the Prefect API; empty takes Prefect's own setting ``PREFECT_API_URL``.
    """
    chosen = settings or get_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        logger.warning(NO_AUTHENTICATION, chosen.api.host)
        async with open_services(chosen, prefect_api_url) as services:
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
    for area in (
        uploads,
        streams,
        job_search,
        jobs,
        logs,
        batches,
        schedules,
        assets,
        search,
        recipes,
        providers,
        generations,
    ):
        app.include_router(area.router, prefix=BASE, responses=DENIED)
    app.include_router(media.router)
    app.include_router(watch.router)
    app.mount("/console", watch.console_files)
    return app
