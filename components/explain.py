"""Explain this charge: a receipt from the event to the balance, one step under the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from billing.metrics import METRIC_BY_ID, Metric
from billing.usage import Explanation, LotDraw, UsageLine
from components import format as fmt
from components import html
from components.links import icon, link

LATE_SECONDS = 300
FOREVER_YEAR = 9999
LOT_NAMES = {
    "paid": "Paid credit",
    "promotional": "Promotional credit",
    "overdraft": "Debt, repaid by the next top-up",
}


FLAG_NOTES = {
    "derived_time": "The log has no time of day: this one was derived from the order of its rows",
    "assumed_destination": "The log has no number: it was priced as the destination assumed for it",
    "synthetic": "Made up for the demo",
    "over_hold": "It cost more than was held for it",
    "late_settle": "It was settled after its hold had expired",
    "after_release": "It happened although its hold had been given back",
    "second_settle": "Its hold had been settled by another event",
    "unknown_hold": "It names a hold that there isn’t",
    "while_paused": "It happened while this was paused",
}


@dataclass(frozen=True, slots=True)
class ExplainView:
    """An explanation and how to write it. ``zone``: the account's on the line's day."""

    explanation: Explanation
    metric: Metric
    locale: str
    zone: str
    close_href: str
    rate_href: str

    @property
    def line(self) -> UsageLine:
        """The line explained."""
        return self.explanation.line

    def exact(self, micros: int) -> str:
        """An exact amount in the line's currency."""
        return fmt.exact_money(micros, self.line.currency, self.locale)

    def units(self, base_units: int) -> str:
        """Billed units of the metric."""
        return fmt.units(base_units, self.metric, self.locale)


def explain_charge(view: ExplainView) -> html.Section:
    """Event → units → rounding → rate → cost → credit drawn → balance before and after."""
    steps = [
        _event(view),
        _units(view),
        _rounding(view),
        _rate(view),
        _cost(view),
        *_payment(view),
    ]
    close = link(icon("close"), view.close_href, "icon-button", label="Close the explanation")
    return html.Section(
        [
            html.Div([html.H2("Explain this charge"), close], className="card-head"),
            html.Ol([step for step in steps if step], className="receipt"),
            _siblings(view),
        ],
        className="card explain",
        id="explanation",
    )


def _step(name: str, detail: Any, figure: Any = None, class_name: str | None = None) -> html.Li:
    return html.Li(
        [
            html.Div([html.H3(name), html.Div(detail, className="step-detail")]),
            html.Div(figure, className="step-figure"),
        ],
        className=class_name,
    )


def _event(view: ExplainView) -> html.Li:
    line = view.line
    moment = (
        f"{fmt.long_day(fmt.local_day(line.occurred_at, view.zone))}, "
        f"{fmt.clock_time(line.occurred_at, view.zone)}"
    )
    facts: list[Any] = [moment, _what_happened(view)]
    if line.campaign:
        facts.append(f"Campaign {line.campaign}")
    if line.consumer:
        facts.append(f"Caused by {line.consumer}")
    if (line.received_at - line.occurred_at).total_seconds() > LATE_SECONDS:
        received = fmt.clock_time(line.received_at, view.zone)
        day = fmt.short_day(fmt.local_day(line.received_at, view.zone))
        facts.append(f"Reached us late, on {day} at {received}")
    if line.corrects_period:
        facts.append(
            f"Its billing period, from {fmt.short_day(line.corrects_period)}, was closed: "
            f"counted on {fmt.day(line.booked_on)}"
        )
    if line.reverses_line_id:
        facts.append("Takes back an earlier charge")
    facts += [text for flag, text in FLAG_NOTES.items() if flag in line.flags]
    facts.append(["Event ", html.Code(line.source_id), f" from {line.source}"])
    return _step("Event", [html.P(fact) for fact in facts], line.status.capitalize())


def _what_happened(view: ExplainView) -> str:
    line = view.line
    who = {"ai": " by an AI agent", "human": " by a person"}.get(line.agent or "", "")
    other = view.explanation.counterparty
    way = "from" if line.direction == "inbound" else "to"
    return f"{line.service}, {line.direction}{who}{f' {way} {other}' if other else ''}"


def _is_timed(view: ExplainView) -> bool:
    return view.metric.unit.base == "second"


def _units(view: ExplainView) -> html.Li:
    line = view.line
    if _is_timed(view):
        return _step("Units", html.P("Time used"), fmt.duration(line.talk_seconds))
    return _step("Units", html.P(view.metric.calculation), view.units(line.base_units))


