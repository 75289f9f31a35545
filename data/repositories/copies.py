"""Copies at publish targets: which place has which version, and what is still to be done there."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from data.domain.copies import CopyState, TargetCopy
from data.domain.targets import PublishTarget
from data.repositories.statements import in_chunks, storable, upsert
from data.tables import CopyRow, utc_now

_GOING = CopyState.WITHDRAWING.value
_TO_DO = (CopyState.WANTED.value, _GOING)


class CopyRepository:
    """Copies within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def want(self, copies: Iterable[TargetCopy]) -> None:
        """Note that copies are to be made; those that are there as they are wanted stay so.

        What was begun for the same targets before, and not finished, is to go.
        """
        for copy in copies:
            known = self._session.get(CopyRow, _key(copy))
            if known is not None and known.state == CopyState.THERE and known.target == _document(copy.target):
                continue
            upsert(self._session, CopyRow, dict(zip(_KEY, _key(copy), strict=True)), _values(copy))
            begun = (CopyRow.asset_id == copy.asset_id, CopyRow.name == copy.target.name, ~_is(copy))
            self._withdraw(*begun, CopyRow.state == CopyState.WANTED)

    def there(self, copy: TargetCopy, size_bytes: int, file_count: int) -> tuple[TargetCopy, ...] | None:
        """Note that a copy is whole, and that the target's pointer names it.

        Returns:
            The copies whose place it took; ``None`` when it is not wanted any more.
        """
        values: dict[str, Any] = {
            "state": CopyState.THERE.value,
            "size_bytes": size_bytes,
            "file_count": file_count,
            "due_at": None,
            "work_key": None,
            "tries": 0,
            "error": "",
            "changed_at": utc_now(),
        }
        # Another process may have been faster with the same one.
        is_wanted = CopyRow.state.in_((CopyState.WANTED.value, CopyState.THERE.value))
        made = update(CopyRow).where(_is(copy), is_wanted).values(**values)
        if self._session.scalar(made.returning(CopyRow.version)) is None:
            return None
        others = [
            each
            for each in self.of_asset(copy.asset_id)
            if each.state is CopyState.THERE and _key(each) != _key(copy) and _share_a_place(each, copy)
        ]
        for each in others:
            self.supersede(each)
        return tuple(others)

    def supersede(self, copy: TargetCopy) -> None:
        """Note that another copy took the place of one; from now on it grows old."""
        values = {"state": CopyState.SUPERSEDED.value, "changed_at": utc_now(), "due_at": None, "error": ""}
        self._session.execute(update(CopyRow).where(_is(copy)).values(**values))

    def withdraw_all(self, asset_id: str) -> int:
        """Note that every copy of an asset is to go; return how many there are."""
        return self._withdraw(CopyRow.asset_id == asset_id)

    def withdraw_at(self, asset_id: str, target: str) -> int:
        """Note that every copy of an asset at the target of a name is to go; return how many are on record."""
        which = (CopyRow.asset_id == storable(asset_id), CopyRow.name == storable(target))
        self._withdraw(*which)
        return self._session.scalar(select(func.count()).select_from(CopyRow).where(*which)) or 0

    def withdraw(self, copy: TargetCopy) -> None:
        """Note that a copy is to go."""
        self._withdraw(_is(copy))

    def failed(self, copy: TargetCopy, error: str, due_at: datetime | None) -> None:
        """Note why what was to be done at a target was not, and from when on upkeep tries again."""
        values = {"error": storable(error)[:1000], "due_at": due_at, "tries": CopyRow.tries + 1}
        self._session.execute(update(CopyRow).where(_is(copy), CopyRow.state.in_(_TO_DO)).values(**values))

    def gone(self, copy: TargetCopy) -> None:
        """Forget a copy of which nothing is left, if it is to go still."""
        self._session.execute(delete(CopyRow).where(_is(copy), CopyRow.state == _GOING))

    def find(self, copy: TargetCopy) -> TargetCopy | None:
        """Return how a copy stands now; ``None`` when there is none."""
        row = self._session.get(CopyRow, _key(copy), populate_existing=True)
        return None if row is None else _copy(row)

    def of_asset(self, asset_id: str) -> tuple[TargetCopy, ...]:
        """Return the copies of an asset by target, the newest version first."""
        return self._all(CopyRow.asset_id == storable(asset_id))

    def of_job(self, job_id: str) -> tuple[TargetCopy, ...]:
        """Return the copies that were a job's to make."""
        return self._all(CopyRow.job_id == storable(job_id))

    def of_versions(self, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], tuple[TargetCopy, ...]]:
        """Return the copies that are there of many versions (asset id, version), by target."""
        found: dict[tuple[str, int], tuple[TargetCopy, ...]] = {}
        for chunk in in_chunks(sorted(set(wanted))):
            is_one = tuple_(CopyRow.asset_id, CopyRow.version).in_(chunk)
            for copy in self._all(is_one & (CopyRow.state == CopyState.THERE.value)):
                key = copy.asset_id, copy.version
                found[key] = (*found.get(key, ()), copy)
        return found

    def due(self, now: datetime, limit: int = 100, asset_id: str | None = None) -> tuple[TargetCopy, ...]:
        """Return the copies with which upkeep has something to do, the longest due first.

        Args:
            now: The time, aware.
            limit: At most this many.
            asset_id: Of this asset alone.
        """
        query = select(CopyRow).where(CopyRow.due_at <= now, CopyRow.state.in_(_TO_DO))
        if asset_id is not None:
            query = query.where(CopyRow.asset_id == storable(asset_id))
        rows = self._session.scalars(query.order_by(CopyRow.due_at, CopyRow.asset_id).limit(limit))
        return tuple(map(_copy, rows))

    def of_age(
        self, superseded_before: datetime | None, begun_before: datetime | None, limit: int = 1000
    ) -> tuple[TargetCopy, ...]:
        """Return copies that grew old: by then another took their place, or a job had begun them that did not end it.

        Args:
            superseded_before: ``None`` keeps old versions for ever.
            begun_before: ``None`` keeps what jobs left unfinished for ever. Whether the job lives is not asked here.
            limit: At most this many, the oldest first.
        """
        old: list[ColumnElement[bool]] = []
        if superseded_before is not None:
            old.append((CopyRow.state == CopyState.SUPERSEDED) & (CopyRow.changed_at < superseded_before))
        if begun_before is not None:
            is_a_jobs = (CopyRow.state == CopyState.WANTED) & CopyRow.due_at.is_(None)
            old.append(is_a_jobs & (CopyRow.changed_at < begun_before))
        if not old:
            return ()
        rows = self._session.scalars(select(CopyRow).where(or_(*old)).order_by(CopyRow.changed_at).limit(limit))
        return tuple(map(_copy, rows))

    def _withdraw(self, *which: ColumnElement[bool]) -> int:
        values = {"state": _GOING, "due_at": utc_now(), "changed_at": utc_now(), "tries": 0, "work_key": None}
        changed = update(CopyRow).where(*which, CopyRow.state != _GOING).values(**values, error="")
        return len(self._session.scalars(changed.returning(CopyRow.version)).all())

    def _all(self, which: ColumnElement[bool]) -> tuple[TargetCopy, ...]:
        query = select(CopyRow).where(which).order_by(CopyRow.name, CopyRow.url, CopyRow.version.desc())
        return tuple(map(_copy, self._session.scalars(query)))


