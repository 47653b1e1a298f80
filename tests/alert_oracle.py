"""What alerts must do, in plain dicts and sums over all there is: slow, and easy to read.

It knows nothing of the product: days come from the zone's clock, figures from every line there
is, an alarm from asking what is past its threshold now.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

SEVERITY = ("notice", "warning", "urgent", "critical")
Told = tuple[str, str, tuple[str, ...]]  # of which rule, fired | repeated | recovered, whom


@dataclass
class AlertOracle:
    """One account. A rule is a dict; an open episode is ``rule["open"]``, a dict too."""

    zone: str
    now: datetime
    anchor: int
    posted: int = 0
    has_moved: bool = False  # any money, ever
    is_importing: bool = False
    lines: list[dict[str, Any]] = field(default_factory=list)
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)

    # --- days --------------------------------------------------------------------------------
    def day(self, at: datetime | None = None) -> date:
        """The local day; one that has begun stays begun where clocks go back over midnight."""
        at = at or self.now
        found = at.astimezone(ZoneInfo(self.zone)).date()
        tomorrow = found + timedelta(days=1)
        return tomorrow if at >= self.start_of(tomorrow) else found

    def start_of(self, day: date) -> datetime:
        """The first instant of a local day."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.zone))
        return midnight.astimezone(UTC)

    def span(self, name: str, day: date) -> tuple[date, date]:
        """First day and the day after the last."""
        if name == "day":
            return day, day + timedelta(days=1)
        if name == "week":
            monday = day - timedelta(days=day.weekday())
            return monday, monday + timedelta(days=7)
        anchor = 1 if name == "month" else self.anchor
        start = _anchored(day.year, day.month, anchor)
        if start > day:
            start = _anchored(*_later(day.year, day.month, -1), anchor)
        return start, _anchored(*_later(start.year, start.month, 1), anchor)

    # --- figures -----------------------------------------------------------------------------
    def average(self) -> int | None:
        """Of the last complete months, at most three, that began after the first usage."""
        by_day: dict[date, int] = {}
        for line in self.lines:
            by_day[line["cap_on"]] = by_day.get(line["cap_on"], 0) + line["micros"]
        days = [day for day, micros in by_day.items() if micros]
        if not days:
            return None
        totals, month = [], self.span("month", self.day())[0]
        for _ in range(3):
            month = self.span("month", month - timedelta(days=1))[0]
            if month >= min(days):
                totals.append(self.spent(*self.span("month", month)))
        if not totals:
            return None
        return (2 * sum(totals) + len(totals)) // (2 * len(totals))  # half up

    def spent(self, start: date, end: date) -> int:
        """By the day that caps count: of a hold, the one it was allowed on."""
        return sum(line["micros"] for line in self.lines if start <= line["cap_on"] < end)

    def figures(self, rule: dict[str, Any]) -> tuple[int | None, int | None, date | None, date]:
        """Value, threshold, first day of what is counted, and the period of ``once a period``."""
        period = self.span("billing_period", self.day())[0]
        unit, amount = rule["threshold"]
        if unit == "percent":
            average = self.average()
            amount = None if average is None else (average * amount + 5_000) // 10_000
        if rule["kind"] == "low_balance":
            return (self.posted if self.has_moved else None), amount, None, period
        if rule["kind"] == "days_left":
            return self._days_left(), amount, None, period
        start, end = self.span(rule["span"], self.day())
        scope, part = rule["scope"]
        if scope == "account":
            return self.spent(start, end), amount, start, start
        place = "units" if unit == "units" else "micros"
        value = sum(
            line[place] for line in self.lines
            if line[scope] == part and start <= line["booked_on"] < end
        )  # fmt: skip
        return value, amount, start, start

    def _days_left(self) -> int | None:
        if not self.has_moved:
            return None
        if self.posted <= 0:
            return 0
        today = self.day()
        spent = self.spent(today - timedelta(days=7), today)
        return min(self.posted * 7 // spent, 3650) if spent > 0 else None

    # --- what happens ------------------------------------------------------------------------
    def look(self) -> None:
        """Everything is compared with its threshold; while an import runs nothing is."""
        if self.is_importing:
            return
        said: list[tuple[str, str]] = []
        for key, rule in self.rules.items():
            said += [(key, what) for what in self._look(rule)]
        for what in ("fired", "repeated", "recovered"):
            self._tell([key for key, each in said if each == what], what)

    def _look(self, rule: dict[str, Any]) -> list[str]:
        value, threshold, window, period = self.figures(rule)
        rule["figures"] = value, threshold
        is_falling = rule["kind"] != "usage"
        is_past = rule["on"] and value is not None and threshold is not None and (
            value <= threshold if is_falling else value >= threshold and value > 0
        )  # fmt: skip
        said = []
        if rule["open"] and rule["open"]["window"] != window:
            rule["open"] = None  # its time is over: without a word
        if rule["open"] and not is_past:
            is_recovery = rule["on"] and not rule["edited"]
            if is_recovery and rule["recovery"] and rule["open"]["count"]:
                said.append("recovered")
            rule["open"] = None
        rule["edited"] = False
        often, hours = rule["frequency"]
        if is_past and not rule["open"]:
            rule["number"] += 1
            rule["open"] = {"number": rule["number"], "window": window, "count": 0}
            if often != "once_per_period" or rule["period"] != period:
                said.append("fired")
        elif rule["open"] and (
            (often == "every_hours" and self.now >= rule["told_at"] + timedelta(hours=hours))
            or (often == "once_per_period" and rule["period"] not in {None, period})
        ):
            said.append("repeated")
        if said and said[-1] != "recovered":
            rule["open"]["count"] += 1
            rule["told_at"], rule["period"] = self.now, period
        return said

    def _tell(self, keys: list[str], what: str) -> None:
        """Of rules on one figure each is told of the most severe only; a repeated alarm also
        waits for a more severe one that is repeated as often."""
        for key in keys:
            rule = self.rules[key]
            others = [each for each in keys if each != key]
            if what == "repeated":
                others += [
                    each for each, other in self.rules.items()
                    if other["open"] and _is_as_often(other["frequency"], rule["frequency"])
                ]  # fmt: skip
            covered = {
                target for each in others
                if _same(self.rules[each], rule) and self._is_worse(each, key)
                for target in self.rules[each]["targets"]
            }  # fmt: skip
            left = tuple(sorted(set(rule["targets"]) - covered))
            if left:
                self.told.append((key, what, left))

    def _is_worse(self, one: str, other: str) -> bool:
        return self._severity(one) > self._severity(other)

    def _severity(self, key: str) -> tuple[int, int, str]:
        rule = self.rules[key]
        threshold = rule["figures"][1]
        amount = threshold if rule["kind"] == "usage" else -threshold
        return SEVERITY.index(rule["level"]), amount, key


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one[name] == other[name] for name in ("kind", "scope", "measure", "span"))


def _is_as_often(one: tuple[str, int | None], other: tuple[str, int | None]) -> bool:
    if one[0] == "once_per_episode":
        return False
    if other[0] == "once_per_period":
        return True
    return one[0] == "every_hours" and (one[1] or 0) <= (other[1] or 0)


def _anchored(year: int, month: int, anchor: int) -> date:
    return date(year, month, min(anchor, calendar.monthrange(year, month)[1]))


def _later(year: int, month: int, count: int) -> tuple[int, int]:
    index = year * 12 + month - 1 + count
    return index // 12, index % 12 + 1
