"""Takes values out of parameters that somebody sent: text, words, lists, days and instants.

One reader for the screens' addresses and the API: it says what it can't take to ``refuse``, which
notes it and goes on (an address) or raises (the API). Must not know which question is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime

from billing.errors import InputError
from billing.limits import limit

MOST_FILTER_VALUES = 50
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})", re.ASCII | re.IGNORECASE
)
DAY_FIX = "use a day such as 2026-11-01"
INSTANT_FIX = (
    "use a day such as 2026-11-01, or an instant with a zone such as 2026-11-01T00:00:00Z "
    "(in an address, + is written %2B)"
)

Refuse = Callable[[str, str, str], None]  # field, value, how to mend it


def refuse(name: str, value: str, fix: str) -> None:
    """Raises: ``InputError``."""
    raise InputError(name, value, fix)


class Values:
    """Parameters and what to do about those that can't be taken.

    ``is_strict``: an empty value, a second one where one is wanted, and more than
    ``MOST_FILTER_VALUES`` are refused too; else they count as not sent, the last, the first ones.
    """

    def __init__(
        self, given: Mapping[str, Sequence[str]], refuse: Refuse, *, is_strict: bool = False
    ) -> None:
        self._given = given
        self.refuse = refuse
        self._is_strict = is_strict

    def text(self, name: str) -> str | None:
        """One printable text; none when it isn't there."""
        values = self._given.get(name)
        if not values:
            return None
        if self._is_strict and len(values) > 1:
            self.refuse(name, values[-1], "give it once")
            return None
        value = values[-1]
        if not value and not self._is_strict:
            return None
        return value if self._is_text(name, value) else None

    def one_of(self, name: str, choices: Sequence[str], default: str) -> str:
        """One of some words, or the default."""
        value = self.text(name)
        if value is None:
            return default
        if value not in choices:
            self.refuse(name, value, f"use one of {', '.join(choices)}")
            return default
        return value

    def all_of(
        self, name: str, choices: Sequence[str] | None = None, *, is_comma_list: bool = False
    ) -> tuple[str, ...]:
        """Each value once, in the order sent; ``is_comma_list``: one may hold several."""
        sent = self._given.get(name, ())
        if is_comma_list:
            sent = [part for value in sent for part in value.split(",")]
        kept: list[str] = []
        for value in sent:
            if value in kept or (not value and not self._is_strict):
                continue
            if choices is not None and value not in choices:
                self.refuse(name, value, f"use one of {', '.join(choices)}")
            elif self._is_text(name, value):
                kept.append(value)
        if self._is_strict and len(kept) > MOST_FILTER_VALUES:
            self.refuse(name, f"{len(kept)} values", f"give at most {MOST_FILTER_VALUES}")
        return tuple(kept[:MOST_FILTER_VALUES])

    def day(self, name: str) -> date | None:
        """One day."""
        value = self.text(name)
        if value is None:
            return None
        if self._is_strict and not DAY.fullmatch(value):
            self.refuse(name, value, DAY_FIX)
            return None
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.refuse(name, value, DAY_FIX)
            return None

    def day_or_instant(self, name: str) -> date | datetime | None:
        """One day, or one instant in UTC."""
        value = self.text(name)
        if value is None:
            return None
        try:
            if DAY.fullmatch(value):
                return date.fromisoformat(value)
            if INSTANT.fullmatch(value):
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # such as the 30th of February: told below like anything else
        self.refuse(name, value, INSTANT_FIX)
        return None

    def count(self, name: str, default: int, most: int) -> int:
        """A whole number from 1 on."""
        value = self.text(name)
        if value is None:
            return default
        is_number = value.isascii() and value.isdecimal() and len(value) <= len(str(most))
        if not is_number or not 1 <= int(value) <= most:
            self.refuse(name, value, f"use a number from 1 to {most:,}")
            return default
        return int(value)

    def _is_text(self, name: str, value: str) -> bool:
        longest = limit("name")
        if not value or len(value) > longest or not value.isprintable():
            self.refuse(name, value, f"use 1 to {longest} printable characters")
            return False
        return True
