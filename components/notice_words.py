"""Notices in words: what the dashboard, an e-mail and an SMS say of them, in the same words.

A notice is read from the figures of its own moment, however things stand since. Knows neither how
it is shown nor sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from billing.accounts import Account
from billing.alerts import AlertKind, Level, Measure, ScopeKind, Span, Unit
from billing.errors import shorten
from billing.metrics import METRIC_BY_ID
from billing.money import divide_half_up, to_decimal
from billing.notices import Notice, NoticeKind, NoticeWords
from billing.periods import Period
from components import format as fmt
from components.trouble_words import first_large, over_words, trouble_words

LEVEL_NAMES = {
    Level.NOTICE: "Notice", Level.WARNING: "Warning", Level.URGENT: "Urgent",
    Level.CRITICAL: "Critical",
}  # fmt: skip
ALERTS, BALANCE, INBOX = "/billing/alerts", "/billing/balance", "/billing/alerts/inbox"
LONGEST_NAME = 80  # of an alert, campaign or account within a sentence
TEST_TITLE = "Test"
_NOWHERE = "UTC"
_SPANS = {
    Span.DAY: "today", Span.WEEK: "this week", Span.MONTH: "this month",
    Span.BILLING_PERIOD: "this billing period",
}  # fmt: skip
_RECOVERIES = {
    AlertKind.LOW_BALANCE: "is above its threshold again",
    AlertKind.USAGE: "is below its threshold again",
    AlertKind.DAYS_LEFT: "is above its threshold again",
}


def words(notice: Notice, account: Account | None) -> NoticeWords:
    """A notice as people read it; the first of its figures is the one that it is about.

    ``account``: the notice's own; none for one to those who run the product.
    """
    said = _WORDS[notice.kind](_Told.of(notice, account))
    unsent_count = int(notice.facts.get("unsent_count") or 0)
    if not unsent_count:
        return said
    what = "1 e-mail or SMS" if unsent_count == 1 else f"{unsent_count} e-mails or SMS"
    verb = "wasn’t" if unsent_count == 1 else "weren’t"
    left_out = f"{what} of this {verb} sent: an account’s alerts send only so many within a day."
    return replace(said, sentences=(*said.sentences, left_out))


def level_name(level: Level) -> str:
    """A level's word: ``Urgent``."""
    return LEVEL_NAMES[level]


@dataclass(frozen=True, slots=True)
class _Told:
    """A notice with what is needed to write its figures."""

    notice: Notice
    facts: Mapping[str, Any]
    owner: str  # the account's name, shortened; empty for those who run the product
    currency: str
    locale: str
    zone: str

    @classmethod
    def of(cls, notice: Notice, account: Account | None) -> _Told:
        facts = notice.facts
        if account is None:
            currency = str(facts.get("currency") or "USD")
            return cls(notice, facts, "", currency, fmt.FALLBACK_LOCALE, _NOWHERE)
        zone = account.zones.name_on(account.today(notice.created_at))
        currency = str(facts.get("currency") or account.currency)
        return cls(notice, facts, named(account.name), currency, account.locale, zone)

    @property
    def kind(self) -> AlertKind:
        return AlertKind(self.facts["kind"])

    @property
    def value(self) -> int | None:
        found: int | None = self.facts.get("value")
        return found

    @property
    def threshold(self) -> int | None:
        found: int | None = self.facts.get("threshold")
        return found

    @property
    def of_owner(self) -> str:
        return f" of {self.owner}" if self.owner else ""

    def money(self, micros: int) -> str:
        return fmt.money(micros, self.currency, self.locale)

    def figure(self, value: int | None) -> str:
        """A value or threshold in the figure's own unit: money, units or days."""
        if value is None:
            return fmt.NONE
        if self.kind is AlertKind.DAYS_LEFT:
            return fmt.days_text(value, self.locale)
        if self.facts.get("measure") == Measure.UNITS.value:
            return fmt.units(value, METRIC_BY_ID[self.facts["scope_id"]], self.locale)
        return self.money(value)

    def at(self, instant: datetime) -> str:
        day = fmt.long_day(fmt.local_day(instant, self.zone))
        return f"{day}, {fmt.clock_time(instant, self.zone, has_seconds=False)}"


# --- alerts --------------------------------------------------------------------------------------
def _fired(told: _Told) -> NoticeWords:
    return NoticeWords(
        first_large(f"{_leveled(told)}{_now(told)}"), (_crossed(told), *_name_sentence(told)),
        told.notice.level.action, _figures(told), ALERTS,
    )  # fmt: skip


def _repeated(told: _Told) -> NoticeWords:
    number = int(told.facts.get("number") or 2)
    again = f"You were told of this alarm {'once' if number == 2 else f'{number - 1} times'} before"
    return NoticeWords(
        f"Still in alarm · {_leveled(told)}{_now(told)}",
        (_crossed(told), f"{again}, and it goes on.", *_name_sentence(told)),
        told.notice.level.action, _figures(told), ALERTS,
    )  # fmt: skip


