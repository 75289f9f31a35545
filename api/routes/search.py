"""Search: the moments of public videos that answer a question."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool

from api.access import allow
from api.asset_schemas import SearchAnswer, SearchHit
from api.dependencies import ServicesDependency
from api.links import asset_url, moment_url
from data.domain.identity import Scope
from data.domain.passages import Hit, PassageKind

router = APIRouter(prefix="/search", tags=["search"])

MAX_QUERY_CHARACTERS = 300


@router.get("", dependencies=[allow(Scope.READ)], operation_id="search_moments")
async def search(
    services: ServicesDependency,
    q: Annotated[str, Query(min_length=1, max_length=MAX_QUERY_CHARACTERS, description="Words, or a sentence.")],
    kind: Annotated[list[PassageKind] | None, Query(description="Only words from there; repeatable.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> SearchAnswer:
    """Find moments by what is said, shown and meant in public videos, the best first.

    By words in any language; by meaning where it is English: `a pet on a carpet` finds the cat on the mat.
    """
    hits = await run_in_threadpool(services.search.search, q, limit, frozenset(kind or ()), services.caller.only_owner)
    return SearchAnswer(query=q, items=tuple(map(_shown, hits)))


def _shown(hit: Hit) -> SearchHit:
    watch = moment_url(hit.asset_id, hit.start_seconds)
    return SearchHit(**hit.model_dump(), asset=asset_url(hit.asset_id), watch=watch)
