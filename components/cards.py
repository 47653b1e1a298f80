"""The headline cards: what was spent, what is left, how long it lasts."""

from __future__ import annotations

from typing import Any

from billing.periods import Period
from billing.runway import LONGEST_DAYS
from components import format as fmt
from components import html
from components.balance import BalanceView, balance_parts, lasts_tone
from components.links import attributes

ARROWS = {"more": "▲ ", "less": "▼ ", "neutral": ""}


def cards(children: Any) -> html.Section:
    """Headline cards side by side; the first is the answer of the page."""
    return html.Section(children, className="cards", **attributes(aria_label="Headline figures"))


def figure_card(
    label: str, figure: Any, detail: Any = None, *, beside: Any = None, is_big: bool = False
) -> html.Div:
    """One figure with its name, what stands beside it and a line below."""
    return html.Div(
        [
            html.H2(label, className="card-label"),
            html.P(
                [html.Span(figure, className="fig-value"), " " if beside else None, beside],
                className="fig",
            ),
            html.P(detail, className="card-detail") if detail else None,
        ],
        className="card card-big" if is_big else "card",
    )


def spend_card(
    now_micros: int,
    before_micros: int,
    compared_with: Period,
    currency: str,
    locale: str,
    label: str = "Spend this period",
    *,
    has_change: bool = True,
) -> html.Div:
    """What the shown period cost, against the like-for-like period before it.

    ``has_change``: whether a percentage between the two would say anything.
    """
    change = fmt.percent_change(now_micros, before_micros, locale)
    before = fmt.money(before_micros, currency, locale)
    return figure_card(
        label,
        fmt.money(now_micros, currency, locale),
        f"{before} {fmt.when_label(compared_with)}",
        beside=change_mark(change) if has_change else None,
        is_big=True,
    )


def change_mark(change: fmt.Change) -> html.Span | None:
    """A change beside a figure: arrow, percentage, red when it costs more."""
    if change.text == fmt.NONE:
        return None
    text = change.text.lstrip("+").removeprefix(fmt.MINUS) if ARROWS[change.tone] else change.text
    word = {"more": "more: ", "less": "less: ", "neutral": ""}[change.tone]
    return html.Span(
        [
            html.Span(ARROWS[change.tone], className="arrow", **attributes(aria_hidden="true")),
            html.Span(word, className="visually-hidden"),
            text,
        ],
        className=f"delta tone-{change.tone}",
    )


def balance_card(view: BalanceView) -> html.Div:
    """What can be spent now, and of what it consists."""
    balance = view.balance
    parts = balance_parts(balance)
    words = [f"{view.money(parts.paid)} paid"]
    for micros, name in ((parts.promotional, "promotional"), (parts.reserved, "reserved")):
        if micros:
            words.append(f"{view.money(micros)} {name}")
    detail: list[Any] = []
    for word in words[:-1]:
        detail += [html.Span(f"{word} ·", className="nowrap"), " "]
    detail.append(html.Span(words[-1], className="nowrap"))
    return figure_card("Balance", view.money(balance.available_micros), detail)


def runway_card(view: BalanceView, action: Any = None) -> html.Div:
    """Until when the balance lasts at the pace of the last seven complete days.

    ``action``: what one can do about it, such as a link to top up.
    """
    runway = view.runway
    pace = f"at {view.money(runway.mean_daily_micros)} a day, as in the last 7 days"
    if view.balance.posted_micros <= 0:
        figure: str = "Empty"
        beside = None
        detail = "What is used now is debt; the next credit repays it first."
    elif runway.days is None:
        is_new = bool(view.period_micros)
        figure, beside = "Too early to tell" if is_new else "No recent usage", None
        detail = (
            "It shows after one full day of usage."
            if is_new
            else "Nothing was spent in the last 7 complete days."
        )
    elif runway.until is None or runway.days >= LONGEST_DAYS:
        figure, beside, detail = "Over 10 years", None, pace
    else:
        figure = fmt.day(runway.until)
        beside = fmt.days_text(runway.days, view.locale) if runway.days else "less than a day"
        detail = pace
    mark = html.Span(beside, className=f"delta lasts-{lasts_tone(runway)}") if beside else None
    tail = [detail, " ", action] if action else detail
    is_empty = view.balance.posted_micros <= 0
    label = "Balance lasts until" if mark else "How long it lasts"
    value = html.Span(figure, className="lasts-soon") if is_empty else figure
    return figure_card(label, value, tail, beside=mark)
