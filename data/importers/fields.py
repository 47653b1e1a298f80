"""The fields each kind of event has, and how one cell of a log becomes one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import phonenumbers

from billing.errors import InputError
from billing.rating import LONGEST_CALL_SECONDS, MOST_SEGMENTS
from billing.segments import count_segments
from data.importers.errors import PrivateInputError

LONGEST_LABEL = 255
LONGEST_STATUS = 20
LONGEST_NUMBER = 15  # digits, by E.164
SHORTEST_WHOLE = 7  # digits of a number that isn't an extension or a short code
MOST_DIGITS = 9
LONGEST_SHOWN_NUMBER = 12
_TRUE, _FALSE = ("true", "yes", "1", "t", "y"), ("false", "no", "0", "f", "n", "")


@dataclass(frozen=True, slots=True)
class FieldKind:
    """What a field holds. ``choices``: all it may be; none: any value that ``read`` takes."""

    read: Callable[[str, str], Any]
    choices: tuple[str, ...] = ()
    is_text_only: bool = False


def read_seconds(cell: str, column: str) -> int:
    """Whole seconds of at most a day; anything else is refused: NaN, signs, fractions."""
    if cell.isascii() and cell.isdigit() and len(cell) <= MOST_DIGITS:
        seconds = int(cell)
        if seconds <= LONGEST_CALL_SECONDS:
            return seconds
    raise _not_a_number(cell, column, f"use whole seconds from 0 to {LONGEST_CALL_SECONDS:,}")


def read_count(cell: str, column: str) -> int:
    """A number of segments."""
    if cell.isascii() and cell.isdigit() and len(cell) <= MOST_DIGITS:
        count = int(cell)
        if 1 <= count <= MOST_SEGMENTS:
            return count
    raise _not_a_number(cell, column, f"use a number from 1 to {MOST_SEGMENTS:,}")


def read_flag(cell: str, column: str) -> bool:
    """Yes or no."""
    word = cell.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise PrivateInputError(column, f"use one of {', '.join((*_TRUE, *_FALSE[:-1]))}")


def read_label(cell: str, column: str) -> str:
    """An id or a reason: 1 to 255 printable characters."""
    if len(cell) > LONGEST_LABEL or not cell.isprintable():
        raise PrivateInputError(column, f"use 1 to {LONGEST_LABEL} printable characters")
    return cell


def read_status(cell: str, column: str) -> str:
    """A status word, in lower case."""
    if len(cell) > LONGEST_STATUS or not cell.isprintable():
        raise PrivateInputError(column, f"use 1 to {LONGEST_STATUS} printable characters")
    return cell.lower()


def read_text_segments(cell: str, column: str) -> int:
    """Segments of a message; the text itself goes no further."""
    segments = count_segments(cell)
    if segments > MOST_SEGMENTS:
        raise PrivateInputError(column, f"use a text of at most {MOST_SEGMENTS:,} segments")
    return segments


def read_number(
    cell: str, column: str, region: str | None = None, has_country_code: bool = False
) -> str:
    """A telephone number in digits with its country code, without the sign.

    ``region``: the country of numbers without a sign; ``has_country_code``: they begin with one.
    """
    if has_country_code and len(cell) >= SHORTEST_WHOLE and cell.isascii() and cell.isdigit():
        cell = f"+{cell}"
    digits = cell[1:]
    if cell.startswith("+") and digits.isascii() and digits.isdigit():
        if 1 <= len(digits) <= LONGEST_NUMBER and digits[0] != "0":
            return digits
    else:
        found = _parsed_number(cell, region)
        if found:
            return found
        if len(cell) < SHORTEST_WHOLE and cell.lstrip("*#").isalnum():
            raise PrivateInputError(
                column, "this is an extension or a short number, which has no country code: "
                "leave the row out",
            )  # fmt: skip
    raise PrivateInputError(column, "use a number with country code, such as +14155550100")


@lru_cache(maxsize=4096)
def _parsed_number(cell: str, region: str | None) -> str | None:
    try:
        parsed = phonenumbers.parse(cell, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)[1:]


def _not_a_number(cell: str, column: str, fix: str) -> InputError:
    """A wrong number may be shown while it is too short to be a text or a telephone number."""
    if len(cell) <= LONGEST_SHOWN_NUMBER and not (cell.isdigit() and len(cell) >= MOST_DIGITS):
        return InputError(column, cell, fix)
    return PrivateInputError(column, fix)


_LABEL = FieldKind(read_label)
_STATUS = FieldKind(read_status)
_FLAG = FieldKind(read_flag)
_SHARED = {
    "campaign": _LABEL,
    "consumer": _LABEL,
    "to": FieldKind(read_number, is_text_only=True),
    "sandbox": _FLAG,
}
_DIRECTION = FieldKind(read_label, ("outbound", "inbound"))

EVENT_FIELDS: dict[str, dict[str, FieldKind]] = {
    "call": {
        "direction": _DIRECTION,
        "agent": FieldKind(read_label, ("ai", "human")),
        "premium": _FLAG,
        "duration": FieldKind(read_seconds, is_text_only=True),
        "outcome": _LABEL,
        **_SHARED,
    },
    "sms": {
        "direction": _DIRECTION,
        "kind": FieldKind(read_label, ("campaign", "transactional", "ai_reply")),
        "segments": FieldKind(read_count, is_text_only=True),
        "text": FieldKind(read_text_segments, is_text_only=True),
        "status": _STATUS,
        **_SHARED,
    },
    "whatsapp": {
        "category": FieldKind(read_label, ("marketing", "utility", "authentication", "service")),
        "unit": FieldKind(read_label, ("conversation", "message")),
        "status": _STATUS,
        **_SHARED,
    },
    "voicemail": {
        "kind": FieldKind(read_label, ("drop", "ringless")),
        "status": _STATUS,
        **_SHARED,
    },
    "usage-line": {},
}
# Of each tuple a map must give at least one.
REQUIRED_ONE_OF: dict[str, tuple[tuple[str, ...], ...]] = {
    "call": (("direction",), ("agent",), ("duration",)),
    "sms": (("direction",), ("segments", "text")),
    "whatsapp": (("category",), ("unit",)),
    "voicemail": (("kind",),),
    "usage-line": (),
}


def check_constant(event_type: str, name: str, value: str | bool) -> Any:
    """The value of a constant as its field holds it; ``InputError`` when it can't be one."""
    kind = EVENT_FIELDS[event_type][name]
    if isinstance(value, bool):
        if kind is _FLAG:
            return value
        raise InputError(name, value, "use a text in quotes")
    if kind.is_text_only:
        raise InputError(name, value, "name the column it comes from under [fields]")
    if kind.choices and value not in kind.choices:
        raise InputError(name, value, f"use one of {', '.join(kind.choices)}")
    return kind.read(value, name)
