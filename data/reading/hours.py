"""Sums by the account's local hours: the lake's up to its position, then the ledger's after it.

Stores are asked for slots of time that every hour is made of; which hour a slot belongs to, and
what happened outside the day it is booked on, is decided by ``billing.hours`` afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Connection, FromClause, func, literal, select, type_coerce

from billing.hours import HOUR, ONE_DAY, hour_of, hours_of
from billing.periods import Period, ZoneHistory
from billing.queries import Filters
from billing.usage import Dimension
from data.analytics.lake import Cursor, Lake, Positions, positions
from data.analytics.views import run_view
from data.columns import from_micros, to_micros
from data.reading.rollups import Key, Sums
from data.reading.sums import SUMMED, is_by_status, line_count
from data.reading.visibility import View, filter_parameters, passes, period_parameters

_HOUR_MICROSECONDS = HOUR // timedelta(microseconds=1)
_COLUMNS = ("metric", "service", "direction", "status", "campaign_id", "consumer_id")

Slot = tuple[date, int, Key, Sums]  # booked day, slot, keys, sums


class Hours:
    """The hours of the days of one period, and which of them a slot of time belongs to."""

    def __init__(self, zones: ZoneHistory, period: Period) -> None:
        self._by_day = {day: hours_of(zones, day) for day in period.days()}
        self._ends = {day: zones.start_of(day + ONE_DAY) for day in self._by_day}
        starts = (to_micros(hour) for hours in self._by_day.values() for hour in hours)
        self.slot_microseconds = math.gcd(_HOUR_MICROSECONDS, *starts)

    def cells(self, slots: Iterable[Slot]) -> list[tuple[Key, Sums]]:
        """The slots' sums with the instant of their hour as the first key."""
        return [((self._hour(day, slot), *keys), sums) for day, slot, keys, sums in slots]

    def _hour(self, day: date, slot: int) -> datetime:
        at = from_micros(slot * self.slot_microseconds)
        return hour_of(self._by_day[day], self._ends[day], at)


def lake_slots(
    lake: Lake, view: View, period: Period, by: Sequence[Dimension], filters: Filters, hours: Hours
) -> tuple[Positions, list[Slot]]:
    """The lake's positions, and what it has up to there."""
    asked = {dimension.value for dimension in by}
    parameters = {
        "account_id": view.account_id,
        "slot_microseconds": hours.slot_microseconds,
        **period_parameters(period),
        **filter_parameters(filters),
        **{f"by_{column}": column in asked for column in _COLUMNS},
        "is_by_status": is_by_status(by, filters),
    }

    def read(cursor: Cursor) -> tuple[Positions, list[tuple[Any, ...]]]:
        return positions(cursor), run_view(cursor, "cells_hours", parameters)

    synced, rows = lake.snapshot(read)
    places = [2 + _COLUMNS.index(dimension.value) for dimension in by]
    first_sum = 2 + len(_COLUMNS)
    return synced, [
        (row[0], row[1], tuple(row[place] for place in places), tuple(row[first_sum:]))
        for row in rows
    ]


def ledger_slots(
    connection: Connection,
    lines: FromClause,
    view: View,
    period: Period,
    by: Sequence[Dimension],
    filters: Filters,
    hours: Hours,
) -> list[Slot]:
    """What the ledger's table, or a part of it such as its tail, has."""
    keys = [lines.c[dimension.value] for dimension in by]
    sums = [func.sum(lines.c[name]) for name in SUMMED]
    micros = type_coerce(lines.c.occurred_at, BigInteger)
    slot = micros // literal(hours.slot_microseconds, BigInteger)
    rows = connection.execute(
        select(lines.c.booked_on, slot, *keys, line_count(lines), *sums)
        .where(view.shows_in(lines, period), passes(lines, filters))
        .group_by(lines.c.booked_on, slot, *keys)
    )
    width = 2 + len(keys)
    return [
        (row[0], int(row[1]), tuple(row[2:width]), tuple(int(value) for value in row[width:]))
        for row in rows
    ]
