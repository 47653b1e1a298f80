"""The Alerts page's address and its forms: text into a typed question or a rule, and back.

Whatever can't be read in the address falls back; a form's field that can't be taken is refused by
name. The page's review and the post that follows it read the same fields by the same code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode

from billing.alerts import (
    LARGEST_DAYS,
    LARGEST_PERCENT,
    LARGEST_THRESHOLD_MICROS,
    LARGEST_THRESHOLD_UNITS,
    LONGEST_REPEAT_HOURS,
    WHOLE,
    AlertKind,
    AlertRule,
    AlertScope,
    Channel,
    Frequency,
    Level,
    Measure,
    Repeat,
    ScopeKind,
    Span,
    Threshold,
    Unit,
    check_rule,
)
from billing.errors import InputError
from billing.metrics import METRIC_BY_ID
from billing.money import LONGEST_AMOUNT_TEXT, parse_amount, to_decimal

PATH = "/billing/alerts"
INBOX_PATH = "/billing/alerts/inbox"
LONGEST_SEARCH = 20_000  # forty addresses, written as an address has to be
LONGEST_ID = 64
LARGEST_DIGITS = 13  # powers of ten in a number of units: above every threshold
ROUNDED = Decimal("0.01")  # of a base unit: what writing it with six decimals may lose
ON, OFF = "on", "off"
WHOLE_ACCOUNT = "account"
CHANNEL_FIELDS = {
    Channel.EMAIL: "by_email", Channel.SMS: "by_sms", Channel.DASHBOARD: "by_dashboard",
    Channel.WEBHOOK: "by_webhook",
}  # fmt: skip
# What a form of a rule sends; by the presence of the first one tells that it was sent at all.
RULE_FIELDS = (
    "threshold", "type", "unit", "watched", "campaign", "span", "level", "name",
    *CHANNEL_FIELDS.values(), "recipients", "phones", "frequency", "hours", "recovery", "state",
)  # fmt: skip


Value = TypeVar("Value", bound=StrEnum)


class Edit(StrEnum):
    """What a form of the page does."""

    ADD = "add"
    CHANGE = "change"
    PAUSE = "pause"
    RESUME = "resume"
    REMOVE = "remove"
    RECOMMENDED = "recommended"
    TEST = "test"


# What a form of each kind sends, besides what it does, the account and the version it showed.
FIELDS = {
    Edit.ADD: RULE_FIELDS,
    Edit.CHANGE: ("id", *RULE_FIELDS),
    Edit.PAUSE: ("id",), Edit.RESUME: ("id",), Edit.REMOVE: ("id",), Edit.TEST: ("id",),
    Edit.RECOMMENDED: (),
}  # fmt: skip
WITH_FORM = frozenset({Edit.ADD, Edit.CHANGE, Edit.REMOVE})  # that the page shows before they act
# What the page says when a form was refused, by the refusal's code; the address holds no sentence.
REFUSALS = {
    "other_account": "Nothing was changed: that page showed another account than you look at now.",
    "changed": "Nothing was changed yet: somebody else changed this alert meanwhile. This is how "
    "your change looks now; save it again if it is still right.",
    "not_found": "Nothing was changed: there is no such alert any more.",
    "invalid": "Nothing was changed: see what is wrong below.",
    "too_many": "No test was sent: one was sent less than a minute ago. Try again in a moment.",
    "installed": "Nothing was added: the recommended levels are already there.",
    "not_allowed": "Nothing was changed: alerts are for the owner to change.",
    "plan_lacks": "Nothing was changed: alerts are not on your plan.",
    "busy": "Nothing was changed: too much is going on. Try again in a moment.",
    "unavailable": "Nothing was changed: the ledger can’t be written right now. Try again later.",
}


@dataclass(frozen=True, slots=True)
class AlertsQuery:
    """What the address says. ``fields`` are a form's, as typed.

    ``is_reviewing``: the form was sent and waits to be confirmed. ``done``: the form that was
    saved last, ``saved`` the version of the account's alerts that it came to, ``about`` the alert.
    ``refused`` is a code of ``REFUSALS``. ``notice_id``: the notice whose deliveries are open.
    """

    edit: Edit | None = None
    is_reviewing: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)
    cursor: str | None = None
    notice_id: str | None = None
    done: Edit | None = None
    saved: str | None = None
    about: str | None = None
    refused: str | None = None

    @property
    def is_filled(self) -> bool:
        """Whether the form was sent: what it doesn't say, a box without its tick, is off."""
        return RULE_FIELDS[0] in self.fields

    @property
    def alert_id(self) -> str:
        """The alert that a form is about; empty for a new one."""
        return self.fields.get("id", "")


