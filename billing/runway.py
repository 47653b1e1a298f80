"""How long the balance lasts at the present rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

LOOK_BACK_DAYS = 7
LONGEST_DAYS = 3650
BUFFER_DAYS = 3  # of usage that a balance had better not fall below


@dataclass(frozen=True, slots=True)
class Runway:
    """``days``: whole days the balance lasts; none when nothing was spent lately."""

    days: int | None
    until: date | None
    mean_daily_micros: int

    @property
    def buffer_micros(self) -> int:
        """What a balance had better have: a few days of usage at the present rate."""
        return BUFFER_DAYS * self.mean_daily_micros


def look_back(today: date) -> tuple[date, date]:
    """The seven complete days before today, end excluded."""
    return today - timedelta(days=LOOK_BACK_DAYS), today


def runway(posted_micros: int, cost_by_day: Mapping[date, int], today: date) -> Runway:
    """Posted balance ÷ mean cost of the last seven complete days (days without usage count).

    Units: micros. A balance at or below zero lasts no days.
    """
    start, end = look_back(today)
    spent = sum(cost for day, cost in cost_by_day.items() if start <= day < end)
    mean = spent // LOOK_BACK_DAYS
    if posted_micros <= 0:
        return Runway(0, today, mean)
    if spent <= 0:
        return Runway(None, None, mean)
    days = posted_micros * LOOK_BACK_DAYS // spent
    if days > LONGEST_DAYS:
        return Runway(LONGEST_DAYS, None, mean)
    return Runway(days, today + timedelta(days=days), mean)
