"""Calls that move money happen once: the first answer to a key is kept and given again.

A key belongs to one account and one route, for ever. Its answer is written in the transaction of
the movement, so there is never one without the other; a refusal moves nothing and keeps nothing.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from billing.errors import InputError, ProductError
from billing.limits import limit
from data import tables as t

HEADER = "Idempotency-Key"


class MismatchError(ProductError):
    """The key was used for another request."""

    code = "idempotency_mismatch"


class InProgressError(ProductError):
    """The same key is being worked on at this moment."""

    code = "in_progress"
    retry_after_seconds = 1


@dataclass(frozen=True, slots=True)
class CallKey:
    """One call by its key. ``request_hash``: equal for equal requests."""

    account_id: str
    route: str
    key: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The first answer to a key."""

    status_code: int
    answer: str


def call_key(
    account_id: str, route: str, key: str | None, request: Mapping[str, object]
) -> CallKey:
    """A call's key, checked; ``InputError`` for one that is missing, too long or unprintable."""
    if not key or len(key) > limit("name") or not key.isprintable():
        raise InputError(
            HEADER, key or "", f"send this header: 1 to {limit('name')} printable characters that "
            "no other call has used", code="invalid",
        )  # fmt: skip
    text = json.dumps(dict(request), sort_keys=True, separators=(",", ":"))
    return CallKey(account_id, route, key, hashlib.sha256(text.encode()).hexdigest())


def first_answer(connection: Connection, call: CallKey) -> Kept | None:
    """What this key was answered before, if it was; ``MismatchError`` for another request."""
    columns = t.idempotency_keys.c
    row = connection.execute(
        select(columns.request_hash, columns.status_code, columns.answer).where(
            columns.account_id == call.account_id,
            columns.route == call.route,
            columns.key == call.key,
        )
    ).first()
    if row is None:
        return None
    if row.request_hash != call.request_hash:
        raise MismatchError(
            f"This {HEADER} was used for another request: use a new key for a new movement."
        )
    return Kept(row.status_code, row.answer)


def keep_answer(connection: Connection, call: CallKey, kept: Kept, at: datetime) -> None:
    """Keeps the first answer, in the transaction of what it tells of."""
    connection.execute(
        insert(t.idempotency_keys).values(
            account_id=call.account_id, route=call.route, key=call.key,
            request_hash=call.request_hash, status_code=kept.status_code, answer=kept.answer,
            created_at=at,
        )
    )  # fmt: skip


class InFlight:
    """The calls this process is working on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: set[tuple[str, str, str]] = set()

    @contextmanager
    def hold(self, call: CallKey) -> Iterator[None]:
        """Keeps the key to itself meanwhile; ``InProgressError`` when somebody has it."""
        name = (call.account_id, call.route, call.key)
        with self._lock:
            if name in self._calls:
                raise InProgressError(
                    f"A call with this {HEADER} is being worked on: send it again in a second."
                )
            self._calls.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._calls.discard(name)
