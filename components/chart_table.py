"""The table behind a chart: the same figures as text, for everybody who can't read bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components import format as fmt
from components import html
from components.links import attributes, link


@dataclass(frozen=True, slots=True)
class TableHead:
    """What the table is about and how its amounts are written."""

    title: str
    currency: str
    locale: str


def table_behind(
    table: Mapping[str, Sequence[int]],
    labels: Sequence[str],
    hrefs: Sequence[str | None],
    head: TableHead,
) -> html.Details:
    """A folded table: one row per bar, one column per name of ``table``, and their total.

    ``table``: micros by name, one figure a bar. ``labels`` and ``hrefs`` belong to the bars.
    """
    names = list(table)
    has_parts = len(names) > 1
    columns = ["When", *(names if has_parts else []), "Total" if has_parts else "Cost"]
    stacks = zip(*table.values(), strict=True)
    rows = [
        _row(label, href, costs, head)
        for label, href, costs in zip(labels, hrefs, stacks, strict=True)
    ]
    heads = [
        html.Th(name, className="n" if i else None, scope="col") for i, name in enumerate(columns)
    ]
    body = html.Table(
        [
            html.Caption(head.title, className="visually-hidden"),
            html.Thead(html.Tr(heads)),
            html.Tbody(rows),
        ],
        className="data-table data-table-small",
    )
    # A region that scrolls must be reachable by keyboard.
    label = f"{head.title}, table"
    scroller = html.Div(
        body, className="scroll-x", tabIndex=0, role="region", **attributes(aria_label=label)
    )
    return html.Details([html.Summary("Show as table"), scroller], className="behind")


def _row(label: str, href: str | None, costs: Sequence[int], head: TableHead) -> html.Tr:
    parts = fmt.money_rows(costs, head.currency, head.locale) if len(costs) > 1 else []
    total = fmt.money(sum(costs), head.currency, head.locale)
    return html.Tr(
        [
            html.Th(link(label, href) if href else label, scope="row"),
            *(html.Td(text, className="n") for text in parts),
            html.Td(total, className="n strong"),
        ]
    )
