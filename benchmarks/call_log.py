"""A call log in the shape of the public bank-full data set, of any length, always the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random

MAP = "bank-full"
DESTINATION = "+1"
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
FIRST_DAY = date(2008, 5, 5)
DAYS = 900
UNANSWERED_SHARE = 0.02
HEADER = (
    '"age";"job";"marital";"education";"default";"balance";"housing";"loan";"contact";"day";'
    '"month";"duration";"campaign";"pdays";"previous";"poutcome";"y"\n'
)
# What the account pays: a free attempt, and each begun minute of talk.
MINUTE_MICROS = 13_500
PRICES = (
    "metric,prefix,price,per,note\n"
    "human_dial_attempts,,0,,not charged by this price list\n"
    "human_connected_minutes,1,0.0135,minute,\n"
    "human_connected_minutes,44,0.02,minute,\n"
    "human_connected_minutes,351,0.03,minute,\n"
)
INCREMENT = "60/60"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a log must come to, by plain arithmetic. ``line_count``: attempts and talks."""

    row_count: int
    line_count: int
    talk_seconds: int
    cost_micros: int


def write_call_log(file: Path, row_count: int) -> Expected:
    """Writes a log in date order; gives what it must come to."""
    rng = Random(20_080_505)
    answered = seconds = minutes = 0
    with file.open("w", encoding="utf-8") as log:
        log.write(HEADER)
        for number in range(row_count):
            day = FIRST_DAY + timedelta(days=number * DAYS // row_count)
            is_answered = rng.random() >= UNANSWERED_SHARE
            duration = 1 + int(rng.expovariate(1 / 258)) % 4_900 if is_answered else 0
            answered += is_answered
            seconds += duration
            minutes += -(-duration // 60)
            log.write(
                f'{rng.randint(18, 95)};"{rng.choice(JOBS)}";"married";"secondary";"no";'
                f'{rng.randint(-500, 9_000)};"yes";"no";"cellular";{day.day};'
                f'"{MONTHS[day.month - 1]}";{duration};{rng.randint(1, 5)};-1;0;"unknown";"no"\n'
            )
    return Expected(row_count, row_count + answered, seconds, minutes * MINUTE_MICROS)


JOBS = ("management", "technician", "blue-collar", "services", "retired", "student", "admin.")
