"""Auto-recharge: its settings, each try, and the test gateway's memory."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from data.columns import Instant

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

OPEN = "state IN ('waiting', 'sent')"


def upgrade() -> None:
    """Adds the tables; nothing that was stored changes."""
    op.create_table(
        "auto_recharges",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("threshold_micros", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.String(length=20), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("daily_ceiling_micros", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("stopped_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_auto_recharges_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_auto_recharges")),
    )
    op.create_table(
        "recharges",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.String(length=40), nullable=False),
        sa.Column("posted_micros", sa.BigInteger(), nullable=False),
        sa.Column("threshold_micros", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("counted_on", sa.Date(), nullable=False),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("sent_at", Instant(), nullable=True),
        sa.Column("next_at", Instant(), nullable=True),
        sa.Column("done_at", Instant(), nullable=True),
        sa.Column("told_at", Instant(), nullable=True),
        sa.Column("entry_id", sa.String(length=36), nullable=True),
        sa.Column("payment_id", sa.String(length=255), nullable=True),
        sa.Column("reason", sa.String(length=255), nullable=True),
        sa.CheckConstraint("amount_micros > 0", name=op.f("ck_recharges_amount")),
        sa.CheckConstraint(
            "(state = 'done') = (entry_id IS NOT NULL)", name=op.f("ck_recharges_paid")
        ),
        sa.CheckConstraint(f"({OPEN}) = (next_at IS NOT NULL)", name=op.f("ck_recharges_open")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recharges")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_recharges_entry_id")),
    )
    op.create_index(
        "ix_recharges_open",
        "recharges",
        ["account_id"],
        unique=True,
        sqlite_where=sa.text(OPEN),
        postgresql_where=sa.text(OPEN),
    )
    for column in ("asked_at", "counted_on"):
        op.create_index(
            op.f(f"ix_recharges_account_id_{column}"),
            "recharges",
            ["account_id", column],
            unique=False,
        )
    op.create_table(
        "test_gateway_charges",
        sa.Column("reference", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("payment_id", sa.String(length=255), nullable=True),
        sa.Column("reason", sa.String(length=255), nullable=True),
        sa.Column("charged_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("reference", name=op.f("pk_test_gateway_charges")),
    )


def downgrade() -> None:
    """Not offered: a ledger is never taken back."""
    raise NotImplementedError
