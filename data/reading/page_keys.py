"""The opaque cursor of a page: where it begins, in which order, which way it reads."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from billing.errors import InputError
from billing.queries import TransactionSort
from data.columns import to_micros

VERSION = 1
LONGEST_CURSOR = 250
LARGEST_KEY = 2**62
FIRST_MICROS = to_micros(datetime.min.replace(tzinfo=UTC))
LAST_MICROS = to_micros(datetime.max.replace(tzinfo=UTC))
_SORTS = {"n": TransactionSort.NEWEST, "o": TransactionSort.OLDEST, "c": TransactionSort.COST}
_LETTERS = {sort: letter for letter, sort in _SORTS.items()}
_KEY_LENGTHS = {TransactionSort.NEWEST: 3, TransactionSort.OLDEST: 3, TransactionSort.COST: 2}

# Sort values of a line, ascending in page order. By time: day number, microseconds, seq (negative
# for newest first). By cost: minus the cost in micros, seq.
Key = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PageCursor:
    """Continue after ``key`` in page order, or before it when ``is_backward``."""

    sort: TransactionSort
    is_backward: bool
    key: Key

    def encode(self) -> str:
        """The cursor as people pass it on: short, safe in an address."""
        values = [VERSION, _LETTERS[self.sort], int(self.is_backward), *self.key]
        text = json.dumps(values, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii").rstrip("=")


def decode_cursor(text: str, sort: TransactionSort) -> PageCursor:
    """The cursor a page gave out for the same sort; ``InputError`` for anything else."""
    values = _values(text)
    if len(values) < 3 or values[0] != VERSION or _SORTS.get(str(values[1])) is not sort:
        raise _refused(text)
    is_backward, key = values[2], tuple(values[3:])
    if type(is_backward) is not int or is_backward not in (0, 1):
        raise _refused(text)
    if len(key) != _KEY_LENGTHS[sort]:
        raise _refused(text)
    if any(type(value) is not int or abs(value) > LARGEST_KEY for value in key):
        raise _refused(text)
    sign = -1 if sort is TransactionSort.NEWEST else 1
    if sort is not TransactionSort.COST and not _is_time(key[0] * sign, key[1] * sign):
        raise _refused(text)
    return PageCursor(sort, bool(is_backward), key)


def _values(text: str) -> list[Any]:
    if len(text) > LONGEST_CURSOR or not text.isascii():
        raise _refused(text)
    try:
        padded = text + "=" * (-len(text) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise _refused(text) from None
    if not isinstance(values, list):
        raise _refused(text)
    return values


def _is_time(day: int, micros: int) -> bool:
    is_day = 1 <= day <= date.max.toordinal()
    return is_day and FIRST_MICROS <= micros <= LAST_MICROS


def _refused(text: str) -> InputError:
    return InputError("cursor", text, "leave it out to start again from the first page")
