"""What an alert would have done over the last 90 days, from figures that are summed by day already.

A balance is followed backwards from what it is now: charges by the counters of spending limits,
everything else by the few entries that are no charge. Must not know who asks, nor which days they
may see: callers give the period.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import dropwhile

from sqlalchemy import ColumnElement, Connection, func, select, text

from billing.access import AccountScope
from billing.alert_standing import AlertBacktest, BacktestDay, backtest_days
from billing.alerts import WHOLE, AlertKind, AlertRule, Measure, ScopeKind, Unit, threshold_value
from billing.balance_days import Turn, balance_days
from billing.periods import Period, month_of
from billing.queries import Filters
from billing.runway import LOOK_BACK_DAYS, runway
from billing.usage import Dimension, UsageReader
from data import tables as t
from data.alerts.values import average_before
from data.reading.limits_reader import spent_by_day

_entries, _lines, _counters = t.wallet_entries.c, t.usage_lines.c, t.cap_counters.c
# Said in so many words, so that the partial index of rare entries answers for them.
_NO_CHARGE: ColumnElement[bool] = text("wallet_entries.kind <> 'charge'")  # type: ignore[assignment]
SCOPE_FILTERS: Mapping[ScopeKind, Callable[[str], Filters]] = {
    ScopeKind.SERVICE: lambda part: Filters(services=(part,)),
    ScopeKind.METRIC: lambda part: Filters(metrics=(part,)),
    ScopeKind.CAMPAIGN: lambda part: Filters(campaigns=(part,)),
}


@dataclass(frozen=True, slots=True)
class AlertHistory:
    """The past of one account in one snapshot. ``usage``: gives what sums usage by day."""

    connection: Connection
    scope: AccountScope
    usage: Callable[[], UsageReader]

    def backtest(self, rule: AlertRule, period: Period) -> AlertBacktest:
        """What a rule would have done; the last day of the period is today.

        Errors: of a service's, a metric's or a campaign's usage what reading usage meets.
        """
        thresholds = self._thresholds(rule, period)
        if rule.kind is AlertKind.USAGE:
            days, windows = self._usage_days(rule, period, thresholds)
            return backtest_days(rule, period, days, windows)
        paths: Mapping[date, tuple[int | None, ...]] = self._balances(period)
        if rule.kind is AlertKind.DAYS_LEFT:
            paths = self._days_left(paths, period)
        days = [
            BacktestDay(day, _lowest(paths.get(day, ())), thresholds[day], paths.get(day, ()))
            for day in period.days()
        ]
        return backtest_days(rule, period, days, {})

    def _thresholds(self, rule: AlertRule, period: Period) -> Mapping[date, int | None]:
        """The threshold of each day; of a percentage with the average as it was that month."""
        averages: dict[date, int | None] = {}
        found: dict[date, int | None] = {}
        for day in period.days():
            average = None
            if rule.threshold.unit is Unit.PERCENT:
                month = month_of(day).start
                if month not in averages:
                    of_month = average_before(self.connection, self.scope.account, day)
                    averages[month] = of_month.micros
                average = averages[month]
            found[day] = threshold_value(rule.threshold, average)
        return found

    def _usage_days(
        self, rule: AlertRule, period: Period, thresholds: Mapping[date, int | None]
    ) -> tuple[list[BacktestDay], Mapping[date, date]]:
        """The running figure at each day's end, and of each day the first day of its span."""
        assert rule.span is not None, "usage is counted over a span"
        account = self.scope.account
        windows = {day: rule.span.of(account, day).start for day in period.days()}
        counted = Period(min(windows.values()), period.end)
        by_day = self._used(rule, counted)
        days, running, window = [], 0, None
        for day in counted.days():
            start = windows.get(day, windows[period.start])
            running = by_day.get(day, 0) + (running if start == window else 0)
            window = start
            if day in period:
                days.append(BacktestDay(day, running, thresholds[day]))
        return days, windows

    def _used(self, rule: AlertRule, period: Period) -> Mapping[date, int]:
        visible = period.clip(self.scope.visible_from, None)
        if visible is None:
            return {}
        if rule.scope == WHOLE:
            return spent_by_day(self.connection, self.scope, visible)
        filters = SCOPE_FILTERS[rule.scope.kind](rule.scope.id)
        reading = self.usage().usage(self.scope, visible, [Dimension.DAY], filters)
        return {
            cell.keys[0]: cell.base_units if rule.measure is Measure.UNITS else cell.cost_micros
            for cell in reading.cells
            if isinstance(cell.keys[0], date)
        }

    def _balances(self, period: Period) -> Mapping[date, tuple[int, ...]]:
        """The balance at the turns of each day, from the day of the account's first movement on."""
        account_id = self.scope.account_id
        charged = dict(spent_by_day(self.connection, self.scope, period))
        turns: list[Turn] = []
        rows = self.connection.execute(
            select(
                _entries.booked_on, _entries.amount_micros, _entries.balance_after_micros,
                _entries.kind, _lines.cap_on,
            )
            .outerjoin(t.usage_lines, _lines.id == _entries.line_id)
            .where(
                _entries.account_id == account_id, _NO_CHARGE, _entries.booked_on >= period.start
            )
            .order_by(_entries.seq)
        )  # fmt: skip
        for row in rows:
            turns.append(Turn(row.booked_on, row.amount_micros, row.balance_after_micros))
            if row.kind == "refund" and row.cap_on in period:  # counters are less refunds
                charged[row.cap_on] = charged.get(row.cap_on, 0) + row.amount_micros
        posted = self.connection.scalar(
            select(t.balances.c.posted_micros).where(t.balances.c.account_id == account_id)
        )
        first = self._first_day()
        if first is None:
            return {}
        found = balance_days(int(posted or 0), charged, turns, period)
        return {
            day: _from_first_movement(path) if day == first else path
            for day, path in found.items()
            if day >= first
        }

    def _first_day(self) -> date | None:
        """When the account's first money moved; none: it never did."""
        account_id = self.scope.account_id
        firsts = (
            self.connection.scalar(
                select(_entries.booked_on)
                .where(_entries.account_id == account_id)
                .order_by(_entries.seq)
                .limit(1)
            ),
            self.connection.scalar(
                select(func.min(_counters.start_on)).where(
                    _counters.account_id == account_id, _counters.kind == "daily"
                )
            ),
        )
        return min((day for day in firsts if day is not None), default=None)

    def _days_left(
        self, balances: Mapping[date, tuple[int | None, ...]], period: Period
    ) -> Mapping[date, tuple[int | None, ...]]:
        """How long each of a day's balances would have lasted, by the seven days before it."""
        counted = Period(period.start - timedelta(days=LOOK_BACK_DAYS), period.end)
        visible = counted.clip(self.scope.visible_from, None)
        spent = spent_by_day(self.connection, self.scope, visible) if visible else {}
        return {
            day: tuple(None if each is None else runway(each, spent, day).days for each in path)
            for day, path in balances.items()
        }


def _from_first_movement(path: tuple[int, ...]) -> tuple[int, ...]:
    """A path without the nothing that a wallet begins with, which no alert takes for empty."""
    return tuple(dropwhile(lambda micros: micros == 0, path)) or path[-1:]


def _lowest(path: tuple[int | None, ...]) -> int | None:
    return min((each for each in path if each is not None), default=None)
