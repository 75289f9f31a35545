"""The audit: a chain of entries that the database itself refuses to change; how often steps find work done."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

GENESIS = "0" * 64
MOMENT = sa.DateTime(timezone=True)
TEXTS = ("user", "key", "address", "scope", "method", "route", "resource")
MORE_TEXTS = ("job", "from_state", "to_state", "reason")

# What is in the archive may go: `pruned` is the number of the last such entry.
POSTGRES = (
    """
    CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF OLD.sequence <= (SELECT pruned FROM audit_head WHERE id = 1) THEN
                RETURN OLD;
            END IF;
        END IF;
        RAISE EXCEPTION 'the audit is append-only';
    END $$
    """,
    """
    CREATE TRIGGER audit_keeps_rows BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()
    """,
    """
    CREATE TRIGGER audit_keeps_all BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()
    """,
)
SQLITE = (
    """
    CREATE TRIGGER audit_keeps_content BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
    """,
    """
    CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit
    WHEN OLD.sequence > (SELECT pruned FROM audit_head WHERE id = 1)
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
    """,
)


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        *(sa.Column(name, sa.String(), nullable=True) for name in TEXTS),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("trace_id", sa.String(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        *(sa.Column(name, sa.String(), nullable=True) for name in MORE_TEXTS),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_id")),
    )
    op.create_index(op.f("ix_audit_at"), "audit", ["at"], unique=False)
    for columns in (["user", "sequence"], ["job", "sequence"], ["resource", "sequence"], ["kind", "at"]):
        op.create_index(op.f(f"ix_audit_{'_'.join(columns)}"), "audit", columns, unique=False)
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("pruned", sa.BigInteger(), nullable=False),
        sa.Column("pruned_hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.bulk_insert(head, [{"id": 1, "sequence": 0, "hash": GENESIS, "pruned": 0, "pruned_hash": GENESIS}])
    op.create_table(
        "step_hits",
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("step", name=op.f("pk_step_hits")),
    )
    for statement in POSTGRES if op.get_bind().dialect.name == "postgresql" else SQLITE:
        op.execute(sa.text(statement))


def downgrade() -> None:
    op.drop_table("step_hits")
    op.drop_table("audit")
    op.drop_table("audit_head")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.text("DROP FUNCTION audit_is_append_only"))
