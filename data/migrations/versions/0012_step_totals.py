"""Step costs are pruned: what those that are gone came to stays, so that the metrics go on counting."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "step_totals",
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("machine_seconds", sa.Float(53), nullable=False),
        sa.Column("media_seconds", sa.Float(53), nullable=False),
        sa.Column("bytes_in", sa.BigInteger(), nullable=False),
        sa.Column("bytes_out", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("step", name=op.f("pk_step_totals")),
    )


def downgrade() -> None:
    op.drop_table("step_totals")
