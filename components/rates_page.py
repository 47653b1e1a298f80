"""The Usage rates page: what each metric means, how it is calculated, what it costs since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from billing.metrics import Metric, Service
from billing.price_table import DatedPrice, MetricPrices, WorkedExample
from billing.rates import Rate
from components import format as fmt
from components import html
from components.explain import price_text, product_text
from components.links import attributes, link
from components.metric_table import service_dot

MOST_PREFIXES = 12


@dataclass(frozen=True, slots=True)
class RatesView:
    """Every metric's prices, in reading order, and today, which divides past from future."""

    prices: tuple[MetricPrices, ...]
    currency: str
    locale: str
    today: date


def rates_page(view: RatesView) -> html.Div:
    """A list to jump from, and one card per metric."""
    return html.Div(
        [_jump_list(view), html.Div([_card(each, view) for each in view.prices])],
        className="rates",
    )


def _jump_list(view: RatesView) -> html.Nav:
    by_service: dict[Service, list[MetricPrices]] = {}
    for each in view.prices:
        by_service.setdefault(each.metric.service, []).append(each)
    groups = [
        html.Li(
            [
                html.Span([service_dot(service), service.value], className="jump-service"),
                html.Ul([html.Li(_jump(each, view)) for each in listed]),
            ]
        )
        for service, listed in by_service.items()
    ]
    return html.Nav(html.Ul(groups), className="jump card", **attributes(aria_label="Metrics"))


def _jump(prices: MetricPrices, view: RatesView) -> html.A:
    """A metric of the list; where the list is wide, its price stands beside it."""
    price = html.Span(_headline(_current(prices), prices.metric, view), className="jump-price")
    return link([html.Span(prices.metric.name), price], f"#{prices.metric.id}")


def _current(prices: MetricPrices) -> list[DatedPrice]:
    return [price for price in prices.prices if price.is_current]


