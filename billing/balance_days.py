"""A balance day by day, backwards from what it is now: where it stood at each turn of each day.

Between credits a balance only falls, so that its lowest points lie right before each credit and at
the day's end: a few movements and the days' sums tell as much as every charge would. Must not know
where any of it is read. Amounts are micros, days are the account's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

from billing.periods import Period


class Turn(NamedTuple):
    """One movement that is no charge. ``after``: the balance right after it, in posting order."""

    day: date
    amount: int
    after: int


def balance_days(
    now_micros: int, charged: Mapping[date, int], turns: Iterable[Turn], period: Period
) -> Mapping[date, tuple[int, ...]]:
    """The balance at each turn of each day: where it begins, around each movement, where it ends.

    ``charged``: what was charged by day, before refunds; ``turns``: every movement that is no
    charge, refunds among them, in posting order; both of every day from the period's first one
    until now. How much was charged before a movement is told by the balance after it; where things
    were posted out of order, as an import does, as much of the day's charges as fits.
    """
    by_day: dict[date, list[Turn]] = {}
    moved = 0
    for turn in turns:
        if turn.day >= period.start:
            by_day.setdefault(turn.day, []).append(turn)
            moved += turn.amount
    spent = sum(micros for day, micros in charged.items() if day >= period.start)
    balance = now_micros - moved + spent
    found: dict[date, tuple[int, ...]] = {}
    for day in period.days():
        path = _day(balance, charged.get(day, 0), by_day.get(day, ()))
        found[day], balance = path, path[-1]
    return found


def _day(opening: int, charged: int, turns: Iterable[Turn]) -> tuple[int, ...]:
    path, balance, left = [opening], opening, charged
    for turn in turns:
        lowest, highest = sorted((balance - left, balance))
        before = min(max(turn.after - turn.amount, lowest), highest)
        left -= balance - before
        balance = before + turn.amount
        path += [before, balance]
    return (*path, balance - left)
