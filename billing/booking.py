"""Booking date: the rule that makes screen, statement and wallet agree (RULES: booking date).

A line counts on the local day it happened while that day's billing period is open; once the
period is closed it counts on the day it was received, as a correction.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from billing.accounts import Account
from billing.errors import InputError
from billing.periods import FIRST_DAY, Period
from billing.records import record

CLOSES_AFTER = timedelta(hours=72)  # unless the installation's setting says otherwise
LIVE_EVENT_AGE = timedelta(days=35)
CLOCK_SKEW = timedelta(minutes=5)
FIRST_INSTANT = datetime.combine(FIRST_DAY + timedelta(days=1), time(), tzinfo=UTC)


@record()
class Booking:
    """The day a line counts on; ``corrects_period`` is the start of the closed period it is for."""

    booked_on: date
    corrects_period: date | None = None


def book(
    account: Account, occurred_at: datetime, received_at: datetime, closed: Period | None
) -> Booking:
    """Where an instant is booked. ``closed``: the days that statements have closed, if any.

    Days before the first statement stay open: no statement says what is booked on them.
    """
    day = account.zones.local_day(occurred_at)
    if closed is None or day not in closed:
        return Booking(day)
    received_on = account.zones.local_day(received_at)
    return Booking(max(received_on, closed.end), account.billing.period_of(day).start)


def check_instant(occurred_at: datetime, received_at: datetime) -> None:
    """Refuses what hasn't happened yet: more than five minutes ahead of when it was received.

    Errors: ``InputError``, also for an instant without a zone or before the first day there is.
    """
    if occurred_at.tzinfo is None:
        raise InputError("time", occurred_at.isoformat(), "write the instant with its time zone")
    if occurred_at < FIRST_INSTANT:
        raise InputError("time", occurred_at.isoformat(), f"use an instant after {FIRST_DAY}")
    if occurred_at > received_at + CLOCK_SKEW:
        raise InputError(
            "time", occurred_at.isoformat(), "use an instant that has passed; check the clock",
            code="in_future",
        )  # fmt: skip


def check_age(occurred_at: datetime, received_at: datetime) -> None:
    """Refuses a live event older than 35 days; ``InputError`` says how it can still come in."""
    if occurred_at < received_at - LIVE_EVENT_AGE:
        raise InputError(
            "time", occurred_at.isoformat(),
            f"send events within {LIVE_EVENT_AGE.days} days; bring older ones in by import",
            code="too_late",
        )  # fmt: skip
