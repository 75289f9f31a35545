"""Metrics for Prometheus."""

import hmac
import ipaddress

from fastapi import APIRouter, Request
from pydantic import SecretStr
from starlette.responses import Response

from api.access import current_caller
from api.dependencies import PublicServices
from api.metrics.exposition import CONTENT_TYPE_LATEST
from api.observing import TelemetryDependency
from data.domain.errors import AuthenticationRequiredError, ScopeMissingError
from data.domain.identity import ANONYMOUS_CALLER, Scope

router = APIRouter(tags=["service"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus's text format."}},
)
async def metrics(request: Request, services: PublicServices, telemetry: TelemetryDependency) -> Response:
    """Show the metrics: to administrators, to who has the token of the settings, and to this machine itself."""
    if not _is_prometheus(request, services.settings.metrics.token):
        caller = await current_caller(request)
        if caller is ANONYMOUS_CALLER:
            raise AuthenticationRequiredError("Say who you are: with the token of the metrics, or as an administrator.")
        if not caller.may(Scope.ADMIN):
            raise ScopeMissingError("Only administrators see the metrics.", {"scope": Scope.ADMIN.value})
    return Response(
        await telemetry.exposition.text(), media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"}
    )


def _is_prometheus(request: Request, token: SecretStr | None) -> bool:
    """Say whether who asks needs not be anybody: it has the token, or is on this machine where there is none."""
    if token is not None:
        offered = request.headers.get("Authorization", "").encode()
        return hmac.compare_digest(offered, f"Bearer {token.get_secret_value()}".encode())
    # Behind a proxy on this machine everybody comes from here: also behind one that the settings know nothing of.
    return not request.state.is_forwarded and _is_loopback(request.state.client)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
