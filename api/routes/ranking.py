"""What people like: votes for public videos, and the ranking that they make."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool

from api.access import allow
from api.asset_schemas import RankedAsset, VoteAnswer
from api.dependencies import ServicesDependency
from api.ranking import rank_assets, take_back, vote
from api.schemas import Page, Problem
from data.domain.identity import Scope

router = APIRouter(prefix="/assets", tags=["assets"])

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}


@router.get("/ranking", dependencies=[allow(Scope.READ)])
async def asset_ranking(
    services: ServicesDependency,
    after: Annotated[str | None, Query(max_length=500, description="The `next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[RankedAsset]:
    """List what is public of everybody: the most voted for first, then the latest.

    The pages of one reading count the votes that there were when it began.
    """
    return await run_in_threadpool(rank_assets, services, after, limit)


# Who may watch may vote: that is a viewer's act, not an operator's.
@router.post("/{asset_id}/vote", dependencies=[allow(Scope.READ)], responses=NOT_FOUND)
async def vote_for_asset(asset_id: str, services: ServicesDependency) -> VoteAnswer:
    """Vote for a public video, one's own or another's. A second vote of the same user changes nothing."""
    return await run_in_threadpool(vote, asset_id, services)


@router.delete("/{asset_id}/vote", dependencies=[allow(Scope.READ)], responses=NOT_FOUND)
async def take_back_vote(asset_id: str, services: ServicesDependency) -> VoteAnswer:
    """Take one's vote back; where there is none, that is fine."""
    return await run_in_threadpool(take_back, asset_id, services)
