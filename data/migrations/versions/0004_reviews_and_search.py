"""Candidates that wait for a person's decision, and the passages that the search finds."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "candidates",
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("manifest", DOCUMENT, nullable=False),
        sa.Column("content_key", sa.String(), nullable=False),
        sa.Column("work_key", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decision", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f("fk_candidates_asset_id_assets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("asset_id", "job_id", name=op.f("pk_candidates")),
    )
    op.create_index(op.f("ix_candidates_state_created_at"), "candidates", ["state", "created_at"], unique=False)
    op.create_table(
        "passages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("start_seconds", sa.Float(precision=53), nullable=False),
        sa.Column("end_seconds", sa.Float(precision=53), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("folded", sa.String(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f("fk_passages_asset_id_assets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passages")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_passages_asset_id_prefix"), "passages", ["asset_id", "prefix"], unique=False)
    op.create_index(op.f("ix_passages_is_public_id"), "passages", ["is_public", "id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_passages_is_public_id"), table_name="passages")
    op.drop_index(op.f("ix_passages_asset_id_prefix"), table_name="passages")
    op.drop_table("passages")
    op.drop_index(op.f("ix_candidates_state_created_at"), table_name="candidates")
    op.drop_table("candidates")
