"""The demo's price lists: one for each currency, one dated change, one negotiated list.

Every price is made up. Lists say "(demo)" in their names, so that nobody takes them for real.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from billing.money import parse_amount
from billing.rates import Rate
from data.demo.acme import ACME
from data.demo.nordwind import NORDWIND
from data.demo.profiles import Moment
from data.demo.schedule import Parameters, Schedule
from data.identity import new_id
from data.ledger.price_books import add_rate_list, new_rate_list

CURRENCIES = ("INR", "EUR", "USD", "AUD")
MINUTE, HOUR = 60, 3600
WHOLE_MINUTES, SIX_SECONDS, SECONDS = (60, 60), (30, 6), (1, 1)
COUNTRY_PREFIX = {"INR": "91", "EUR": "49", "USD": "1", "AUD": "61"}
HUMAN_CONNECT_FEE = {"INR": "0.40"}
GERMAN_MOBILE_PREFIX, GERMAN_MOBILE_SURCHARGE = "49171", 3  # mobile calls cost half as much again
PRICE_CHANGE, NEGOTIATION = Moment(share=0.55), Moment(share=0.3)


@dataclass(frozen=True, slots=True)
class _Price:
    """One metric's price in each of ``CURRENCIES`` for ``size`` base units."""

    metric: str
    prices: tuple[str, str, str, str]
    size: int = 1
    rounding: tuple[int, int] = SECONDS


_PRICES = (
    _Price("ai_dial_attempts", ("0.25", "0.010", "0.010", "0.015")),
    _Price("ai_connected_minutes", ("14.00", "0.140", "0.130", "0.200"), MINUTE, WHOLE_MINUTES),
    _Price("ai_premium_connected_minutes", ("22.00", "0.240", "0.220", "0.340"), MINUTE,
           WHOLE_MINUTES),
    _Price("human_dial_attempts", ("0.10", "0.005", "0.005", "0.008")),
    _Price("human_connected_minutes", ("3.60", "0.038", "0.030", "0.050"), MINUTE, SIX_SECONDS),
    _Price("inbound_minutes", ("2.40", "0.022", "0.018", "0.030"), MINUTE, WHOLE_MINUTES),
    _Price("sms_credits", ("0.85", "0.075", "0.0085", "0.060")),
    _Price("ai_sms_replies", ("1.60", "0.110", "0.018", "0.090")),
    _Price("inbound_sms", ("0.25", "0.0075", "0.0075", "0.010")),
    _Price("voicemail_drops", ("1.50", "0.030", "0.025", "0.035")),
    _Price("ringless_voicemail", ("2.00", "0.045", "0.040", "0.050")),
    _Price("whatsapp_conversations", ("4.20", "0.085", "0.050", "0.080")),
    _Price("whatsapp_messages", ("1.09", "0.113", "0.025", "0.070")),
    _Price("number_rental", ("499", "4.50", "1.75", "3.50")),
    _Price("seat_licences", ("499", "8.50", "7.50", "11")),
    _Price("agent_hours", ("9.00", "0.120", "0.100", "0.150"), HOUR),
)  # fmt: skip
_BEFORE_THE_CHANGE = {"ai_connected_minutes": "13.25", "sms_credits": "0.75"}
_NEGOTIATED = {
    "ai_connected_minutes": "0.118", "human_connected_minutes": "0.032",
    "whatsapp_messages": "0.098", "ringless_voicemail": "0.036", "sms_credits": "0.068",
}  # fmt: skip


def add_price_lists(connection: Connection, parameters: Parameters, at: datetime) -> None:
    """Writes all price lists of the demo; they must come before its usage."""
    for currency in CURRENCIES:
        before = _BEFORE_THE_CHANGE if currency == "INR" else {}
        _add_list(connection, f"Standard {currency} (demo)", currency, _rates(currency, before), at)
    changed_on = Schedule(ACME, parameters).day_of(PRICE_CHANGE)
    _add_list(
        connection, f"Standard INR from {changed_on} (demo)", "INR", _rates("INR", {}), at,
        valid_from=changed_on,
    )  # fmt: skip
    agreed = [
        rate for rate in _rates("EUR", _NEGOTIATED) if rate.metric in _NEGOTIATED
    ]  # the rest stays as in the standard list
    _add_list(
        connection, f"Agreed with {NORDWIND.account.name} (demo)", "EUR", agreed, at,
        valid_from=Schedule(NORDWIND, parameters).day_of(NEGOTIATION), account_id=NORDWIND.id,
    )  # fmt: skip


def _add_list(
    connection: Connection,
    name: str,
    currency: str,
    rates: list[Rate],
    at: datetime,
    *,
    valid_from: date | None = None,
    account_id: str | None = None,
) -> None:
    level = "account" if account_id else "default"
    add_rate_list(
        connection, new_rate_list(name, currency, valid_from, rates, level), account_id, at
    )


def _rates(currency: str, instead: dict[str, str]) -> list[Rate]:
    """One rate a metric, minutes by country prefix; ``instead``: other prices of some metrics."""
    rates = []
    for price in _PRICES:
        text = instead.get(price.metric, price.prices[CURRENCIES.index(currency)])
        micros = parse_amount(text)
        is_talk = price.rounding != SECONDS
        fee = HUMAN_CONNECT_FEE.get(currency) if "human_connected" in price.metric else None
        prefix = COUNTRY_PREFIX[currency] if is_talk else ""
        rates.append(_rate(price, micros, prefix, parse_amount(fee) if fee else 0))
        if is_talk and currency == "EUR" and price.metric != "inbound_minutes":
            mobile = micros * GERMAN_MOBILE_SURCHARGE // 2
            rates.append(_rate(price, mobile, GERMAN_MOBILE_PREFIX, 0))
    return rates


def _rate(price: _Price, micros: int, prefix: str, fee_micros: int) -> Rate:
    minimum, increment = price.rounding
    return Rate(new_id(), price.metric, micros, price.size, prefix, minimum, increment, fee_micros)
