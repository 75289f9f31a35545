"""Generations are looked up by what they made: each publication asks whether its source is one."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_generations_result_sha256", "generations", ["result_sha256"])


def downgrade() -> None:
    op.drop_index("ix_generations_result_sha256", "generations")
