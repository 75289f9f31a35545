"""Finished work, found again by its cache key: packages of transcode, artifacts of the AI steps."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from data.domain.publications import Package
from data.repositories.statements import in_chunks, insert_once, storable
from data.tables import ArtifactRow, PackageRow, utc_now


class PackageRepository:
    """Packages within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, package: Package) -> None:
        """Record a package; one that is known stays, since the same key means the same work."""
        values = {
            "key": package.key,
            "asset_id": package.asset_id,
            "prefix": package.prefix,
            "manifest": package.model_dump(mode="json"),
            "created_at": utc_now(),
        }
        insert_once(self._session, PackageRow, values)

    def get(self, key: str) -> Package | None:
        """Return the package with that cache key, or ``None``."""
        manifest = self._session.scalar(select(PackageRow.manifest).where(PackageRow.key == key))
        return None if manifest is None else Package.model_validate(manifest)

    def present(self, keys: Iterable[str]) -> set[str]:
        """Return those of the cache keys for which there is a package."""
        found: set[str] = set()
        for chunk in in_chunks(keys):
            found.update(self._session.scalars(select(PackageRow.key).where(PackageRow.key.in_(chunk))))
        return found

    def forget(self, key: str) -> None:
        """Remove the record of a package whose files are gone."""
        self._session.execute(delete(PackageRow).where(PackageRow.key == key))

    def sample(self, limit: int) -> tuple[Package, ...]:
        """Return some packages, others each time."""
        query = select(PackageRow.manifest).order_by(func.random()).limit(limit)
        return tuple(Package.model_validate(each) for each in self._session.scalars(query))


@dataclass(frozen=True, slots=True)
class StoredArtifact:
    """Something that AI made for an asset."""

    asset_id: str
    kind: str
    """``captions``, ``chapters``, ``poster`` …"""
    key: str
    """Cache key of the step that made it."""
    prefix: str
    details: dict[str, Any]
    """The step's outcome as plain JSON values."""
    job_id: str | None
    created_at: datetime


class ArtifactRepository:
    """Artifacts within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(
        self, asset_id: str, kind: str, key: str, *, prefix: str, details: dict[str, Any], job_id: str | None = None
    ) -> None:
        """Record an artifact; one that is known stays, since the same key means the same work."""
        values = {
            "asset_id": asset_id,
            "kind": kind,
            "key": key,
            "prefix": prefix,
            "details": details,
            "job_id": job_id,
            "created_at": utc_now(),
        }
        insert_once(self._session, ArtifactRow, values)

    def get(self, asset_id: str, kind: str, key: str) -> StoredArtifact | None:
        """Return the artifact with that cache key, or ``None``."""
        row = self._session.get(ArtifactRow, (asset_id, kind, key))
        return None if row is None else _artifact(row)

    def forget(self, asset_id: str, kind: str, key: str) -> None:
        """Remove the record of an artifact whose files are gone."""
        self._session.execute(
            delete(ArtifactRow).where(
                ArtifactRow.asset_id == asset_id, ArtifactRow.kind == kind, ArtifactRow.key == key
            )
        )

    def of_job(self, job_id: str) -> tuple[StoredArtifact, ...]:
        """Return what AI made while a job was carried out, newest first."""
        query = select(ArtifactRow).where(ArtifactRow.job_id == storable(job_id))
        ordered = query.order_by(ArtifactRow.created_at.desc(), ArtifactRow.kind, ArtifactRow.key)
        return tuple(map(_artifact, self._session.scalars(ordered)))

    def of_asset(self, asset_id: str) -> tuple[StoredArtifact, ...]:
        """Return what AI made for an asset, newest first."""
        query = select(ArtifactRow).where(ArtifactRow.asset_id == asset_id)
        ordered = query.order_by(ArtifactRow.created_at.desc(), ArtifactRow.kind, ArtifactRow.key)
        return tuple(map(_artifact, self._session.scalars(ordered)))


def _artifact(row: ArtifactRow) -> StoredArtifact:
    return StoredArtifact(row.asset_id, row.kind, row.key, row.prefix, row.details, row.job_id, row.created_at)
