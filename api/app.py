"""The REST API as an ASGI application."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import Depends, FastAPI
from starlette.middleware import Middleware

from api.dependencies import open_services
from api.edge.bodies import RequestBodies
from api.edge.cors import cors
from api.edge.forwarded import TrustedProxies
from api.edge.hanging_up import HangingUp
from api.edge.hosts import AllowedHosts, allowed_hosts
from api.edge.limiting import LimitHeaders, admitted, limited
from api.errors import install_error_handlers
from api.links import BASE
from api.middleware import RequestContext
from api.observing import Observation, open_telemetry
from api.production import check_production
from api.routes import (
    analysis,
    api_keys,
    assets,
    audit,
    auth,
    batches,
    docs,
    generations,
    health,
    job_search,
    job_status,
    jobs,
    logs,
    media,
    metrics,
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
from data.settings import Settings, get_settings
from data.telemetry.logs import configure_logs
from data.telemetry.tracing import export_traces
from data.version import VERSION

# Routes are tried one after the other, so what is asked for most comes first (`job_status` before all of these); but
# searches before the jobs, by whose ids `search` and `metrics` would be taken.
AREAS = (
    streams,
    job_search,
    jobs,
    uploads,
    api_keys,
    users,
    logs,
    batches,
    schedules,
    ranking,
    analysis,
    assets,
    search,
    recipes,
    providers,
    generations,
    webhooks,
    audit,
)
"""Calls for which one has to say who one is, and which count against one's limits."""

logger = logging.getLogger(__name__)

NO_LOGIN = (
    "Nobody needs to log in: whoever reaches the API at %s may do everything, so it answers on this machine only."
)


def create_app(settings: Settings | None = None, *, prefect_api_url: str = "", loads_at_once: bool = True) -> FastAPI:
    """Return the application.

    Args:
        settings: By default those of the process.
        prefect_api_url: Address of the Prefect API; empty takes Prefect's own setting ``PREFECT_API_URL``.
        loads_at_once: Load everything before the first call, and relay webhooks; else what a call needs, when it does.

    Raises:
        UnsafeSettingsError: Mode ``production``, and settings that only a laptop may have.
    """
    chosen = settings or get_settings()
    check_production(chosen)
    configure_logs(chosen.log_format, chosen.log_level)
    if chosen.tracing.endpoint:
        export_traces(chosen.tracing.endpoint, "dailies-api")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if not chosen.is_auth_required:
            logger.warning(NO_LOGIN, chosen.api.host)
        async with AsyncExitStack() as exits:
            services = await exits.enter_async_context(open_services(chosen, prefect_api_url, at_once=loads_at_once))
            if loads_at_once:
                from api.relay import relaying

                await exits.enter_async_context(relaying(services.gateway, services.database, chosen))
            app.state.services = services
            telemetry = open_telemetry(services, collects=loads_at_once)
            app.state.telemetry = await exits.enter_async_context(telemetry)
            yield

    app = FastAPI(
        title="Dailies",
        version=VERSION,
        lifespan=lifespan,
        middleware=middlewares(chosen),
        generate_unique_id_function=lambda route: route.name,
        # FastAPI's own pages load scripts from another host, which our content security policy forbids.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # Its metrics and logs are ours already (`Observation`); looking whether somebody wants them takes its time.
        telemetry={"tracing": bool(chosen.tracing.endpoint), "metrics": False, "logs": False},
        redirect_slashes=False,  # a call has one address; a redirect would lose the body of half the clients
    )
    install_error_handlers(app)
    job_status.add_to(app)
    for area in AREAS:
        app.include_router(area.router, prefix=BASE, dependencies=[Depends(admitted)])
    app.include_router(auth.router, prefix=BASE, dependencies=[Depends(limited)])
    app.include_router(health.router, prefix=BASE)
    app.include_router(metrics.router, prefix=BASE)
    app.include_router(docs.router)
    app.include_router(media.router)
    app.include_router(watch.router)
    app.mount("/console", watch.console_files)
    return app


def middlewares(settings: Settings) -> list[Middleware]:
    """Return what each request passes through, the outermost first. The order matters."""
    api = settings.api
    return [
        # Between an answer and the end of its connection: around all that may refuse a body before it is read.
        Middleware(HangingUp),
        # Who calls, and how the call was addressed: everything behind believes it.
        Middleware(TrustedProxies, networks=api.trusted_proxies, kind=api.proxy_headers),
        # Request id, time, security headers, and the answer to what nobody foresaw: on refusals from here on as well.
        Middleware(RequestContext),
        # Logs, audit, metrics and traces: they see every call with its id, also those that are refused below.
        Middleware(Observation),
        Middleware(AllowedHosts, names=allowed_hosts(api)),
        # Answers preflights, which no limit counts and nobody has to identify for.
        *cors(api.cors_origins),
        Middleware(LimitHeaders),
        # The last: what reads a body reads it through this.
        Middleware(RequestBodies, settings=api),
    ]
