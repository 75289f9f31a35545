"""The catalogue's contents as domain values. A repository lives within one unit of work and never commits it."""

from data.repositories.assets import AssetEntry, AssetPage, AssetRepository
from data.repositories.idempotency import IdempotencyRepository, StoredAnswer
from data.repositories.packages import ArtifactRepository, PackageRepository, StoredArtifact
from data.repositories.publications import PublicationRepository, PublishedVersion
from data.repositories.uploads import Upload, UploadRepository, UploadState

__all__ = [
    "ArtifactRepository",
    "AssetEntry",
    "AssetPage",
    "AssetRepository",
    "IdempotencyRepository",
    "PackageRepository",
    "PublicationRepository",
    "PublishedVersion",
    "StoredAnswer",
    "StoredArtifact",
    "Upload",
    "UploadRepository",
    "UploadState",
]
