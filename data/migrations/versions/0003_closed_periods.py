"""What was in the ledger when a period was closed, so that nothing can slip into it unseen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from data.columns import Instant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes ``statements`` anew with two columns more."""
    op.drop_table("statements")  # nothing has written to it yet
    op.create_table(
        "statements",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("opening_micros", sa.BigInteger(), nullable=False),
        sa.Column("charges_micros", sa.BigInteger(), nullable=False),
        sa.Column("closing_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("closed_at", Instant(), nullable=False),
        sa.Column("last_entry_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_line_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "period_start", name="pk_statements"),
    )


def downgrade() -> None:
    """Not offered: a ledger is never taken back."""
    raise NotImplementedError
