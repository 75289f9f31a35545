"""The search index: passages of what is public, and of candidates, which are not found until they are public."""

import base64
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, delete, insert, select, update
from sqlalchemy.orm import Session

from data.domain.passages import Passage, PassageKind
from data.repositories.statements import in_chunks, storable
from data.tables import AssetOwnerRow, PassageRow, PublicationRow

_ROWS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class IndexedPassage:
    """A passage of something public."""

    id: int
    asset_id: str
    title: str
    """Of the publication."""
    kind: PassageKind
    start_seconds: float
    end_seconds: float
    text: str
    folded: str


class PassageRepository:
    """The search index within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def replace(self, asset_id: str, prefix: str, passages: Iterable[tuple[Passage, str]], *, is_public: bool) -> None:
        """Put in the passages of one version, instead of those that it had.

        Args:
            asset_id: Whose they are.
            prefix: Of the version; what is public of the asset is one version's.
            passages: Each with its text folded for comparison.
            is_public: Whether they are to be found; then those of all other versions go.
        """
        same = [PassageRow.asset_id == asset_id] + ([] if is_public else [PassageRow.prefix == prefix])
        self._session.execute(delete(PassageRow).where(*same))
        rows = [_row(asset_id, prefix, passage, folded, is_public) for passage, folded in passages]
        for chunk in in_chunks(rows, _ROWS_AT_ONCE):
            self._session.execute(insert(PassageRow), chunk)

    def make_public(self, asset_id: str, prefix: str) -> None:
        """Let a candidate's passages be found, and no other version's."""
        self._session.execute(delete(PassageRow).where(PassageRow.asset_id == asset_id, PassageRow.prefix != prefix))
        self._session.execute(update(PassageRow).where(PassageRow.asset_id == asset_id).values(is_public=True))

    def remove(self, asset_id: str, *, prefix: str | None = None) -> None:
        """Remove the passages of one version of an asset; without one, those of what is public."""
        which = PassageRow.is_public if prefix is None else PassageRow.prefix == prefix
        self._session.execute(delete(PassageRow).where(PassageRow.asset_id == asset_id, which))

    def with_words(self, words: Sequence[str], limit: int, owner: str | None = None) -> tuple[IndexedPassage, ...]:
        """Return passages that have any of some words, those with most of them first, then the latest.

        Args:
            words: Folded as the passages are; a passage has a word also where it is a part of one of its own.
            limit: At most this many.
            owner: Of whose assets alone; ``None`` is everybody's.
        """
        has = [case((PassageRow.folded.contains(word, autoescape=True), 1), else_=0) for word in words]
        count: ColumnElement[int] = reduce(add, has)
        query = _public().where(count > 0, *_of(owner)).order_by(count.desc(), PassageRow.id.desc()).limit(limit)
        return tuple(map(_indexed, self._session.execute(query)))

    def get(self, ids: Collection[int]) -> dict[int, IndexedPassage]:
        """Return public passages by id; those that are gone are left out."""
        found: dict[int, IndexedPassage] = {}
        for chunk in in_chunks(ids):
            rows = self._session.execute(_public().where(PassageRow.id.in_(chunk)))
            found |= {row.id: _indexed(row) for row in rows}
        return found

    def meaningful_ids(self, limit: int, owner: str | None = None) -> tuple[int, ...]:
        """Return the ids of public passages with a meaning: the latest ones, in rising order; or those of an owner."""
        query = select(PassageRow.id).where(PassageRow.is_public, PassageRow.vector.is_not(None), *_of(owner))
        return tuple(sorted(self._session.scalars(query.order_by(PassageRow.id.desc()).limit(limit))))

    def vectors(self, ids: Iterable[int]) -> dict[int, bytes]:
        """Return the meanings of passages by id, each as little-endian float16."""
        found: dict[int, bytes] = {}
        for chunk in in_chunks(ids):
            query = select(PassageRow.id, PassageRow.vector).where(PassageRow.id.in_(chunk))
            found |= {number: vector for number, vector in self._session.execute(query).tuples() if vector}
        return found


def _row(asset_id: str, prefix: str, passage: Passage, folded: str, is_public: bool) -> dict[str, object]:
    return {
        "asset_id": asset_id,
        "prefix": prefix,
        "is_public": is_public,
        "kind": passage.kind.value,
        "start_seconds": passage.start_seconds,
        "end_seconds": passage.end_seconds,
        "text": storable(passage.text),
        "folded": storable(folded),
        "vector": base64.b64decode(passage.vector) if passage.vector else None,
    }


def _of(owner: str | None) -> list[ColumnElement[bool]]:
    own = select(AssetOwnerRow.asset_id).where(AssetOwnerRow.owner == owner)
    return [] if owner is None else [PassageRow.asset_id.in_(own)]


def _public() -> Select[Any]:
    """Select passages of what is public, as the publications say as well."""
    columns = (
        PassageRow.id,
        PassageRow.asset_id,
        PublicationRow.title,
        PassageRow.kind,
        PassageRow.start_seconds,
        PassageRow.end_seconds,
        PassageRow.text,
        PassageRow.folded,
    )
    same = (PublicationRow.asset_id == PassageRow.asset_id) & (PublicationRow.prefix == PassageRow.prefix)
    return (
        select(*columns).join(PublicationRow, same).where(PassageRow.is_public, PublicationRow.retracted_at.is_(None))
    )


def _indexed(row: Row[Any]) -> IndexedPassage:
    return IndexedPassage(
        id=row.id,
        asset_id=row.asset_id,
        title=row.title,
        kind=PassageKind(row.kind),
        start_seconds=row.start_seconds,
        end_seconds=row.end_seconds,
        text=row.text,
        folded=row.folded,
    )
