"""Price list files: our CSV columns, or the JSON a provider publishes, as rates to be imported.

The provider's JSON is mapped by RULES (money on screen, price lists); every metric it doesn't
mention becomes an explicit zero that says so. Nothing is written here before it was checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from billing.errors import InputError
from billing.metrics import METRIC_BY_ID, METRICS
from billing.money import check_currency, plain_amount
from billing.plans import parse_plan
from billing.rates import LEVELS, Rate, RateList
from data.accounts import read_account
from data.identity import new_id
from data.importers.price_cells import (
    SECONDS_PER_MINUTE,
    Increment,
    check_prefix,
    exact_price,
    parse_increment,
)
from data.importers.price_tables import read_price_csv
from data.ledger.price_books import add_rate_list, new_rate_list

LARGEST_FILE_BYTES = 5_000_000
NOT_CHARGED = "not charged by this price list"
TIMED = ("ai_connected_minutes", "ai_premium_connected_minutes", "human_connected_minutes")
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class PriceList:
    """A checked list that isn't in the ledger yet. ``valid_from`` none: always."""

    name: str
    currency: str
    valid_from: date | None
    rates: tuple[Rate, ...]

    HEADINGS = (
        "Metric", "Destination", "Price", "Per", "Minimum/increment", "Connect fee", "Note",
    )  # fmt: skip

    def shown(self) -> list[tuple[str, ...]]:
        """A row of texts for each rate, in the order of the metric catalogue."""
        order = {metric.id: place for place, metric in enumerate(METRICS)}
        return [
            _shown(rate, self.currency)
            for rate in sorted(self.rates, key=lambda rate: (order[rate.metric], rate.prefix))
        ]


def read_price_list(
    file: Path,
    *,
    currency: str,
    valid_from: str | date | None,
    increment: str = "60/60",
    name: str | None = None,
) -> PriceList:
    """The list in a file: JSON by its first character, CSV otherwise.

    ``valid_from``: a day, ``always`` or none. ``increment``: minimum/increment seconds of timed
    metrics, where the file says nothing. Errors: ``InputError`` naming field, value and fix.
    """
    check_currency(currency)
    start = parse_valid_from(valid_from)
    step = parse_increment(increment)
    text = _read_text(file)
    if text.lstrip()[:1] in ("{", "["):
        rates = read_provider_json(text, file.name, step)
    else:
        rates = read_price_csv(text, step)
    label = (name or file.stem).strip()
    if not label or len(label) > LONGEST_NAME or not label.isprintable():
        raise InputError("name", label, f"use 1 to {LONGEST_NAME} printable characters")
    found = PriceList(label, currency, start, tuple(rates))
    RateList("", label, currency, start, found.rates)  # refuses a prefix that is listed twice
    return found


def with_zeros(price_list: PriceList) -> PriceList:
    """The list with an explicit zero for every metric it doesn't mention, as a default needs."""
    rates = (*price_list.rates, *_uncharged(price_list.rates))
    return replace(price_list, rates=rates)


def import_rates(
    connection: Connection,
    price_list: PriceList,
    *,
    level: str,
    level_id: str | None,
    at: datetime,
) -> RateList:
    """Writes a list for one account, one plan or as the default.

    Errors: ``InputError``, ``NotFoundError``; nothing is written then.
    """
    if level not in LEVELS:
        raise InputError("level", level, f"use one of {', '.join(LEVELS)}")
    if level == "default":
        if level_id is not None:
            raise InputError("level", level_id, "leave it out for the default list")
    elif level_id is None:
        raise InputError(level, "(none)", f"name the {level}")
    elif level == "plan":
        level_id = parse_plan(level_id).value
    else:
        account = read_account(connection, level_id)
        if account.currency != price_list.currency:
            raise InputError(
                "currency", price_list.currency,
                f"use {account.currency}: the account {account.id} uses only such lists",
            )  # fmt: skip
    rates = [replace(rate, id=new_id()) for rate in price_list.rates]
    written = new_rate_list(
        price_list.name, price_list.currency, price_list.valid_from, rates, level
    )
    add_rate_list(connection, written, level_id, at)
    return written


