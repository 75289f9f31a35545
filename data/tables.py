"""The catalogue's tables. Rows never leave package ``data``: repositories turn them into domain values."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from data.domain.identity import LOCAL_USER


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in time: aware going in, aware UTC coming out, also on SQLite, which knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone, which could mean anything."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Document = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
JsonObject = dict[str, Any]


def utc_now() -> datetime:
    """Return the time, aware."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """What all tables share: names of constraints that migrations can rely on, and types."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime(), JsonObject: Document, str: String()}  # noqa: RUF012


class AssetRow(Base):
    """A source that was taken in."""

    __tablename__ = "assets"
    __table_args__ = (Index(None, "created_at", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    source_key: Mapped[str]
    original_name: Mapped[str]
    facts: Mapped[JsonObject]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    duration_seconds: Mapped[float] = mapped_column(Float(53))
    created_at: Mapped[datetime]


class JobAssetRow(Base):
    """Which asset a job works on, known from its ingest step on."""

    __tablename__ = "job_assets"

    job_id: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]


class AssetOwnerRow(Base):
    """Whose an asset is: the same bytes handed in by two people are one asset of both."""

    __tablename__ = "asset_owners"

    owner: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True, index=True)
    created_at: Mapped[datetime]


class PackageRow(Base):
    """A finished transcode, found again by its cache key."""

    __tablename__ = "packages"

    key: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    prefix: Mapped[str]
    manifest: Mapped[JsonObject]
    created_at: Mapped[datetime]


class ArtifactRow(Base):
    """Something that AI made for an asset, found again by its cache key."""

    __tablename__ = "artifacts"

    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    prefix: Mapped[str]
    details: Mapped[JsonObject]
    job_id: Mapped[str | None]
    created_at: Mapped[datetime]


class AnalysisJobRow(Base):
    """Which analysis a job came to, and whose job it was: the same video of two people is one asset of both."""

    __tablename__ = "analysis_jobs"
    __table_args__ = (Index(None, "asset_id", "owner"),)

    job_id: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"))
    key: Mapped[str]
    owner: Mapped[str]
    created_at: Mapped[datetime]


class PublicationRow(Base):
    """One published version of an asset."""

    __tablename__ = "publications"

    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(index=True)
    prefix: Mapped[str]
    recipe: Mapped[str]
    title: Mapped[str]
    manifest: Mapped[JsonObject]
    published_at: Mapped[datetime] = mapped_column(index=True)
    retracted_at: Mapped[datetime | None]


class VoteRow(Base):
    """That a user likes a published asset."""

    __tablename__ = "votes"
    __table_args__ = (Index(None, "asset_id", "created_at"),)

    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True)
    voter: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]


class RenditionRow(Base):
    """One rung of a published version, for questions over many assets."""

    __tablename__ = "renditions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["asset_id", "version"], ["publications.asset_id", "publications.version"], ondelete="CASCADE"
        ),
    )

    asset_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    width: Mapped[int]
    height: Mapped[int]
    average_kbps: Mapped[int]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    frame_count: Mapped[int] = mapped_column(BigInteger)
    codec: Mapped[str]


class UploadRow(Base):
    """A file that a person handed to the API and no job has taken in yet."""

    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str]
    original_name: Mapped[str]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None]
    content_type: Mapped[str | None]
    parts_id: Mapped[str | None]
    """The store's own name of an upload in parts that has not ended."""
    state: Mapped[str]
    owner: Mapped[str] = mapped_column(server_default=LOCAL_USER)
    created_at: Mapped[datetime] = mapped_column(index=True)


class IdempotencyRow(Base):
    """What was answered to a call with an ``Idempotency-Key``."""

    __tablename__ = "idempotency_keys"

    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    state: Mapped[str]
    status_code: Mapped[int | None]
    response: Mapped[JsonObject | None]
    location: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(index=True)


class BatchRow(Base):
    """A manifest that was handed in, and how far it has come."""

    __tablename__ = "batches"
    __table_args__ = (Index(None, "created_at", "id"), Index(None, "owner", "created_at", "id"))

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    manifest_uri: Mapped[str]
    manifest_key: Mapped[str | None]
    manifest_sha256: Mapped[str | None]
    options: Mapped[JsonObject]
    state: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str | None]
    message: Mapped[str]
    wish: Mapped[str]
    rows: Mapped[int]
    plan: Mapped[JsonObject | None]
    feed_run_id: Mapped[str | None]
    retry_of: Mapped[str | None]
    retry_filter: Mapped[JsonObject | None]
    owner: Mapped[str] = mapped_column(server_default=LOCAL_USER)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    spent: Mapped[float] = mapped_column(Float(53))
    outputs: Mapped[JsonObject]
    webhooks: Mapped[list[str]] = mapped_column(Document, server_default="[]")
    traceparent: Mapped[str | None]