def parse_alerts_search(search: str) -> AlertsQuery:
    """The question of an address; what can't be read is left out."""
    given = dict(parse_qsl(search[:LONGEST_SEARCH].lstrip("?"), keep_blank_values=True))
    edit, done = _edit(given.get("do", "")), _edit(given.get("done", ""))
    return AlertsQuery(
        edit,
        edit is not None and given.get("step") == "review",
        {name: given[name] for name in FIELDS[edit] if name in given} if edit else {},
        given.get("cursor") or None,
        given.get("notice", "")[:LONGEST_ID] or None,
        done,
        given.get("saved") or None,
        given.get("about", "")[:LONGEST_ID] or None,
        given["refused"] if given.get("refused") in REFUSALS else None,
    )


def alerts_address(**given: str | None) -> str:
    """The page's address with what is given."""
    pairs = [(name, value) for name, value in given.items() if value]
    return f"{PATH}?{urlencode(pairs)}" if pairs else PATH


def edit_address(edit: Edit, **fields: str | None) -> str:
    """The address of a form, with what is filled in."""
    return alerts_address(do=edit.value, **fields)


def parse_edit(text: str) -> Edit:
    """The form of that name; ``InputError`` otherwise."""
    found = _edit(text)
    if found is None:
        raise InputError("do", text, f"use one of {', '.join(Edit)}")
    return found


def parse_rule(fields: Mapping[str, str], plain: Callable[[str], str]) -> AlertRule:
    """The rule that a form's fields ask for, checked.

    ``plain``: a number as somebody typed it into one that ``parse_amount`` takes. What belongs to
    another type of alert is not read. Errors: ``InputError`` naming ``type``, ``watched``,
    ``campaign``, ``threshold``, ``unit``, ``span``, ``level``, ``name``, ``channels``,
    ``recipients``, ``phones``, ``frequency``, ``hours`` or ``state``.
    """
    kind = _one_of(AlertKind, fields, "type")
    is_usage = kind is AlertKind.USAGE
    unit = Unit.DAYS if kind is AlertKind.DAYS_LEFT else _one_of(Unit, fields, "unit", Unit.MONEY)
    if unit is Unit.DAYS and kind is not AlertKind.DAYS_LEFT:
        raise InputError("unit", unit.value, "choose an amount or a percentage")
    if unit is Unit.UNITS and not is_usage:
        raise InputError("unit", unit.value, "a balance is counted in money: choose another unit")
    scope = _scope(fields) if is_usage else WHOLE
    if unit is Unit.UNITS and scope.kind is not ScopeKind.METRIC:
        raise InputError(
            "unit", unit.value, "choose a single metric above: units of several don’t add up"
        )
    amount = _amount(fields.get("threshold", ""), unit, scope, plain)
    _check_amount(amount, unit, scope, fields.get("threshold", ""), is_usage=is_usage)
    channels = tuple(each for each, name in CHANNEL_FIELDS.items() if fields.get(name) == ON)
    return check_rule(
        AlertRule(
            kind, Threshold(unit, amount), scope,
            Measure.UNITS if unit is Unit.UNITS else Measure.COST,
            _one_of(Span, fields, "span", Span.DAY) if is_usage else None,
            _one_of(Level, fields, "level", Level.NOTICE), fields.get("name", "").strip(),
            channels, parse_addresses(fields.get("recipients", "")),
            parse_phones(fields.get("phones", "")), _frequency(fields),
            fields.get("recovery") == ON, _is_on(fields),
        )
    )  # fmt: skip


