"""What is published: every version of every asset, as its manifest says. The object store's manifest is the truth."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, tuple_, update
from sqlalchemy.orm import Session

from data.domain.errors import Fact, PublicationConflictError
from data.domain.publications import PublicationManifest
from data.repositories.statements import in_chunks, insert_once, storable
from data.tables import PublicationRow, RenditionRow, utc_now

_LARGEST_VERSION = 2**31 - 1
"""What the column can hold; a database refuses the very question about more."""


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """One version of an asset, without what it says."""

    version: int
    prefix: str
    published_at: datetime
    retracted_at: datetime | None


class PublicationRepository:
    """Publications within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, manifest: PublicationManifest) -> bool:
        """Record a published version with its renditions; the same version of the same job again changes nothing.

        Returns:
            Whether it was not known before.

        Raises:
            PublicationConflictError: Another job published that version.
        """
        values = {
            "asset_id": manifest.asset_id,
            "version": manifest.version,
            "job_id": manifest.job_id,
            "prefix": manifest.prefix,
            "recipe": manifest.recipe,
            "title": storable(manifest.title),
            "manifest": manifest.model_dump(mode="json"),
            "published_at": manifest.published_at,
        }
        if insert_once(self._session, PublicationRow, values):
            self._session.add_all(_renditions(manifest))
            self._session.flush()
            return True
        known = self._session.get_one(PublicationRow, (manifest.asset_id, manifest.version))
        if known.job_id != manifest.job_id:
            facts: dict[str, Fact] = {
                "asset_id": manifest.asset_id,
                "version": manifest.version,
                "job_id": known.job_id,
            }
            raise PublicationConflictError(f"Version {manifest.version} was published by another job.", facts)
        return False

    def latest(self, asset_id: str) -> PublicationManifest | None:
        """Return the newest version that was not retracted; ``None`` when nothing is public."""
        return next(iter(self.versions(asset_id, limit=1)), None)

    def latest_of(self, asset_ids: Iterable[str]) -> dict[str, PublicationManifest]:
        """Return the newest version of each of some assets that was not retracted; those without are left out."""
        found: dict[str, PublicationManifest] = {}
        for chunk in in_chunks(sorted(set(asset_ids))):
            query = select(PublicationRow.manifest).where(
                PublicationRow.asset_id.in_(chunk), PublicationRow.retracted_at.is_(None)
            )
            for document in self._session.scalars(query.order_by(PublicationRow.version)):
                manifest = PublicationManifest.model_validate(document)
                found[manifest.asset_id] = manifest
        return found

    def find(self, asset_id: str, version: int) -> PublicationManifest | None:
        """Return a version that was not retracted; ``None`` when there is none."""
        if not 0 < version <= _LARGEST_VERSION:
            return None
        row = self._session.get(PublicationRow, (storable(asset_id), version))
        return PublicationManifest.model_validate(row.manifest) if row and row.retracted_at is None else None

    def find_all(self, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], PublicationManifest]:
        """Return those of many versions (asset id, version) that were not retracted."""
        found = {}
        for chunk in in_chunks(sorted(set(wanted))):
            key = tuple_(PublicationRow.asset_id, PublicationRow.version)
            query = select(PublicationRow.manifest).where(key.in_(chunk), PublicationRow.retracted_at.is_(None))
            for document in self._session.scalars(query):
                manifest = PublicationManifest.model_validate(document)
                found[manifest.asset_id, manifest.version] = manifest
        return found

    def versions(self, asset_id: str, limit: int = 100) -> tuple[PublicationManifest, ...]:
        """Return the versions of an asset that were not retracted, newest first."""
        query = (
            select(PublicationRow.manifest)
            .where(PublicationRow.asset_id == storable(asset_id), PublicationRow.retracted_at.is_(None))
            .order_by(PublicationRow.version.desc())
            .limit(limit)
        )
        return tuple(PublicationManifest.model_validate(each) for each in self._session.scalars(query))

    def of_job(self, job_id: str) -> PublicationManifest | None:
        """Return what a job published last, retracted or not; ``None`` when it published nothing."""
        query = (
            select(PublicationRow.manifest)
            .where(PublicationRow.job_id == storable(job_id))
            .order_by(PublicationRow.published_at.desc(), PublicationRow.version.desc())
            .limit(1)
        )
        found = self._session.scalar(query)
        return None if found is None else PublicationManifest.model_validate(found)

    def history(self, asset_id: str) -> tuple[PublishedVersion, ...]:
        """Return every version of an asset that there ever was, newest first."""
        columns = (
            PublicationRow.version,
            PublicationRow.prefix,
            PublicationRow.published_at,
            PublicationRow.retracted_at,
        )
        query = select(*columns).where(PublicationRow.asset_id == storable(asset_id))
        rows = self._session.execute(query.order_by(PublicationRow.version.desc())).tuples()
        return tuple(PublishedVersion(*row) for row in rows)

    def expire(self, asset_id: str, version: int) -> None:
        """Mark one version as no longer public, because a later one has taken its place long enough ago."""
        expired = update(PublicationRow).where(
            PublicationRow.asset_id == asset_id,
            PublicationRow.version == version,
            PublicationRow.retracted_at.is_(None),
        )
        self._session.execute(expired.values(retracted_at=utc_now()))

    def retract(self, asset_id: str) -> int:
        """Mark every version of an asset as no longer public and return how many were."""
        query = (
            update(PublicationRow)
            .where(PublicationRow.asset_id == asset_id, PublicationRow.retracted_at.is_(None))
            .values(retracted_at=utc_now())
            .returning(PublicationRow.version)
        )
        return len(self._session.scalars(query).all())


def _renditions(manifest: PublicationManifest) -> list[RenditionRow]:
    return [
        RenditionRow(
            asset_id=manifest.asset_id,
            version=manifest.version,
            name=rendition.name,
            width=rendition.width,
            height=rendition.height,
            average_kbps=rendition.average_kbps,
            size_bytes=rendition.size_bytes,
            frame_count=rendition.frame_count,
            codec=rendition.codec,
        )
        for rendition in manifest.renditions
    ]