class BatchMoveRow(Base):
    """That a batch came into a state, or into another reason for it: what pauses are told by."""

    __tablename__ = "batch_moves"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    batch_id: Mapped[str] = mapped_column(ForeignKey("batches.id", ondelete="CASCADE"), index=True)
    state: Mapped[str]
    reason: Mapped[str | None]
    moved_at: Mapped[datetime]


class BatchItemRow(Base):
    """One row of a manifest."""

    __tablename__ = "batch_items"
    __table_args__ = (
        UniqueConstraint("batch_id", "custom_id"),
        Index(None, "batch_id", "state", "rank"),
        Index(None, "run_key"),
    )

    batch_id: Mapped[str] = mapped_column(ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True)
    custom_id: Mapped[str]
    source: Mapped[str]
    prompt: Mapped[str]
    script: Mapped[str]
    recipe: Mapped[str]
    overrides: Mapped[JsonObject]
    wish_key: Mapped[str]
    priority: Mapped[str]
    not_before: Mapped[datetime | None]
    title: Mapped[str]
    # "metadata" is SQLAlchemy's own name on a mapped class.
    details: Mapped[JsonObject] = mapped_column("metadata")
    state: Mapped[str]
    reason: Mapped[str | None]
    rank: Mapped[float] = mapped_column(Float(53))
    estimated_seconds: Mapped[float] = mapped_column(Float(53))
    attempt: Mapped[int]
    run_key: Mapped[str | None]
    run_id: Mapped[str | None]
    step: Mapped[str | None]
    failure_class: Mapped[str | None]
    code: Mapped[str | None]
    message: Mapped[str]
    asset_id: Mapped[str | None]
    version: Mapped[int | None]
    cost: Mapped[float] = mapped_column(Float(53))
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class SourceVersionRow(Base):
    """What content an address had when it was last read: an unchanged fingerprint spares reading it again."""

    __tablename__ = "source_versions"

    uri_sha256: Mapped[str] = mapped_column(primary_key=True)  # addresses are longer than an index takes
    uri: Mapped[str]
    fingerprint: Mapped[str]
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), index=True)
    seen_at: Mapped[datetime]


class FulfilmentRow(Base):
    """That an asset was published with an effective recipe: the same wish again costs a look-up."""

    __tablename__ = "fulfilments"

    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True)
    work_key: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    recorded_at: Mapped[datetime]


class StepCostRow(Base):
    """What one step took for one asset: what plans learn from."""

    __tablename__ = "step_costs"
    __table_args__ = (Index(None, "step", "variant", "recorded_at"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    step: Mapped[str]
    asset_id: Mapped[str | None]
    variant: Mapped[str]
    media_seconds: Mapped[float] = mapped_column(Float(53))
    megapixels: Mapped[float] = mapped_column(Float(53))
    machine_seconds: Mapped[float] = mapped_column(Float(53))
    bytes_in: Mapped[int] = mapped_column(BigInteger)
    bytes_out: Mapped[int] = mapped_column(BigInteger)
    recorded_at: Mapped[datetime] = mapped_column(index=True)


class WatchedFileRow(Base):
    """A file that was seen in a watched folder; gone from here once it is gone from there."""

    __tablename__ = "watched_files"

    path_sha256: Mapped[str] = mapped_column(primary_key=True)  # paths are longer than an index takes
    path: Mapped[str]
    folder: Mapped[str] = mapped_column(index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    modified_ns: Mapped[int] = mapped_column(BigInteger)
    steady_since: Mapped[datetime]
    batch_id: Mapped[str | None]


class CandidateRow(Base):
    """A version that waits for a person, or waited."""

    __tablename__ = "candidates"
    __table_args__ = (Index(None, "state", "created_at"),)

    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True)
    job_id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    manifest: Mapped[JsonObject]
    content_key: Mapped[str]
    work_key: Mapped[str]
    why: Mapped[str]
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    decision: Mapped[str]


class PendingDecisionRow(Base):
    """A person's decision about what is public, from before the store is told of it until the catalogue knows it."""

    __tablename__ = "pending_decisions"

    id: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str]
    begun_at: Mapped[datetime] = mapped_column(index=True)


class CopyRow(Base):
    """A copy of a version at a publish target. It outlives its asset: as long as its files are there, it is known."""

    __tablename__ = "copies"
    __table_args__ = (Index(None, "due_at"), Index(None, "job_id"), Index(None, "state", "changed_at"))

    asset_id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str] = mapped_column(primary_key=True)
    prefix: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    name: Mapped[str]
    target: Mapped[JsonObject]
    job_id: Mapped[str]
    state: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    file_count: Mapped[int]
    work_key: Mapped[str | None]
    due_at: Mapped[datetime | None]
    tries: Mapped[int]
    error: Mapped[str]
    changed_at: Mapped[datetime]


