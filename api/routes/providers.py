"""Providers of generations: how they are, whether they would take work, and letting requests through again."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool

from api.access import allow
from api.dependencies import ServicesDependency
from api.generation_schemas import Providers, ProviderStatus, ProviderTestRequest, ProviderTests
from api.generations import known_providers, provider_statuses, reset_provider, results_of_tests
from api.schemas import Problem
from data.domain.identity import Scope

router = APIRouter(prefix="/providers", tags=["providers"])

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}


@router.get("/status", dependencies=[allow(Scope.ADMIN)], operation_id="get_provider_statuses")
async def status(services: ServicesDependency) -> Providers:
    """Show how the providers are, by the calls of all processes: health, circuit breaker, response times, cost."""
    return await run_in_threadpool(provider_statuses, services)


@router.post(
    "/test",
    dependencies=[allow(Scope.ADMIN)],
    operation_id="test_providers",
    responses={**NOT_FOUND, 503: {"model": Problem}, 504: {"model": Problem}},
)
async def check_now(services: ServicesDependency, body: ProviderTestRequest | None = None) -> ProviderTests:
    """Ask providers whether they would take work now; free of charge. A worker does it, and this call waits for it."""
    names = known_providers(services, body.providers if body else ())
    began = datetime.now(UTC)
    run_id = await services.gateway.check_providers(names, services.settings.generation.test_seconds)
    return ProviderTests(run_id=run_id, items=await run_in_threadpool(results_of_tests, services, names, began))


@router.post("/{name}/reset", dependencies=[allow(Scope.ADMIN)], operation_id="reset_provider", responses=NOT_FOUND)
async def reset(name: str, services: ServicesDependency) -> ProviderStatus:
    """Forget a provider's failures, and let requests through to it again."""
    return await run_in_threadpool(reset_provider, services, name)
