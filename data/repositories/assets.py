"""Assets, and which job works on which."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, and_, delete, or_, select
from sqlalchemy.orm import Session

from data.domain.assets import Asset, SourceFacts
from data.domain.errors import InvalidRequestError, NotFoundError
from data.domain.identity import LOCAL_USER
from data.repositories.statements import in_chunks, insert_once, storable
from data.tables import AssetOwnerRow, AssetRow, JobAssetRow, PublicationRow, utc_now

MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class AssetEntry:
    """An asset with the time when it was first taken in."""

    asset: Asset
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AssetMeasures:
    """What plans need to know of an asset."""

    sha256: str
    media_seconds: float
    megapixels: float
    """Of one frame, as a viewer sees it."""
    size_bytes: int


@dataclass(frozen=True, slots=True)
class AssetPage:
    """Some assets, newest first."""

    items: tuple[AssetEntry, ...]
    next: str | None
    """Opaque cursor of the page after this one; ``None`` on the last."""


class AssetRepository:
    """Assets within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, asset: Asset) -> None:
        """Record an asset; one that is known stays as it was first recorded."""
        values = {
            "id": asset.id,
            "sha256": asset.sha256,
            "source_key": asset.source_key,
            "original_name": storable(asset.original_name),
            "facts": asset.facts.model_dump(mode="json"),
            "size_bytes": asset.facts.size_bytes,
            "duration_seconds": asset.facts.duration_seconds,
            "created_at": utc_now(),
        }
        insert_once(self._session, AssetRow, values)

    def get(self, asset_id: str, owner: str | None = None) -> Asset:
        """Return an asset.

        Args:
            asset_id: Its id.
            owner: Whose it must be, among others; ``None`` takes anybody's.

        Raises:
            NotFoundError: There is none with that id.
        """
        return self.entry(asset_id, owner).asset

    def entry(self, asset_id: str, owner: str | None = None) -> AssetEntry:
        """Return an asset with its time; the arguments are those of :meth:`get`.

        Raises:
            NotFoundError: There is none with that id.
        """
        row = self._session.get(AssetRow, storable(asset_id))
        if row is None or (owner is not None and not self.owned([row.id], owner)):
            raise NotFoundError(f"There is no asset {asset_id}.", {"asset_id": asset_id})
        return _entry(row)

    def measures(self, asset_ids: Iterable[str]) -> dict[str, AssetMeasures]:
        """Return length and size of those assets that are known."""
        video = AssetRow.facts["video"]
        measures = {}
        for chunk in in_chunks(set(asset_ids)):
            width, height = video["width"].as_integer(), video["height"].as_integer()
            query = select(
                AssetRow.id, AssetRow.sha256, AssetRow.duration_seconds, width, height, AssetRow.size_bytes
            ).where(AssetRow.id.in_(chunk))
            for asset, sha256, seconds, columns, lines, size in self._session.execute(query):
                measures[asset] = AssetMeasures(sha256, seconds, columns * lines / 1e6, size)
        return measures

    def own(self, asset_ids: Iterable[str], owner: str) -> None:
        """Record that assets are somebody's, beside those whose they are already."""
        for asset_id in sorted(set(asset_ids)):
            insert_once(self._session, AssetOwnerRow, {"owner": owner, "asset_id": asset_id, "created_at": utc_now()})

    def owned(self, asset_ids: Iterable[str], owner: str) -> frozenset[str]:
        """Return those of some assets that are somebody's."""
        found: set[str] = set()
        for chunk in in_chunks(set(asset_ids)):
            query = select(AssetOwnerRow.asset_id).where(
                AssetOwnerRow.owner == owner, AssetOwnerRow.asset_id.in_(chunk)
            )
            found |= set(self._session.scalars(query))
        return frozenset(found)

    def list(
        self, limit: int = 50, after: str | None = None, owner: str | None = None, is_public: bool | None = None
    ) -> AssetPage:
        """Return a page of assets, newest first.

        Args:
            limit: At most this many, 1–200.
            after: The cursor that the page before gave; ``None`` begins.
            owner: Whose assets alone; ``None`` is everybody's.
            is_public: Only those of which something is public, or nothing; ``None`` asks nothing.

        Raises:
            InvalidRequestError: The limit or the cursor is not one that we take.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidRequestError(f"A page holds 1 to {MAX_PAGE} assets, not {limit}.", {"limit": limit})
        query = select(AssetRow).order_by(AssetRow.created_at.desc(), AssetRow.id.desc()).limit(limit + 1)
        if owner is not None:
            query = query.where(AssetRow.id.in_(_of(owner)))
        if is_public is not None:
            public = AssetRow.id.in_(select(PublicationRow.asset_id).where(PublicationRow.retracted_at.is_(None)))
            query = query.where(public if is_public else ~public)
        if after is not None:
            time, asset_id = _read_cursor(after)
            earlier = or_(AssetRow.created_at < time, and_(AssetRow.created_at == time, AssetRow.id < asset_id))
            query = query.where(earlier)
        rows = self._session.scalars(query).all()
        items = tuple(_entry(row) for row in rows[:limit])
        return AssetPage(items, _cursor(items[-1]) if len(rows) > limit else None)

    def bind_job(self, job_id: str, asset_id: str, owner: str | None = LOCAL_USER) -> None:
        """Remember which asset a job works on. A retried job may find another one: the last word counts.

        Args:
            job_id: The job.
            asset_id: What it works on.
            owner: Whose job it is, and so whose asset; ``None`` leaves whose it is.
        """
        if owner is not None:
            self.own([asset_id], owner)
        values = {"job_id": job_id, "asset_id": asset_id, "created_at": utc_now()}
        if not insert_once(self._session, JobAssetRow, values):
            row = self._session.get_one(JobAssetRow, job_id)
            row.asset_id = asset_id
            self._session.flush()

    def jobs_of(self, asset_id: str) -> tuple[str, ...]:
        """Return the jobs that work on an asset, or did."""
        query = select(JobAssetRow.job_id).where(JobAssetRow.asset_id == storable(asset_id))
        return tuple(self._session.scalars(query))

    def disown(self, asset_id: str, owner: str) -> bool:
        """Take an asset from one of its owners, and say whether others have it."""
        self._session.execute(
            delete(AssetOwnerRow).where(AssetOwnerRow.asset_id == asset_id, AssetOwnerRow.owner == owner)
        )
        return self.has_owner_besides(asset_id, owner)

    def has_owner_besides(self, asset_id: str, owner: str) -> bool:
        """Say whether an asset is somebody else's, too."""
        others = select(AssetOwnerRow.owner).where(AssetOwnerRow.asset_id == asset_id, AssetOwnerRow.owner != owner)
        return self._session.scalar(others.limit(1)) is not None

    def forget(self, asset_id: str) -> None:
        """Remove the record of an asset, and of all that was made of it."""
        self._session.execute(delete(AssetRow).where(AssetRow.id == asset_id))

    def asset_of_job(self, job_id: str) -> str | None:
        """Return the id of the asset that a job works on; ``None`` before its ingest step."""
        return self.assets_of_jobs([job_id]).get(job_id)

    def assets_of_jobs(self, job_ids: Iterable[str]) -> dict[str, str]:
        """Return the id of the asset that each job works on, by job; jobs before their ingest step are left out."""
        wanted = {storable(job_id): job_id for job_id in job_ids}
        query = select(JobAssetRow.job_id, JobAssetRow.asset_id).where(JobAssetRow.job_id.in_(wanted))
        return {wanted[job_id]: asset_id for job_id, asset_id in self._session.execute(query).tuples()}


def _of(owner: str) -> Select[tuple[str]]:
    return select(AssetOwnerRow.asset_id).where(AssetOwnerRow.owner == owner)


def _entry(row: AssetRow) -> AssetEntry:
    asset = Asset(
        id=row.id,
        sha256=row.sha256,
        source_key=row.source_key,
        original_name=row.original_name,
        facts=SourceFacts.model_validate(row.facts),
    )
    return AssetEntry(asset, row.created_at)


def _cursor(entry: AssetEntry) -> str:
    return base64.urlsafe_b64encode(f"{entry.created_at.isoformat()} {entry.asset.id}".encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        time, asset_id = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().split(" ")
        moment = datetime.fromisoformat(time)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequestError("The cursor is not one that a page gave.", {"after": ascii(cursor)}) from error
    if moment.tzinfo is None:
        raise InvalidRequestError("The cursor is not one that a page gave.", {"after": ascii(cursor)})
    return moment, storable(asset_id)