class PassageRow(Base):
    """Some words of a video: said, translated, read in the picture, or its title."""

    __tablename__ = "passages"
    # A search that has vectors in memory knows them by their ids: SQLite, too, must never give one again.
    __table_args__ = (
        Index(None, "asset_id", "prefix"),
        Index(None, "is_public", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"))
    prefix: Mapped[str]
    is_public: Mapped[bool]
    kind: Mapped[str]
    start_seconds: Mapped[float] = mapped_column(Float(53))
    end_seconds: Mapped[float] = mapped_column(Float(53))
    text: Mapped[str]
    folded: Mapped[str]
    vector: Mapped[bytes | None] = mapped_column(LargeBinary)


class GenerationRow(Base):
    """One request to a provider of generations: the ledger."""

    __tablename__ = "generations"
    __table_args__ = (Index(None, "created_at", "id"), Index(None, "request_digest", "state"))

    id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(index=True)
    request_digest: Mapped[str]
    idempotency_key: Mapped[str] = mapped_column(unique=True)
    job_id: Mapped[str] = mapped_column(index=True)
    batch_id: Mapped[str | None] = mapped_column(index=True)
    batch_row: Mapped[int | None]
    also_wanted_by: Mapped[JsonObject | None]
    provider: Mapped[str] = mapped_column(index=True)
    engine: Mapped[str]
    model: Mapped[str]
    capability: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    owner: Mapped[str | None]
    provider_id: Mapped[str | None]
    price: Mapped[float] = mapped_column(Float(53))
    charged: Mapped[float | None] = mapped_column(Float(53))
    request: Mapped[JsonObject]
    result_key: Mapped[str | None]
    result_sha256: Mapped[str | None] = mapped_column(index=True)
    result_bytes: Mapped[int | None] = mapped_column(BigInteger)
    details: Mapped[JsonObject]
    failure_class: Mapped[str | None]
    code: Mapped[str | None]
    message: Mapped[str]
    attempts: Mapped[int]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    made_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class ProviderHealthRow(Base):
    """How a provider is, and its circuit breaker: one for all processes."""

    __tablename__ = "provider_health"

    provider: Mapped[str] = mapped_column(primary_key=True)
    breaker: Mapped[str]
    failures: Mapped[int]
    opened_at: Mapped[datetime | None]
    probed_at: Mapped[datetime | None]
    calls: Mapped[int] = mapped_column(BigInteger)
    failed_calls: Mapped[int] = mapped_column(BigInteger)
    checked_at: Mapped[datetime | None]
    response_seconds: Mapped[float | None] = mapped_column(Float(53))
    making_seconds: Mapped[float | None] = mapped_column(Float(53))
    code: Mapped[str | None]
    message: Mapped[str]
    failed_at: Mapped[datetime | None]
    tested_at: Mapped[datetime | None]
    test_seconds: Mapped[float | None] = mapped_column(Float(53))
    test_code: Mapped[str | None]
    test_message: Mapped[str]


class UserRow(Base):
    """Somebody who may log in."""

    __tablename__ = "users"
    __table_args__ = (Index(None, "created_at", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    role: Mapped[str]
    token_epoch: Mapped[int]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class ApiKeyRow(Base):
    """What a program calls with: only a hash of its secret is here."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    prefix: Mapped[str]
    secret_sha256: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[str]
    role_cap: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class TokenFamilyRow(Base):
    """One login, and all the tokens that follow from it."""

    __tablename__ = "token_families"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    scopes: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    closed_at: Mapped[datetime | None]
    closed_why: Mapped[str | None]


class RefreshTokenRow(Base):
    """A refresh token, by a hash: each is good for one use, and known after it, so that a second one is noticed."""

    __tablename__ = "refresh_tokens"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    family_id: Mapped[str] = mapped_column(ForeignKey("token_families.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class RevokedTokenRow(Base):
    """An access token that was revoked before it expires."""

    __tablename__ = "revoked_tokens"

    jti: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class WebhookEndpointRow(Base):
    """An address that is told of events. Its secrets are kept as they are: they have to sign."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (Index(None, "owner", "created_at", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    url: Mapped[str]
    description: Mapped[str]
    events: Mapped[list[str]] = mapped_column(Document)
    secret: Mapped[str]
    previous_secret: Mapped[str | None]
    previous_secret_until: Mapped[datetime | None]
    is_for_one_job: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(index=True)
    listening_since: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    failing_since: Mapped[datetime | None]
    failures: Mapped[int]
    resting_until: Mapped[datetime | None]


class WebhookEventRow(Base):
    """Something that happened and somebody is told of: the outbox."""

    __tablename__ = "webhook_events"

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    owner: Mapped[str]
    occurred_at: Mapped[datetime]
    data: Mapped[JsonObject]
    traceparent: Mapped[str | None]
    recorded_at: Mapped[datetime] = mapped_column(index=True)


class WebhookDeliveryRow(Base):
    """An event on its way to an endpoint; in order of its position among those of one subject."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("event_id", "endpoint_id"),
        Index(None, "state", "next_at"),
        Index(None, "endpoint_id", "subject", "state", "position"),
    )

    position: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    id: Mapped[str] = mapped_column(unique=True)
    event_id: Mapped[str] = mapped_column(ForeignKey("webhook_events.id", ondelete="CASCADE"))
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    subject: Mapped[str] = mapped_column(index=True)
    state: Mapped[str]
    attempts: Mapped[int]
    round_attempts: Mapped[int]
    created_at: Mapped[datetime]
    next_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    last_status: Mapped[int | None]
    last_error: Mapped[str]
    response_seconds: Mapped[float | None] = mapped_column(Float(53))


class WebhookAttemptRow(Base):
    """One try of a delivery."""

    __tablename__ = "webhook_attempts"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    delivery: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"),
        ForeignKey("webhook_deliveries.position", ondelete="CASCADE"),
        index=True,
    )
    at: Mapped[datetime]
    status: Mapped[int | None]
    error: Mapped[str]
    answer: Mapped[str]
    response_seconds: Mapped[float] = mapped_column(Float(53))


class WebhookCursorRow(Base):
    """How far the relay has read what is told of."""

    __tablename__ = "webhook_cursors"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class AuditRow(Base):
    """One entry of the audit. Triggers of the database refuse to change it, or to delete what is not in the archive."""

    __tablename__ = "audit"
    __table_args__ = (
        Index(None, "user", "sequence"),
        Index(None, "job", "sequence"),
        Index(None, "resource", "sequence"),
        Index(None, "kind", "at"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)
    user: Mapped[str | None]
    key: Mapped[str | None]
    address: Mapped[str | None]
    scope: Mapped[str | None]
    method: Mapped[str | None]
    route: Mapped[str | None]
    resource: Mapped[str | None]
    status: Mapped[int | None]
    request_id: Mapped[str | None]
    trace_id: Mapped[str | None]
    duration_ms: Mapped[int | None]
    job: Mapped[str | None]
    from_state: Mapped[str | None]
    to_state: Mapped[str | None]
    reason: Mapped[str | None]
    previous: Mapped[str]
    hash: Mapped[str]


class AuditHeadRow(Base):
    """How far the audit goes. There is one row; who holds its lock is the one who may write."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str]
    pruned: Mapped[int] = mapped_column(BigInteger)
    pruned_hash: Mapped[str]


class StepHitRow(Base):
    """How often the result of a step was there already, so that nothing had to be done."""

    __tablename__ = "step_hits"

    step: Mapped[str] = mapped_column(primary_key=True)
    hits: Mapped[int] = mapped_column(BigInteger)


class StepTotalRow(Base):
    """What the steps came to whose costs are no longer kept one by one."""

    __tablename__ = "step_totals"

    step: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    machine_seconds: Mapped[float] = mapped_column(Float(53))
    media_seconds: Mapped[float] = mapped_column(Float(53))
    bytes_in: Mapped[int] = mapped_column(BigInteger)
    bytes_out: Mapped[int] = mapped_column(BigInteger)
