"""Who is told of a batch, and the trace that an event belongs to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.add_column("webhook_events", sa.Column("traceparent", sa.String(), nullable=True))
    op.add_column("batches", sa.Column("webhooks", DOCUMENT, server_default="[]", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("batches") as batch:
        batch.drop_column("webhooks")
    with op.batch_alter_table("webhook_events") as batch:
        batch.drop_column("traceparent")
