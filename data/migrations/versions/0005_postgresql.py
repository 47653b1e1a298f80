"""On PostgreSQL: rows numbered by the transaction that wrote them. Nothing on SQLite."""

from __future__ import annotations

from alembic import op

from data.postgres import number_transactions

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column where it is needed; nothing that was stored changes."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        number_transactions(connection)


def downgrade() -> None:
    """Not offered: a ledger is never taken back."""
    raise NotImplementedError
