"""Which accounts a transaction changes: said where the change is made, asked after the commit."""

from __future__ import annotations

from sqlalchemy import Connection

_KEY = "changed_accounts"
_REWRITTEN = "rewritten_books"


def begin_changes(connection: Connection) -> None:
    """Forgets what an earlier transaction on the same connection changed."""
    connection.info[_KEY] = set()
    connection.info[_REWRITTEN] = set()


def mark_changed(connection: Connection, account_id: str) -> None:
    """Says that the account's money or usage changes; too often does no harm."""
    connection.info.setdefault(_KEY, set()).add(account_id)


def changed_accounts(connection: Connection) -> frozenset[str]:
    """The accounts that were said to change since ``begin_changes``."""
    return frozenset(connection.info.get(_KEY, ()))


def mark_rewritten(connection: Connection, account_id: str) -> None:
    """Says that what is set for the account is replaced, under a version of its own.

    Until that is committed nobody may remember it: undone, the version comes again for another.
    """
    connection.info.setdefault(_REWRITTEN, set()).add(account_id)


def is_rewritten(connection: Connection, account_id: str) -> bool:
    """Whether what is set for the account was replaced since ``begin_changes``."""
    return account_id in connection.info.get(_REWRITTEN, ())
