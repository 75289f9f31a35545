"""The API as an AWS Lambda function (Mangum), behind API Gateway or a load balancer: ``api.serverless.handler``.

For the calls that submit, read and control; runs need workers elsewhere, and a Lambda function sends nothing after its
answer. The application starts once a container, not once a call as Mangum does it by itself, and loads what a call
needs when it needs it: probes and refusals never load Prefect's client.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from api.starting import without_collection

with without_collection():
    from mangum import Mangum
    from mangum.handlers.alb import ALB

    from api.app import create_app
    from api.edge.forwarded import address_of
    from data.settings import Settings, get_settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from mangum.types import Scope


class Balancer(ALB):
    """An event of an Application Load Balancer, whose own word is the last in the list of addresses.

    Mangum takes the whole list, which callers begin as they like, for the caller's address.
    """

    @property
    def scope(self) -> "Scope":
        """Return the request as ASGI has it; ``TrustedProxies`` walks on from that address where it is a proxy's."""
        scope = super().scope
        listed = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        nearest = address_of(",".join(listed).rpartition(",")[2])
        return {**scope, "client": (str(nearest), 0) if nearest else None}


class Handler:
    """Answers events. Lives as long as the container, with one event loop and one application."""

    def __init__(self, settings: Settings | None = None, *, prefect_api_url: str = "") -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)  # Mangum looks for it there
        with without_collection():
            self._app: FastAPI = create_app(
                reachable(settings or get_settings()), prefect_api_url=prefect_api_url, loads_at_once=False
            )
            self._lifespan = self._app.router.lifespan_context(self._app)
            self._loop.run_until_complete(self._lifespan.__aenter__())
        self._mangum = Mangum(self._app, lifespan="off", custom_handlers=[Balancer])

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer one event of API Gateway, a load balancer or CloudFront."""
        asyncio.set_event_loop(self._loop)
        return self._mangum(event, context)

    def close(self) -> None:
        """Give everything back; a container that is frozen for good never gets here."""
        self._loop.run_until_complete(self._lifespan.__aexit__(None, None, None))
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        asyncio.set_event_loop(None)


def reachable(settings: Settings) -> Settings:
    """Return the settings with any host's name taken, where none are listed: only AWS itself can call a function."""
    if settings.api.allowed_hosts:
        return settings
    return settings.model_copy(update={"api": settings.api.model_copy(update={"allowed_hosts": ["*"]})})


_handler: Handler | None = None


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one event; the container's first starts the application."""
    global _handler
    if _handler is None:
        _handler = Handler()
    return _handler(event, context)
