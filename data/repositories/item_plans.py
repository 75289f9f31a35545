"""Items as planning sees them: a few columns of very many rows, read and decided on by the thousand."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import String, cast, exists, func, literal, select, text, update
from sqlalchemy.orm import Session

from data.domain.batches import ItemState, SkipReason
from data.domain.keys import words_address
from data.repositories.statements import in_chunks, insert_from
from data.tables import AssetOwnerRow, AssetRow, BatchItemRow, BatchRow, UtcDateTime, utc_now


@dataclass(frozen=True, slots=True)
class ItemWish:
    """What a pending item asks for."""

    row: int
    source: str
    """Empty: it begins with a prompt or a script."""
    wish_key: str
    recipe: str
    overrides: Mapping[str, Any]
    title: str
    priority: str

    @property
    def address(self) -> str:
        """Where what it begins with is known by."""
        return self.source or words_address(self.wish_key)


class ItemPlanRepository:
    """Items of one batch at planning time, within one unit of work."""

    def __init__(self, session: Session, batch_id: str) -> None:
        self._session = session
        self._batch_id = batch_id
        self._pending = (BatchItemRow.batch_id == batch_id, BatchItemRow.state == ItemState.PENDING.value)

    def note_statistics(self) -> None:
        """Tell Postgres what the table looks like now that a manifest was poured into it.

        Until it finds out by itself, minutes later, it takes the table to be nearly empty, and looks for each row of a
        batch among all rows of that state: 10,000 updates then take half a minute instead of half a second.
        """
        if self._session.get_bind().dialect.name == "postgresql":
            self._session.execute(text(f"ANALYZE {BatchItemRow.__tablename__}"))

    def skip_duplicates(self) -> int:
        """Skip the rows that ask for the same as an earlier one, which each is told to name; return how many.

        The database finds them: a million digests are more than a process should hold.
        """
        first = func.min(BatchItemRow.row).over(partition_by=BatchItemRow.wish_key).label("first")
        wishes = select(BatchItemRow.row, first).where(*self._pending, BatchItemRow.wish_key != "").subquery()
        statement = (
            update(BatchItemRow)
            .where(BatchItemRow.batch_id == self._batch_id, BatchItemRow.row == wishes.c.row)
            .where(wishes.c.row > wishes.c.first)
            .values(
                state=ItemState.SKIPPED.value,
                reason=SkipReason.DUPLICATE.value,
                message=literal("Asks for the same as row ").concat(cast(wishes.c.first, String)).concat("."),
                ended_at=utc_now(),
            )
        )
        self._session.connection().execute(statement)
        return self.ended_with(SkipReason.DUPLICATE)

    def ended_with(self, reason: str) -> int:
        """Return how many items ended for a reason."""
        query = select(func.count()).where(BatchItemRow.batch_id == self._batch_id, BatchItemRow.reason == reason)
        return self._session.scalar(query) or 0

    def wishes(self, after_row: int, limit: int) -> tuple[ItemWish, ...]:
        """Return pending items in the order of the manifest, those after a row."""
        columns = (getattr(BatchItemRow, name) for name in ItemWish.__slots__)
        query = (
            select(*columns).where(*self._pending, BatchItemRow.row > after_row).order_by(BatchItemRow.row).limit(limit)
        )
        return tuple(ItemWish(*values) for values in self._session.execute(query))

    def unchanged_assets(self, asset_ids: Collection[str]) -> set[str]:
        """Return those of the assets for which an item of this batch was found unchanged."""
        found: set[str] = set()
        for chunk in in_chunks(asset_ids):
            query = select(BatchItemRow.asset_id).where(
                BatchItemRow.batch_id == self._batch_id,
                BatchItemRow.state == ItemState.SKIPPED.value,
                BatchItemRow.reason == SkipReason.UNCHANGED.value,
                BatchItemRow.asset_id.in_(chunk),
            )
            found |= {asset for asset in self._session.scalars(query) if asset is not None}
        return found

    def own_assets(self) -> None:
        """Record that the assets of unchanged items are the batch owner's, as they would be had they been ingested."""
        is_known = exists().where(AssetOwnerRow.owner == BatchRow.owner, AssetOwnerRow.asset_id == AssetRow.id)
        found = (
            select(BatchRow.owner, AssetRow.id, literal(utc_now(), UtcDateTime()))
            .join(BatchItemRow, BatchItemRow.batch_id == BatchRow.id)
            .join(AssetRow, AssetRow.id == BatchItemRow.asset_id)
            .where(BatchRow.id == self._batch_id, BatchItemRow.state == ItemState.SKIPPED.value, ~is_known)
            .distinct()
        )
        insert_from(self._session, AssetOwnerRow, ("owner", "asset_id", "created_at"), found)
