"""Clocks: the machine's, and one read from a file for demos and tests."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from billing.clock import Clock
from billing.errors import InputError


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant in UTC."""
        return datetime.now(UTC)


class FileClock:
    """A clock whose instant stands in a file, so that a test can cross midnight."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def now(self) -> datetime:
        """The instant written in the file; ``InputError`` when it holds none."""
        text = self._file.read_text().strip()
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise InputError("USAGE_CLOCK_FILE", text, "write one RFC 3339 instant") from None
        if at.tzinfo is None:
            raise InputError("USAGE_CLOCK_FILE", text, "write the instant with its time zone")
        return at.astimezone(UTC)


def open_clock(file: Path | None) -> Clock:
    """The clock in effect."""
    return FileClock(file) if file else SystemClock()
