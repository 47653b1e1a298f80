"""The audit log: who changed what and when, append-only and kept for ever.

Because nothing in it can be erased, it holds ids, never an e-mail, a name or a network address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, insert

from billing.errors import InputError
from data import tables as t

LONGEST_ACTION = 64
LONGEST_DETAIL = 10_000
COMMAND = "command"
AUTO_RECHARGE = "auto-recharge"


def person_actor(person_id: str) -> str:
    """How a person is named in the log."""
    return f"person:{person_id}"


def key_actor(key_id: str) -> str:
    """How an API key is named in the log."""
    return f"key:{key_id}"


def record(
    connection: Connection,
    at: datetime,
    actor: str,
    account_id: str | None,
    action: str,
    detail: Mapping[str, object],
) -> None:
    """Appends one entry in the transaction of the change it tells of.

    ``actor``: ``person_actor``, ``key_actor``, ``COMMAND`` or ``AUTO_RECHARGE``. ``account_id``:
    none when no single account is concerned; then only support and admin see the entry.
    Errors: ``InputError`` for an actor with an @, or a detail that is too long or not JSON.
    """
    if "@" in actor:
        raise InputError("actor", "…@…", "name people by their id: the log can't be erased")
    if not 1 <= len(action) <= LONGEST_ACTION:
        raise InputError("action", action, f"use 1 to {LONGEST_ACTION} characters")
    try:
        text = json.dumps(dict(detail), ensure_ascii=False, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        raise InputError("detail", sorted(detail), "use plain JSON values") from None
    if len(text) > LONGEST_DETAIL:
        raise InputError("detail", text, f"use at most {LONGEST_DETAIL} characters")
    connection.execute(
        insert(t.audit).values(
            at=at, actor=actor, account_id=account_id, action=action, detail=text
        )
    )
