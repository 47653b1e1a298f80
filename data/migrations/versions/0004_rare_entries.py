"""An index of the wallet entries that are no charges: few, and asked for by themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the index; nothing that was stored changes."""
    rare = sa.text("kind <> 'charge'")
    op.create_index(
        "ix_wallet_entries_rare", "wallet_entries", ["account_id", "seq"], unique=False,
        sqlite_where=rare, postgresql_where=rare,
    )  # fmt: skip


def downgrade() -> None:
    """Not offered: a ledger is never taken back."""
    raise NotImplementedError
