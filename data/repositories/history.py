"""What the past is good for: unchanged sources are known again, done work is found, and plans learn what steps take."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from data.repositories.statements import in_chunks, insert_once, storable, upsert
from data.tables import (
    FulfilmentRow,
    PublicationRow,
    SourceVersionRow,
    StepCostRow,
    StepHitRow,
    StepTotalRow,
    utc_now,
)

RECENT_COSTS = 200
"""Of a step with the same options: so many are learnt from."""
_SUMS = ("machine_seconds", "media_seconds", "bytes_in", "bytes_out")
"""What goes on being counted of costs that are no longer there."""


@dataclass(frozen=True, slots=True)
class SourceVersion:
    """What content an address had when it was last read."""

    uri: str
    fingerprint: str
    asset_id: str


class SourceVersionRepository:
    """Source versions within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, uri: str, fingerprint: str, asset_id: str) -> None:
        """Note what an address holds now."""
        values = {"uri": storable(uri), "fingerprint": fingerprint, "asset_id": asset_id, "seen_at": utc_now()}
        upsert(self._session, SourceVersionRow, {"uri_sha256": _digest(uri)}, values)

    def known(self, uris: Collection[str]) -> dict[str, SourceVersion]:
        """Return what is known of the given addresses."""
        found: dict[str, SourceVersion] = {}
        for chunk in in_chunks({_digest(uri): uri for uri in uris}.items()):
            asked = dict(chunk)
            query = select(SourceVersionRow.uri_sha256, SourceVersionRow.fingerprint, SourceVersionRow.asset_id).where(
                SourceVersionRow.uri_sha256.in_(asked)
            )
            for digest, fingerprint, asset_id in self._session.execute(query):
                found[asked[digest]] = SourceVersion(asked[digest], fingerprint, asset_id)
        return found


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """That a wish was published, and is still."""

    version: int
    is_latest: bool
    """Nothing newer is public; an older version is not what viewers see."""