_KEY = ("asset_id", "url", "prefix")


def _key(copy: TargetCopy) -> tuple[str, str, str]:
    return copy.asset_id, copy.target.url, copy.prefix


def _is(copy: TargetCopy) -> ColumnElement[bool]:
    asset_id, url, prefix = _key(copy)
    return (CopyRow.asset_id == asset_id) & (CopyRow.url == url) & (CopyRow.prefix == prefix)


def _share_a_place(one: TargetCopy, other: TargetCopy) -> bool:
    """Say whether two copies are the target's turns at the same asset: by its name, or by the pointer's place."""
    is_same_folder = (one.target.url, one.pointer_key) == (other.target.url, other.pointer_key)
    return one.target.name == other.target.name or is_same_folder


def _values(copy: TargetCopy) -> dict[str, Any]:
    return {
        "version": copy.version,
        "name": copy.target.name,
        "target": _document(copy.target),
        "job_id": copy.job_id,
        "state": copy.state.value,
        "size_bytes": copy.size_bytes,
        "file_count": copy.file_count,
        "work_key": copy.work_key,
        "due_at": copy.due_at,
        "tries": copy.tries,
        "error": copy.error,
        "changed_at": copy.changed_at or utc_now(),
    }


def _document(target: PublishTarget) -> dict[str, Any]:
    return target.model_dump(mode="json")


def _copy(row: CopyRow) -> TargetCopy:
    return TargetCopy(
        asset_id=row.asset_id,
        version=row.version,
        target=PublishTarget.model_validate(row.target),
        prefix=row.prefix,
        job_id=row.job_id,
        state=CopyState(row.state),
        size_bytes=row.size_bytes,
        file_count=row.file_count,
        work_key=row.work_key,
        due_at=row.due_at,
        tries=row.tries,
        error=row.error,
        changed_at=row.changed_at,
    )
