"""The ledger of generations: what was asked of providers, what came of it, what it costs; and what a person decides."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool

from api.access import allow
from api.dependencies import ServicesDependency
from api.generation_schemas import AdoptRequest, GenerationAnswer, Generations
from api.generations import adopt, drop, get_generation, list_generations, release
from api.schemas import MAX_CURSOR_CHARACTERS, Instant, Problem
from data.domain.generations import GenerationState
from data.domain.identity import Scope
from data.repositories import GenerationFilter

router = APIRouter(prefix="/generations", tags=["generations"])

Name = Annotated[str | None, Query(max_length=200)]
Responses = dict[int | str, dict[str, Any]]
NOT_FOUND: Responses = {404: {"model": Problem}}
ILLEGAL_MOVE: Responses = {**NOT_FOUND, 409: {"model": Problem, "description": "It is not held."}}


@router.get("", dependencies=[allow(Scope.ADMIN)], operation_id="list_generations")
async def all_generations(
    services: ServicesDependency,
    state: Annotated[list[GenerationState] | None, Query(description="Only these; may be given several times.")] = None,
    provider: Name = None,
    job_id: Name = None,
    batch_id: Name = None,
    since: Annotated[Instant | None, Query(description="Made at that time or later.")] = None,
    after: Annotated[
        str | None, Query(max_length=MAX_CURSOR_CHARACTERS, description="The `next` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most items of one page.")] = 50,
) -> Generations:
    """List generations, the latest first, with sums over all that the filters choose."""
    chosen = GenerationFilter(states=state or (), provider=provider, job_id=job_id, batch_id=batch_id, since=since)
    return await run_in_threadpool(list_generations, services, chosen, after, limit)


@router.get("/{generation_id}", dependencies=[allow(Scope.ADMIN)], operation_id="get_generation", responses=NOT_FOUND)
async def one_generation(generation_id: str, services: ServicesDependency) -> GenerationAnswer:
    """Show a generation."""
    return await run_in_threadpool(get_generation, services, generation_id)


@router.post("/{generation_id}/release", dependencies=[allow(Scope.ADMIN)], responses=ILLEGAL_MOVE)
async def release_generation(generation_id: str, services: ServicesDependency) -> GenerationAnswer:
    """Let a held generation be sent again: the provider has not taken it. Then retry its job."""
    return await run_in_threadpool(release, services, generation_id)


@router.post("/{generation_id}/adopt", dependencies=[allow(Scope.ADMIN)], responses=ILLEGAL_MOVE)
async def adopt_generation(generation_id: str, body: AdoptRequest, services: ServicesDependency) -> GenerationAnswer:
    """Say under which id the provider has taken a held generation. Then retry its job, which fetches the result."""
    return await run_in_threadpool(adopt, services, generation_id, body.provider_id)


@router.post("/{generation_id}/drop", dependencies=[allow(Scope.ADMIN)], responses=ILLEGAL_MOVE)
async def drop_generation(generation_id: str, services: ServicesDependency) -> GenerationAnswer:
    """End a held generation that nobody wants any more. It counts as paid, since the provider may have taken it."""
    return await run_in_threadpool(drop, services, generation_id)
