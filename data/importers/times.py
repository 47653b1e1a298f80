"""When a row happened: read from its columns, or derived from its place in the file.

Derived instants are invented by a stated rule and flagged ``derived_time`` on every line. A
local time that the clocks skipped is moved by the skipped hour and flagged ``shifted_time``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

from billing.clock import EPOCH
from billing.errors import InputError
from billing.periods import FIRST_DAY, start_of_day, zone
from data.importers.errors import PrivateInputError
from data.importers.maps import TimeRule

DERIVED = "derived_time"
SHIFTED = "shifted_time"  # a local time that its day doesn't have: clocks went forward
WORK_BEGINS = time(9)
SECONDS_LEFT = 15 * 3600 - 1  # from then to the last second of the day
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
WEEKDAYS = "mon tue wed thu fri sat sun".split()
LONGEST_TIME = 64
ONE_DAY = timedelta(days=1)
TimeReader = Callable[[Sequence[str], int], datetime]


def time_reader(
    rule: TimeRule, index: dict[str, int], zone_name: str, start: datetime | None
) -> TimeReader:
    """A function of (row, its position from 0) to the UTC instant; call it in file order.

    Errors: ``InputError`` at once for a missing start, and for each row it can't read.
    """
    places = [index[column] for column in rule.columns]
    if rule.derivation == "every-minute":
        if start is None:
            raise InputError("start", "(none)", "this log has no times: give --start DAY")
        return lambda _row, position: start + timedelta(minutes=position)
    if start is not None:
        raise InputError("start", start.isoformat(), "leave it out: this log has its own times")
    if rule.derivation == "day-and-month":
        return DayAndMonth(rule, places, zone_name)
    if rule.derivation == "weekday-and-month":
        return WeekdayAndMonth(rule, places, zone_name)
    return PatternTimes(rule, places, zone(zone_name))


def parse_start(text: str, zone_name: str) -> datetime:
    """The instant of ``--start``: a local day's first one, or an RFC 3339 instant."""
    try:
        if len(text) == len("2026-01-31"):
            return start_of_day(date.fromisoformat(text), zone_name)
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=zone(zone_name))).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError(
            "start", text, "use a day such as 2026-01-31, or an instant such as "
            "2026-01-31T09:00:00+01:00",
        ) from None  # fmt: skip


class PatternTimes:
    """Reads columns by the first pattern that fits. ``is_shifted``: the last row's was moved."""

    def __init__(self, rule: TimeRule, places: list[int], local: ZoneInfo) -> None:
        self._name = " ".join(rule.columns)
        self._places = places
        self._only = places[0] if len(places) == 1 else None
        self._patterns = rule.patterns
        self._local = local
        self._may_skip = local.key != "UTC"
        self.is_shifted = False

    def __call__(self, row: Sequence[str], _position: int) -> datetime:
        """The row's instant."""
        if self._only is not None:
            text = row[self._only].strip()
        else:
            text = " ".join([row[place].strip() for place in self._places])
        if len(text) <= LONGEST_TIME:
            for pattern in self._patterns:
                try:
                    read = _parse(text, pattern)
                    at = (read if read.tzinfo else read.replace(tzinfo=self._local)).astimezone(UTC)
                    self.is_shifted = self._may_skip and read.tzinfo is None and (
                        at.astimezone(self._local).replace(tzinfo=None) != read
                    )  # fmt: skip
                except (ValueError, OverflowError, TypeError, IndexError):
                    continue
                return self._checked(at)
        if not text:
            raise InputError(self._name, "", "this column may not be empty")
        raise self._refused(text, f"write it as {' or '.join(self._patterns)}")

    def _checked(self, at: datetime) -> datetime:
        if at.year < FIRST_DAY.year:
            raise self._refused(at.isoformat(), f"use an instant from {FIRST_DAY.year} on")
        return at

    def _refused(self, text: str, fix: str) -> InputError:
        if len(text) <= LONGEST_TIME and any(character.isdigit() for character in text):
            return InputError(self._name, text, fix)
        return PrivateInputError(self._name, fix)


