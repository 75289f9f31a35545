"""Votes for what is public, and the ranking."""

from datetime import UTC, datetime

from api.asset_schemas import RankedAsset, VoteAnswer
from api.cursors import decode_rank, encode_rank
from api.dependencies import Services
from api.links import media_url, watch_url
from api.schemas import Page
from data.domain.errors import NotFoundError
from data.repositories import Rank, Ranked, VoteRepository


def vote(asset_id: str, services: Services) -> VoteAnswer:
    """Record the caller's vote.

    Raises:
        NotFoundError: Nothing is public of it, or there is no such asset.
    """
    _check_public(asset_id, services)
    with services.database.session() as session:
        VoteRepository(session).give(asset_id, services.caller.id)
    return _answer(asset_id, services, voted=True)


def take_back(asset_id: str, services: Services) -> VoteAnswer:
    """Remove the caller's vote.

    Raises:
        NotFoundError: Nothing is public of it, or there is no such asset.
    """
    _check_public(asset_id, services)
    with services.database.session() as session:
        VoteRepository(session).take_back(asset_id, services.caller.id)
    return _answer(asset_id, services, voted=False)


def rank_assets(services: Services, after: str | None, limit: int) -> Page[RankedAsset]:
    """Return what is public, the most voted for first.

    Raises:
        InvalidRequestError: ``after`` is no cursor.
    """
    as_of, last = _position(after)
    with services.database.session() as session:
        votes = VoteRepository(session)
        found = votes.ranking(as_of, last, limit + 1)
        mine = votes.of(services.caller.id, [each.rank.asset_id for each in found])
    items = tuple(_shown(each, each.rank.asset_id in mine) for each in found[:limit])
    rank = found[limit - 1].rank if len(found) > limit else None
    following = encode_rank(as_of, rank.votes, rank.published_at, rank.asset_id) if rank else None
    return Page[RankedAsset](items=items, next=following)


def _position(after: str | None) -> tuple[datetime, Rank | None]:
    if after is None:
        return datetime.now(UTC), None
    as_of, votes, published_at, asset_id = decode_rank(after)
    return as_of, Rank(votes, published_at, asset_id)


def _check_public(asset_id: str, services: Services) -> None:
    if services.publications.current(asset_id) is None:
        raise NotFoundError(f"There is no video {asset_id}, or it is not published.", {"asset_id": asset_id})


def _answer(asset_id: str, services: Services, *, voted: bool) -> VoteAnswer:
    with services.database.session() as session:
        count = VoteRepository(session).counts([asset_id]).get(asset_id, 0)
    return VoteAnswer(asset_id=asset_id, votes=count, voted=voted)


def _shown(ranked: Ranked, is_mine: bool) -> RankedAsset:
    manifest = ranked.manifest
    return RankedAsset(
        asset_id=manifest.asset_id,
        title=manifest.title,
        votes=ranked.rank.votes,
        voted=is_mine,
        published_at=ranked.rank.published_at,
        duration_seconds=manifest.duration_seconds,
        watch=watch_url(manifest.asset_id),
        poster=media_url(manifest.asset_id, manifest.version, manifest.poster_path),
    )
