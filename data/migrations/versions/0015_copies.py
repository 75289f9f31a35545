"""Copies of what is published, at publish targets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "copies",
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("target", DOCUMENT, nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("file_count", sa.Integer(), nullable=False),
        sa.Column("work_key", sa.String(), nullable=True),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("asset_id", "url", "prefix", name=op.f("pk_copies")),
    )
    op.create_index(op.f("ix_copies_due_at"), "copies", ["due_at"], unique=False)
    op.create_index(op.f("ix_copies_job_id"), "copies", ["job_id"], unique=False)
    op.create_index(op.f("ix_copies_state_changed_at"), "copies", ["state", "changed_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_copies_state_changed_at"), table_name="copies")
    op.drop_index(op.f("ix_copies_job_id"), table_name="copies")
    op.drop_index(op.f("ix_copies_due_at"), table_name="copies")
    op.drop_table("copies")
