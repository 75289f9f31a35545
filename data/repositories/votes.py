"""Votes for what is published, and the ranking that they make."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.orm import Session

from data.domain.publications import PublicationManifest
from data.repositories.statements import in_chunks, insert_once, storable
from data.tables import PublicationRow, VoteRow, utc_now


@dataclass(frozen=True, slots=True)
class Rank:
    """Where a published asset stands: more votes first, then the one published last."""

    votes: int
    published_at: datetime
    asset_id: str


@dataclass(frozen=True, slots=True)
class Ranked:
    """A published asset with its rank."""

    rank: Rank
    manifest: PublicationManifest


class VoteRepository:
    """Votes within one unit of work. One vote a voter and asset, however often it is given."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def give(self, asset_id: str, voter: str) -> bool:
        """Record a vote and say whether it is new."""
        return insert_once(self._session, VoteRow, {"asset_id": asset_id, "voter": voter, "created_at": utc_now()})

    def take_back(self, asset_id: str, voter: str) -> None:
        """Remove a vote; one that was never given is fine."""
        self._session.execute(
            delete(VoteRow).where(VoteRow.asset_id == storable(asset_id), VoteRow.voter == storable(voter))
        )

    def counts(self, asset_ids: Iterable[str]) -> dict[str, int]:
        """Return how many votes each of some assets has; those without are left out."""
        found: dict[str, int] = {}
        for chunk in in_chunks(sorted(set(asset_ids))):
            query = select(VoteRow.asset_id, func.count()).where(VoteRow.asset_id.in_(chunk)).group_by(VoteRow.asset_id)
            found |= dict(self._session.execute(query).tuples().all())
        return found

    def of(self, voter: str, asset_ids: Iterable[str]) -> frozenset[str]:
        """Return those of some assets for which somebody has voted."""
        found: set[str] = set()
        for chunk in in_chunks(sorted(set(asset_ids))):
            query = select(VoteRow.asset_id).where(VoteRow.voter == storable(voter), VoteRow.asset_id.in_(chunk))
            found |= set(self._session.scalars(query))
        return frozenset(found)

    def ranking(self, as_of: datetime, after: Rank | None, limit: int) -> tuple[Ranked, ...]:
        """Return what is published, the most voted for first.

        Args:
            as_of: Later votes and publications do not count, so that the pages of one reading fit together.
            after: The last one of the page before.
            limit: At most so many.
        """
        is_public = (PublicationRow.retracted_at.is_(None), PublicationRow.published_at <= as_of)
        public = (
            select(
                PublicationRow.asset_id,
                func.max(PublicationRow.version).label("version"),
                func.max(PublicationRow.published_at).label("published_at"),
            )
            .where(*is_public)
            .group_by(PublicationRow.asset_id)
            .subquery()
        )
        given = (
            select(VoteRow.asset_id, func.count().label("votes"))
            .where(VoteRow.created_at <= as_of)
            .group_by(VoteRow.asset_id)
            .subquery()
        )
        votes = func.coalesce(given.c.votes, 0)
        place = (votes, public.c.published_at, public.c.asset_id)
        query = (
            select(*place, PublicationRow.manifest)
            .join(given, given.c.asset_id == public.c.asset_id, isouter=True)
            .join(
                PublicationRow,
                (PublicationRow.asset_id == public.c.asset_id) & (PublicationRow.version == public.c.version),
            )
            .order_by(*(each.desc() for each in place))
            .limit(limit)
        )
        if after is not None:
            count, at, asset = place
            is_later = or_(at < after.published_at, and_(at == after.published_at, asset < storable(after.asset_id)))
            query = query.where(or_(count < after.votes, and_(count == after.votes, is_later)))
        return tuple(
            Ranked(Rank(count, at, asset_id), PublicationManifest.model_validate(document))
            for count, at, asset_id, document in self._session.execute(query).tuples()
        )
