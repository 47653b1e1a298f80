"""Which accounts a transaction changes: said where the change is made, asked after the commit."""

from __future__ import annotations

from sqlalchemy import Connection

_KEY = "changed_accounts"


def begin_changes(connection: Connection) -> None:
    """Forgets what an earlier transaction on the same connection changed."""
    connection.info[_KEY] = set()


def mark_changed(connection: Connection, account_id: str) -> None:
    """Says that the account's money or usage changes; too often does no harm."""
    connection.info.setdefault(_KEY, set()).add(account_id)


def changed_accounts(connection: Connection) -> frozenset[str]:
    """The accounts that were said to change since ``begin_changes``."""
    return frozenset(connection.info.get(_KEY, ()))
