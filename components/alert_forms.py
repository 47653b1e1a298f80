"""Forms of the Alerts page, and what an alert would do before it is saved.

The labels are those of the second seed, Usage Alerts. What belongs to another type of alert than
the chosen one is put out of sight by assets/59-alerts.css; the parser doesn't read it either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import dash_bootstrap_components as dbc

from billing.alert_queries import CHANNEL_FIELDS, ON, PATH, WHOLE_ACCOUNT, Edit, edit_address
from billing.alerts import AlertKind, AlertRule, Channel, Level, Repeat, ScopeKind, Span, Unit
from billing.limits import limit
from billing.metrics import METRICS, Service
from components import format as fmt
from components import html
from components.alert_words import CHANNELS, KINDS, SPANS, Average
from components.form_fields import (
    asking_form,
    chosen,
    form_card,
    typed,
    typed_long,
    whole_error,
)
from components.limit_words import Telling
from components.links import attributes, link
from components.notice_words import level_name
from components.review import Note, ReviewPlace, ReviewView, review

CHANGES = "/alerts/changes"  # where the page's forms are sent
FORM = "alert"  # what the ids of its fields begin with
CAMPAIGNS = "alert-campaigns"
MOST_CAMPAIGNS = 500  # offered while one types
SPARE_DECIMALS = 6
REPEATS = (
    (Repeat.EPISODE, "Once, until it recovers"),
    (Repeat.PERIOD, "Once a period"),
    (Repeat.HOURS, "Every so many hours while it lasts"),
)
ABSENT = {
    Channel.EMAIL: "Email isn’t set up on this installation yet: mails wait for a day, then are "
    "given up. Whoever runs it sets USAGE_SMTP_URL.",
    Channel.SMS: "SMS isn’t set up on this installation yet: messages wait for a day, then are "
    "given up. Whoever runs it sets USAGE_SMS_URL.",
    Channel.WEBHOOK: "No webhook takes alerts yet: add one in Settings.",
}
PLACE = ReviewPlace(CHANGES, PATH, FORM)


@dataclass(frozen=True, slots=True)
class FormView:
    """One form: what was typed, and what is wrong with it by field (``""``: with all of it).

    ``example``: an amount as the account's locale writes it. ``channels``: by which this
    installation can send.
    """

    edit: Edit
    fields: Mapping[str, str]
    telling: Telling
    example: str
    average: Average
    channels: frozenset[Channel]
    errors: Mapping[str, str] = field(default_factory=dict)


def number_text(value: Decimal, locale: str) -> str:
    """A number as somebody of the locale would type it: in one way to read it."""
    exact = round(value, SPARE_DECIMALS)
    decimals = max(0, -int(exact.normalize().as_tuple().exponent))  # never of NaN
    # Three decimals look like thousands to some: a fourth makes clear that they aren't.
    decimals = 4 if decimals == 3 else decimals
    return fmt.number(exact, locale, decimals, least_decimals=decimals)


def rule_form(view: FormView, title: str) -> html.Section:
    """The form of one alert, in the order in which its sentence will read."""
    hidden = {"do": view.edit.value, "step": "review"}
    if view.edit is Edit.CHANGE:
        hidden |= {"id": view.fields.get("id", ""), "state": view.fields.get("state", ON)}
    fields = [
        _group("What to watch", [
            _chosen(view, "type", "Alert Type", [(each, KINDS[each]) for each in AlertKind],
                    AlertKind.LOW_BALANCE),
            *_watched(view),
            *_threshold(view),
        ]),
        _group("Who is told", [
            _channels(view),
            _long(view, "recipients", "Recipients", "billing@example.com, one or several",
                  "for-email"),
            _long(view, "phones", "Numbers for SMS", "+14155550100, one or several", "for-sms"),
        ]),
        _group("How often", [
            _chosen(view, "frequency", "Frequency", REPEATS, Repeat.EPISODE, "field field-line"),
            _typed(view, "hours", "Hours between", class_name="field field-amount",
                   wrapper="for-hours", inputmode="numeric", placeholder="24"),
            html.Div(_tick("recovery", "Tell again when it has recovered", view),
                     className="ticks"),
        ]),
        _group("How it is called", [
            _chosen(view, "level", "Level", [(each, _level_text(each)) for each in Level],
                    Level.NOTICE, "field field-line"),
            _typed(view, "name", "Name (optional)", class_name="field field-line",
                   maxlength=limit("name"), placeholder="Called after what it says"),
        ]),
    ]  # fmt: skip
    return form_card(
        title,
        [
            whole_error(view.errors.get("")),
            asking_form(hidden, fields, path=PATH, submit="Review"),
        ],
        close_href=PATH,
        element_id=FORM,
        class_name="card wallet-form alert-form",
    )


def _group(title: str, fields: Sequence[Any]) -> html.Fieldset:
    legend = html.Legend(title)
    return html.Fieldset([legend, html.Div(list(fields), className="form-fields")])


def _level_text(level: Level) -> str:
    return f"{level_name(level)}: {level.action}" if level.action else level_name(level)


def _watched(view: FormView) -> list[Any]:
    services = [(f"{ScopeKind.SERVICE}:{each}", f"Service: {each}") for each in Service]
    metrics = [(f"{ScopeKind.METRIC}:{each.id}", f"Metric: {each.name}") for each in METRICS]
    options = [
        (WHOLE_ACCOUNT, "Whole account"), (ScopeKind.CAMPAIGN.value, "One campaign"),
        *services, *metrics,
    ]  # fmt: skip
    known = sorted(view.telling.campaigns.items(), key=lambda each: each[1].casefold())
    campaigns = [
        html.Option(name if name != campaign else None, value=campaign)
        for campaign, name in known[:MOST_CAMPAIGNS]
    ]
    return [
        _chosen(view, "watched", "Usage of", options, WHOLE_ACCOUNT, wrapper="for-usage"),
        html.Div(
            [
                _typed(view, "campaign", "Campaign", class_name="field", list=CAMPAIGNS,
                       placeholder="Choose, or type its id"),
                html.Datalist(campaigns, id=CAMPAIGNS),
            ],
            className="for-campaign",
        ),
        _chosen(view, "span", "Counted over", [(each, SPANS[each]) for each in Span], Span.DAY,
                wrapper="for-usage"),
    ]  # fmt: skip


def _threshold(view: FormView) -> list[Any]:
    currency = view.telling.currency
    units = [
        (Unit.MONEY, f"{currency}, an amount"), (Unit.PERCENT, "% of average monthly usage"),
        (Unit.UNITS, "units of the metric"),
    ]  # fmt: skip
    if view.average.micros is None:
        known = "There is no complete month of usage yet: a percentage waits for one."
    else:
        amount = view.telling.sum(view.average.micros)
        known = f"Average monthly usage is {amount}, {view.average.of_text()}."
    return [
        _typed(view, "threshold", "Threshold", class_name="field field-amount",
               inputmode="decimal", placeholder=view.example),
        _chosen(view, "unit", "In", units, Unit.MONEY, "field field-unit", "for-unit"),
        html.P("days of balance, at the rate of the last 7 days", className="form-hint for-days"),
        html.P(known, className="form-hint for-percent"),
    ]  # fmt: skip


def _channels(view: FormView) -> html.Fieldset:
    error = view.errors.get("channels")
    ticks = [_tick(CHANNEL_FIELDS[each], CHANNELS[each], view) for each in Channel]
    notes = [
        html.P(ABSENT[each], className=f"form-hint form-warning for-{each}")
        for each in Channel
        if each not in view.channels and each in ABSENT
    ]
    said = None
    if error:
        first = f"{FORM}-{CHANNEL_FIELDS[Channel.EMAIL]}"
        said = html.P(
            _capital(error), id=f"{FORM}-channels-error", className="field-error",
            **attributes(data_error_of=first),
        )  # fmt: skip
    return html.Fieldset(
        [html.Legend("Channels"), html.Div(ticks, className="ticks"), said, *notes],
        className="labelled labelled-group",
    )


def _tick(name: str, label: str, view: FormView) -> dbc.Checkbox:
    return dbc.Checkbox(
        id=f"{FORM}-{name}", name=name, label=label, value=view.fields.get(name) == ON,
        class_name="tick",
    )  # fmt: skip


def _chosen(
    view: FormView, name: str, label: str, options: Sequence[tuple[str, str]], default: str,
    class_name: str = "field", wrapper: str = "",
) -> html.Div:  # fmt: skip
    value = view.fields.get(name, str(default))
    field_ = chosen(FORM, name, label, value, [(str(one), text) for one, text in options],
                    view.errors.get(name), class_name)  # fmt: skip
    return html.Div(field_, className=wrapper) if wrapper else field_


def _typed(
    view: FormView, name: str, label: str, *, class_name: str, wrapper: str = "", **given: Any
) -> html.Div:
    value, error = view.fields.get(name, ""), view.errors.get(name)
    field_ = typed(FORM, name, label, value, error, class_name=class_name, **given)
    return html.Div(field_, className=wrapper) if wrapper else field_


def _long(view: FormView, name: str, label: str, hint: str, wrapper: str) -> html.Div:
    value, error = view.fields.get(name, ""), view.errors.get(name)
    field_ = typed_long(FORM, name, label, value, error, class_name="field field-line",
                        placeholder=hint)  # fmt: skip
    return html.Div(field_, className=wrapper)


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def removal(rule: AlertRule, name: str, alert_id: str, account_id: str, version: int) -> Any:
    """What has to be confirmed before an alert is removed."""
    kept = "What people were told is kept. Nobody is told of it any more."
    notes: tuple[Note, ...] = ((kept, "plain"),)
    if rule.is_on:
        notes = ((f"{kept} To stop it for a while, pause it instead.", "plain"),)
    return review(
        ReviewView(Edit.REMOVE, f"Remove: {name}", f"Removes the alert “{name}”.", notes,
                   {"id": alert_id}, account_id, version, "Remove"),
        PLACE,
    )  # fmt: skip


def add_link(**fields: str) -> html.A:
    """The way to the empty form."""
    return link("Add Alert", edit_address(Edit.ADD, **fields), "btn btn-main")
