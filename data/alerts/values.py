"""The figures that alerts look at, as the truth has them inside a transaction.

Usage of the whole account comes from the counters of spending caps, parts of it from tallies; both
are kept up by every charge. Must not know what is done with a figure. Amounts are micros.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property

from sqlalchemy import Connection, bindparam, exists, func, select

from billing.accounts import Account
from billing.alert_steps import Reading
from billing.alerts import (
    AVERAGE_MONTHS,
    WHOLE,
    AlertKind,
    AlertRule,
    AlertScope,
    Measure,
    Span,
    threshold_value,
)
from billing.caps import CapKind
from billing.periods import Period, month_of
from billing.runway import look_back, runway
from data import tables as t

_counters, _tallies = t.cap_counters.c, t.usage_tallies.c
_BY_WINDOW = select(_counters.start_on, _counters.spent_micros).where(
    _counters.account_id == bindparam("account"), _counters.kind == bindparam("kind"),
    _counters.start_on >= bindparam("start"), _counters.start_on < bindparam("end"),
)  # fmt: skip
_FIRST_DAY = select(func.min(_counters.start_on)).where(
    _counters.account_id == bindparam("account"),
    _counters.kind == CapKind.DAILY.value,
    _counters.spent_micros != 0,  # neither a hold that came to nothing nor what was all given back
)
_TALLIES = select(_tallies.booked_on, _tallies.base_units, _tallies.cost_micros).where(
    _tallies.account_id == bindparam("account"), _tallies.scope == bindparam("scope"),
    _tallies.scope_id == bindparam("scope_id"), _tallies.booked_on >= bindparam("start"),
    _tallies.booked_on < bindparam("end"),
)  # fmt: skip
_POSTED = select(t.balances.c.posted_micros).where(t.balances.c.account_id == bindparam("account"))
_HAS_ENTRY = select(exists().where(t.wallet_entries.c.account_id == bindparam("account")))


@dataclass(frozen=True, slots=True)
class Average:
    """Mean cost of a month, and how many complete months it is of; no micros without one."""

    micros: int | None
    month_count: int


@dataclass
class AlertValues:
    """The figures of one account at one instant, each read when it is asked for.

    ``posted``: the posted balance, if it was read.
    """

    connection: Connection
    account: Account
    now: datetime
    posted: int | None = None
    _tallied: dict[AlertScope, Mapping[date, tuple[int, int]]] = field(
        init=False, default_factory=dict
    )

    def reading(self, rule: AlertRule) -> Reading:
        """A rule's figure now, and its threshold in the same unit."""
        period = self.account.billing.period_of(self.today)
        threshold = self.threshold(rule)
        if rule.kind is AlertKind.LOW_BALANCE:
            return Reading(self._balance, threshold, None, period.start)
        if rule.kind is AlertKind.DAYS_LEFT:
            return Reading(self._days_left, threshold, None, period.start)
        assert rule.span is not None, "usage is counted over a span"
        window = rule.span.of(self.account, self.today)
        return Reading(self._usage(rule, window), threshold, window.start, window.start)

    def threshold(self, rule: AlertRule) -> int | None:
        """From which figure on a rule alarms; none while there is no average."""
        is_percent = rule.threshold.unit.value == "percent"
        return threshold_value(rule.threshold, self.average.micros if is_percent else None)

    @cached_property
    def today(self) -> date:
        """The account's local day."""
        return self.account.today(self.now)

    @cached_property
    def average(self) -> Average:
        """Mean cost of the last complete calendar months, at most three, of visible history.

        A month counts if all of it lies after the day from which on history is visible, and after
        the account's first day with usage that wasn't all given back; one without usage counts as
        zero (RULES: average monthly usage).
        """
        return average_before(self.connection, self.account, self.today)

    @cached_property
    def _balance(self) -> int | None:
        """Paid and promotional credit; none for a wallet that never held anything."""
        posted = self.posted
        if posted is None:
            posted = self.connection.scalar(_POSTED, {"account": self.account.id})
        if posted:
            return posted
        has_entry = self.connection.scalar(_HAS_ENTRY, {"account": self.account.id})
        return 0 if has_entry else None

    @cached_property
    def _days_left(self) -> int | None:
        if self._balance is None:
            return None
        return runway(self._balance, self._by_day, self.today).days

    @cached_property
    def _by_day(self) -> Mapping[date, int]:
        """Cost of each local day of every span that is running, and of the last seven days."""
        start, _ = look_back(self.today)
        start = min(start, *(span.of(self.account, self.today).start for span in Span))
        period = Period(start, self.today + timedelta(days=1))
        return _by_window(self.connection, self.account.id, CapKind.DAILY, period)

    def _usage(self, rule: AlertRule, window: Period) -> int:
        if rule.scope == WHOLE:
            return sum(micros for day, micros in self._by_day.items() if day in window)
        place = 0 if rule.measure is Measure.UNITS else 1
        return sum(
            figures[place] for day, figures in self._tally(rule.scope).items() if day in window
        )

    def _tally(self, scope: AlertScope) -> Mapping[date, tuple[int, int]]:
        if scope not in self._tallied:
            start = min(span.of(self.account, self.today).start for span in Span)
            self._tallied[scope] = read_tally(
                self.connection, self.account.id, scope,
                Period(start, self.today + timedelta(days=1)),
            )  # fmt: skip
        return self._tallied[scope]


def average_before(connection: Connection, account: Account, day: date) -> Average:
    """The average as of a local day: of months that were complete by then."""
    this_month = month_of(day).start
    months: list[date] = []
    for _ in range(AVERAGE_MONTHS):
        months.append(month_of((months[-1] if months else this_month) - timedelta(days=1)).start)
    first_used = connection.scalar(_FIRST_DAY, {"account": account.id})
    if first_used is None:
        return Average(None, 0)
    first = max(first_used, account.paid_since) if account.paid_since else first_used
    complete = [month for month in months if month >= first]
    if not complete:
        return Average(None, 0)
    period = Period(complete[-1], this_month)
    spent = _by_window(connection, account.id, CapKind.MONTHLY, period)
    total, count = sum(spent.values()), len(complete)
    return Average((2 * total + count) // (2 * count), count)


def read_tally(
    connection: Connection, account_id: str, scope: AlertScope, period: Period
) -> Mapping[date, tuple[int, int]]:
    """Base units and cost of a part of usage by booking day, of days that have any."""
    asked = {
        "account": account_id, "scope": scope.kind.value, "scope_id": scope.id,
        "start": period.start, "end": period.end,
    }  # fmt: skip
    rows: Iterable[tuple[date, int, int]] = connection.execute(_TALLIES, asked)
    return {day: (int(units), int(micros)) for day, units, micros in rows}


def _by_window(
    connection: Connection, account_id: str, kind: CapKind, period: Period
) -> Mapping[date, int]:
    asked = {
        "account": account_id, "kind": kind.value, "start": period.start, "end": period.end,
    }  # fmt: skip
    return {row[0]: int(row[1]) for row in connection.execute(_BY_WINDOW, asked)}