def rule_errors(fields: Mapping[str, str], plain: Callable[[str], str]) -> dict[str, str]:
    """All that is wrong with a form, by its field: how to mend each; empty for one that's right.

    Found one after the other, each time as if the field before had been mended.
    """
    found: dict[str, str] = {}
    mended = dict(fields)
    while True:
        try:
            parse_rule(mended, plain)
        except InputError as error:
            name = form_field(error.field)
            if name in found:
                return found
            found[name] = error.fix
            mended |= _RIGHT.get(name, {})
        else:
            return found


_RIGHT = {
    "type": {"type": AlertKind.LOW_BALANCE.value}, "threshold": {"threshold": "1"},
    "unit": {"unit": Unit.MONEY.value}, "watched": {"watched": WHOLE_ACCOUNT},
    "campaign": {"campaign": "campaign"}, "span": {"span": Span.DAY.value},
    "level": {"level": Level.NOTICE.value}, "name": {"name": ""},
    "channels": {CHANNEL_FIELDS[Channel.DASHBOARD]: ON},
    "recipients": {"recipients": "name@example.com"}, "phones": {"phones": "+14155550100"},
    "frequency": {"frequency": Repeat.EPISODE.value}, "hours": {"hours": "1"},
    "state": {"state": ON},
}  # fmt: skip


def rule_fields(rule: AlertRule, written: Callable[[Decimal], str]) -> dict[str, str]:
    """A rule as its form holds it; ``parse_rule`` gives the rule back.

    ``written``: a number as the account's locale writes it, in one way to read it.
    """
    amount, scope = rule.threshold.amount, rule.scope
    number = {
        Unit.MONEY: to_decimal(amount), Unit.PERCENT: Decimal(amount) / 100,
        Unit.UNITS: _shown_units(amount, scope), Unit.DAYS: Decimal(amount),
    }[rule.threshold.unit]  # fmt: skip
    is_campaign = scope.kind is ScopeKind.CAMPAIGN
    repeat, hours = rule.frequency
    fields = {
        "type": rule.kind.value, "threshold": written(number), "unit": rule.threshold.unit.value,
        "watched": watched_value(scope), "campaign": scope.id if is_campaign else "",
        "span": (rule.span or Span.DAY).value, "level": rule.level.value, "name": rule.name,
        "recipients": ", ".join(rule.emails), "phones": ", ".join(rule.phones),
        "frequency": repeat.value, "hours": str(hours) if hours else "",
        "recovery": ON if rule.has_recovery else OFF, "state": ON if rule.is_on else OFF,
    }  # fmt: skip
    ticks = {name: ON for channel, name in CHANNEL_FIELDS.items() if channel in rule.channels}
    return {**fields, **ticks}


def watched_value(scope: AlertScope) -> str:
    """What is watched, as the form's choice: ``account``, ``service:SMS``, ``campaign``."""
    if scope.kind in {ScopeKind.ACCOUNT, ScopeKind.CAMPAIGN}:
        return scope.kind.value
    return f"{scope.kind.value}:{scope.id}"


def parse_addresses(text: str) -> tuple[str, ...]:
    """E-mail addresses that were typed with commas, semicolons, spaces or lines between them."""
    return tuple(each for each in re.split(r"[\s,;]+", text) if each)


def parse_phones(text: str) -> tuple[str, ...]:
    """Numbers with commas, semicolons or lines between them; signs that only group are left out."""
    typed = (re.sub(r"[\s().-]", "", each) for each in re.split(r"[,;\n]+", text))
    return tuple(each for each in typed if each)


def form_field(name: str) -> str:
    """The form's field that a refusal's field belongs to."""
    return {"scope": "watched", "measure": "unit", "amount": "threshold"}.get(name, name)


def _amount(text: str, unit: Unit, scope: AlertScope, plain: Callable[[str], str]) -> int:
    typed = text.strip()
    if unit is Unit.PERCENT:
        typed = typed.removesuffix("%").strip()
    if not typed:
        raise InputError("threshold", text, f"write {_EXAMPLES[unit]}")
    if unit is Unit.MONEY:
        return parse_amount(plain(typed), "threshold")
    shown = _number(plain(typed), text)
    if unit is Unit.PERCENT:
        return _whole(shown * 100, text, "use at most two decimals")
    if unit is Unit.DAYS:
        return _whole(shown, text, "use whole days")
    metric = METRIC_BY_ID.get(scope.id)
    size = metric.unit.size if metric else 1
    # A second is a part of a minute without end: six decimals of one are meant as that second.
    nearest = (shown * size).to_integral_value(ROUND_HALF_UP)
    is_meant = size > 1 and abs(nearest - shown * size) < ROUNDED
    return int(nearest) if is_meant else _whole(shown * size, text, "use whole units")


