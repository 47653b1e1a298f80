"""Changing an alert on the Alerts page: the form of an address, then what it would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from billing.alert_queries import (
    CHANNEL_FIELDS,
    ON,
    WITH_FORM,
    AlertsQuery,
    Edit,
    alerts_address,
    form_field,
    parse_rule,
    rule_errors,
    rule_fields,
)
from billing.alert_standing import AlertView, may_change_alerts
from billing.alert_steps import Phase, is_beyond
from billing.alerts import AlertKind, AlertRule, Channel, Level, ScopeKind, Unit
from billing.errors import InputError, ProductError
from components import format as fmt
from components import states
from components.alert_chart import backtest
from components.alert_forms import (
    ABSENT,
    PLACE,
    FormView,
    number_text,
    removal,
    rule_form,
)
from components.alert_words import now_text, rule_name, sentence
from components.limit_words import Telling
from components.review import Note, ReviewView, Tone, review
from pages._alert_figures import average_of, standing_of, telling_of
from pages._frame import Visit

AMOUNT_EXAMPLE = 5_000  # grouped in every locale, so that one sees how it is written
ROLE_REFUSED = "Alerts are for the owner to change."
NOT_THERE = "It was removed, or never was one of this account’s. Choose one of the list."


def edit_region(visit: Visit, query: AlertsQuery) -> Any:
    """The form of the address, or its review when what was typed can be taken."""
    if query.edit not in WITH_FORM:
        return None
    if not may_change_alerts(visit.scope.role):
        return states.refused("Not for your role", ROLE_REFUSED)
    present = _present(visit, query)
    if query.edit is not Edit.ADD and present is None:
        return states.refused("There is no such alert", NOT_THERE)
    if query.edit is Edit.REMOVE and present is not None:
        alert = present.alert
        name = rule_name(alert.rule, telling_of(visit))
        return removal(alert.rule, name, alert.id, visit.account.id, alert.version)
    errors: dict[str, str] = {}
    if query.is_reviewing:
        query = _with_campaign_id(visit, query)
        try:
            return review(_review(visit, query, present), PLACE)
        except InputError as error:
            found = rule_errors(query.fields, lambda text: _plain(visit, text))
            errors = found or {form_field(error.field): error.fix}
        except ProductError as error:
            errors[""] = error.message
    return _form(visit, query, present, errors)


def _present(visit: Visit, query: AlertsQuery) -> AlertView | None:
    alerts = standing_of(visit).alerts
    return next((each for each in alerts if each.alert.id == query.alert_id), None)


def _with_campaign_id(visit: Visit, query: AlertsQuery) -> AlertsQuery:
    """A campaign that was typed by its name, by its id."""
    typed = query.fields.get("campaign", "").strip()
    names = telling_of(visit, is_whole=True).campaigns if typed else {}
    ids = [campaign for campaign, name in names.items() if name == typed]
    if not typed or typed in names or len(ids) != 1:
        return query
    return replace(query, fields={**query.fields, "campaign": ids[0]})


def _plain(visit: Visit, text: str) -> str:
    return visit.desk.plain_amount(text, visit.account)


# --- the form ----------------------------------------------------------------------------------
def _form(
    visit: Visit, query: AlertsQuery, present: AlertView | None, errors: Mapping[str, str]
) -> Any:
    assert query.edit is not None, "asked for only then"
    telling, fields = telling_of(visit, is_whole=True), query.fields
    if not query.is_filled:
        begun = _filled(visit, present.alert.rule) if present else _new(visit)
        fields = {**begun, **fields}
    title = f"Edit: {rule_name(present.alert.rule, telling)}" if present else "New alert"
    example = fmt.number(AMOUNT_EXAMPLE, visit.account.locale, 2, least_decimals=2)
    view = FormView(
        query.edit, fields, telling, example, average_of(visit), standing_of(visit).channels,
        errors,
    )  # fmt: skip
    return rule_form(view, title)


def _filled(visit: Visit, rule: AlertRule) -> dict[str, str]:
    """An alert's form as it is set."""
    return rule_fields(rule, lambda value: number_text(value, visit.account.locale))


def _new(visit: Visit) -> dict[str, str]:
    """What a new alert begins with: the balance, told to the person who makes it."""
    unit = Unit.MONEY if standing_of(visit).average_micros is None else Unit.PERCENT
    amount = number_text(Decimal(30), visit.account.locale) if unit is Unit.PERCENT else ""
    return {
        "type": AlertKind.LOW_BALANCE.value, "unit": unit.value, "threshold": amount,
        "level": Level.NOTICE.value, "recipients": visit.viewer.email, "hours": "24",
        "recovery": ON, CHANNEL_FIELDS[Channel.EMAIL]: ON, CHANNEL_FIELDS[Channel.DASHBOARD]: ON,
    }  # fmt: skip


# --- the review --------------------------------------------------------------------------------
def _review(visit: Visit, query: AlertsQuery, present: AlertView | None) -> ReviewView:
    assert query.edit is not None, "asked for only then"
    telling = telling_of(visit, is_whole=True)
    rule = parse_rule(query.fields, lambda text: _plain(visit, text))
    reading = visit.desk.alerts.preview(visit.scope, rule)
    tried = visit.desk.alerts.backtest(visit.scope, rule)
    notes: list[Note] = []
    if rule.level.action:
        notes.append((f"It carries what to do: “{rule.level.action}”.", "plain"))
    is_now = is_beyond(rule, reading)
    tone: Tone = "soon" if is_now and rule.is_on else "plain"
    goes_on = present is not None and _goes_on(present, rule)
    notes.append((now_text(rule, reading, telling, is_beyond=is_now, goes_on=goes_on), tone))
    notes += _warnings(visit, rule, telling)
    if present is not None and present.alert.rule == rule:
        notes.append(("That is how it is set.", "plain"))
    name = rule_name(rule, telling)
    return ReviewView(
        query.edit, name if present is None else f"Edit: {name}",
        sentence(rule, average_of(visit), reading, telling), tuple(notes), query.fields,
        visit.account.id, present.alert.version if present else 0, "Save Alert",
        alerts_address(do=query.edit.value, **query.fields), backtest(tried, telling),
    )  # fmt: skip


def _goes_on(present: AlertView, rule: AlertRule) -> bool:
    """Whether an alarm lasts through a change: of the same figure, whatever its threshold."""
    return present.phase is Phase.ALARM and present.alert.rule.family == rule.family


def _warnings(visit: Visit, rule: AlertRule, telling: Telling) -> list[Note]:
    """What keeps an alert from reaching people, or from ever firing."""
    channels = standing_of(visit).channels
    found: list[Note] = [
        (ABSENT[each], "soon") for each in rule.channels if each in ABSENT and each not in channels
    ]
    kind, campaign = rule.scope
    if kind is ScopeKind.CAMPAIGN and campaign not in telling.campaigns:
        found.append((f"No usage names the campaign “{campaign}” yet: check its id.", "soon"))
    return found
