"""The list of transactions of a metric: every line, billed or not, opening its explanation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from billing.metrics import Metric, Service
from billing.usage import UsageLine
from components import format as fmt
from components import html
from components.links import Choice, attributes, choices, hidden_text, icon, link

DERIVED_TIME = "derived_time"
STATUSES_OF_SERVICE: dict[str, tuple[str, ...]] = {
    Service.VOICE: ("answered", "unanswered", "delivered", "failed"),
    Service.SMS: ("sent", "delivered", "failed", "received"),
    Service.WHATSAPP: ("delivered", "failed"),
    Service.EXOPHONE: ("active",),
    Service.CONTACT_CENTER: ("active", "worked"),
}
_BAD_STATUSES = frozenset({"failed", "unanswered"})


@dataclass(frozen=True, slots=True)
class TransactionsView:
    """One page of lines and where every control leads.

    ``explain_hrefs``: one per line, in their order. ``newer_href``/``older_href``: the pages
    beside this one; none at an end.
    """

    metric: Metric
    lines: tuple[UsageLine, ...]
    locale: str
    zone: str
    explain_hrefs: tuple[str, ...]
    sorts: tuple[Choice, ...]
    statuses: tuple[Choice, ...]
    newer_href: str | None
    older_href: str | None


def rate_link(metric: Metric, href: str) -> html.A:
    """From a metric to what it means and costs."""
    return link(
        [icon("info"), "What this costs", hidden_text(f": {metric.name}")], href, "head-link"
    )


def transactions(view: TransactionsView) -> html.Section:
    """The lines with their order, status filter and pages."""
    body: Any = (
        _table(view)
        if view.lines
        else html.P(
            "No transactions match. Choose another status, other days, or take filters off.",
            className="nothing-here",
        )
    )
    return html.Section(
        [
            html.Div(
                [
                    html.H2("Transactions"),
                    html.Div(
                        [
                            choices("Status", view.statuses) if len(view.statuses) > 2 else None,
                            choices("Order", view.sorts),
                        ],
                        className="card-controls",
                    ),
                ],
                className="card-head card-table-head",
            ),
            body,
            _pager(view),
        ],
        className="card card-table",
        id="transactions",
    )


def _table(view: TransactionsView) -> html.Table:
    heads = (
        ("Date", None), ("Time", None), ("Campaign", None), ("Consumer", None), ("Units", "n"),
        ("Cost", "n"), ("Status", None),
    )  # fmt: skip
    rows = [
        _row(line, href, view) for line, href in zip(view.lines, view.explain_hrefs, strict=True)
    ]
    return html.Table(
        [
            html.Caption(f"{view.metric.name}, transactions", className="visually-hidden"),
            html.Thead(
                html.Tr([html.Th(name, className=kind, scope="col") for name, kind in heads])
            ),
            html.Tbody(rows),
        ],
        className="data-table line-table",
    )


def _row(line: UsageLine, href: str, view: TransactionsView) -> html.Tr:
    happened_on = fmt.local_day(line.occurred_at, view.zone)
    time = fmt.time_of_day(line.occurred_at, view.zone)
    mark = None
    if DERIVED_TIME in line.flags:
        mark = html.Abbr("≈", title="The source has no time of day; this one was derived.")
    opens = link(
        fmt.day(line.booked_on),
        href,
        "row-link",
        label=f"Explain the charge of {fmt.day(line.booked_on)}, {time}",
    )
    cost = fmt.exact_money(line.cost_micros, line.currency, view.locale)
    return html.Tr(
        [
            html.Th([opens, *_remarks(line, happened_on != line.booked_on, view)], scope="row",
                    className="cell-date"),
            html.Td([time, " ", mark] if mark else time, className="cell-time"),
            html.Td(line.campaign or fmt.NONE, className="cell-campaign dim"),
            html.Td(line.consumer or fmt.NONE, className="cell-consumer dim"),
            html.Td(fmt.units(line.base_units, view.metric, view.locale),
                    className="n dim cell-units"),
            html.Td(cost, className="n strong cell-cost"),
            html.Td(_status(line), className="cell-status"),
        ],
        className="row-opens",
    )  # fmt: skip


def _remarks(line: UsageLine, is_late: bool, view: TransactionsView) -> list[html.Span]:
    """What is special about a line: late, a correction, a reversal."""
    found = []
    if line.corrects_period or is_late:
        happened_on = fmt.short_day(fmt.local_day(line.occurred_at, view.zone))
        found.append(html.Span(f"late: belongs to {happened_on}", className="mark mark-soon"))
    if line.reverses_line_id:
        found.append(html.Span("reversal", className="mark"))
    return found


def _status(line: UsageLine) -> list[Any]:
    """The status and, for a line that cost nothing, why."""
    tone = "is-bad" if line.status in _BAD_STATUSES else "is-good"
    parts: list[Any] = [html.Span(line.status.capitalize(), className=f"status {tone}")]
    if line.reason:
        parts.append(html.Span(line.reason, className="reason"))
    return parts


def _pager(view: TransactionsView) -> html.Nav | None:
    if not view.newer_href and not view.older_href:
        return None
    return html.Nav(
        [
            _page_link("‹ Previous", view.newer_href),
            _page_link("Next ›", view.older_href),
        ],
        className="pager",
        **attributes(aria_label="Pages of transactions"),
    )


def _page_link(label: str, href: str | None) -> html.A | html.Span:
    if href is None:
        return html.Span(label, className="btn is-off", **attributes(aria_hidden="true"))
    return link(label, href, "btn")
