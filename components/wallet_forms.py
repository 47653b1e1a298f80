"""Moving money by hand: the forms, what will happen before it does, and requests that wait.

A form only leads to a confirmation, whose one button posts; so nothing moves by an address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from billing.balance_queries import ADD, PATH, TAKE
from billing.metrics import METRIC_BY_ID
from billing.movements import Action, Approval
from billing.wallet import Preview
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
from components.links import attributes, icon, link

FORM = "move"  # what the ids of its fields begin with
MOVE, DECIDE = "/wallet/movements", "/wallet/decisions"
NAMES = {
    Action.TOP_UP: "Top up", Action.GRANT: "Grant credit", Action.ADJUSTMENT: "Adjust",
    Action.REFUND: "Refund a charge",
}  # fmt: skip
LEADS = {
    Action.TOP_UP: "Adds paid credit, recorded by hand: no payment is taken, because no payment "
    "gateway is connected yet.",
    Action.GRANT: "Adds promotional credit: free for the account, used before paid credit.",
    Action.ADJUSTMENT: "Adds promotional credit that never expires, or takes credit away, soonest "
    "to expire first. For one wrong charge, make a refund instead.",
    Action.REFUND: "Gives one charge back to the credit that paid it. Choose Refund beside a "
    "charge in the history below, or write a transaction’s id here.",
}
APPROVAL_WORDS = {"grant": "Grant", "adjustment": "Adjustment", "refund": "Refund"}


@dataclass(frozen=True, slots=True)
class FormView:
    """One form: what was typed, and what is wrong with it by field (``""``: with all of it).

    ``example``: an amount as the account's locale writes it.
    """

    action: Action
    fields: Mapping[str, str]
    errors: Mapping[str, str]
    key: str
    currency: str
    example: str


def action_links(actions: tuple[tuple[Action, str], ...], current: Action | None) -> html.Div:
    """What this person may do, each an address; the first is the page's primary action."""
    return html.Div(
        [
            link(
                NAMES[action], href, "btn btn-main" if place == 0 and current is None else "btn",
                current="true" if action is current else None,
            )
            for place, (action, href) in enumerate(actions)
        ],
        className="head-actions",
        role="group",
        **attributes(aria_label="Move money"),
    )  # fmt: skip


def movement_form(view: FormView) -> html.Section:
    """The form of one action. Sending it shows what would happen; nothing moves yet."""
    hidden = {"do": view.action.value, "step": "confirm", "key": view.key}
    return form_card(
        NAMES[view.action],
        [
            html.P(LEADS[view.action], className="form-lead"),
            whole_error(view.errors.get("")),
            asking_form(hidden, _fields(view), path=PATH),
        ],
        close_href=PATH,
        element_id=FORM,
    )


def _fields(view: FormView) -> list[Any]:
    amount = _labelled(
        view, "amount", f"Amount in {view.currency}", inputmode="decimal", placeholder=view.example,
        class_name="field field-amount",
    )  # fmt: skip
    why = "What it is for (optional)" if view.action is Action.TOP_UP else "Reason"
    reason = _labelled(
        view, "reason", why, maxlength=255, placeholder="The account reads this",
        class_name="field field-reason",
    )  # fmt: skip
    if view.action is Action.REFUND:
        line = _labelled(view, "line", "Transaction id", class_name="field field-line")
        return [line, reason]
    if view.action is Action.GRANT:
        expires = _labelled(
            view, "expires", "Last day valid (empty: never expires)", type="date",
            class_name="field",
        )  # fmt: skip
        return [amount, expires, reason]
    if view.action is Action.ADJUSTMENT:
        options = ((ADD, "Add credit"), (TAKE, "Take credit"))
        sign = chosen(FORM, "sign", "What to do", view.fields.get("sign", ADD), options)
        return [sign, amount, reason]
    return [amount, reason]


def _labelled(view: FormView, name: str, label: str, *, class_name: str, **given: Any) -> html.Div:
    value, error = view.fields.get(name, ""), view.errors.get(name)
    return typed(FORM, name, label, value, error, class_name=class_name, **given)


@dataclass(frozen=True, slots=True)
class ConfirmView:
    """A movement before it happens. ``account`` ties it to the account that was shown."""

    preview: Preview
    fields: Mapping[str, str]
    key: str
    account_id: str
    account_name: str
    currency: str
    locale: str
    zone: str
    edit_href: str

    def money(self, micros: int) -> str:
        """An exact amount."""
        return fmt.exact_money(micros, self.currency, self.locale)


