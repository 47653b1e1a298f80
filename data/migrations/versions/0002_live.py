"""Receipts that move a line's status, kinds of messages, movements of money by hand."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from data.columns import Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds columns and tables; nothing that was stored changes."""
    op.add_column("usage_lines", sa.Column("kind", sa.String(length=20), nullable=True))
    op.add_column("wallet_entries", sa.Column("actor", sa.String(length=255), nullable=True))
    op.drop_table("receipts")  # nothing has written to it yet
    op.create_table(
        "receipts",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("line_id", sa.String(length=36), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("previous_status", sa.String(length=20), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("occurred_at", Instant(), nullable=False),
        sa.Column("stored_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_receipts"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_receipts_account_id_line_id", "receipts", ["account_id", "line_id"], unique=False
    )
    op.create_table(
        "pending_receipts",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("ref_source", sa.String(length=255), nullable=False),
        sa.Column("ref_id", sa.String(length=255), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("occurred_at", Instant(), nullable=False),
        sa.Column("stored_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint(
            "account_id", "ref_source", "ref_id", "event_id", name="pk_pending_receipts"
        ),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("route", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "route", "key", name="pk_idempotency_keys"),
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("asked_by", sa.String(length=255), nullable=False),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("decision", sa.String(length=20), nullable=True),
        sa.Column("decided_by", sa.String(length=255), nullable=True),
        sa.Column("decided_at", Instant(), nullable=True),
        sa.Column("entry_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
    )
    op.create_index(
        "ix_approvals_account_id_asked_at", "approvals", ["account_id", "asked_at"], unique=False
    )


def downgrade() -> None:
    """Not offered: a ledger is never taken back."""
    raise NotImplementedError