def _rounding(view: ExplainView) -> html.Li | None:
    explanation, line = view.explanation, view.line
    if not _is_timed(view) or explanation.minimum is None or explanation.increment is None:
        return None
    pair = f"{explanation.minimum}/{explanation.increment}"
    text = (
        f"{pair}: at least {explanation.minimum} s, then steps of {explanation.increment} s. "
        f"{line.talk_seconds} s are billed as {line.base_units} s"
    )
    pulses = f"{line.pulses} {'pulse' if line.pulses == 1 else 'pulses'}"
    if line.base_units == 0:
        text = f"{pair}, but an unanswered call has no billed time"
    return _step("Rounding", html.P(f"{text}, {pulses}."), view.units(line.base_units))


def _rate(view: ExplainView) -> html.Li | None:
    found = view.explanation
    if found.rate_list is None or found.price_micros is None or found.price_size is None:
        return None
    since = f"since {fmt.long_day(found.rate_valid_from)}" if found.rate_valid_from else "always"
    where = f"for numbers starting with +{found.rate_prefix}" if found.rate_prefix else ""
    parts = [f"“{found.rate_list}”, in force {since}", where]
    return _step(
        "Rate",
        [html.P(", ".join(part for part in parts if part)),
         html.P(link(f"All prices of {view.metric.name}", view.rate_href))],
        price_text(found.price_micros, found.price_size, view.metric, view.line.currency,
                   view.locale),
    )  # fmt: skip


def price_text(micros: int, size: int, metric: Metric, currency: str, locale: str) -> str:
    """A price with the unit it is for: ``₹0.75 per min``, ``$0.02 per 30 seconds``."""
    amount = fmt.exact_money(micros, currency, locale)
    unit = metric.unit
    if size == unit.size:
        return f"{amount} per {unit.shown}"
    if size == 1:
        return f"{amount} per {unit.base}"
    return f"{amount} per {fmt.number(size, locale)} {unit.base}s"


def product_text(
    base_units: int, micros: int, size: int, metric: Metric, currency: str, locale: str
) -> str:
    """Units times price without any rounding: ``2 min × ₹0.75``, ``95 seconds × ₹0.75 ÷ 60``."""
    price = fmt.exact_money(micros, currency, locale)
    unit = metric.unit
    if size == unit.size and base_units % size == 0:
        return f"{fmt.units(base_units, metric, locale)} × {price}"
    word = unit.base if base_units == 1 else f"{unit.base}s"
    text = f"{fmt.number(base_units, locale)} {word} × {price}"
    return text if size == 1 else f"{text} ÷ {fmt.number(size, locale)}"


def _cost(view: ExplainView) -> html.Li:
    found, line = view.explanation, view.line
    cost = view.exact(line.cost_micros)
    if found.price_micros is None:
        return _step("Cost", html.P(line.reason or "No price applies."), cost, "is-sum")
    if line.reverses_line_id:
        return _step("Cost", html.P("The earlier charge, with its sign turned."), cost, "is-sum")
    words = product_text(
        line.base_units, found.price_micros, found.price_size or 1, view.metric, line.currency,
        view.locale,
    )  # fmt: skip
    if line.connect_fee_micros:
        words = f"{words} + connect fee {view.exact(line.connect_fee_micros)}"
    return _step("Cost", html.P(f"{words}, rounded once"), cost, "is-sum")


def _payment(view: ExplainView) -> list[html.Li]:
    """Which credit paid, and the balance around it; or why no money moved."""
    found = view.explanation
    before, after = found.balance_before_micros, found.balance_after_micros
    if found.entry_id is None or before is None or after is None:
        why = view.line.reason or ("a sandbox charge" if view.line.is_sandbox else "it cost 0")
        return [_step("Wallet", html.P(f"No money moved: {why}."), view.exact(0))]
    # A charge draws from lots; a reversal gives back what was drawn.
    sign = -1 if after < before else 1
    draws = [
        _step(LOT_NAMES.get(draw.lot_kind, draw.lot_kind.capitalize()), html.P(_lot(draw, view)),
              fmt.signed_money(sign * abs(draw.micros), view.line.currency, view.locale))
        for draw in found.draws
    ]  # fmt: skip
    words = f"{view.exact(before)} before, {view.exact(after)} after"
    return [*draws, _step("Balance", html.P(words), view.exact(after), "is-sum")]


def _lot(draw: LotDraw, view: ExplainView) -> str:
    granted_on = fmt.local_day(draw.granted_at, view.zone)
    since = f"from {fmt.short_day(granted_on)} {granted_on.year}"
    if draw.expires_at is None or draw.expires_at.year >= FOREVER_YEAR:
        return since
    expires_on = fmt.last_valid_day(draw.expires_at, view.zone)
    return f"{since}, expires {fmt.short_day(expires_on)} {expires_on.year}"


def _siblings(view: ExplainView) -> html.P | None:
    lines = view.explanation.siblings
    if not lines:
        return None
    words = ", ".join(
        f"{METRIC_BY_ID[line.metric].name if line.metric in METRIC_BY_ID else line.metric} "
        f"{view.exact(line.cost_micros)}"
        for line in lines
    )
    return html.P(f"The same event was also counted as {words}.", className="card-detail")
