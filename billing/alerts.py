"""Alerts: what people ask to be warned of, from which threshold on, how, and how often.

A rule has one threshold; several rules on the same figure are its levels. Must not know how a
figure is read, what was sent, or where anything is stored. Amounts are micros of the account's
currency, units a metric's base units, percentages hundredths of a percent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from billing.accounts import Account
from billing.errors import InputError
from billing.limits import limit
from billing.metrics import METRICS, Service
from billing.periods import Period, day_period, month_of, week_of

MOST_ALERTS = 100
MOST_ADDRESSES = 20  # of one rule, e-mail addresses and numbers each
LARGEST_THRESHOLD_MICROS = 10**15
LARGEST_THRESHOLD_UNITS = 10**12
LARGEST_PERCENT = 1_000_000  # hundredths: ten thousand percent
LARGEST_DAYS = 365
LONGEST_REPEAT_HOURS = 24 * 30
AVERAGE_MONTHS = 3  # complete calendar months, at most, of which the average is taken
LONGEST_ADDRESS = 254


class AlertKind(StrEnum):
    """What a rule looks at (second seed: Alert Type)."""

    LOW_BALANCE = "low_balance"  # paid and promotional credit, whatever is reserved
    USAGE = "usage"
    DAYS_LEFT = "days_left"  # how long the balance lasts at the rate of the last seven days


class ScopeKind(StrEnum):
    """Whose usage a rule counts."""

    ACCOUNT = "account"
    SERVICE = "service"
    METRIC = "metric"
    CAMPAIGN = "campaign"


class AlertScope(NamedTuple):
    """A part of an account's usage. ``id``: a service, metric or campaign; empty for the whole."""

    kind: ScopeKind = ScopeKind.ACCOUNT
    id: str = ""


WHOLE = AlertScope()


class Measure(StrEnum):
    """What of usage is counted."""

    COST = "cost"
    UNITS = "units"  # of one metric


class Span(StrEnum):
    """Over which local days usage is counted."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    BILLING_PERIOD = "billing_period"

    def of(self, account: Account, day: date) -> Period:
        """The span of an account that a local day lies in."""
        if self is Span.BILLING_PERIOD:
            return account.billing.period_of(day)
        return _SPANS[self](day)


_SPANS = {Span.DAY: day_period, Span.WEEK: week_of, Span.MONTH: month_of}


class Unit(StrEnum):
    """What a threshold's amount is an amount of."""

    MONEY = "money"  # micros
    UNITS = "units"  # base units of the metric
    PERCENT = "percent"  # hundredths of a percent of average monthly usage
    DAYS = "days"


class Threshold(NamedTuple):
    """From where on a rule is in alarm, in the unit it was given in."""

    unit: Unit
    amount: int


class Level(StrEnum):
    """How much it matters; the recommended ones carry what to do (second seed)."""

    NOTICE = "notice"
    WARNING = "warning"
    URGENT = "urgent"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """The greater, the more severe."""
        return list(Level).index(self)

    @property
    def action(self) -> str:
        """What to do, in a sentence; empty for a mere notice."""
        return _ACTIONS.get(self, "")


_ACTIONS = {
    Level.WARNING: "Plan to add credits soon",
    Level.URGENT: "Add credits immediately",
    Level.CRITICAL: "Service disruption imminent",
}
# One click installs these: level and percent of average monthly usage (second seed).
RECOMMENDED = ((Level.WARNING, 30_00), (Level.URGENT, 15_00), (Level.CRITICAL, 5_00))


class Channel(StrEnum):
    """By which way people are told."""

    EMAIL = "email"
    SMS = "sms"
    DASHBOARD = "dashboard"
    WEBHOOK = "webhook"


class Repeat(StrEnum):
    """How often an alarm is told."""

    EPISODE = "once_per_episode"
    PERIOD = "once_per_period"
    HOURS = "every_hours"


