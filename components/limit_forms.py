"""Forms of the Spending limits page, and what a change would do before it is made.

A form only leads to a review; the review's one button posts. So nothing is changed by an address,
and nothing that was typed is lost when it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from billing.caps import CapKind, Inbound
from billing.limit_queries import HARD, OFF, ON, PATH, SOFT, Edit, edit_address
from billing.money import to_decimal
from components import format as fmt
from components import html
from components.form_fields import (
    asking_form,
    chosen,
    form_card,
    typed,
    whole_error,
)
from components.limit_words import CONSEQUENCES, MEANINGS, Telling, cap_name
from components.limits_page import CHANGES
from components.links import link
from components.review import ReviewPlace

FORM = "limit"  # what the ids of its fields begin with
CAMPAIGNS = "limit-campaigns"
MOST_CAMPAIGNS = 500  # offered while one types
INBOUND_WORDS = {
    Inbound.CONTINUE: "Inbound calls go on when the balance is used up, and may leave a debt",
    Inbound.STOP: "Inbound calls are refused when the balance is used up",
}
PLACE = ReviewPlace(CHANGES, PATH, FORM)


@dataclass(frozen=True, slots=True)
class FormView:
    """One form: what was typed, and what is wrong with it by field (``""``: with all of it).

    ``example``: an amount as the account's locale writes it.
    """

    edit: Edit
    fields: Mapping[str, str]
    telling: Telling
    example: str
    errors: Mapping[str, str] = field(default_factory=dict)


def amount_text(micros: int, locale: str) -> str:
    """An amount as somebody of the locale would type it: in one way to read it."""
    fraction = f"{micros % 1_000_000:06d}".rstrip("0")
    # Three decimals look like thousands to some: a fourth makes clear that they aren't.
    decimals = 4 if len(fraction) == 3 else max(2, len(fraction))
    return fmt.number(to_decimal(micros), locale, decimals, least_decimals=decimals)


def cap_form(view: FormView, kind: CapKind, *, is_new: bool) -> html.Section:
    """The form of one limit; a new budget asks for its campaign too."""
    campaign = view.fields.get("campaign", "")
    title = "New campaign budget" if is_new and kind is CapKind.CAMPAIGN else cap_name(
        kind, campaign, view.telling
    )  # fmt: skip
    asks_campaign = kind is CapKind.CAMPAIGN and is_new
    hidden = {"do": view.edit.value, "step": "review", "kind": kind.value}
    if kind is CapKind.CAMPAIGN and not asks_campaign:
        hidden["campaign"] = campaign
    return _form(
        view,
        title,
        f"{MEANINGS[kind]}. {CONSEQUENCES[kind]}.",
        [
            *(_campaign_field(view) if asks_campaign else ()),
            _typed(view, "amount", _amount_label(view, kind), inputmode="decimal",
                   placeholder=view.example, class_name="field field-amount"),
            _typed(view, "seconds", "Longest call in seconds (empty: any)", inputmode="numeric",
                   placeholder="600", class_name="field field-amount")
            if kind is CapKind.PER_CALL
            else None,
            None if kind is CapKind.PER_CALL else _mode_field(view, kind),
            _state_field(view),
        ],
        hidden,
        None
        if is_new
        else link("Remove…", edit_address(Edit.REMOVE, kind=kind.value, campaign=campaign), "btn"),
    )  # fmt: skip


def _amount_label(view: FormView, kind: CapKind) -> str:
    label = f"Amount in {view.telling.currency}"
    return f"{label} (empty: any)" if kind is CapKind.PER_CALL else label


def _campaign_field(view: FormView) -> list[Any]:
    known = sorted(view.telling.campaigns.items(), key=lambda each: each[1].casefold())
    options = [
        html.Option(name if name != campaign else None, value=campaign)
        for campaign, name in known[:MOST_CAMPAIGNS]
    ]
    return [
        _typed(view, "campaign", "Campaign", list=CAMPAIGNS, placeholder="Choose, or type its id",
               class_name="field field-reason"),
        html.Datalist(options, id=CAMPAIGNS),
    ]  # fmt: skip


def _mode_field(view: FormView, kind: CapKind) -> html.Div:
    hard = "Hard: pauses the campaign" if kind is CapKind.CAMPAIGN else "Hard: pauses outbound"
    return chosen(
        FORM, "mode", "When hit", view.fields.get("mode", HARD),
        ((HARD, hard), (SOFT, "Soft: only warns")), view.errors.get("mode"),
    )  # fmt: skip


def _state_field(view: FormView) -> html.Div:
    return chosen(
        FORM, "state", "In force", view.fields.get("state", ON),
        ((ON, "On"), (OFF, "Off: kept, not enforced")), view.errors.get("state"),
    )  # fmt: skip


def inbound_form(view: FormView, present: Inbound) -> html.Section:
    """The form of what inbound calls do at a balance of zero."""
    options = [(each.value, words) for each, words in INBOUND_WORDS.items()]
    chosen_now = view.fields.get("inbound", present.value)
    return _form(
        view, "Inbound at zero balance",
        "At a balance of zero every outbound service stops at once. Inbound calls follow this.",
        [chosen(FORM, "inbound", "Inbound calls", chosen_now, options, view.errors.get("inbound"),
                "field field-long")],
        {"do": view.edit.value, "step": "review"},
    )  # fmt: skip


def override_form(view: FormView, name: str, zone: str) -> html.Section:
    """The form of leave to go over one cap for a while."""
    pause = view.fields.get("pause", "")
    return _form(
        view, f"Override: {name}",
        "What stands still goes on at once. The cap counts on, but doesn’t deny until this ends.",
        [
            _typed(view, "until", f"Until, in {zone}", type="datetime-local", class_name="field"),
            _typed(view, "amount", f"Up to, in {view.telling.currency} (empty: no bound)",
                   inputmode="decimal", placeholder="No bound", class_name="field field-amount"),
            _typed(view, "reason", "Reason", maxlength=255, placeholder="It is kept with the "
                   "override", class_name="field field-reason"),
        ],
        {"do": view.edit.value, "step": "review", "pause": pause},
    )  # fmt: skip


def _form(
    view: FormView,
    title: str,
    lead: str,
    fields: Sequence[Any],
    hidden: Mapping[str, str],
    other_way: Any = None,
) -> html.Section:
    shown = [each for each in fields if each is not None]
    return form_card(
        title,
        [
            html.P(lead, className="form-lead"),
            whole_error(view.errors.get("")),
            asking_form(hidden, shown, path=PATH, submit="Review", other_way=other_way),
        ],
        close_href=PATH,
        element_id=FORM,
    )


def _typed(view: FormView, name: str, label: str, *, class_name: str, **given: Any) -> html.Div:
    value, error = view.fields.get(name, ""), view.errors.get(name)
    return typed(FORM, name, label, value, error, class_name=class_name, **given)
