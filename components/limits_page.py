"""The Spending limits page: what is left, the account's caps with their gauges, the settings.

Every control is an address; what a figure is about is said beside it. What is spent, reserved and
left is rounded together, so that it adds up to the limit that is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from billing.caps import ACCOUNT_KINDS, CapKind, Inbound
from billing.limit_queries import OFF, ON, Edit, cap_address, edit_address
from billing.limit_standing import Gauge, LimitStanding
from components import format as fmt
from components import html
from components.cards import cards, figure_card
from components.form_fields import posting_button
from components.gauge import gauge_bar
from components.limit_words import (
    CONSEQUENCES,
    MEANINGS,
    ONLY_WARNS,
    Telling,
    bound_text,
    left_label,
    stands_still,
    until_text,
)
from components.links import link

CHANGES = "/limits/changes"  # where the page's forms are sent
SHOWN_KINDS = (*ACCOUNT_KINDS, CapKind.PER_CALL)


@dataclass(frozen=True, slots=True)
class LimitsView:
    """How an account stands. ``actors``: names of those who gave overrides.

    ``available_micros``: the balance that holds may take; none: it could not be read.
    ``take_back_ids``: by the key of a limit, a pause by which its override is taken back.
    """

    standing: LimitStanding
    telling: Telling
    account_id: str
    available_micros: int | None
    actors: dict[str, str]
    take_back_ids: dict[tuple[CapKind, str], str]
    may_change: bool


def status_cards(view: LimitsView) -> html.Section:
    """The answer of the page first: what is left to spend; then the two settings."""
    limits = view.standing.limits
    is_on = limits.is_on
    switch = ("Turn off…", OFF) if is_on else ("Turn on…", ON)
    stops = limits.inbound is Inbound.STOP
    return cards(
        [
            _left_card(view),
            figure_card(
                "Spending limits", "On" if is_on else "Off",
                [
                    "Work is held against the caps below before it happens. " if is_on
                    else "Nothing is denied or paused; what is spent is still counted. ",
                    _way(view, switch[0], edit_address(Edit.SWITCH, state=switch[1]),
                         f"{switch[0].rstrip('…')} spending limits"),
                ],
            ),
            figure_card(
                "Inbound at zero balance", "Stops" if stops else "Goes on",
                [
                    "Inbound calls are refused once the balance is used up. " if stops
                    else "Inbound calls come in even when the balance is used up. ",
                    _way(view, "Change…", edit_address(Edit.INBOUND),
                         "Change what inbound calls do at a balance of zero"),
                ],
            ),
        ]
    )  # fmt: skip


def _way(view: LimitsView, label: str, href: str, name: str) -> html.A | None:
    return link(label, href, "card-way", label=name) if view.may_change else None


def _left_card(view: LimitsView) -> html.Div:
    standing, telling = view.standing, view.telling
    still = next((each for each in standing.pauses if not each.reason.campaign), None)
    if still is not None:
        figure = html.Span("Paused", className="lasts-soon")
        detail = until_text(still, telling)
        return figure_card(stands_still(still, telling), figure,
                           detail[:1].upper() + detail[1:], is_big=True)  # fmt: skip
    nearest = _nearest(standing)
    if nearest is None or nearest.left_micros is None:
        why = "No cap bounds it: only the balance does." if standing.limits.is_on else (
            "Limits are off: only the balance bounds it."
        )  # fmt: skip
        left = None if view.available_micros is None else max(0, view.available_micros)
        return figure_card("Left to spend", fmt.NONE if left is None else telling.sum(left),
                           why, is_big=True)  # fmt: skip
    label, left = left_label(nearest.cap.kind), nearest.left_micros
    name = nearest.cap.kind.label.lower()
    detail = f"of {telling.money(nearest.ceiling_micros or 0)}: the {name}"
    if view.available_micros is not None and view.available_micros < left:
        detail = f"of the balance; the {name} leaves {telling.sum(left)}"
        label, left = "Left to spend", max(0, view.available_micros)
    return figure_card(label, telling.sum(left), detail, is_big=True)


def _nearest(standing: LimitStanding) -> Gauge | None:
    """The account's cap that leaves least, among those that deny."""
    if not standing.limits.is_on:
        return None
    binding = [
        each for each in standing.gauges
        if each.cap.kind in ACCOUNT_KINDS and each.cap.is_on and each.cap.is_hard
        and each.left_micros is not None
    ]  # fmt: skip
    return min(binding, key=lambda each: each.left_micros or 0, default=None)