class Frequency(NamedTuple):
    """How often an alarm is told. ``hours``: between two, of ``Repeat.HOURS``."""

    repeat: Repeat = Repeat.EPISODE
    hours: int | None = None


ONCE = Frequency()


class Target(NamedTuple):
    """One who is told by one channel. ``address``: empty for dashboard and webhook."""

    channel: Channel
    address: str = ""


@dataclass(frozen=True, slots=True)
class AlertRule:
    """What a rule says, as people give it. ``span``: of usage alone.

    ``emails`` and ``phones`` may be kept although their channel isn't chosen. ``name``: empty for
    one that is called after what it says.
    """

    kind: AlertKind
    threshold: Threshold
    scope: AlertScope = WHOLE
    measure: Measure = Measure.COST
    span: Span | None = None
    level: Level = Level.NOTICE
    name: str = ""
    channels: tuple[Channel, ...] = (Channel.DASHBOARD,)
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    frequency: Frequency = ONCE
    has_recovery: bool = False
    is_on: bool = True

    @property
    def targets(self) -> tuple[Target, ...]:
        """Everybody who is told, by which channel."""
        addresses = {Channel.EMAIL: self.emails, Channel.SMS: self.phones}
        return tuple(
            Target(channel, address)
            for channel in self.channels
            for address in addresses.get(channel, ("",))
        )

    @property
    def family(self) -> tuple[AlertKind, AlertScope, Measure, Span | None]:
        """What a rule looks at: rules of one family are levels of the same figure."""
        return self.kind, self.scope, self.measure, self.span

    @property
    def is_falling(self) -> bool:
        """Whether a small figure is the alarming one."""
        return self.kind is not AlertKind.USAGE


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule of an account; ``version`` grows with each change."""

    id: str
    account_id: str
    version: int
    rule: AlertRule
    created_at: datetime
    updated_at: datetime


def recommended(emails: Sequence[str]) -> tuple[AlertRule, ...]:
    """The three levels that one click installs, the mildest first; told by e-mail and on screen."""
    channels = (Channel.EMAIL, Channel.DASHBOARD) if emails else (Channel.DASHBOARD,)
    return tuple(
        AlertRule(
            AlertKind.LOW_BALANCE, Threshold(Unit.PERCENT, percent), level=level,
            channels=channels, emails=tuple(emails), has_recovery=level is Level.CRITICAL,
        )
        for level, percent in RECOMMENDED
    )  # fmt: skip


def check_rule(rule: AlertRule) -> AlertRule:
    """The rule as it is kept: addresses without doubles, in order, nothing that has no meaning.

    Errors: ``InputError`` names the field: ``threshold``, ``scope``, ``span``, ``measure``,
    ``channels``, ``recipients``, ``phones``, ``frequency``, ``name``.
    """
    _check_meaning(rule)
    _check_threshold(rule)
    _check_frequency(rule.frequency)
    if len(rule.name) > limit("name") or not (rule.name or "-").isprintable():
        raise InputError("name", rule.name, "use up to 255 printable characters")
    if not rule.channels:
        raise InputError("channels", "none", f"choose at least one of {', '.join(Channel)}")
    # In small letters, as people's own: who asked to hear no more isn't reached by larger ones.
    small = tuple(each.lower() for each in rule.emails)
    emails = _addresses("recipients", small, _EMAIL, "an address such as name@example.com")
    phones = _addresses("phones", rule.phones, _PHONE, "a number such as +14155550100")
    if Channel.EMAIL in rule.channels and not emails:
        raise InputError("recipients", "none", "name at least one address for e-mail")
    if Channel.SMS in rule.channels and not phones:
        raise InputError("phones", "none", "name at least one number for SMS")
    order = list(Channel)
    channels = tuple(sorted(set(rule.channels), key=order.index))
    return AlertRule(
        rule.kind, rule.threshold, rule.scope, rule.measure, rule.span, rule.level,
        rule.name.strip(), channels, emails, phones, rule.frequency, rule.has_recovery, rule.is_on,
    )  # fmt: skip


_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
)
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")


def _addresses(
    field: str, given: Sequence[str], pattern: re.Pattern[str], example: str
) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(each.strip() for each in given if each.strip()))
    for each in found:
        if len(each) > LONGEST_ADDRESS or not pattern.fullmatch(each) or ".." in each:
            raise InputError(field, each, f"use {example}")
    if len(found) > MOST_ADDRESSES:
        raise InputError(field, f"{len(found)} of them", f"use at most {MOST_ADDRESSES}")
    return found


def _check_meaning(rule: AlertRule) -> None:
    """Whether what the rule looks at exists."""
    if rule.kind is not AlertKind.USAGE:
        if rule.scope != WHOLE or rule.measure is not Measure.COST:
            raise InputError("scope", rule.scope.id, "leave it out: a balance has no parts")
        if rule.span is not None:
            raise InputError("span", rule.span.value, "leave it out: a balance is of now")
        return
    if rule.span is None:
        raise InputError("span", "none", f"use one of {', '.join(Span)}")
    kind, scope_id = rule.scope
    if rule.measure is Measure.UNITS and kind is not ScopeKind.METRIC:
        raise InputError("measure", "units", "use cost: units of several metrics don't add up")
    known = {
        ScopeKind.SERVICE: tuple(service.value for service in Service),
        ScopeKind.METRIC: tuple(metric.id for metric in METRICS),
        ScopeKind.ACCOUNT: ("",),
    }.get(kind)
    if known is not None and scope_id not in known:
        shown = ", ".join(known) or "nothing"
        raise InputError("scope", scope_id, f"use one of {shown}")
    is_odd = not scope_id.isprintable() or len(scope_id) > limit("name")
    if kind is ScopeKind.CAMPAIGN and (not scope_id.strip() or is_odd):
        raise InputError("scope", scope_id, "name a campaign")


def _check_threshold(rule: AlertRule) -> None:
    unit, amount = rule.threshold
    if unit not in _UNITS[rule.kind, rule.measure]:
        allowed = ", ".join(_UNITS[rule.kind, rule.measure])
        raise InputError("threshold", unit.value, f"give it in {allowed}")
    least = 0 if rule.is_falling else 1
    if not least <= amount <= _LARGEST[unit]:
        raise InputError("threshold", amount, f"use from {least} to {_LARGEST[unit]:,}")


_UNITS = {
    (AlertKind.LOW_BALANCE, Measure.COST): (Unit.MONEY, Unit.PERCENT),
    (AlertKind.USAGE, Measure.COST): (Unit.MONEY, Unit.PERCENT),
    (AlertKind.USAGE, Measure.UNITS): (Unit.UNITS,),
    (AlertKind.DAYS_LEFT, Measure.COST): (Unit.DAYS,),
}
_LARGEST = {
    Unit.MONEY: LARGEST_THRESHOLD_MICROS, Unit.UNITS: LARGEST_THRESHOLD_UNITS,
    Unit.PERCENT: LARGEST_PERCENT, Unit.DAYS: LARGEST_DAYS,
}  # fmt: skip


def _check_frequency(frequency: Frequency) -> None:
    repeat, hours = frequency
    if (repeat is Repeat.HOURS) != (hours is not None):
        raise InputError("frequency", repeat.value, "give hours with every_hours, and only there")
    if hours is not None and not 1 <= hours <= LONGEST_REPEAT_HOURS:
        raise InputError("frequency", hours, f"use from 1 to {LONGEST_REPEAT_HOURS} hours")


def threshold_value(threshold: Threshold, average_micros: int | None) -> int | None:
    """From which figure on it alarms, in the figure's own unit; none: no average yet.

    A percentage of the average is rounded half up, to the micro.
    """
    if threshold.unit is not Unit.PERCENT:
        return threshold.amount
    if average_micros is None:
        return None
    return (average_micros * threshold.amount + 5_000) // 10_000
