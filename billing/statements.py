"""Statements: which billing period closes next, when, and what its statement says.

Pure rules. Amounts are integer micros, days local days of the account. Must not know where
entries are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from billing.accounts import Account
from billing.periods import Period


@dataclass(frozen=True, slots=True)
class DaySums:
    """What is booked on one local day. ``charges``: lines' costs less what was refunded."""

    amount_micros: int
    charges_micros: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One closed billing period by booking date: what it began with, cost, and ended with."""

    period: Period
    opening_micros: int
    charges_micros: int
    closing_micros: int


def next_period(account: Account, created_at: datetime, closed: Period | None) -> Period:
    """The billing period that closes next; ``closed``: the days that are closed already.

    The first is the one in which the account was made, so that history from before may be
    brought in at any time. Statements follow one another without a gap: one begins where the
    last ended, even if the calendar was changed since.
    """
    if closed is None:
        return account.billing.period_of(account.today(created_at))
    return Period(closed.end, account.billing.period_of(closed.end).end)


def closes_at(account: Account, period: Period, closes_after: timedelta) -> datetime:
    """The instant from which a period may be closed, in UTC: some time after its last day."""
    return account.zones.start_of(period.end) + closes_after


def state(period: Period, days: Mapping[date, DaySums]) -> Statement:
    """The statement of a period from the sums of every booked day so far.

    Opening and closing are the balance by booking date. A correction counts on the day on which
    it was received, so nothing is left to be added to the period later.
    """
    within = [sums for day, sums in days.items() if day in period]
    opening = sum(sums.amount_micros for day, sums in days.items() if day < period.start)
    return Statement(
        period,
        opening,
        sum(sums.charges_micros for sums in within),
        opening + sum(sums.amount_micros for sums in within),
    )


def added(one: Mapping[date, DaySums], other: Mapping[date, DaySums]) -> dict[date, DaySums]:
    """Sums by day of two sets of entries together."""
    result = dict(one)
    for day, sums in other.items():
        known = result.get(day, DaySums(0, 0))
        result[day] = DaySums(
            known.amount_micros + sums.amount_micros, known.charges_micros + sums.charges_micros
        )
    return result
