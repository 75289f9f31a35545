"""Batches: their items, what sources were when last read, what was published with which recipe, and what steps took."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("manifest_uri", sa.String(), nullable=False),
        sa.Column("manifest_key", sa.String(), nullable=True),
        sa.Column("manifest_sha256", sa.String(), nullable=True),
        sa.Column("options", DOCUMENT, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("wish", sa.String(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("plan", DOCUMENT, nullable=True),
        sa.Column("feed_run_id", sa.String(), nullable=True),
        sa.Column("retry_of", sa.String(), nullable=True),
        sa.Column("retry_filter", DOCUMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("spent", sa.Float(precision=53), nullable=False),
        sa.Column("outputs", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    op.create_index(op.f("ix_batches_created_at_id"), "batches", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_batches_state"), "batches", ["state"], unique=False)
    op.create_table(
        "step_costs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("asset_id", sa.String(), nullable=True),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("media_seconds", sa.Float(precision=53), nullable=False),
        sa.Column("megapixels", sa.Float(precision=53), nullable=False),
        sa.Column("machine_seconds", sa.Float(precision=53), nullable=False),
        sa.Column("bytes_in", sa.BigInteger(), nullable=False),
        sa.Column("bytes_out", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_step_costs")),
    )
    op.create_index(op.f("ix_step_costs_recorded_at"), "step_costs", ["recorded_at"], unique=False)
    op.create_index(
        op.f("ix_step_costs_step_variant_recorded_at"), "step_costs", ["step", "variant", "recorded_at"], unique=False
    )
    op.create_table(
        "batch_items",
        sa.Column("batch_id", sa.String(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("custom_id", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("prompt", sa.String(), nullable=False),
        sa.Column("script", sa.String(), nullable=False),
        sa.Column("recipe", sa.String(), nullable=False),
        sa.Column("overrides", DOCUMENT, nullable=False),
        sa.Column("wish_key", sa.String(), nullable=False),
        sa.Column("priority", sa.String(), nullable=False),
        sa.Column("not_before", MOMENT, nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("metadata", DOCUMENT, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("rank", sa.Float(precision=53), nullable=False),
        sa.Column("estimated_seconds", sa.Float(precision=53), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("run_key", sa.String(), nullable=True),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("step", sa.String(), nullable=True),
        sa.Column("failure_class", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("asset_id", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("cost", sa.Float(precision=53), nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("fk_batch_items_batch_id_batches"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("batch_id", "row", name=op.f("pk_batch_items")),
        sa.UniqueConstraint("batch_id", "custom_id", name=op.f("uq_batch_items_batch_id_custom_id")),
    )
    op.create_index(
        op.f("ix_batch_items_batch_id_state_rank"), "batch_items", ["batch_id", "state", "rank"], unique=False
    )
    op.create_index(op.f("ix_batch_items_run_key"), "batch_items", ["run_key"], unique=False)
    op.create_table(
        "batch_moves",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("batch_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("moved_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("fk_batch_moves_batch_id_batches"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch_moves")),
    )
    op.create_index(op.f("ix_batch_moves_batch_id"), "batch_moves", ["batch_id"], unique=False)
    op.create_table(
        "fulfilments",
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("work_key", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f("fk_fulfilments_asset_id_assets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("asset_id", "work_key", name=op.f("pk_fulfilments")),
    )
    op.create_table(
        "source_versions",
        sa.Column("uri_sha256", sa.String(), nullable=False),
        sa.Column("uri", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f("fk_source_versions_asset_id_assets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("uri_sha256", name=op.f("pk_source_versions")),
    )
    op.create_index(op.f("ix_source_versions_asset_id"), "source_versions", ["asset_id"], unique=False)
    op.create_table(
        "watched_files",
        sa.Column("path_sha256", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("modified_ns", sa.BigInteger(), nullable=False),
        sa.Column("steady_since", MOMENT, nullable=False),
        sa.Column("batch_id", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("path_sha256", name=op.f("pk_watched_files")),
    )
    op.create_index(op.f("ix_watched_files_folder"), "watched_files", ["folder"], unique=False)


def downgrade() -> None:
    op.drop_table("watched_files")
    op.drop_index(op.f("ix_source_versions_asset_id"), table_name="source_versions")
    op.drop_table("source_versions")
    op.drop_table("fulfilments")
    op.drop_index(op.f("ix_batch_moves_batch_id"), table_name="batch_moves")
    op.drop_table("batch_moves")
    op.drop_index(op.f("ix_batch_items_run_key"), table_name="batch_items")
    op.drop_index(op.f("ix_batch_items_batch_id_state_rank"), table_name="batch_items")
    op.drop_table("batch_items")
    op.drop_index(op.f("ix_step_costs_step_variant_recorded_at"), table_name="step_costs")
    op.drop_index(op.f("ix_step_costs_recorded_at"), table_name="step_costs")
    op.drop_table("step_costs")
    op.drop_index(op.f("ix_batches_state"), table_name="batches")
    op.drop_index(op.f("ix_batches_created_at_id"), table_name="batches")
    op.drop_table("batches")