def confirmation(view: ConfirmView) -> html.Section:
    """What will happen, in one sentence; the balance before and after; and the button."""
    preview = view.preview
    posted = {
        "do": preview.movement.action.value, "key": view.key, "account": view.account_id,
        **view.fields,
    }  # fmt: skip
    verb = "Ask for approval" if preview.needs_approval else f"Confirm: {_verb(view)}"
    return form_card(
        f"Confirm for {view.account_name}",
        [
            html.P(_sentence(view), className="confirm-sentence"),
            html.P(
                [
                    "Balance ", html.B(view.money(preview.before_micros)), " → ",
                    html.B(view.money(preview.after_micros), className="confirm-after"),
                    _debt(view),
                ],
                className="confirm-balance",
            ),
            html.P(["Reason: ", html.Q(preview.movement.reason)], className="dim"),
            _approval_note(view) if preview.needs_approval else None,
            html.Div(
                [
                    posting_button(verb, MOVE, posted, is_main=True),
                    link("Change", view.edit_href, "btn"),
                    link("Cancel", PATH, "btn"),
                ],
                className="form-buttons",
            ),
        ],
        close_href=PATH,
        element_id=FORM,
    )  # fmt: skip


def _verb(view: ConfirmView) -> str:
    amount = view.money(abs(view.preview.amount_micros))
    if view.preview.movement.action is Action.REFUND:
        return f"refund {amount}"
    return f"{'add' if view.preview.amount_micros > 0 else 'take'} {amount}"


def _sentence(view: ConfirmView) -> str:
    preview = view.preview
    action, micros = preview.movement.action, preview.amount_micros
    amount = view.money(abs(micros))
    if action is Action.TOP_UP:
        return f"Adds {amount} paid credit. Recorded by hand: no payment is taken."
    if action is Action.REFUND:
        metric = METRIC_BY_ID.get(preview.metric or "")
        name = metric.name if metric else "usage"
        return (
            f"Gives {amount} of {name} back to the credit that paid it. What belonged to credit "
            "that has expired comes back as promotional credit for 30 days."
        )
    if micros < 0:
        return f"Takes {amount} of credit, soonest to expire first."
    ends = preview.movement.expires_at
    if ends is None:
        return f"Adds {amount} promotional credit that never expires."
    last_on = fmt.local_day(ends - timedelta(microseconds=1), view.zone)
    return f"Adds {amount} promotional credit, valid to the end of {fmt.long_day(last_on)}."


def _debt(view: ConfirmView) -> html.Span | None:
    before, after = view.preview.before_micros, view.preview.after_micros
    if after >= 0 or after >= before:
        return None
    return html.Span("leaves a debt", className="mark mark-soon")


def _approval_note(view: ConfirmView) -> html.P:
    preview = view.preview
    return html.P(
        [
            icon("info"),
            f"Above what support may move a day, {view.money(preview.limit_micros)} "
            f"({view.money(preview.moved_today_micros)} moved today): nothing moves until an "
            "administrator approves it within 7 days.",
        ],
        className="confirm-note",
    )


@dataclass(frozen=True, slots=True)
class WaitingView:
    """Requests that wait. ``may_decide``: one per request, in their order."""

    approvals: tuple[Approval, ...]
    may_decide: tuple[bool, ...]
    names: Mapping[str, str]
    account_id: str
    currency: str
    locale: str
    zone: str


def waiting_card(view: WaitingView) -> html.Section | None:
    """Movements above support's limit, to be approved or rejected by another person."""
    if not view.approvals:
        return None
    rows = [
        _waiting_row(approval, may, view)
        for approval, may in zip(view.approvals, view.may_decide, strict=True)
    ]
    return html.Section(
        [
            html.Div(
                [html.H2("Waiting for approval"), html.P("Nothing has moved yet")],
                className="card-head card-table-head",
            ),
            html.Ul(rows, className="waiting-list"),
        ],
        className="card card-table",
        id="waiting",
    )


def _waiting_row(approval: Approval, may_decide: bool, view: WaitingView) -> html.Li:
    amount = fmt.exact_money(approval.amount_micros, view.currency, view.locale)
    asked_on = fmt.local_day(approval.asked_at, view.zone)
    ends_on = fmt.local_day(approval.expires_at, view.zone)
    who = view.names.get(approval.asked_by, "Somebody")
    action = APPROVAL_WORDS.get(approval.movement.action.value, approval.movement.action.value)
    buttons: Any = html.Span("Waits for an administrator who didn't ask for it", className="dim")
    if may_decide:
        buttons = html.Div(
            [
                _decision("Approve", "approve", approval, view),
                _decision("Reject", "reject", approval, view),
            ],
            className="form-buttons",
        )
    return html.Li(
        [
            html.Div(
                [
                    html.B(f"{action} of {amount}"),
                    html.P(["“", approval.movement.reason, "”"]),
                    html.P(
                        f"Asked by {who} on {fmt.day(asked_on)}, open until "
                        f"{fmt.short_day(ends_on)} "
                        f"{fmt.clock_time(approval.expires_at, view.zone, has_seconds=False)}",
                        className="dim",
                    ),
                ]
            ),
            buttons,
        ]
    )


def _decision(label: str, decision: str, approval: Approval, view: WaitingView) -> html.Button:
    named = f"{label} {approval.movement.action.value}, {approval.movement.reason}"
    sent = {"approval": approval.id, "decision": decision, "account": view.account_id}
    return posting_button(label, DECIDE, sent, aria_label=named)
