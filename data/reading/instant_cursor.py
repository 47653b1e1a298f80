"""Places in a list that is newest first by an instant and then by id, as opaque cursors.

Must not know what is listed.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime

from sqlalchemy import Column, ColumnElement, tuple_

from billing.errors import InputError
from billing.limits import limit
from data.columns import from_micros, to_micros

LONGEST_CURSOR = 120
_LONGEST_ID = 36
_LARGEST_MICROS = 2**62 // 100  # an instant that a datetime still holds
Place = tuple[datetime, str]


def older_than(place: Place, at: Column[datetime], row_id: Column[str]) -> ColumnElement[bool]:
    """Whether a row comes after a place in the list."""
    return tuple_(at, row_id) < place


def write_cursor(place: Place) -> str:
    """A place as callers get it."""
    packed = json.dumps([to_micros(place[0]), place[1]], separators=(",", ":"))
    return base64.urlsafe_b64encode(packed.encode("ascii")).decode("ascii").rstrip("=")


def read_cursor(cursor: str) -> Place:
    """The place of a cursor; ``InputError`` for one that isn't one."""
    try:
        if len(cursor) > LONGEST_CURSOR or not cursor.isascii():
            raise ValueError
        padded = cursor + "=" * (-len(cursor) % 4)
        micros, row_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if type(micros) is not int or not 0 <= micros <= _LARGEST_MICROS:
            raise ValueError
        if not isinstance(row_id, str) or len(row_id) > _LONGEST_ID or not row_id.isascii():
            raise ValueError
        if not row_id.isprintable():  # a database takes no zero byte
            raise ValueError
        return from_micros(micros), row_id
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError):
        fix = "leave it out to start again from the first page"
        raise InputError("cursor", cursor, fix) from None


def check_limit(most: int) -> int:
    """How many rows a page has; ``InputError`` outside 1 to 1,000."""
    if not 1 <= most <= limit("page"):
        raise InputError("limit", most, f"use a number from 1 to {limit('page'):,}")
    return most
