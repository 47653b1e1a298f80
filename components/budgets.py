"""Campaign budgets as a table: each with its gauge, what is left, and the ways to change it."""

from __future__ import annotations

from typing import Any

from billing.caps import CapKind
from billing.limit_queries import Edit, cap_address, edit_address
from billing.limit_standing import Gauge
from components import html
from components.limits_page import (
    LimitsView,
    bar,
    is_in_force,
    marks,
    over_note,
    override_note,
    parts,
)
from components.links import link


def budgets_card(view: LimitsView) -> html.Section:
    """The campaigns' budgets as a table, in the order of what is left."""
    gauges = sorted(
        (each for each in view.standing.gauges if each.cap.kind is CapKind.CAMPAIGN),
        key=lambda each: (each.left_micros is None, each.left_micros or 0, each.cap.campaign),
    )
    body: Any = html.P(
        "No campaign has a budget. One that has is paused alone when it is used up; the others "
        "go on.",
        className="nothing-here",
    )
    if gauges:
        body = html.Div(_budget_table(gauges, view), className="scroll-x")
    controls = html.Div(_add_link(view), className="card-controls")
    return html.Section(
        [
            html.Div([html.H2("Campaign budgets"), controls], className="card-head "
                     "card-table-head"),
            body,
        ],
        className="card card-table",
        id="budgets",
    )  # fmt: skip


def _add_link(view: LimitsView) -> html.A | None:
    """The way to a new campaign budget."""
    if not view.may_change:
        return None
    return link("Add a budget…", edit_address(Edit.CAP, kind=CapKind.CAMPAIGN.value), "btn")


def _budget_table(gauges: list[Gauge], view: LimitsView) -> html.Table:
    heads = (
        ("Campaign", None), ("Used", "wide"), ("Spent", "n wide"), ("Reserved", "n wide"),
        ("Left", "n"), ("Budget", "n"), ("", None),
    )  # fmt: skip
    return html.Table(
        [
            html.Caption("Campaign budgets, least left first", className="visually-hidden"),
            html.Thead(
                html.Tr(
                    [
                        html.Th(name, className=kind, scope="col")
                        if name
                        else html.Td(html.Span("Change", className="visually-hidden"))
                        for name, kind in heads
                    ]
                )
            ),
            html.Tbody([_budget_row(gauge, view) for gauge in gauges]),
        ],
        className="data-table budgets-table",
    )


def _budget_row(gauge: Gauge, view: LimitsView) -> html.Tr:
    telling = view.telling
    spent, reserved, left = parts(gauge, telling)
    name = telling.campaign(gauge.cap.campaign)
    way = None
    if view.may_change:
        way = link("Edit…", cap_address(Edit.CAP, gauge.cap), label=f"Edit the budget of {name}")
    return html.Tr(
        [
            html.Th(
                [
                    name, *marks(gauge, view), over_note(gauge, telling),
                    override_note(gauge, view),
                ],
                scope="row",
            ),
            html.Td(bar(gauge, telling), className="wide"),
            html.Td(spent, className="n wide dim"),
            html.Td(reserved, className="n wide dim"),
            html.Td(left, className="n strong"),
            html.Td(telling.money(gauge.cap.limit_micros or 0), className="n dim"),
            html.Td(way, className="n"),
        ],
        className=None if is_in_force(gauge, view) else "is-idle",
    )  # fmt: skip
