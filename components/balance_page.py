"""The Balance page: the six items of the balance, what credit there is, and the wallet's history.

Every control is an address. Amounts of entries are exact; sums have the currency's decimals and
are rounded together, so that what is shown adds up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from billing.lots import DEFAULT_PRIORITY, LotKind
from billing.metrics import METRIC_BY_ID
from billing.runway import BUFFER_DAYS
from billing.wallet import CreditLot, WalletEntry
from components import format as fmt
from components import html
from components.balance import BalanceView, balance_parts, lasts_text, lasts_tone
from components.cards import cards, figure_card
from components.links import Choice, attributes, choices, link

LOT_NAMES = {
    LotKind.PAID: "Paid credit",
    LotKind.PROMOTIONAL: "Promotional credit",
    LotKind.OVERDRAFT: "Debt",
}
KIND_NAMES = {
    "charge": "Charge", "top_up": "Top-up", "grant": "Grant", "refund": "Refund",
    "adjustment": "Adjustment", "expiry": "Expiry",
}  # fmt: skip
BY_ITSELF = {"charge": "Usage", "expiry": "Automatic"}
SOON_DAYS = 14


def balance_cards(view: BalanceView) -> html.Div:
    """The six items of the wallet (seed 003, Balance Breakdown): the answer of the page first."""
    balance, parts = view.balance, balance_parts(view.balance)
    lasts = html.Span(lasts_text(view), className=f"delta lasts-{lasts_tone(view.runway)}")
    period = fmt.period_label(view.billing_period)
    items = cards(
        [
            figure_card(
                "Available Balance", view.money(balance.available_micros),
                "Total credits available for use", beside=lasts, is_big=True,
            ),
            figure_card("Paid Credits", view.money(parts.paid), "Purchased via payment, less debt"),
            figure_card(
                "Promotional Credits", view.money(parts.promotional), "Free and bonus credits"
            ),
            figure_card(
                "Reserved Amount", view.money(-parts.reserved), "Held for calls in progress"
            ),
            figure_card(
                "Today’s Usage", view.money(view.today_micros), "Total credits consumed today"
            ),
            figure_card(
                "This Month’s Usage", view.money(view.period_micros),
                f"Current billing period, {period}",
            ),
        ]
    )  # fmt: skip
    return html.Div([items, _buffer_note(view)], className="balance-cards")


def _buffer_note(view: BalanceView) -> html.P | None:
    """How much a balance had better have, so that nothing stops before somebody tops up."""
    buffer = view.runway.buffer_micros
    if buffer <= 0:
        return None
    is_short = view.balance.available_micros < buffer
    days = fmt.days_text(BUFFER_DAYS, view.locale)
    words = [
        "Suggested buffer: ", html.B(view.money(buffer)), f", {days} of usage.",
        " The balance is below it: add credit soon." if is_short else None,
    ]  # fmt: skip
    return html.P(words, className="buffer-note is-soon" if is_short else "buffer-note")


@dataclass(frozen=True, slots=True)
class LotsView:
    """Lots in the order in which they are used, debt first, and what they sum to.

    ``zone``: the account's; days are shown in it. ``days_left``: until each lot's expiry, in the
    order of the lots; none: it never expires.
    """

    lots: tuple[CreditLot, ...]
    days_left: tuple[int | None, ...]
    currency: str
    locale: str
    zone: str


def lots_card(view: LotsView) -> html.Section:
    """What credit there is, of which kind, until when."""
    body: Any = html.P(
        "There is no credit left, and no debt. The next top-up or grant appears here.",
        className="nothing-here",
    )
    if view.lots:
        body = html.Div(_lots_table(view), className="scroll-x")
    return html.Section(
        [
            html.Div(
                [html.H2("Credit"), html.P("Used from the top down")],
                className="card-head card-table-head",
            ),
            body,
        ],
        className="card card-table balance-lots",
        id="lots",
    )


def _lots_table(view: LotsView) -> html.Table:
    heads = (
        ("Kind", None), ("Granted", None), ("Expires", None), ("Granted amount", "n wide"),
        ("Left", "n"),
    )  # fmt: skip
    left = fmt.money_rows([lot.remaining_micros for lot in view.lots], view.currency, view.locale)
    total = fmt.money(sum(lot.remaining_micros for lot in view.lots), view.currency, view.locale)
    rows = [
        _lot_row(lot, days, shown, view)
        for lot, days, shown in zip(view.lots, view.days_left, left, strict=True)
    ]
    return html.Table(
        [
            html.Caption("Credit lots", className="visually-hidden"),
            html.Thead(
                html.Tr([html.Th(name, className=kind, scope="col") for name, kind in heads])
            ),
            html.Tbody(rows),
            html.Tfoot(
                html.Tr(
                    [
                        html.Th("Total", scope="row", colSpan=3),
                        html.Td("", className="wide"),
                        html.Td(total, className="n"),
                    ]
                )
            ),
        ],
        className="data-table lots-table",
    )


def _lot_row(lot: CreditLot, days_left: int | None, left: str, view: LotsView) -> html.Tr:
    is_debt = lot.kind is LotKind.OVERDRAFT
    cause = "Usage that no credit paid: the next credit repays it" if is_debt else lot.cause
    granted = fmt.money(lot.amount_micros, view.currency, view.locale)
    return html.Tr(
        [
            html.Th([LOT_NAMES[lot.kind], html.Small(cause), _turn(lot)], scope="row"),
            html.Td(fmt.NONE if is_debt else _dated(lot.granted_at, view.zone), className="dim"),
            html.Td(fmt.NONE if is_debt else _expiry(lot, days_left, view)),
            html.Td(fmt.NONE if is_debt else granted, className="n dim wide"),
            html.Td(left, className="n strong"),
        ],
        className="is-debt" if is_debt else None,
    )


def _turn(lot: CreditLot) -> html.Small | None:
    """Why a lot comes earlier or later than its kind and expiry would have it."""
    if lot.kind is LotKind.OVERDRAFT or lot.priority == DEFAULT_PRIORITY:
        return None
    when = "earlier" if lot.priority < DEFAULT_PRIORITY else "later"
    text = (
        f"Used {when} than its expiry says: priority {lot.priority:,}, usually {DEFAULT_PRIORITY}"
    )
    return html.Small(text, className="lot-turn")


def _expiry(lot: CreditLot, days_left: int | None, view: LotsView) -> Any:
    if lot.expires_at is None or days_left is None:
        return html.Span("Never", className="dim")
    last_on = fmt.last_valid_day(lot.expires_at, view.zone)
    text = f"{fmt.short_day(last_on)} {last_on.year}"
    if days_left > SOON_DAYS:
        return text
    mark = "today" if days_left <= 0 else f"{fmt.days_text(days_left, view.locale)} left"
    return [text, html.Span(mark, className="mark mark-soon")]


def _dated(instant: Any, zone: str) -> str:
    day = fmt.local_day(instant, zone)
    return f"{fmt.short_day(day)} {day.year}"


@dataclass(frozen=True, slots=True)
class HistoryView:
    """One page of entries, newest first, and where every control leads.

    ``names``: of those who moved money by hand. ``refund_hrefs``: by line id, where its charge
    can be given back by this person. ``may_explain``: whether charges open their explanation.
    """

    entries: tuple[WalletEntry, ...]
    names: Mapping[str, str]
    refund_hrefs: Mapping[str, str]
    views: tuple[Choice, ...]
    newer_href: str | None
    older_href: str | None
    locale: str
    zone: str
    may_explain: bool


def history_card(view: HistoryView) -> html.Section:
    """Every movement of money: what, why, how much, the balance after it, and by whom."""
    body: Any = html.P(
        "Nothing here yet. Top-ups, grants and charges appear as they happen.",
        className="nothing-here",
    )
    if view.entries:
        body = _history_table(view)
    return html.Section(
        [
            html.Div(
                [
                    html.H2("Wallet history"),
                    html.Div(choices("Show", view.views), className="card-controls"),
                ],
                className="card-head card-table-head",
            ),
            body,
            _pager(view),
        ],
        className="card card-table wallet-history",
        id="history",
    )


def _history_table(view: HistoryView) -> html.Table:
    heads = (
        ("Date", None), ("Time", None), ("What", None), ("Who", None), ("Amount", "n"),
        ("Balance after", "n"),
    )  # fmt: skip
    return html.Table(
        [
            html.Caption("Wallet entries, newest first", className="visually-hidden"),
            html.Thead(
                html.Tr([html.Th(name, className=kind, scope="col") for name, kind in heads])
            ),
            html.Tbody([_entry_row(entry, view) for entry in view.entries]),
        ],
        className="data-table line-table entry-table",
    )


def _entry_row(entry: WalletEntry, view: HistoryView) -> html.Tr:
    happened_on = fmt.local_day(entry.occurred_at, view.zone)
    late = None
    if happened_on != entry.booked_on:
        late = html.Span(f"happened {fmt.short_day(happened_on)}", className="mark mark-soon")
    who = view.names.get(entry.actor or "", "") or BY_ITSELF.get(entry.kind, fmt.NONE)
    return html.Tr(
        [
            html.Th([_day(entry), late], scope="row", className="cell-date"),
            html.Td(fmt.time_of_day(entry.occurred_at, view.zone), className="cell-time dim"),
            html.Td(_what(entry, view), className="cell-campaign"),
            html.Td(who, className=f"cell-status dim{'' if entry.actor else ' is-itself'}"),
            html.Td(
                fmt.signed_money(entry.amount_micros, entry.currency, view.locale),
                className="n strong cell-cost",
            ),
            html.Td(
                fmt.money(entry.balance_after_micros, entry.currency, view.locale),
                className="n dim cell-units",
            ),
        ]
    )


def _day(entry: WalletEntry) -> str:
    return f"{fmt.day(entry.booked_on)} {entry.booked_on.year}"


def _what(entry: WalletEntry, view: HistoryView) -> list[Any]:
    """Kind and cause; a charge by its metric, opening its explanation."""
    kind = html.Span(KIND_NAMES.get(entry.kind, entry.kind), className=f"kind kind-{entry.kind}")
    metric = METRIC_BY_ID.get(entry.metric or "")
    if metric is None or entry.line_id is None:
        return [kind, " ", html.Span(entry.cause, className="entry-cause")]
    name: Any = metric.name
    if view.may_explain:
        until = entry.booked_on + timedelta(days=1)
        href = f"/billing/usage/{metric.id}?from={entry.booked_on}&to={until}&line={entry.line_id}"
        name = link(metric.name, href, label=f"Explain this {entry.kind} of {metric.name}")
    parts: list[Any] = [kind, " ", name]
    if entry.kind == "refund":
        parts += [" ", html.Span(entry.cause, className="entry-cause")]
    if entry.line_id in view.refund_hrefs:
        refund = link("Refund", view.refund_hrefs[entry.line_id], "entry-refund",
                      label=f"Refund this charge of {metric.name}")  # fmt: skip
        parts += [" ", refund]
    return parts


def _pager(view: HistoryView) -> html.Nav | None:
    if not view.newer_href and not view.older_href:
        return None
    return html.Nav(
        [_page_link("‹ Newer", view.newer_href), _page_link("Older ›", view.older_href)],
        className="pager",
        **attributes(aria_label="Pages of the wallet’s history"),
    )


def _page_link(label: str, href: str | None) -> html.A | html.Span:
    if href is None:
        return html.Span(label, className="btn is-off", **attributes(aria_hidden="true"))
    return link(label, href, "btn")
