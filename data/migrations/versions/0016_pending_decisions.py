"""Decisions about what is public that the store may know of and the catalogue does not yet."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pending_decisions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_decisions")),
    )
    op.create_index(op.f("ix_pending_decisions_begun_at"), "pending_decisions", ["begun_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_pending_decisions_begun_at"), table_name="pending_decisions")
    op.drop_table("pending_decisions")
