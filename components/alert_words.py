"""Alerts in words: what a rule watches, from where on, who is told how often, where it stands.

A rule is read back as one sentence, the same on the list and before it is saved. What to do at a
recommended level is said as the second seed, Recommended Alert Levels, says it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing.alert_standing import AlertView
from billing.alert_steps import EndCause, Phase, Reading
from billing.alerts import (
    AlertKind,
    AlertRule,
    AlertScope,
    Channel,
    Measure,
    Repeat,
    ScopeKind,
    Span,
    Threshold,
    Unit,
)
from billing.metrics import METRIC_BY_ID
from billing.periods import Period
from billing.runway import LONGEST_DAYS
from components import format as fmt
from components.limit_words import Telling

KINDS = {
    AlertKind.LOW_BALANCE: "Low balance",
    AlertKind.USAGE: "Usage threshold",
    AlertKind.DAYS_LEFT: "Days of balance left",
}
CHANNELS = {
    Channel.EMAIL: "Email", Channel.SMS: "SMS", Channel.DASHBOARD: "Dashboard",
    Channel.WEBHOOK: "Webhook",
}  # fmt: skip
SPANS = {
    Span.DAY: "a day", Span.WEEK: "a week, from Monday", Span.MONTH: "a calendar month",
    Span.BILLING_PERIOD: "a billing period",
}  # fmt: skip
_PRESENT = {
    Span.DAY: "today", Span.WEEK: "this week", Span.MONTH: "this month",
    Span.BILLING_PERIOD: "this billing period",
}  # fmt: skip
_EACH = {
    Span.DAY: "day", Span.WEEK: "week", Span.MONTH: "month",
    Span.BILLING_PERIOD: "billing period",
}  # fmt: skip
ENDS = {
    EndCause.RECOVERED: "It recovered", EndCause.PERIOD: "The next period began",
    EndCause.EDITED: "The alert was changed", EndCause.OFF: "The alert was paused or removed",
}  # fmt: skip
MOST_NAMED = 3  # recipients that a sentence names


@dataclass(frozen=True, slots=True)
class Average:
    """Average monthly usage: micros, none while there is no complete month; of which months."""

    micros: int | None = None
    months: Period | None = None

    def of_text(self) -> str:
        """Of what it is the mean: ``mean of Aug – Oct 2026``, ``usage of Oct 2026``."""
        assert self.months is not None, "an average is of some months"
        first, last = self.months.start, self.months.last_day
        if (first.year, first.month) == (last.year, last.month):
            return f"usage of {fmt.month(last)}"
        start = fmt.month(first) if first.year != last.year else fmt.month(first).split()[0]
        return f"mean of {start} – {fmt.month(last)}"


def rule_name(rule: AlertRule, telling: Telling) -> str:
    """A rule by the name it was given, or by what it says: ``Low balance, 30 %``."""
    if rule.name:
        return rule.name
    amount = amount_text(rule.threshold, rule.scope, telling)
    if rule.kind is AlertKind.LOW_BALANCE:
        return f"Low balance, {amount}"
    if rule.kind is AlertKind.DAYS_LEFT:
        return f"{amount} of balance left"
    assert rule.span is not None, "usage is counted over a span"
    return f"{_capital(watched_text(rule, telling))}, {amount} a {_EACH[rule.span]}"


def watched_text(rule: AlertRule, telling: Telling) -> str:
    """What of usage is watched: ``cost of SMS``, ``SMS Credits``, ``cost of campaign Diwali``."""
    if rule.measure is Measure.UNITS:
        return METRIC_BY_ID[rule.scope.id].name
    what = {
        ScopeKind.ACCOUNT: "all usage",
        ScopeKind.CAMPAIGN: f"campaign {telling.campaign(rule.scope.id)}",
        ScopeKind.METRIC: METRIC_BY_ID[rule.scope.id].name if rule.scope.id in METRIC_BY_ID else "",
        ScopeKind.SERVICE: rule.scope.id,
    }[rule.scope.kind]  # fmt: skip
    return f"cost of {what}"


def amount_text(threshold: Threshold, scope: AlertScope, telling: Telling) -> str:
    """A threshold as it was given: ``₹5,000.00``, ``30 %``, ``10,000 credits``, ``3 days``."""
    unit, amount = threshold
    if unit is Unit.PERCENT:
        return f"{fmt.number(Decimal(amount) / 100, telling.locale, 2)}{fmt.SPACE}%"
    if unit is Unit.MONEY:
        return telling.money(amount)
    return _counted(unit is Unit.DAYS, amount, scope, telling)


def figure_text(rule: AlertRule, value: int | None, telling: Telling) -> str:
    """A figure that a rule looks at, in its own unit; ``–`` where there is none."""
    if value is None:
        return fmt.NONE
    if rule.kind is not AlertKind.DAYS_LEFT and rule.measure is Measure.COST:
        return telling.sum(value)
    return _counted(rule.kind is AlertKind.DAYS_LEFT, value, rule.scope, telling)


def _counted(is_days: bool, value: int, scope: AlertScope, telling: Telling) -> str:
    if is_days:
        return "over 10 years" if value >= LONGEST_DAYS else fmt.days_text(value, telling.locale)
    return fmt.units(value, METRIC_BY_ID[scope.id], telling.locale)


def threshold_text(rule: AlertRule, reading: Reading, telling: Telling) -> str:
    """The threshold, a percentage with what it comes to: ``30 % = ₹12,480.00``."""
    given = amount_text(rule.threshold, rule.scope, telling)
    if rule.threshold.unit is not Unit.PERCENT or reading.threshold is None:
        return given
    return f"{given} = {figure_text(rule, reading.threshold, telling)}"


def figure_label(rule: AlertRule) -> str:
    """What a rule's figure is called: ``Balance``, ``Cost today``, ``Lasts``."""
    if rule.kind is AlertKind.LOW_BALANCE:
        return "Balance now"
    if rule.kind is AlertKind.DAYS_LEFT:
        return "Lasts"
    assert rule.span is not None, "usage is counted over a span"
    return f"{'Cost' if rule.measure is Measure.COST else 'Used'} {_PRESENT[rule.span]}"


