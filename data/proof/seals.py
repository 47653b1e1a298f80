"""Seals: a chained hash over each batch of usage lines, and a digest of every line in it.

A line's digest is taken over a text that any tool can make again: the JSON array (ASCII, no
spaces) of ``SEALED_COLUMNS`` in this order, with instants as microseconds, days as YYYY-MM-DD,
booleans as 0 or 1, and nulls at the end left out. So a column added later changes no digest of
lines that lack it: add its name at the end, never elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Date,
    Integer,
    String,
    cast,
    insert,
    select,
    type_coerce,
)

from data.columns import Instant, to_micros
from data.database import Database, take_turn
from data.tables import seals, usage_lines

DIGEST_BYTES = 8
NO_HASH = "0" * 64
SEALED_COLUMNS = (
    "seq", "id", "account_id", "event_id", "source", "metric", "service", "direction", "agent",
    "status", "reason", "campaign_id", "consumer_id", "occurred_at", "received_at", "stored_at",
    "booked_on", "cap_on", "base_units", "pulses", "talk_seconds", "rate_id",
    "connect_fee_micros", "cost_micros", "currency", "hold_id", "reverses_line_id",
    "corrects_period", "is_sandbox", "import_id", "flags", "kind",
)  # fmt: skip

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode


def raw(column: Column[Any]) -> ColumnElement[Any]:
    """A column as a plain integer or text on every database: what seals and batches are made of."""
    if isinstance(column.type, Instant):
        return type_coerce(column, BigInteger)
    if isinstance(column.type, Date):
        return cast(column, String(10)).label(column.name)
    if isinstance(column.type, Boolean):
        return cast(column, Integer).label(column.name)
    return column


def sealed_columns() -> list[ColumnElement[Any]]:
    """The columns of a line as they are sealed, ``seq`` first. Readers add its place."""
    return [raw(usage_lines.c[name]) for name in SEALED_COLUMNS]


def row_digest(values: Sequence[Any]) -> bytes:
    """The digest of one line given by ``sealed_columns`` and its place: 8 bytes."""
    end = len(SEALED_COLUMNS)
    while end and values[end - 1] is None:
        end -= 1
    text = _encode(list(values[:end]))
    return hashlib.blake2b(text.encode("ascii"), digest_size=DIGEST_BYTES).digest()


def seal_hash(
    previous_hash: str, first_seq: int, last_seq: int, row_digests: bytes, sealed_micros: int
) -> str:
    """The hash of one seal, chained to the one before: 64 hexadecimal digits."""
    count = len(row_digests) // DIGEST_BYTES
    head = f"{previous_hash}:{first_seq}:{last_seq}:{count}:{sealed_micros}:"
    return hashlib.blake2b(head.encode("ascii") + row_digests, digest_size=32).hexdigest()


def sealed_to(connection: Connection) -> int:
    """The place of the last sealed line, 0 for none."""
    last = select(seals.c.last_seq).order_by(seals.c.seq.desc()).limit(1)
    return int(connection.scalar(last) or 0)


def seal(database: Database, rows: Sequence[Sequence[Any]], at: datetime) -> None:
    """Seals lines that aren't yet, given by ``sealed_columns`` and their place, in ledger order.

    Sealing the same lines again, also by another process at once, does nothing: the last seal
    is read inside the writing transaction.
    """
    digests = [row_digest(row) for row in rows]
    with database.write() as connection:
        take_turn(connection, "seals")
        last = connection.execute(
            select(seals.c.last_seq, seals.c.hash).order_by(seals.c.seq.desc()).limit(1)
        ).first()
        done = last.last_seq if last else 0
        start = next((i for i, row in enumerate(rows) if row[-1] > done), len(rows))
        if start == len(rows):
            return
        first_seq, last_seq = rows[start][-1], rows[-1][-1]
        previous_hash = last.hash if last else NO_HASH
        joined = b"".join(digests[start:])
        connection.execute(
            insert(seals).values(
                first_seq=first_seq,
                last_seq=last_seq,
                row_count=len(rows) - start,
                row_digests=joined,
                hash=seal_hash(previous_hash, first_seq, last_seq, joined, to_micros(at)),
                previous_hash=previous_hash,
                sealed_at=at,
            )
        )