def _number(plain_text: str, text: str) -> Decimal:
    """A finite number of a size that can be reckoned with."""
    try:
        value = Decimal(plain_text if len(plain_text) <= LONGEST_AMOUNT_TEXT else "")
    except InvalidOperation:
        raise InputError("threshold", text, "use a number such as 30") from None
    if not value.is_finite() or value.adjusted() > LARGEST_DIGITS:
        raise InputError("threshold", text, "use a smaller number")
    return value


_EXAMPLES = {
    Unit.MONEY: "an amount such as 5000", Unit.PERCENT: "a percentage such as 30",
    Unit.UNITS: "how many, such as 10000", Unit.DAYS: "how many days, such as 3",
}  # fmt: skip


def _check_amount(amount: int, unit: Unit, scope: AlertScope, text: str, *, is_usage: bool) -> None:
    """The bounds of a threshold in the words and units of the form."""
    if amount < 0:
        raise InputError("threshold", text, "use zero or more")
    if amount == 0 and is_usage:
        raise InputError("threshold", text, "use more than zero")
    largest = {
        Unit.MONEY: (LARGEST_THRESHOLD_MICROS, Decimal(LARGEST_THRESHOLD_MICROS) / 1_000_000),
        Unit.UNITS: (LARGEST_THRESHOLD_UNITS, _shown_units(LARGEST_THRESHOLD_UNITS, scope)),
        Unit.PERCENT: (LARGEST_PERCENT, Decimal(LARGEST_PERCENT) / 100),
        Unit.DAYS: (LARGEST_DAYS, Decimal(LARGEST_DAYS)),
    }
    most, shown = largest[unit]
    if amount > most:
        raise InputError("threshold", text, f"use at most {int(shown):,}")


def _whole(value: Decimal, text: str, fix: str) -> int:
    if value != value.to_integral_value():
        raise InputError("threshold", text, fix)
    return int(value)


def _shown_units(base_units: int, scope: AlertScope) -> Decimal:
    metric = METRIC_BY_ID.get(scope.id)
    return Decimal(base_units) / (metric.unit.size if metric else 1)


def _scope(fields: Mapping[str, str]) -> AlertScope:
    watched = fields.get("watched", WHOLE_ACCOUNT)
    kind, _, scope_id = watched.partition(":")
    if kind not in {each.value for each in ScopeKind}:
        raise InputError("watched", watched, "choose the account, a service, a metric, a campaign")
    if kind == ScopeKind.CAMPAIGN.value:
        scope_id = fields.get("campaign", "").strip()
        if not scope_id:
            raise InputError("campaign", "", "name the campaign")
    return AlertScope(ScopeKind(kind), scope_id)


def _frequency(fields: Mapping[str, str]) -> Frequency:
    repeat = _one_of(Repeat, fields, "frequency", Repeat.EPISODE)
    if repeat is not Repeat.HOURS:
        return Frequency(repeat)
    typed = fields.get("hours", "").strip()
    is_number = typed.isascii() and typed.isdigit() and len(typed) <= 4
    if not (is_number and 1 <= int(typed) <= LONGEST_REPEAT_HOURS):
        raise InputError("hours", typed, f"use whole hours from 1 to {LONGEST_REPEAT_HOURS}")
    return Frequency(repeat, int(typed))


def _is_on(fields: Mapping[str, str]) -> bool:
    given = fields.get("state", ON)
    if given not in {ON, OFF}:
        raise InputError("state", given, f"use {ON} or {OFF}")
    return given == ON


def _one_of(
    values: type[Value], fields: Mapping[str, str], name: str, default: Value | None = None
) -> Value:
    given = fields.get(name, default.value if default else "")
    if given not in {each.value for each in values}:
        raise InputError(name, given, f"use one of {', '.join(values)}")
    return values(given)


def _edit(text: str) -> Edit | None:
    return Edit(text) if text in {edit.value for edit in Edit} else None
