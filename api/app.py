"""The REST API as an ASGI application."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api.dependencies import open_services
from api.errors import install_error_handlers
from api.links import BASE
from api.middleware import RequestContext
from api.observing import Observation, open_telemetry
from api.routes import (
    assets,
    audit,
    batches,
    generations,
    health,
    jobs,
    media,
    metrics,
    providers,
    recipes,
    schedules,
    search,
    uploads,
    watch,
)
from data.settings import Settings, get_settings
from data.telemetry.logs import configure_logs
from data.telemetry.tracing import export_traces

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
    configure_logs(chosen.log_format, chosen.log_level)
    if chosen.tracing.endpoint:
        export_traces(chosen.tracing.endpoint, "dailies-api")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        logger.warning(NO_AUTHENTICATION, chosen.api.host)
        async with open_services(chosen, prefect_api_url) as services:
            app.state.services = services
            async with open_telemetry(services) as app.state.telemetry:
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
    app.add_middleware(Observation)
    app.add_middleware(RequestContext)
    for area in (
        health,
        uploads,
        jobs,
        batches,
        schedules,
        assets,
        search,
        recipes,
        providers,
        generations,
        audit,
        metrics,
    ):
        app.include_router(area.router, prefix=BASE)
    app.include_router(media.router)
    app.include_router(watch.router)
    app.mount("/console", watch.console_files)
    return app
