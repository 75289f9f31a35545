"""Votes for what is published, and uploads in parts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "votes",
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("voter", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_votes_asset_id_assets"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("asset_id", "voter", name=op.f("pk_votes")),
    )
    op.create_index(op.f("ix_votes_asset_id_created_at"), "votes", ["asset_id", "created_at"], unique=False)
    op.add_column("uploads", sa.Column("parts_id", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("uploads", "parts_id")
    op.drop_index(op.f("ix_votes_asset_id_created_at"), table_name="votes")
    op.drop_table("votes")
