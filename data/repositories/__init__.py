"""The catalogue's contents as domain values. A repository lives within one unit of work and never commits it."""

from data.repositories.analyses import AnalysisJob, AnalysisJobRepository
from data.repositories.api_keys import ApiKeyRepository
from data.repositories.assets import AssetEntry, AssetMeasures, AssetPage, AssetRepository
from data.repositories.audit import AuditFilter, AuditRepository
from data.repositories.batch_items import BatchItemRepository, ItemRun, StateTally
from data.repositories.batch_story import BatchStoryRepository
from data.repositories.batch_tidings import BatchTidingsRepository
from data.repositories.batches import BatchRepository
from data.repositories.candidates import CandidateRepository
from data.repositories.copies import CopyRepository
from data.repositories.generations import GenerationFilter, GenerationRepository
from data.repositories.history import (
    Fulfilment,
    FulfilmentRepository,
    SourceVersion,
    SourceVersionRepository,
    StepCost,
    StepCostRepository,
)
from data.repositories.idempotency import IdempotencyRepository, StoredAnswer
from data.repositories.item_plans import ItemPlanRepository, ItemWish
from data.repositories.packages import ArtifactRepository, PackageRepository, StoredArtifact
from data.repositories.passages import IndexedPassage, PassageRepository
from data.repositories.pending_decisions import PendingDecisionRepository
from data.repositories.provider_health import ProviderHealthRepository
from data.repositories.publications import PublicationRepository, PublishedVersion
from data.repositories.tokens import Refresh, TokenFamily, TokenHolder, TokenRepository
from data.repositories.uploads import Upload, UploadRepository, UploadState
from data.repositories.users import UserRepository
from data.repositories.votes import Rank, Ranked, VoteRepository
from data.repositories.watched_files import WatchedFileRepository
from data.repositories.webhook_deliveries import Backlog, DeliveryFilter, Settlement, WebhookOutbox
from data.repositories.webhook_endpoints import EndpointFilter, WebhookEndpointRepository

__all__ = [
    "AnalysisJob",
    "AnalysisJobRepository",
    "ApiKeyRepository",
    "ArtifactRepository",
    "AssetEntry",
    "AssetMeasures",
    "AssetPage",
    "AssetRepository",
    "AuditFilter",
    "AuditRepository",
    "Backlog",
    "BatchItemRepository",
    "BatchRepository",
    "BatchStoryRepository",
    "BatchTidingsRepository",
    "CandidateRepository",
    "CopyRepository",
    "DeliveryFilter",
    "EndpointFilter",
    "Fulfilment",
    "FulfilmentRepository",
    "GenerationFilter",
    "GenerationRepository",
    "IdempotencyRepository",
    "IndexedPassage",
    "ItemPlanRepository",
    "ItemRun",
    "ItemWish",
    "PackageRepository",
    "PassageRepository",
    "PendingDecisionRepository",
    "ProviderHealthRepository",
    "PublicationRepository",
    "PublishedVersion",
    "Rank",
    "Ranked",
    "Refresh",
    "Settlement",
    "SourceVersion",
    "SourceVersionRepository",
    "StateTally",
    "StepCost",
    "StepCostRepository",
    "StoredAnswer",
    "StoredArtifact",
    "TokenFamily",
    "TokenHolder",
    "TokenRepository",
    "Upload",
    "UploadRepository",
    "UploadState",
    "UserRepository",
    "VoteRepository",
    "WatchedFileRepository",
    "WebhookEndpointRepository",
    "WebhookOutbox",
]