def parse_valid_from(value: str | date | None) -> date | None:
    """A day, or none for ``always``."""
    if value is None or isinstance(value, date) or value.strip().lower() == "always":
        return None if isinstance(value, str) else value
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        raise InputError("valid-from", value, "use a day such as 2026-01-31, or always") from None


def read_provider_json(text: str, file_name: str, step: Increment) -> list[Rate]:
    """Rates of a provider's published price list for one country."""
    try:
        document = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError("file", file_name, f"this is not valid JSON: {error}") from None
    rates: list[Rate] = []
    for place, entry in enumerate(_list(document, "voice", "outbound", "rates")):
        path = f"voice.outbound.rates[{place}]"
        price, size = exact_price(_text(entry, path, "rate"), f"{path}.rate", SECONDS_PER_MINUTE)
        for prefix in _list(entry, "prefix", parent=path):
            digits = check_prefix(prefix, f"{path}.prefix")
            rates += [
                Rate(new_id(), metric, price, size, digits, step.minimum, step.increment)
                for metric in TIMED
            ]
    for path, metrics in _FLAT.items():
        for metric in metrics:
            is_timed = metric == "inbound_minutes"
            price, size = exact_price(
                _text(document, "", *path.split(".")), path, SECONDS_PER_MINUTE if is_timed else 1
            )
            minimum, increment = (step.minimum, step.increment) if is_timed else (1, 1)
            rates.append(Rate(new_id(), metric, price, size, "", minimum, increment))
    return [*rates, *_uncharged(rates)]


_FLAT = {
    "voice.inbound.local.rate": ("inbound_minutes",),
    "message.outbound.rate": ("sms_credits", "ai_sms_replies"),
    "message.inbound.rate": ("inbound_sms",),
    "phone_numbers.local.rate": ("number_rental",),
}


def _uncharged(rates: Iterable[Rate]) -> list[Rate]:
    """An explicit zero for every metric the list doesn't price."""
    priced = {rate.metric for rate in rates}
    return [
        Rate(new_id(), metric.id, 0, note=NOT_CHARGED)
        for metric in METRICS
        if metric.id not in priced
    ]


def _read_text(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST_FILE_BYTES:
            raise InputError("file", file.name, f"use one below {LARGEST_FILE_BYTES:,} bytes")
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        fix = f"it can't be read ({(error.strerror or 'error').lower()}): check the path"
        raise InputError("file", file.name, fix) from None
    except UnicodeDecodeError:
        raise InputError("file", file.name, "save it as UTF-8") from None


def _get(document: Any, *keys: str, parent: str = "") -> tuple[Any, str]:
    """What lies below some keys, and their path."""
    path = parent
    for key in keys:
        path = f"{path}.{key}" if path else key
        if not isinstance(document, dict) or key not in document:
            fix = "this isn't the provider's price list: give the JSON of one country, or a CSV"
            raise InputError(path, "(missing)", fix)
        document = document[key]
    return document, path


def _list(document: Any, *keys: str, parent: str = "") -> Sequence[Any]:
    found, path = _get(document, *keys, parent=parent)
    if not isinstance(found, list) or not found:
        raise InputError(path, found, "a list with at least one item belongs here")
    return found


def _text(document: Any, parent: str, *keys: str) -> str:
    found, path = _get(document, *keys, parent=parent)
    if not isinstance(found, str):
        raise InputError(path, found, "a price such as 0.01200 belongs here")
    return found


def _shown(rate: Rate, currency: str) -> tuple[str, ...]:
    metric = METRIC_BY_ID[rate.metric]
    base, shown = metric.unit.base, metric.unit.shown
    per = {1: base, metric.unit.size: shown}.get(rate.size, f"{rate.size:,} {base}s")
    is_timed = metric.unit.size == SECONDS_PER_MINUTE
    return (
        metric.name,
        f"+{rate.prefix}" if rate.prefix else "any",
        f"{plain_amount(rate.price_micros)} {currency}",
        per,
        f"{rate.minimum}/{rate.increment} s" if is_timed else "",
        f"{plain_amount(rate.connect_fee_micros)} {currency}" if rate.connect_fee_micros else "",
        rate.note or "",
    )