def no_figure_text(rule: AlertRule) -> str:
    """Why there is no figure."""
    if rule.kind is AlertKind.DAYS_LEFT:
        return "Nothing was spent in the last 7 complete days"
    return "The wallet has never held anything"


# --- sentences ---------------------------------------------------------------------------------
def sentence(rule: AlertRule, average: Average, reading: Reading, telling: Telling) -> str:
    """A rule read back: from where on, who is told by which way, how often, and of recovery."""
    parts = [f"When {condition(rule, average, reading, telling)}, tell {who_text(rule)}"]
    often = often_text(rule)
    parts.append(f"{often}, and again when it has recovered" if rule.has_recovery else often)
    return f"{', '.join(parts)}."


def condition(rule: AlertRule, average: Average, reading: Reading, telling: Telling) -> str:
    """From where on: ``the balance falls to 30 % of average monthly usage (₹12,480.00 of …)``."""
    amount = _amount_of_average(rule, average, reading, telling)
    if rule.kind is AlertKind.LOW_BALANCE:
        return f"the balance falls to {amount}"
    if rule.kind is AlertKind.DAYS_LEFT:
        return f"the balance lasts only {amount}, at the rate of the last 7 days"
    assert rule.span is not None, "usage is counted over a span"
    verb = "reach" if rule.measure is Measure.UNITS else "reaches"
    span = SPANS[rule.span]
    comma = "," if "," in span else ""
    return f"the {watched_text(rule, telling)} in {span}{comma} {verb} {amount}"


def _amount_of_average(
    rule: AlertRule, average: Average, reading: Reading, telling: Telling
) -> str:
    given = amount_text(rule.threshold, rule.scope, telling)
    if rule.threshold.unit is not Unit.PERCENT:
        return given
    if average.micros is None or reading.threshold is None:
        return f"{given} of average monthly usage, once there is a complete month"
    return (
        f"{given} of average monthly usage ({figure_text(rule, reading.threshold, telling)} of "
        f"{telling.sum(average.micros)}, {average.of_text()})"
    )


def who_text(rule: AlertRule) -> str:
    """Who is told by which way: ``a@b.example by e-mail and everybody on the dashboard``."""
    ways = {
        Channel.EMAIL: f"{_listed(rule.emails)} by e-mail",
        Channel.SMS: f"{_listed(rule.phones)} by SMS",
        Channel.DASHBOARD: "everybody on the dashboard",
        Channel.WEBHOOK: "your programs by webhook",
    }
    return _joined([ways[channel] for channel in rule.channels])


def often_text(rule: AlertRule) -> str:
    """How often while it lasts: ``once``, ``once a billing period``, ``at once and every 24 h``."""
    repeat, hours = rule.frequency
    if repeat is Repeat.HOURS:
        every = "every hour" if hours == 1 else f"every {hours} hours"
        return f"at once and {every} while it lasts"
    if repeat is Repeat.PERIOD:
        return f"at most once a {_EACH[rule.span or Span.BILLING_PERIOD]}"
    return "once"


def now_text(
    rule: AlertRule, reading: Reading, telling: Telling, *, is_beyond: bool, goes_on: bool = False
) -> str:
    """What saving does at once: the figure now, and whether it is past the threshold already.

    ``goes_on``: the rule is in alarm for this figure, and a change doesn't begin it anew.
    """
    if not rule.is_on:
        return "It is paused: nobody is told until it is resumed."
    label = f"{figure_label(rule)}: {figure_text(rule, reading.value, telling)}"
    if reading.value is None:
        return f"{no_figure_text(rule)}, so nothing can be wrong yet."
    if reading.threshold is None:
        return f"{label}. It waits for the average, and tells nobody until then."
    if is_beyond and goes_on:
        return f"{label}. This is so now, and the alarm goes on: saving doesn’t begin it anew."
    if is_beyond:
        return f"{label}. This is so now: it will be told at once."
    return f"{label}. It isn’t so now: it tells on the next crossing."


def phase_text(view: AlertView, telling: Telling) -> str:
    """Where a rule stands: ``Armed``, ``In alarm since Mon 23 Nov, 18:00 IST``."""
    if view.phase is Phase.ALARM:
        since = f" since {telling.at(view.alarm_since)}" if view.alarm_since else ""
        return f"In alarm{since}"
    return {
        Phase.ARMED: "Armed", Phase.WAITING: "Waiting for a complete month", Phase.OFF: "Paused",
    }[view.phase]  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:MOST_NAMED])
    more = len(names) - len(shown)
    return _joined([*shown, f"{more} more"] if more else shown)


def _joined(parts: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