def _headline(current: Sequence[DatedPrice], metric: Metric, view: RatesView) -> str | None:
    """The price in force today, or the lowest when there are several."""
    if not current:
        return None
    rates = [price.rate for price in current]
    texts = {
        price_text(rate.price_micros, rate.size, metric, view.currency, view.locale)
        for rate in rates
    }
    lowest = min(rates, key=lambda rate: rate.price_micros * 3600 // rate.size)
    text = price_text(lowest.price_micros, lowest.size, metric, view.currency, view.locale)
    return text if len(texts) == 1 else f"from {text}"


def _card(prices: MetricPrices, view: RatesView) -> html.Section:
    metric = prices.metric
    current = _current(prices)
    others = [price for price in prices.prices if not price.is_current]
    headline = _headline(current, metric, view)
    return html.Section(
        [
            html.Div(
                [
                    html.H2([service_dot(metric.service), metric.name], className="named"),
                    html.P(headline, className="rate-price") if headline else None,
                ],
                className="card-head",
            ),
            html.P(metric.meaning),
            html.P(metric.calculation, className="dim"),
            _example(prices.example, metric, view) if prices.example else None,
            _in_force(current, metric, view),
            html.Details(
                [
                    html.Summary("Other prices, earlier, later and replaced"),
                    _table(f"{metric.name}, other prices", others, metric, view),
                ],
                className="behind",
            )
            if others
            else None,
        ],
        className="card rate-card",
        id=metric.id,
    )


def _in_force(current: Sequence[DatedPrice], metric: Metric, view: RatesView) -> html.Div | html.P:
    """The terms of today's price in a line, or in a table when there are several."""
    if not current:
        return html.P(
            "No price is in force today: usage would be refused.", className="field-error"
        )
    if len(_same_price(current)) > 1:
        return _table(f"{metric.name}, prices today", current, metric, view)
    price, rate = current[0], current[0].rate
    where = _destinations([each.rate for each in current])
    terms = [] if where == "Any" else [f"Numbers starting with {where}"]
    if metric.unit.base == "second":
        terms.append(f"at least {rate.minimum} s, then steps of {rate.increment} s")
    if rate.connect_fee_micros:
        fee = fmt.exact_money(rate.connect_fee_micros, view.currency, view.locale)
        terms.append(f"connect fee {fee}")
    if rate.note:
        terms.append(rate.note)
    terms += [_held(price), price.list_name]
    terms[0] = terms[0][0].upper() + terms[0][1:]
    return html.P(" · ".join(terms), className="rate-terms")


def _table(caption: str, prices: Sequence[DatedPrice], metric: Metric, view: RatesView) -> html.Div:
    is_timed = metric.unit.base == "second"
    has_fee = any(price.rate.connect_fee_micros for price in prices)
    names = ["Destination", "Price"]
    names += ["Minimum / increment"] if is_timed else []
    names += ["Connect fee"] if has_fee else []
    names += ["In force", "Price list"]
    table = html.Table(
        [
            html.Caption(caption, className="visually-hidden"),
            html.Thead(html.Tr([html.Th(name, scope="col") for name in names])),
            html.Tbody(
                [
                    _row(group, metric, view, is_timed=is_timed, has_fee=has_fee)
                    for group in _same_price(prices)
                ]
            ),
        ],
        className="data-table data-table-small rate-table",
    )
    return html.Div(
        table, className="scroll-x", tabIndex=0, role="region", **attributes(aria_label=caption)
    )


def _same_price(prices: Sequence[DatedPrice]) -> list[list[DatedPrice]]:
    """Prices that differ only in their prefix stand on one row."""

    def key(price: DatedPrice) -> tuple[object, ...]:
        rate = price.rate
        terms = (rate.price_micros, rate.size, rate.minimum, rate.increment)
        held = (price.valid_from or date.min, price.valid_to or date.max)
        return (price.level, price.list_name, *held, *terms, rate.connect_fee_micros,
                rate.note or "")  # fmt: skip

    return [list(group) for _, group in groupby(sorted(prices, key=key), key)]


def _row(
    group: list[DatedPrice], metric: Metric, view: RatesView, *, is_timed: bool, has_fee: bool
) -> html.Tr:
    price, rate = group[0], group[0].rate
    amount = price_text(rate.price_micros, rate.size, metric, view.currency, view.locale)
    cells = [html.Td([amount, html.Small(f" {rate.note}") if rate.note else None])]
    if is_timed:
        cells.append(html.Td(f"{rate.minimum}/{rate.increment} s", className="dim"))
    if has_fee:
        fee = fmt.exact_money(rate.connect_fee_micros, view.currency, view.locale)
        cells.append(html.Td(fee, className="dim"))
    cells.append(html.Td(_held(price), className="dim"))
    cells.append(html.Td(price.list_name, className="dim"))
    return html.Tr([html.Th(_destinations([each.rate for each in group]), scope="row"), *cells])


def _destinations(rates: Sequence[Rate]) -> str:
    prefixes = sorted(rate.prefix for rate in rates)
    if prefixes == [""]:
        return "Any"
    shown = [f"+{prefix}…" if prefix else "any other" for prefix in prefixes[:MOST_PREFIXES]]
    more = len(prefixes) - MOST_PREFIXES
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _held(price: DatedPrice) -> str:
    """The days a price holds, both ends included."""
    if price.valid_from and price.valid_to:
        last = price.valid_to - timedelta(days=1)
        return f"{_dated(price.valid_from)} – {_dated(last)}"
    if price.valid_from:
        return f"since {_dated(price.valid_from)}"
    if price.valid_to:
        return f"until {_dated(price.valid_to - timedelta(days=1))}"
    return "always"


def _dated(day: date) -> str:
    return f"{fmt.short_day(day)} {day.year}"


def _example(example: WorkedExample, metric: Metric, view: RatesView) -> html.P:
    """A sum carried out, in words: ``1 min 35 s of talk is billed as 2 min: … = ₹1.50``."""
    rate = example.rate
    cost = fmt.exact_money(example.cost_micros, view.currency, view.locale)
    product = product_text(
        example.base_units, rate.price_micros, rate.size, metric, view.currency, view.locale
    )
    begin = ""
    if example.talk_seconds is not None:
        billed = fmt.duration(example.base_units)
        begin = f"{fmt.duration(example.talk_seconds)} of talk is billed as {billed}: "
    fee = ""
    if example.talk_seconds is not None and rate.connect_fee_micros:
        amount = fmt.exact_money(rate.connect_fee_micros, view.currency, view.locale)
        fee = f" + {amount} connect fee"
    return html.P([html.B("Example: "), f"{begin}{product}{fee} = {cost}"], className="example")
