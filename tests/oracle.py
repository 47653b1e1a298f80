"""What the real logs must come to, reckoned from the raw files alone.

It never imports the product: a mistake of the product can't be repeated here. Each function
gives one ``Row`` a line of its file, in file order.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
TWO_SEPTETS = set("^{}\\[~]|€\f")
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "mon tue wed thu fri".split()


class Row(NamedTuple):
    """One line of a log: its local day, seconds talked or segments sent, its outcome or label."""

    on: date
    units: int
    word: str


class Price(NamedTuple):
    """Micros, for a minute of a call or a segment of a message."""

    outbound: int
    inbound: int
    message: int


def prices(real: Path) -> Price:
    """The provider's list for numbers that begin with 1."""
    found = json.loads((real / "prices" / "plivo-pricing-US.json").read_text())
    voice = found["voice"]
    (outbound,) = (each["rate"] for each in voice["outbound"]["rates"] if each["prefix"] == ["1"])
    rates = (outbound, voice["inbound"]["local"]["rate"], found["message"]["outbound"]["rate"])
    return Price(*(int(Decimal(rate) * 1_000_000) for rate in rates))


def anonymous_bank(real: Path) -> Iterator[Row]:
    """Talk is the service time of the outcome AGENT, and nothing else."""
    raw = gzip.decompress((real / "calls" / "technion-anonymousbank-1999-02.txt.gz").read_bytes())
    header, *lines = [line.split("\t") for line in raw.decode().split("\r\n") if line]
    for line in lines:
        cells = dict(zip(header, line, strict=True))
        day = date(1900 + int(cells["date"][:2]), int(cells["date"][2:4]), int(cells["date"][4:]))
        talked = int(cells["ser_time"]) if cells["outcome"] == "AGENT" else 0
        yield Row(day, talked, cells["outcome"])


def bank_full(real: Path) -> Iterator[Row]:
    """The year goes up when the date goes back."""
    text = gzip.decompress((real / "calls" / "uci-bank-full.csv.gz").read_bytes()).decode()
    last = date(2008, 1, 1)
    for cells in csv.DictReader(io.StringIO(text), delimiter=";"):
        month, day = MONTHS.index(cells["month"]) + 1, int(cells["day"])
        year = last.year + ((month, day) < (last.month, last.day))
        last = date(year, month, day)
        yield Row(last, int(cells["duration"]), "")


def bank_additional(real: Path) -> Iterator[Row]:
    """Walks through the days until weekday and month are those of the row."""
    archive = zipfile.ZipFile(real / "calls" / "uci-bank-additional.zip")
    text = archive.read("bank-additional/bank-additional-full.csv").decode()
    day = date(2008, 5, 1)
    for cells in csv.DictReader(io.StringIO(text), delimiter=";"):
        wanted = (MONTHS.index(cells["month"]) + 1, DAYS.index(cells["day_of_week"]))
        while (day.month, day.weekday()) != wanted:
            day += timedelta(days=1)
        yield Row(day, int(cells["duration"]), "")


def sms_spam(real: Path, start: datetime) -> Iterator[Row]:
    """One message a minute, its segments counted as the standard says."""
    raw = (real / "sms" / "uci-sms-spam.csv").read_bytes()
    for minute, line in enumerate(raw.decode().removesuffix("\n").split("\n")):
        label, message = line.split("\t")
        yield Row((start + timedelta(minutes=minute)).date(), segments(message), label)


def segments(message: str) -> int:
    """Segments by building the parts one by one."""
    is_gsm = set(message) <= GSM | TWO_SEPTETS
    single, part = (160, 153) if is_gsm else (70, 67)
    sizes = [
        (2 if letter in TWO_SEPTETS else 1) if is_gsm else len(letter.encode("utf-16-le")) // 2
        for letter in message
    ]
    if sum(sizes) <= single:
        return 1
    parts = [0]
    for size in sizes:
        if parts[-1] + size > part:
            parts.append(0)
        parts[-1] += size
    return len(parts)


class Sums(NamedTuple):
    """Of one day: rows, rows with talk, seconds talked, base units billed, micros."""

    rows: int = 0
    answered: int = 0
    talk: int = 0
    billed: int = 0
    cost: int = 0


def calls_by_day(log: Iterator[Row], price: int) -> dict[date, Sums]:
    """Calls at 60/60: every begun minute is billed whole."""
    found: dict[date, Sums] = defaultdict(Sums)
    for row in log:
        minutes = (row.units + 59) // 60
        day = found[row.on]
        found[row.on] = Sums(
            day.rows + 1, day.answered + (row.units > 0), day.talk + row.units,
            day.billed + 60 * minutes, day.cost + minutes * price,
        )  # fmt: skip
    return dict(found)


def messages_by_day(log: Iterator[Row], price: int) -> dict[date, Sums]:
    """Messages: segments are the units."""
    found: dict[date, Sums] = defaultdict(Sums)
    for row in log:
        day = found[row.on]
        found[row.on] = Sums(
            day.rows + 1, 0, 0, day.billed + row.units, day.cost + row.units * price
        )
    return dict(found)
