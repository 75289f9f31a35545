"""Which analysis a job came to, and whose job it was: the same video of two people is one asset."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Of an asset that has several owners nobody can tell whose an old analysis is: administrators see it, and whoever asks
# for the same again finds it at no cost. A job that was retried after its source had changed looked at two assets.
_KNOWN = """
INSERT INTO analysis_jobs (job_id, asset_id, key, owner, created_at)
SELECT a.job_id, MIN(a.asset_id), MIN(a.key), MIN(o.owner), MIN(a.created_at)
FROM artifacts AS a JOIN asset_owners AS o ON o.asset_id = a.asset_id
WHERE a.kind = 'analysis' AND a.job_id IS NOT NULL
GROUP BY a.job_id
HAVING COUNT(DISTINCT o.owner) = 1 AND COUNT(DISTINCT a.asset_id) = 1 AND COUNT(DISTINCT a.key) = 1
"""


def upgrade() -> None:
    op.create_table(
        "analysis_jobs",
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f("fk_analysis_jobs_asset_id_assets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_analysis_jobs")),
    )
    op.create_index(op.f("ix_analysis_jobs_asset_id_owner"), "analysis_jobs", ["asset_id", "owner"], unique=False)
    op.execute(_KNOWN)


def downgrade() -> None:
    op.drop_index(op.f("ix_analysis_jobs_asset_id_owner"), table_name="analysis_jobs")
    op.drop_table("analysis_jobs")
