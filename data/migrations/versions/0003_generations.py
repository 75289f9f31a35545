"""Generations: the ledger of requests to providers, and how the providers are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
MOMENT = sa.DateTime(timezone=True)
NUMBER = sa.Float(precision=53)


def upgrade() -> None:
    op.create_table(
        "generations",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request_digest", sa.String(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("batch_id", sa.String(), nullable=True),
        sa.Column("batch_row", sa.Integer(), nullable=True),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("engine", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("capability", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("provider_id", sa.String(), nullable=True),
        sa.Column("price", NUMBER, nullable=False),
        sa.Column("charged", NUMBER, nullable=True),
        sa.Column("request", DOCUMENT, nullable=False),
        sa.Column("result_key", sa.String(), nullable=True),
        sa.Column("result_sha256", sa.String(), nullable=True),
        sa.Column("result_bytes", sa.BigInteger(), nullable=True),
        sa.Column("details", DOCUMENT, nullable=False),
        sa.Column("failure_class", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.Column("accepted_at", MOMENT, nullable=True),
        sa.Column("made_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_generations")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_generations_idempotency_key")),
    )
    op.create_index(op.f("ix_generations_created_at_id"), "generations", ["created_at", "id"], unique=False)
    op.create_index(
        op.f("ix_generations_request_digest_state"), "generations", ["request_digest", "state"], unique=False
    )
    for column in ("key", "job_id", "batch_id", "provider", "state"):
        op.create_index(op.f(f"ix_generations_{column}"), "generations", [column], unique=False)
    op.create_table(
        "provider_health",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("breaker", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=True),
        sa.Column("probed_at", MOMENT, nullable=True),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("failed_calls", sa.BigInteger(), nullable=False),
        sa.Column("checked_at", MOMENT, nullable=True),
        sa.Column("response_seconds", NUMBER, nullable=True),
        sa.Column("making_seconds", NUMBER, nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("failed_at", MOMENT, nullable=True),
        sa.Column("tested_at", MOMENT, nullable=True),
        sa.Column("test_seconds", NUMBER, nullable=True),
        sa.Column("test_code", sa.String(), nullable=True),
        sa.Column("test_message", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_provider_health")),
    )


def downgrade() -> None:
    op.drop_table("provider_health")
    for column in ("state", "provider", "batch_id", "job_id", "key"):
        op.drop_index(op.f(f"ix_generations_{column}"), table_name="generations")
    op.drop_index(op.f("ix_generations_request_digest_state"), table_name="generations")
    op.drop_index(op.f("ix_generations_created_at_id"), table_name="generations")
    op.drop_table("generations")