def caps_card(view: LimitsView) -> html.Section:
    """The caps of the whole account: daily, weekly, monthly, per call; set or not."""
    return html.Section(
        [
            html.Div(
                [html.H2("Caps"), html.P("What was spent, what calls in progress reserve, and "
                                         "what is left")],
                className="card-head card-table-head",
            ),
            html.Ul([_cap_row(kind, view) for kind in SHOWN_KINDS], className="cap-list"),
        ],
        className="card card-table caps",
        id="caps",
    )  # fmt: skip


def _cap_row(kind: CapKind, view: LimitsView) -> html.Li:
    gauge = view.standing.gauge(kind)
    if gauge is None:
        body: Any = html.P("Not set", className="dim")
        ways = [("Set…", edit_address(Edit.CAP, kind=kind.value), f"Set a {kind.label.lower()}")]
    else:
        body = gauge_body(gauge, view)
        name = kind.label.lower()
        ways = [("Edit…", cap_address(Edit.CAP, gauge.cap), f"Edit the {name}")]
    is_soft = gauge is not None and not gauge.cap.is_hard and kind is not CapKind.PER_CALL
    return html.Li(
        [
            html.Div(
                [
                    html.H3([kind.label, *(marks(gauge, view) if gauge else ())]),
                    html.P(MEANINGS[kind], className="dim"),
                    html.P(ONLY_WARNS if is_soft else CONSEQUENCES[kind], className="dim"),
                ],
                className="cap-name",
            ),
            html.Div(body, className="cap-body"),
            html.Div(
                [link(label, href, "btn", label=said) for label, href, said in ways]
                if view.may_change
                else None,
                className="cap-ways",
            ),
        ],
        className="cap-row" if gauge and is_in_force(gauge, view) else "cap-row is-out",
    )


def is_in_force(gauge: Gauge, view: LimitsView) -> bool:
    """Whether a limit is switched on, as limits are."""
    return gauge.cap.is_on and view.standing.limits.is_on


def marks(gauge: Gauge, view: LimitsView) -> list[Any]:
    """What is to be known of a limit at a glance: soft, off, paused, overridden."""
    is_paused = any(pause.reason.name == gauge.cap.key for pause in view.standing.pauses)
    found = [
        ("Off", not gauge.cap.is_on, "mark"),
        ("Soft", not gauge.cap.is_hard, "mark"),
        ("Paused", is_paused, "mark mark-soon"),
        ("Overridden", gauge.override is not None, "mark mark-soon"),
    ]
    return [html.Span(word, className=name) for word, is_so, name in found if is_so]


def gauge_body(gauge: Gauge, view: LimitsView) -> list[Any]:
    """A limit with its figures; of the per-call cap what one call may cost and last."""
    telling = view.telling
    if gauge.window is None:
        what = f"At most {bound_text(gauge.cap, telling)} a call"
        return [html.P(html.B(what)), html.P("The platform is told to disconnect then.",
                                             className="dim")]  # fmt: skip
    resets = None
    if gauge.resets_at is not None:
        resets = html.P(["Resets ", telling.at(gauge.resets_at)], className="dim")
    return [
        bar(gauge, telling), _figures(gauge, telling), over_note(gauge, telling),
        override_note(gauge, view), resets,
    ]  # fmt: skip


