"""Whether an import fills an account: until it is done nothing is paused, told or topped up."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, exists, or_, select

from data import tables as t

_IS_IMPORTING = select(
    exists().where(
        or_(t.imports.c.account_id == bindparam("account"), t.imports.c.account_id == "*"),
        t.imports.c.status == "running",
    )
)


def is_importing(connection: Connection, account_id: str) -> bool:
    """Whether an import into the account, or into all, is running (RULES: booking date)."""
    return bool(connection.scalar(_IS_IMPORTING, {"account": account_id}))