def _recovered(told: _Told) -> NoticeWords:
    sentence = f"{_subject(told)}{told.of_owner} {_RECOVERIES[told.kind]}"
    standing = "" if told.value is None else f": {told.figure(told.value)}"
    threshold = "" if told.threshold is None else f", the threshold being {_threshold(told)}"
    return NoticeWords(
        f"Recovered: {_now(told, is_beyond=False)}",
        (
            f"{sentence}{standing}{threshold}.",
            "The alert is armed again: it fires when the threshold is crossed once more.",
            *_name_sentence(told),
        ),
        figures=_figures(told), path=ALERTS,
    )  # fmt: skip


def _test(told: _Told) -> NoticeWords:
    present = f"{_subject(told)}{told.of_owner} now: {told.figure(told.value)}"
    threshold = "not known yet" if told.threshold is None else _threshold(told)
    return NoticeWords(
        f"{TEST_TITLE} · {_leveled(told)}{_now(told)}",
        (
            "This is a test that somebody asked for. It says nothing about how things stand.",
            f"{present}; the threshold: {threshold}.",
            *_name_sentence(told),
        ),
        told.notice.level.action, _figures(told), ALERTS, is_test=True,
    )  # fmt: skip


def _leveled(told: _Told) -> str:
    """The level before a title; a mere notice has none."""
    level = told.notice.level
    return "" if level is Level.NOTICE else f"{LEVEL_NAMES[level]}: "


def _now(told: _Told, *, is_beyond: bool = True) -> str:
    """The figure in a few words: ``balance at ₹4,120.00, below ₹5,000.00``."""
    subject = "balance"
    if told.kind is AlertKind.USAGE:
        subject = _scope(told)
        subject = f"u{subject[1:]}" if subject.startswith("Usage") else subject
    if told.value is None:
        return f"{subject} without a figure yet"
    if told.kind is AlertKind.DAYS_LEFT:
        return f"{subject} lasts {told.figure(told.value)}"
    text = f"{subject} at {told.figure(told.value)}"
    if not is_beyond or told.threshold is None or told.value == told.threshold:
        return text
    side = "above" if told.value > told.threshold else "below"
    return f"{text}, {side} {told.figure(told.threshold)}"


def _crossed(told: _Told) -> str:
    """What crossed what, and by how much."""
    value, threshold = told.value, told.threshold
    if value is None or threshold is None:
        return f"{_subject(told)}{told.of_owner}: there is no figure yet."
    if told.kind is AlertKind.USAGE:
        reached = f"{_subject(told)}{told.of_owner} came to {told.figure(value)}{_when(told)}"
        over = value - threshold
        beyond = f"{told.figure(over)}{_percent_of(over, threshold, told)} above" if over else "at"
    elif told.kind is AlertKind.DAYS_LEFT:
        reached = (
            f"The balance{told.of_owner} lasts {told.figure(value)} at the rate of the last "
            "seven days"
        )
        beyond = f"{told.figure(threshold - value)} below" if value < threshold else "at"
    else:
        reached = f"The balance{told.of_owner} is down to {told.figure(value)}"
        beyond = f"{told.figure(threshold - value)} below" if value < threshold else "at"
    return f"{reached}, {beyond} the threshold of {_threshold(told)}."


def _percent_of(part: int, whole: int, told: _Told) -> str:
    """By how many percent, where that says something."""
    tenths = divide_half_up(part * 1000, whole) if whole > 0 else 0
    return f" ({fmt.share(part, whole, told.locale)})" if 0 < tenths <= 9_999 else ""


def _threshold(told: _Told) -> str:
    """The threshold as it was given, a percentage with what it comes to."""
    if told.facts.get("unit") != Unit.PERCENT.value:
        return told.figure(told.threshold)
    share = f"{_percent(told)} of average monthly usage"
    return f"{told.figure(told.threshold)} ({share})" if told.threshold is not None else share


def _percent(told: _Told) -> str:
    """Hundredths of a percent, trimmed: ``30 %``, ``7.5 %``."""
    amount = int(told.facts.get("amount") or 0)
    decimals = 0 if amount % 100 == 0 else 1 if amount % 10 == 0 else 2
    shown = fmt.number(to_decimal(amount * 10_000), told.locale, decimals)
    return f"{shown}{fmt.SPACE}%"


def _subject(told: _Told) -> str:
    if told.kind is AlertKind.LOW_BALANCE:
        return "The balance"
    if told.kind is AlertKind.DAYS_LEFT:
        return "How long the balance lasts"
    return shorten(_scope(told), LONGEST_NAME)


def _scope(told: _Told) -> str:
    """Whose usage: ``SMS usage``, ``Usage of campaign diwali``."""
    kind, scope_id = ScopeKind(told.facts["scope"]), str(told.facts.get("scope_id") or "")
    if kind is ScopeKind.SERVICE:
        return f"{scope_id} usage"
    if kind is ScopeKind.METRIC:
        metric = METRIC_BY_ID.get(scope_id)
        return f"Usage of {metric.name if metric else named(scope_id)}"
    return f"Usage of campaign {named(scope_id)}" if kind is ScopeKind.CAMPAIGN else "Usage"