def bar(gauge: Gauge, telling: Telling) -> html.Div:
    """The gauge itself, up to what may be spent now."""
    if gauge.ceiling_micros is None:
        ceiling = max(gauge.cap.limit_micros or 0, gauge.spent_micros + gauge.reserved_micros)
    else:
        ceiling = gauge.ceiling_micros
    label = (
        f"{telling.sum(gauge.spent_micros)} spent and {telling.sum(gauge.reserved_micros)} "
        f"reserved of {telling.money(gauge.cap.limit_micros or 0)}"
    )
    return gauge_bar(gauge.spent_micros, gauge.reserved_micros, ceiling, label)


def parts(gauge: Gauge, telling: Telling) -> tuple[str, str, str]:
    """Spent, reserved and left, rounded together so that they add up to the limit."""
    left = gauge.left_micros
    shown = fmt.money_rows(
        [gauge.spent_micros, gauge.reserved_micros, left or 0], telling.currency, telling.locale
    )
    return shown[0], shown[1], "No bound" if left is None else shown[2]


def _figures(gauge: Gauge, telling: Telling) -> html.Dl:
    spent, reserved, left = parts(gauge, telling)
    items = [
        ("Spent", spent), ("Reserved", reserved), ("Left", left),
        ("Cap", telling.money(gauge.cap.limit_micros or 0)),
    ]  # fmt: skip
    return html.Dl(
        [html.Div([html.Dt(name), html.Dd(value)]) for name, value in items],
        className="cap-figures",
    )


def over_note(gauge: Gauge, telling: Telling) -> html.P | None:
    """By how much a limit is over, and why that can be."""
    if not gauge.over_micros:
        return None
    amount = telling.sum(gauge.over_micros)
    why = "by charges that came without asking first, or because the cap was lowered"
    if not gauge.cap.is_hard:
        why = "a soft cap only warns"
    return html.P(f"{amount} over: {why}.", className="cap-note")


def override_note(gauge: Gauge, view: LimitsView) -> html.Div | None:
    """The override in force: until when, by whom, why; and the button that takes it back."""
    given, telling = gauge.override, view.telling
    if given is None:
        return None
    who = view.actors.get(given.actor, "somebody")
    most = f", up to {telling.money(given.limit_micros)}" if given.limit_micros else ""
    words = html.P(
        [f"Overridden until {telling.at(given.ends_at)}{most}, by {who}: ",
         html.Q(given.reason)],
        className="cap-note",
    )  # fmt: skip
    pause_id = view.take_back_ids.get(gauge.cap.key)
    button = None
    if view.may_change and pause_id:
        sent = {"do": Edit.TAKE_BACK.value, "pause": pause_id, "account": view.account_id}
        button = posting_button("Take back", CHANGES, sent)
    return html.Div([words, button], className="cap-override")


def offer_card(account_id: str, version: int, amount: str, field_text: str) -> html.Div:
    """What a development account is offered: one click sets a conservative daily cap."""
    sent = {
        "do": Edit.CAP.value, "kind": CapKind.DAILY.value, "amount": field_text,
        "version": str(version), "account": account_id,
    }  # fmt: skip
    return html.Div(
        [
            html.Div(
                [
                    html.H2("A development account"),
                    html.P(
                        "A script that calls in a loop can spend everything. A conservative daily "
                        "cap stops it."
                    ),
                ]
            ),
            posting_button(f"Set a daily cap of {amount}", CHANGES, sent, is_main=True),
        ],
        className="card cap-offer",
    )


def who_may(role: str) -> html.P:
    """Why there is nothing to change for this person."""
    return html.P(
        f"As {role} you see spending limits; the owner changes them.", className="watermark"
    )


def zone_line(telling: Telling, as_of: Any) -> html.P:
    """The line under the figures."""
    return html.P(
        [
            "As of ", html.Time(fmt.clock_time(as_of, telling.zone), dateTime=as_of.isoformat()),
            f" · days, weeks from Monday and calendar months in {telling.zone}",
        ],
        className="watermark",
    )  # fmt: skip
