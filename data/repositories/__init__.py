"""The catalogue's contents as domain values. A repository lives within one unit of work and never commits it."""

from data.repositories.assets import AssetEntry, AssetPage, AssetRepository
from data.repositories.batch_items import BatchItemRepository, ItemRun
from data.repositories.batches import BatchRepository
from data.repositories.history import (
    FulfilmentRepository,
    SourceVersion,
    SourceVersionRepository,
    StepCost,
    StepCostRepository,
)
from data.repositories.idempotency import IdempotencyRepository, StoredAnswer
from data.repositories.packages import ArtifactRepository, PackageRepository, StoredArtifact
from data.repositories.publications import PublicationRepository
from data.repositories.uploads import Upload, UploadRepository, UploadState

__all__ = [
    "ArtifactRepository",
    "AssetEntry",
    "AssetPage",
    "AssetRepository",
    "BatchItemRepository",
    "BatchRepository",
    "FulfilmentRepository",
    "IdempotencyRepository",
    "ItemRun",
    "PackageRepository",
    "PublicationRepository",
    "SourceVersion",
    "SourceVersionRepository",
    "StepCost",
    "StepCostRepository",
    "StoredAnswer",
    "StoredArtifact",
    "Upload",
    "UploadRepository",
    "UploadState",
]
