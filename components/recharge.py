"""Auto-recharge on the Balance page: what is set, what it does now, the last tries; and its form.

The form only leads to a review, whose one button posts; so nothing is set by an address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from billing.balance_queries import PATH
from billing.recharge_queries import DO, OFF, ON, form_address
from billing.recharges import (
    PaymentMethod,
    Recharge,
    RechargeMode,
    RechargeSettings,
    RechargeStanding,
    RechargeState,
    Wait,
)
from components import format as fmt
from components import html
from components.form_fields import (
    asking_form,
    chosen,
    form_card,
    posting_button,
    typed,
    whole_error,
)
from components.limit_forms import amount_text
from components.links import attributes, icon, link

FORM = "recharge"  # what the ids of its fields begin with
SAVE = "/wallet/auto-recharge"
STATE_NAMES = {
    RechargeState.WAITING: "Begun", RechargeState.SENT: "No answer yet",
    RechargeState.DONE: "Topped up", RechargeState.DECLINED: "Declined",
    RechargeState.DROPPED: "Not needed",
}  # fmt: skip
MODES = (
    (RechargeMode.FIXED.value, "Add a fixed amount"),
    (RechargeMode.TARGET.value, "Fill up to a balance"),
)
TEST_NOTE = "Test gateway: no money is moved."


@dataclass(frozen=True, slots=True)
class RechargeView:
    """How an account's auto-recharge stands, in its currency, locale and zone."""

    standing: RechargeStanding
    account_id: str
    currency: str
    locale: str
    zone: str
    may_change: bool

    def money(self, micros: int) -> str:
        """An amount with the currency's decimals, or as exact as it is."""
        return fmt.exact_money(micros, self.currency, self.locale)

    def at(self, instant: Any) -> str:
        """A day and a local time: ``Mon 23 Nov, 18:31 IST``."""
        day = fmt.day(fmt.local_day(instant, self.zone))
        return f"{day}, {fmt.clock_time(instant, self.zone, has_seconds=False)}"

    def method(self, method_id: str) -> PaymentMethod | None:
        """A way to pay by its id; none for one that isn't any more."""
        return next((each for each in self.standing.methods if each.id == method_id), None)


# --- the card ----------------------------------------------------------------------------------
def recharge_card(view: RechargeView) -> html.Section:
    """What is set in a sentence, what it does now, and the newest tries."""
    settings = view.standing.settings
    way = None
    if view.may_change:
        label = "Change…" if settings.version else "Set up…"
        way = link(label, form_address(), "btn", label=f"{label.rstrip('…')} auto-recharge")
    state = html.Span("On" if settings.is_on else "Off", className=_state_class(view))
    return html.Section(
        [
            html.Div(
                [html.H2(["Auto-recharge ", state]), way],
                className="card-head card-table-head",
            ),
            html.Div(
                [
                    html.P(set_sentence(settings, view), className="recharge-set"),
                    _now(view),
                    _test_note(settings, view),
                ],
                className="recharge-words",
            ),
            _tries(view),
        ],
        className="card card-table recharge",
        id="recharge",
    )


def _state_class(view: RechargeView) -> str:
    wait = view.standing.verdict.wait
    is_soon = wait in {Wait.DECLINED, Wait.CEILING}
    return "mark mark-soon" if is_soon else "mark"


def set_sentence(settings: RechargeSettings, view: RechargeView) -> str:
    """What the settings come to, in words."""
    if not settings.is_on:
        return "Credit is added only by hand: usage stops when the balance is used up."
    amount = view.money(settings.amount_micros)
    what = f"{amount} is added"
    if settings.mode is RechargeMode.TARGET:
        what = f"it is filled up to {amount}"
    return (
        f"When the balance falls below {view.money(settings.threshold_micros)}, {what}; at most "
        f"{view.money(settings.daily_ceiling_micros)} a day."
    )


def _now(view: RechargeView) -> html.P | None:
    """What it does at this moment, where that isn't just waiting for the threshold."""
    verdict, settings = view.standing.verdict, view.standing.settings
    if not settings.is_on:
        return None
    until = f" {view.at(verdict.next_at)}" if verdict.next_at else ""
    charged = view.money(view.standing.charged_today_micros)
    text, is_soon = {
        None: ("A top-up is due and about to begin.", False),
        Wait.ENOUGH: (f"Topped up today: {charged}.", False),
        Wait.IN_FLIGHT: (_flight_text(view), False),
        Wait.IMPORTING: ("Usage is being imported: it is looked at again afterwards.", False),
        Wait.DECLINED: (
            f"The last top-up was declined. The next try is{until}, or as soon as the settings "
            "are saved again.", True,
        ),
        Wait.CEILING: (
            f"As much as a day allows was topped up today, {charged}. It goes on{until}, or with "
            "a higher ceiling.", True,
        ),
        Wait.OFF: ("The account is closed.", False),
    }[verdict.wait]  # fmt: skip
    if is_soon:
        return html.P([icon("warning"), html.Span(text)], className="confirm-note")
    return html.P(text, className="dim")


def _flight_text(view: RechargeView) -> str:
    """What is known of the one in flight."""
    flying = next((each for each in view.standing.recent if each.next_at), None)
    if flying is None or flying.state is RechargeState.WAITING:
        return "A top-up was begun."
    asked = f"It is asked again {view.at(flying.next_at)}; nothing is charged twice."
    if flying.reason is None:
        return "A top-up was begun: the payment gateway is asked."
    return f"A top-up of {view.money(flying.amount_micros)} has no answer yet. {asked}"


def _test_note(settings: RechargeSettings, view: RechargeView) -> html.P | None:
    method = view.method(settings.method)
    if not settings.is_on or method is None or not method.is_test:
        return None
    return html.P([html.B(f"{method.label}. "), TEST_NOTE], className="dim recharge-test")


