"""The first catalogue: assets, packages, artifacts, publications, uploads and idempotency keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "assets",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("source_key", sa.String(), nullable=False),
        sa.Column("original_name", sa.String(), nullable=False),
        sa.Column("facts", DOCUMENT, nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("duration_seconds", sa.Float(53), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assets")),
        sa.UniqueConstraint("sha256", name=op.f("uq_assets_sha256")),
    )
    op.create_index(op.f("ix_assets_created_at_id"), "assets", ["created_at", "id"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("response", DOCUMENT, nullable=True),
        sa.Column("location", sa.String(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("original_name", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("content_type", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index(op.f("ix_uploads_created_at"), "uploads", ["created_at"], unique=False)
    op.create_table(
        "artifacts",
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("details", DOCUMENT, nullable=False),
        sa.Column("job_id", sa.String(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f("fk_artifacts_asset_id_assets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("asset_id", "kind", "key", name=op.f("pk_artifacts")),
    )
    op.create_table(
        "job_assets",
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f("fk_job_assets_asset_id_assets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_job_assets")),
    )
    op.create_index(op.f("ix_job_assets_asset_id"), "job_assets", ["asset_id"], unique=False)
    op.create_table(
        "packages",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("manifest", DOCUMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f("fk_packages_asset_id_assets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_packages")),
    )
    op.create_index(op.f("ix_packages_asset_id"), "packages", ["asset_id"], unique=False)
    op.create_table(
        "publications",
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("recipe", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("manifest", DOCUMENT, nullable=False),
        sa.Column("published_at", MOMENT, nullable=False),
        sa.Column("retracted_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f("fk_publications_asset_id_assets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("asset_id", "version", name=op.f("pk_publications")),
    )
    op.create_index(op.f("ix_publications_job_id"), "publications", ["job_id"], unique=False)
    op.create_index(op.f("ix_publications_published_at"), "publications", ["published_at"], unique=False)
    op.create_table(
        "renditions",
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("average_kbps", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("frame_count", sa.BigInteger(), nullable=False),
        sa.Column("codec", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id", "version"],
            ["publications.asset_id", "publications.version"],
            name=op.f("fk_renditions_asset_id_version_publications"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("asset_id", "version", "name", name=op.f("pk_renditions")),
    )


def downgrade() -> None:
    op.drop_table("renditions")
    op.drop_index(op.f("ix_publications_published_at"), table_name="publications")
    op.drop_index(op.f("ix_publications_job_id"), table_name="publications")
    op.drop_table("publications")
    op.drop_index(op.f("ix_packages_asset_id"), table_name="packages")
    op.drop_table("packages")
    op.drop_index(op.f("ix_job_assets_asset_id"), table_name="job_assets")
    op.drop_table("job_assets")
    op.drop_table("artifacts")
    op.drop_index(op.f("ix_uploads_created_at"), table_name="uploads")
    op.drop_table("uploads")
    op.drop_index(op.f("ix_idempotency_keys_created_at"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index(op.f("ix_assets_created_at_id"), table_name="assets")
    op.drop_table("assets")