def _parse(text: str, pattern: str) -> datetime:
    if pattern == "iso":
        return datetime.fromisoformat(text)
    if pattern == "epoch":
        return EPOCH + timedelta(seconds=_digits(text))
    if pattern == "epoch-micros":
        return EPOCH + timedelta(microseconds=_digits(text))
    if pattern == "rfc2822":
        return parsedate_to_datetime(text)
    return datetime.strptime(text, pattern)  # noqa: DTZ007 - the caller adds the zone


def _digits(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError
    return int(text)


class _Days:
    """Days that only go forward; within a day, one second a row from 09:00 local on."""

    def __init__(self, rule: TimeRule, places: list[int], zone_name: str) -> None:
        self._names = rule.columns
        self._first, self._second = places
        self._local = zone(zone_name)
        self._year = rule.first_year or 0
        self._day: date | None = None
        self._begins_at = EPOCH
        self._seconds = 0

    def _begin(self, day: date) -> datetime:
        """The first row of a day."""
        self._day, self._seconds = day, 0
        local = datetime.combine(day, WORK_BEGINS, tzinfo=self._local)
        self._begins_at = local.astimezone(UTC)
        return self._begins_at

    def _next_second(self) -> datetime:
        """One more row of the same day; they never run over into the next one."""
        if self._seconds < SECONDS_LEFT:
            self._seconds += 1
        return self._begins_at + timedelta(seconds=self._seconds)

    def _refused(self, place: int, value: str, fix: str) -> InputError:
        if len(value) <= len("wednesday"):
            return InputError(self._names[place], value, fix)
        return PrivateInputError(self._names[place], fix)

    def _month(self, name: str, place: int) -> int:
        try:
            return MONTHS.index(name.strip().lower()) + 1
        except ValueError:
            raise self._refused(place, name, f"use one of {', '.join(MONTHS)}") from None


class DayAndMonth(_Days):
    """Columns (day, month), rows in date order: a date before the last one is a year later."""

    def __init__(self, rule: TimeRule, places: list[int], zone_name: str) -> None:
        super().__init__(rule, places, zone_name)
        self._last_text = ("", "")

    def __call__(self, row: Sequence[str], _position: int) -> datetime:
        """The row's instant."""
        text = (row[self._first], row[self._second])
        if text == self._last_text:
            return self._next_second()
        month = self._month(text[1], 1)
        number = text[0].strip()
        if not (number.isascii() and number.isdigit() and len(number) <= 2):
            raise self._refused(0, number, "use a day of the month")
        year = self._year
        if self._day and (month, int(number)) < (self._day.month, self._day.day):
            year += 1
        try:
            day = date(year, month, int(number))
        except ValueError:
            raise self._refused(0, number, f"use a day that {text[1]} {year} has") from None
        self._year, self._last_text = year, text
        return self._next_second() if day == self._day else self._begin(day)


class WeekdayAndMonth(_Days):
    """Columns (weekday, month), rows in date order: the day advances when the weekday changes.

    A month before the last one is a year later. Within a month a day is the next one of its
    weekday; where the month has none left, the month's last one.
    """

    def __init__(self, rule: TimeRule, places: list[int], zone_name: str) -> None:
        super().__init__(rule, places, zone_name)
        self._last_text = ("", "")

    def __call__(self, row: Sequence[str], _position: int) -> datetime:
        """The row's instant."""
        text = (row[self._first], row[self._second])
        if text == self._last_text:
            return self._next_second()
        month = self._month(text[1], 1)
        try:
            weekday = WEEKDAYS.index(text[0].strip().lower())
        except ValueError:
            raise self._refused(0, text[0], f"use one of {', '.join(WEEKDAYS)}") from None
        self._last_text = text
        if self._day and (month, weekday) == (self._day.month, self._day.weekday()):
            return self._next_second()
        earliest = date(self._year, month, 1)
        if self._day and month == self._day.month:
            earliest = self._day + ONE_DAY
        elif self._day and month < self._day.month:
            self._year += 1
            earliest = date(self._year, month, 1)
        day = earliest + timedelta(days=(weekday - earliest.weekday()) % 7)
        if day.month != month:
            day -= timedelta(days=7)
        return self._begin(day)
