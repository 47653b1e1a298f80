"""Open holds on the Balance page: what the reserved amount consists of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.limit_standing import HoldView
from components import format as fmt
from components import html
from components.limit_words import HOLD_NAMES, Telling, age_text

MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class HoldsView:
    """Open holds, newest first. ``reserved_micros``: of all of them, also those not shown.

    ``is_cut``: there are more than were read.
    """

    holds: tuple[HoldView, ...]
    reserved_micros: int
    now: datetime
    telling: Telling
    is_cut: bool = False


def holds_card(view: HoldsView) -> html.Section | None:
    """Each hold with its age, campaign and amount, newest first; nothing when there is none."""
    if not view.holds:
        return None
    shown = view.holds[:MOST_SHOWN]
    return html.Section(
        [
            html.Div(
                [html.H2("Open holds"), html.P(_count_text(view, len(shown)))],
                className="card-head card-table-head",
            ),
            html.Div(_table(shown, view), className="scroll-x"),
        ],
        className="card card-table balance-lots",
        id="holds",
    )


def _count_text(view: HoldsView, shown: int) -> str:
    count = fmt.number(len(view.holds), view.telling.locale)
    if len(view.holds) == shown and not view.is_cut:
        return "Money set aside for work in progress"
    return f"The newest {shown} of {'more than ' if view.is_cut else ''}{count}"


def _table(shown: tuple[HoldView, ...], view: HoldsView) -> html.Table:
    heads = (
        ("For", None), ("Campaign", None), ("Since", None), ("Age", "n"),
        ("Released at", "wide"), ("Held", "n"),
    )  # fmt: skip
    return html.Table(
        [
            html.Caption("Open holds, newest first", className="visually-hidden"),
            html.Thead(
                html.Tr([html.Th(name, className=kind, scope="col") for name, kind in heads])
            ),
            html.Tbody([_row(hold, view) for hold in shown]),
            html.Tfoot(
                html.Tr(
                    [
                        html.Th("Reserved in all", scope="row", colSpan=4),
                        html.Td("", className="wide"),
                        html.Td(view.telling.sum(view.reserved_micros), className="n"),
                    ]
                )
            ),
        ],
        className="data-table holds-table",
    )


def _row(hold: HoldView, view: HoldsView) -> html.Tr:
    telling = view.telling
    campaign: Any = telling.campaign(hold.campaign) if hold.campaign else fmt.NONE
    ends = fmt.NONE if hold.expires_at is None else _clock(hold.expires_at, telling.zone)
    much = fmt.duration(hold.amount) if hold.kind.is_call else _units_text(hold.amount)
    return html.Tr(
        [
            html.Th([HOLD_NAMES[hold.kind], html.Small(much)], scope="row"),
            html.Td(campaign),
            html.Td(_clock(hold.decided_at, telling.zone), className="dim"),
            html.Td(age_text(hold.age(view.now)), className="n"),
            html.Td(ends, className="wide dim"),
            html.Td(telling.money(hold.held_micros), className="n strong"),
        ]
    )


def _clock(instant: datetime, zone: str) -> str:
    return fmt.time_of_day(instant, zone)


def _units_text(units: int) -> str:
    return "1 unit" if units == 1 else f"{units:,} units"