def _tries(view: RechargeView) -> Any:
    if not view.standing.recent:
        return None
    heads = (("Last tries", None), ("Result", None), ("Balance then", "n wide"), ("Amount", "n"))
    rows = [_row(each, view) for each in view.standing.recent]
    table = html.Table(
        [
            html.Caption("Automatic top-ups, newest first", className="visually-hidden"),
            html.Thead(
                html.Tr([html.Th(name, className=kind, scope="col") for name, kind in heads])
            ),
            html.Tbody(rows),
        ],
        className="data-table recharge-table",
    )
    return html.Div(table, className="scroll-x")


def _row(each: Recharge, view: RechargeView) -> html.Tr:
    is_bad = each.state is RechargeState.DECLINED or (
        each.state is RechargeState.SENT and each.reason is not None
    )
    said: list[Any] = [
        html.Span(STATE_NAMES[each.state], className="mark mark-soon" if is_bad else "strong")
    ]
    if each.reason:
        said.append(html.Small(each.reason))
    day = fmt.local_day(each.asked_at, view.zone)
    return html.Tr(
        [
            html.Th(
                [
                    f"{fmt.day(day)} {day.year}",
                    html.Small(fmt.time_of_day(each.asked_at, view.zone)),
                ],
                scope="row",
            ),
            html.Td(said),
            html.Td(fmt.money(each.posted_micros, view.currency, view.locale), className="n wide"),
            html.Td(view.money(each.amount_micros), className="n strong"),
        ]
    )


# --- the form ----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class RechargeForm:
    """What was typed, and what is wrong with it by field (``""``: with all of it).

    ``example``: an amount as the account's locale writes it. ``methods``: the ways to pay to
    choose from; none: it isn't asked.
    """

    fields: Mapping[str, str]
    errors: Mapping[str, str]
    currency: str
    example: str
    methods: tuple[PaymentMethod, ...] = ()


def filled(settings: RechargeSettings, locale: str) -> dict[str, str]:
    """The form as it is set; one that was never set begins with on, and empty."""
    if not settings.version:
        return {"state": ON, "mode": settings.mode.value, "method": settings.method}
    return {
        "state": ON if settings.is_on else OFF, "mode": settings.mode.value,
        "threshold": amount_text(settings.threshold_micros, locale),
        "amount": amount_text(settings.amount_micros, locale),
        "ceiling": amount_text(settings.daily_ceiling_micros, locale), "method": settings.method,
    }  # fmt: skip


def recharge_form(view: RechargeForm) -> html.Section:
    """The form. Sending it shows what would be set; nothing is changed yet."""
    fields = [
        _chosen(view, "state", "Auto-recharge", ((ON, "On"), (OFF, "Off"))),
        _amount(view, "threshold", f"When the balance falls below, in {view.currency}"),
        _chosen(view, "mode", "How much", MODES),
        _amount(view, "amount", f"Amount to add, or balance to reach, in {view.currency}"),
        _amount(view, "ceiling", f"At most a day, in {view.currency}"),
    ]
    if view.methods:
        options = tuple((each.id, each.label) for each in view.methods)
        fields.append(_chosen(view, "method", "Test gateway: what it does", options))
    return form_card(
        "Auto-recharge",
        [
            html.P(
                "Adds paid credit by itself, so that nothing stops. Never above the daily "
                "ceiling, and never twice; after a decline it waits longer each time, and the "
                "owner is told.",
                className="form-lead",
            ),
            whole_error(view.errors.get("")),
            asking_form({"do": DO, "step": "review"}, fields, path=PATH, submit="Review"),
        ],
        close_href=PATH,
        element_id=FORM,
    )


def _amount(view: RechargeForm, name: str, label: str) -> html.Div:
    return typed(
        FORM, name, label, view.fields.get(name, ""), view.errors.get(name),
        class_name="field field-amount", inputmode="decimal", placeholder=view.example,
    )  # fmt: skip


def _chosen(
    view: RechargeForm, name: str, label: str, options: tuple[tuple[str, str], ...]
) -> html.Div:
    value = view.fields.get(name) or options[0][0]
    return chosen(FORM, name, label, value, options, view.errors.get(name))


@dataclass(frozen=True, slots=True)
class RechargeReview:
    """A change before it is made. ``fields`` are sent by the button, beside account and version."""

    wanted: RechargeSettings
    is_due: bool
    fields: Mapping[str, str]
    view: RechargeView
    edit_href: str


def recharge_review(given: RechargeReview) -> html.Section:
    """What will be set, in one sentence; what that does at once; and the button."""
    view, wanted = given.view, given.wanted
    sent = {
        **given.fields, "account": view.account_id,
        "version": str(view.standing.settings.version),
    }  # fmt: skip
    title = "Turn auto-recharge on" if wanted.is_on else "Turn auto-recharge off"
    if wanted.is_on and view.standing.settings.is_on:
        title = "Change auto-recharge"
    note = None
    if given.is_due:
        text = "The balance is below that now: the first top-up begins at once."
        note = html.P([icon("warning"), text], className="confirm-note")
    return form_card(
        title,
        [
            html.P(set_sentence(wanted, view), className="confirm-sentence"),
            note,
            _test_note(wanted, view),
            html.Div(
                [
                    posting_button("Save", SAVE, sent, is_main=True),
                    link("Change", given.edit_href, "btn"),
                    link("Cancel", PATH, "btn"),
                ],
                className="form-buttons",
                **attributes(aria_label="Save or change"),
            ),
        ],
        close_href=PATH,
        element_id=FORM,
    )
