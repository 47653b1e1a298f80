"""Price lists as CSV: one row a rate, columns in any order, only ``metric`` and ``price`` needed.

Columns: metric, prefix, price, per (minute, hour, or the metric's own unit) or size (base
units), minimum, increment, connect_fee, note.
"""

from __future__ import annotations

import csv
import io

from billing.errors import InputError
from billing.metrics import Metric, find_metric
from billing.rates import Rate
from data.identity import new_id
from data.importers.price_cells import (
    LARGEST_SIZE,
    SECONDS_PER_HOUR,
    SECONDS_PER_MINUTE,
    Increment,
    check_prefix,
    check_seconds,
    exact_price,
    parse_increment,
)

COLUMNS = "metric prefix price per size minimum increment connect_fee note".split()
MOST_RATES = 20_000
LONGEST_NOTE = 255
TIMES = {"second": 1, "minute": SECONDS_PER_MINUTE, "hour": SECONDS_PER_HOUR}
Cells = dict[str, str]


def read_price_csv(text: str, step: Increment) -> list[Rate]:
    """The rates of a CSV text; ``step`` where a timed metric says no increment.

    Errors: ``InputError`` naming the line, the column, the value and the fix.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header)
        rates = []
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            line = reader.line_num
            if len(row) != len(header):
                raise InputError(f"line {line}", f"{len(row)} columns", f"use {len(header)}")
            cells = {name: cell.strip() for name, cell in zip(header, row, strict=True)}
            rates.append(_rate(cells, step, line))
            if len(rates) > MOST_RATES:
                raise InputError(f"line {line}", "one more rate", f"use at most {MOST_RATES:,}")
    except csv.Error as error:
        raise InputError(f"line {reader.line_num}", str(error), "close every quote") from None
    if not rates:
        raise InputError("file", "(no rates)", "give at least one row below the header")
    return rates


def _check_header(header: list[str]) -> None:
    for name in header:
        if name not in COLUMNS:
            raise InputError("column", name, f"use only {', '.join(COLUMNS)}")
        if header.count(name) > 1:
            raise InputError("column", name, "name each column once")
    for name in ("metric", "price"):
        if name not in header:
            raise InputError("column", name, "add it to the header, as the first line of the file")
    if "per" in header and "size" in header:
        raise InputError("column", "size", "keep per or size, not both")


def _rate(cells: Cells, step: Increment, line: int) -> Rate:
    def at(name: str) -> str:
        return f"line {line}, {name}"

    try:
        metric = find_metric(cells["metric"])
    except InputError as error:
        raise InputError(at("metric"), cells["metric"], error.fix) from None
    price, size = exact_price(cells["price"], at("price"), _size(cells, metric, at))
    fee, scale = exact_price(cells.get("connect_fee") or "0", at("connect_fee"), 1)
    if scale != 1:
        raise InputError(at("connect_fee"), cells["connect_fee"], "use at most six decimals")
    minimum, increment = _increment(cells, metric, step, at)
    if fee and metric.unit.size != SECONDS_PER_MINUTE:
        raise InputError(at("connect_fee"), cells["connect_fee"], "only talk time has one")
    note = cells.get("note") or None
    if note and (len(note) > LONGEST_NOTE or not note.isprintable()):
        raise InputError(at("note"), note, f"use at most {LONGEST_NOTE} printable characters")
    prefix = check_prefix(cells.get("prefix", ""), at("prefix"))
    return Rate(new_id(), metric.id, price, size, prefix, minimum, increment, fee, note)


def _increment(cells: Cells, metric: Metric, step: Increment, at) -> Increment:  # type: ignore[no-untyped-def]
    if metric.unit.size == SECONDS_PER_MINUTE:
        both = cells.get("increment") or ""
        if "/" in both and not cells.get("minimum"):  # as on the command line: 60/60
            return parse_increment(both)
        given = (cells.get("minimum"), both)
        return Increment(
            check_seconds(given[0], at("minimum")) if given[0] else step.minimum,
            check_seconds(given[1], at("increment")) if given[1] else step.increment,
        )
    for name in ("minimum", "increment"):
        if cells.get(name) not in (None, "", "1"):
            raise InputError(at(name), cells[name], f"leave it empty for {metric.id}")
    return Increment(1, 1)


def _size(cells: Cells, metric: Metric, at) -> int:  # type: ignore[no-untyped-def]
    """Base units the price is for; without a word, one of the unit that people see."""
    if cells.get("size"):
        text = cells["size"]
        if text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= LARGEST_SIZE:
            return int(text)
        raise InputError(at("size"), text, f"use a number from 1 to {LARGEST_SIZE:,}")
    word = (cells.get("per") or "").lower()
    if not word:
        return metric.unit.size
    if metric.unit.base == "second" and word in TIMES:
        return TIMES[word]
    if word == metric.unit.base or word == metric.counted[0]:
        return 1
    if word == metric.unit.shown:
        return metric.unit.size
    units = ", ".join(TIMES) if metric.unit.base == "second" else metric.unit.base
    raise InputError(at("per"), word, f"use {units}")
