"""Is the service alive, and can it take work?"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool

from api.dependencies import PublicServices, Services
from api.privacy import without_local_paths
from api.schemas import Alive, Dependency, Readiness
from data.domain.errors import DailiesError, OrchestratorUnavailableError
from data.domain.jobs import TERMINAL_STATES, WORK_POOLS, JobState
from data.tables import utc_now

router = APIRouter(tags=["service"])

CHECK_SECONDS = 5.0
"""After this a dependency counts as away: whoever asks for readiness wants an answer, not a wait."""


@router.get("/health", operation_id="get_health")
async def health() -> Alive:
    """Say that the process answers. Asks nothing else, so it is right for liveness probes."""
    return Alive()


@router.get("/health/ready", operation_id="get_readiness", responses={503: {"model": Readiness}})
async def ready(services: PublicServices, response: Response) -> Readiness:
    """Look at every dependency, with its latency.

    `ready`: all is well. `degraded` (200): work is taken but something is missing, such as a worker, or scheduled runs
    do not start (`canary`). `unavailable` (503): Prefect, the catalogue or the object store does not answer.
    """

    async def prefect() -> str:
        await services.gateway.ping()
        return ""

    async def catalogue() -> str:
        await run_in_threadpool(services.database.ping)
        return ""

    async def store() -> str:
        await run_in_threadpool(services.store.stat, "readiness")
        return ""

    checks = [_check("prefect", True, prefect), _check("catalogue", True, catalogue), _check("store", True, store)]
    checks += [_check(f"workers:{pool}", False, partial(_workers, services, pool)) for pool in WORK_POOLS]
    checks.append(_check("canary", False, partial(_canary, services)))
    dependencies = tuple(await asyncio.gather(*checks))
    is_available = all(each.ok for each in dependencies if each.needed)
    response.status_code = 200 if is_available else 503
    response.headers["Cache-Control"] = "no-store"
    status = "unavailable" if not is_available else "ready" if all(each.ok for each in dependencies) else "degraded"
    jobs = await services.gateway.count(set(JobState) - TERMINAL_STATES) if dependencies[0].ok else {}
    in_memory = services.settings.in_memory
    return Readiness(status=status, dependencies=dependencies, jobs=jobs, in_memory=in_memory)


async def _workers(services: Services, pool: str) -> str:
    count = await services.gateway.live_workers(pool)
    if not count:
        raise OrchestratorUnavailableError(f"No live worker serves the work pool {pool}.")
    if await services.gateway.is_paused(pool):
        raise OrchestratorUnavailableError(
            f"The work pool {pool} is paused: its {count} live workers take no new runs."
        )
    return f"{count} live"


async def _canary(services: Services) -> str:
    """Say when a scheduled run last really started."""
    canary = await services.gateway.canary(utc_now())
    age = round(canary.age.total_seconds())
    if not canary.is_alive:
        raise OrchestratorUnavailableError(f"No scheduled run has started for {age} s.")
    if not canary.has_started:
        return "none is due yet"
    return f"started {age} s ago, {canary.delay.total_seconds():.1f} s after its time"


async def _check(name: str, needed: bool, look: Callable[[], Awaitable[str]]) -> Dependency:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            detail, is_ok = await look(), True
    except TimeoutError:
        detail, is_ok = f"No answer within {CHECK_SECONDS:.0f} s.", False
    except DailiesError as error:
        detail, is_ok = without_local_paths(error.message), False
    latency_ms = round((time.perf_counter() - started) * 1000, 1)
    return Dependency(name=name, ok=is_ok, needed=needed, latency_ms=latency_ms, detail=detail)
