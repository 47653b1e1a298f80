"""How an account's alerts stand, as people and programs read it; and what one would have done.

Must not know how any of it is read. Amounts are micros, days are the account's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from billing.access import Role
from billing.accounts import Account
from billing.alert_steps import Phase, Reading, is_beyond
from billing.alerts import Alert, AlertRule, Channel
from billing.errors import NotAllowedError
from billing.periods import Period

BACKTEST_DAYS = 90
MAY_CHANGE = frozenset({Role.OWNER, Role.ADMIN})


def may_change_alerts(role: Role) -> bool:
    """Whether a role may make and change alerts; every role may see them (RULES: who may)."""
    return role in MAY_CHANGE


def require_alert_change(role: Role) -> None:
    """Refuses to let a role change alerts: ``NotAllowedError`` says who may."""
    if not may_change_alerts(role):
        raise NotAllowedError(
            f"The role {role.value} may see alerts, not change them: ask the owner."
        )


def require_alert_plan(account: Account, today: date) -> None:
    """Refuses alerts where all usage is sandbox: ``NotAllowedError`` says which plans have them."""
    if account.gates_on(today).is_sandbox_only:
        raise NotAllowedError(
            "Sandbox usage isn't alerted on: alerts come with the Launch, Growth and Scale plans.",
            code="plan_lacks",
        )


@dataclass(frozen=True, slots=True)
class AlertView:
    """One rule, its figure now beside its threshold, and since when it is in alarm.

    ``told_at``: when people were last told of an alarm of it; none: never.
    """

    alert: Alert
    phase: Phase
    reading: Reading
    alarm_since: datetime | None = None
    episode_id: str | None = None
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AlertStanding:
    """Every rule of an account in the order people made them, and what they are reckoned from.

    ``average_micros``: of a month's usage, of ``average_months`` complete months; none without
    one. ``channels``: by which this installation can send. ``version`` grows with every change.
    """

    alerts: tuple[AlertView, ...]
    average_micros: int | None
    average_months: int
    channels: frozenset[Channel]
    version: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Episode:
    """One time that a rule was in alarm. ``value`` and ``threshold``: when it began."""

    id: str
    alert_id: str
    started_at: datetime
    value: int | None
    threshold: int | None
    ended_at: datetime | None = None
    end_cause: str | None = None
    told_count: int = 0


@dataclass(frozen=True, slots=True)
class BacktestDay:
    """A local day's last figure, and the threshold of that day; of a balance the lowest figure.

    ``path``: the figure at each turn of the day, in order; empty: the last one is all there is.
    """

    day: date
    value: int | None
    threshold: int | None
    path: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertBacktest:
    """What a rule would have done. ``fired_on``: days on which it would have fired, oldest first.

    ``days``: one item a local day of ``period``, oldest first.
    """

    rule: AlertRule
    period: Period
    days: tuple[BacktestDay, ...]
    fired_on: tuple[date, ...]


def backtest_days(
    rule: AlertRule, period: Period, days: Sequence[BacktestDay], windows: Mapping[date, date]
) -> AlertBacktest:
    """Fires on a day whose figure passes the threshold, once until it recovers or its span ends.

    ``windows``: of each day the first day of its span; empty for a balance. The first day counts
    as crossed if its figure is already past. A day on which it fires several times is one.
    """
    fired: list[date] = []
    was_beyond, window = False, None
    for each in days:
        if windows.get(each.day) != window:
            window, was_beyond = windows.get(each.day), False
        for value in each.path or (each.value,):
            is_now = is_beyond(rule, Reading(value, each.threshold, window, each.day))
            if is_now and not was_beyond and fired[-1:] != [each.day]:
                fired.append(each.day)
            was_beyond = is_now
    return AlertBacktest(rule, period, tuple(days), tuple(fired))