class FulfilmentRepository:
    """Fulfilments within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, asset_id: str, work_key: str, version: int) -> None:
        """Note that an asset was published with an effective recipe."""
        key = {"asset_id": asset_id, "work_key": work_key}
        upsert(self._session, FulfilmentRow, key, {"version": version, "recorded_at": utc_now()})

    def fulfilled(self, wishes: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Fulfilment]:
        """Return which (asset, work key) pairs are public; a retracted one is not."""
        found: dict[tuple[str, str], int] = {}
        for chunk in in_chunks(set(wishes)):
            query = (
                select(FulfilmentRow.asset_id, FulfilmentRow.work_key, FulfilmentRow.version)
                .join(
                    PublicationRow,
                    (PublicationRow.asset_id == FulfilmentRow.asset_id)
                    & (PublicationRow.version == FulfilmentRow.version),
                )
                .where(tuple_(FulfilmentRow.asset_id, FulfilmentRow.work_key).in_(chunk))
                .where(PublicationRow.retracted_at.is_(None))
            )
            found |= {(asset, key): version for asset, key, version in self._session.execute(query)}
        latest = self._latest_versions({asset for asset, _ in found})
        return {wish: Fulfilment(version, version == latest[wish[0]]) for wish, version in found.items()}

    def _latest_versions(self, asset_ids: Iterable[str]) -> dict[str, int]:
        latest: dict[str, int] = {}
        for chunk in in_chunks(asset_ids):
            query = (
                select(PublicationRow.asset_id, func.max(PublicationRow.version))
                .where(PublicationRow.asset_id.in_(chunk), PublicationRow.retracted_at.is_(None))
                .group_by(PublicationRow.asset_id)
            )
            latest |= dict(self._session.execute(query).tuples().all())
        return latest


@dataclass(frozen=True, slots=True)
class StepCost:
    """What one step took for one asset."""

    step: str
    variant: str
    """Digest of the options that decide what it costs (:func:`data.domain.keys.options_digest`)."""
    media_seconds: float
    megapixels: float
    """Of one frame of the source."""
    machine_seconds: float
    bytes_in: int
    bytes_out: int
    asset_id: str | None = None
    """Whose it was: what a batch's steps took is told by its items' assets."""


class StepCostRepository:
    """Step costs within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, cost: StepCost) -> None:
        """Note what a step took."""
        values: Mapping[str, Any] = {name: getattr(cost, name) for name in StepCost.__slots__}
        self._session.add(StepCostRow(**values, recorded_at=utc_now()))

    def note_hit(self, step: str) -> None:
        """Note that the result of a step was there already."""
        insert_once(self._session, StepHitRow, {"step": step, "hits": 0})
        self._session.execute(update(StepHitRow).where(StepHitRow.step == step).values(hits=StepHitRow.hits + 1))

    def recent(self, step: str, variant: str, limit: int = RECENT_COSTS) -> tuple[StepCost, ...]:
        """Return the latest costs of a step with the same options."""
        same = (StepCostRow.step == step, StepCostRow.variant == variant)
        return self._costs(select(StepCostRow).where(*same).order_by(StepCostRow.recorded_at.desc()).limit(limit))

    def recent_of_any(self, step: str, limit: int = RECENT_COSTS) -> tuple[StepCost, ...]:
        """Return the latest costs of a step, whatever its options were."""
        # By id, as that index holds all steps and the latest are at its end, however long the table has become.
        return self._costs(
            select(StepCostRow).where(StepCostRow.step == step).order_by(StepCostRow.id.desc()).limit(limit)
        )

    def forget(self, age: timedelta, oldest_age: timedelta, most: int) -> int:
        """Delete costs that no estimate needs, and go on counting what they came to; return how many.

        Args:
            age: How old they must be, where as many as are learnt from came after them.
            oldest_age: How old where they did not.
            most: Delete about so many; the rest is for the next call.
        """
        now, row = utc_now(), StepCostRow
        old = select(row.step, row.variant).where(row.recorded_at < now - age).distinct()
        count = 0
        for step, variant in self._session.execute(old).tuples().all():
            if count >= most:
                break
            is_over = [row.recorded_at < now - oldest_age]
            if (oldest := self._oldest_needed(step, variant)) is not None:
                is_over.append(row.recorded_at < min(oldest, now - age))
            count += self._delete(step, (row.step == step, row.variant == variant, or_(*is_over)), most - count)
        return count

    def _oldest_needed(self, step: str, variant: str) -> datetime | None:
        row = StepCostRow
        same = select(row.recorded_at).where(row.step == step, row.variant == variant)
        return self._session.scalar(same.order_by(row.recorded_at.desc()).offset(RECENT_COSTS - 1).limit(1))

    def _delete(self, step: str, which: Collection[ColumnElement[bool]], most: int) -> int:
        row, total = StepCostRow, StepTotalRow
        chosen = delete(row).where(row.id.in_(select(row.id).where(*which).limit(most)))
        gone = self._session.execute(chosen.returning(*(getattr(row, name) for name in _SUMS))).tuples().all()
        if gone:
            sums = {"count": len(gone), **dict(zip(_SUMS, map(sum, zip(*gone, strict=True)), strict=True))}
            insert_once(self._session, total, {"step": step, **dict.fromkeys(sums, 0)})
            more = {name: getattr(total, name) + value for name, value in sums.items()}
            self._session.execute(update(total).where(total.step == step).values(more))
        return len(gone)

    def _costs(self, query: Select[tuple[StepCostRow]]) -> tuple[StepCost, ...]:
        names = StepCost.__slots__
        return tuple(StepCost(**{name: getattr(row, name) for name in names}) for row in self._session.scalars(query))


def _digest(uri: str) -> str:
    return hashlib.sha256(uri.encode("utf-8", "surrogateescape")).hexdigest()