def _when(told: _Told) -> str:
    span = told.facts.get("span")
    return f" {_SPANS[Span(span)]}" if span else ""


def _name_sentence(told: _Told) -> tuple[str, ...]:
    name = named(str(told.facts.get("name") or ""))
    return (f"The alert is called “{name}”.",) if name else ()


def _figures(told: _Told) -> tuple[tuple[str, str], ...]:
    """The figure itself, its threshold, and what they are of."""
    labels = {
        AlertKind.LOW_BALANCE: "Balance", AlertKind.USAGE: _subject(told),
        AlertKind.DAYS_LEFT: "The balance lasts",
    }  # fmt: skip
    rows = [(labels[told.kind], told.figure(told.value)), ("Threshold", _threshold(told))]
    average = told.facts.get("average_micros")
    if average is not None:
        rows.append(("Average monthly usage", told.money(int(average))))
    period = _period(told)
    if period:
        rows.append(("Period", fmt.period_label(period)))
    rows += [("Level", LEVEL_NAMES[told.notice.level])]
    if told.owner:
        rows.append(("Account", told.owner))
    return (*rows, ("As of", told.at(told.notice.created_at)))


def _period(told: _Told) -> Period | None:
    start, end = told.facts.get("window_on"), told.facts.get("window_end_on")
    if not start or not end:
        return None
    return Period(date.fromisoformat(start), date.fromisoformat(end))


# --- auto-recharge -------------------------------------------------------------------------------
def _declined(told: _Told) -> NoticeWords:
    facts = told.facts
    amount = told.money(int(facts["amount_micros"])) if "amount_micros" in facts else ""
    what = f"A top-up of {amount}" if amount else "A top-up"
    is_silent = facts.get("outcome") == "unanswered"  # what the gateway did isn't known
    fate = "has no answer yet" if is_silent else "was declined"
    title = f"auto-recharge{f' of {amount}' if amount else ''} {fate}"
    reason = named(str(facts.get("reason") or ""))
    next_at = facts.get("next_at")
    again = "It is not tried again by itself"
    if next_at:
        verb = "asked about" if is_silent else "tried"
        again = f"It is {verb} again {told.at(datetime.fromisoformat(next_at))}"
    return NoticeWords(
        first_large(f"{_leveled(told)}{title}"),
        (f"{what}{told.of_owner} {fate}{f': {reason}' if reason else ''}.", f"{again}."),
        "Check the payment method, or add credits by hand", _recharge_figures(told), BALANCE,
    )  # fmt: skip


def _stopped(told: _Told) -> NoticeWords:
    ceiling = told.facts.get("ceiling_micros")
    most = f" of {told.money(int(ceiling))}" if ceiling is not None else ""
    return NoticeWords(
        first_large(f"{_leveled(told)}auto-recharge has reached its daily ceiling"),
        (
            f"Auto-recharge{told.of_owner} has topped up as much as its daily ceiling{most} "
            "allows. It goes on tomorrow.",
        ),
        "Raise the ceiling, or add credits by hand", _recharge_figures(told), BALANCE,
    )  # fmt: skip


_AMOUNTS = {
    "amount_micros": "Top-up", "balance_micros": "Balance", "threshold_micros": "Threshold",
    "topped_up_micros": "Topped up today", "ceiling_micros": "Daily ceiling",
}  # fmt: skip


def _recharge_figures(told: _Told) -> tuple[tuple[str, str], ...]:
    rows = [
        (label, told.money(int(told.facts[name])))
        for name, label in _AMOUNTS.items()
        if told.facts.get(name) is not None
    ]
    if told.owner:
        rows.append(("Account", told.owner))
    return (*rows, ("As of", told.at(told.notice.created_at)))


# --- those who run the product -------------------------------------------------------------------
def _trouble(told: _Told) -> NoticeWords:
    return trouble_words(told.facts, _leveled(told), told.at(told.notice.created_at), INBOX)


def _trouble_over(told: _Told) -> NoticeWords:
    return over_words(told.facts, told.at(told.notice.created_at), INBOX)


def named(text: str) -> str:
    """A name that somebody chose, on one line and short enough for a sentence."""
    shown = "".join(each if each.isprintable() else " " for each in text[: 4 * LONGEST_NAME])
    return shorten(" ".join(shown.split()), LONGEST_NAME)


_WORDS: Mapping[NoticeKind, Callable[[_Told], NoticeWords]] = {
    NoticeKind.ALERT_FIRED: _fired,
    NoticeKind.ALERT_REPEATED: _repeated,
    NoticeKind.ALERT_RECOVERED: _recovered,
    NoticeKind.ALERT_TEST: _test,
    NoticeKind.RECHARGE_DECLINED: _declined,
    NoticeKind.RECHARGE_STOPPED: _stopped,
    NoticeKind.TROUBLE: _trouble,
    NoticeKind.TROUBLE_OVER: _trouble_over,
}
