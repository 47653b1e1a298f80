"""What may happen to an account with alerts: rules, changes of them, money and time."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from billing.alerts import (
    AlertKind,
    AlertRule,
    AlertScope,
    Channel,
    Frequency,
    Level,
    Measure,
    Repeat,
    ScopeKind,
    Span,
    Threshold,
    Unit,
)
from tests.builders import UNIT_PRICE_MICROS, at

ADA, BO = "ada@acme.example", "bo@acme.example"
# Clocks go back within the first, over midnight in the second, and forward over midnight in the
# third; weeks, months and billing periods end near by.
PLACES = [
    ("America/New_York", at("2026-10-30 19:00")),
    ("America/Havana", at("2026-10-31 20:00")),
    ("America/Havana", at("2026-03-07 18:00")),
    ("Asia/Kolkata", at("2026-11-29 12:00")),
    ("Pacific/Apia", at("2026-12-31 09:00")),
]
ANCHORS = st.sampled_from([1, 8, 15, 31])
# What rules look at: few figures, so that several rules are levels of one.
WHOLE = ("account", "")
FIGURES = st.sampled_from([
    *[("low_balance", WHOLE, "cost", None)] * 4, ("days_left", WHOLE, "cost", None),
    *[("usage", WHOLE, "cost", "day")] * 2, ("usage", WHOLE, "cost", "billing_period"),
    ("usage", ("service", "SMS"), "cost", "week"), ("usage", ("service", "Voice"), "cost", "day"),
    ("usage", ("metric", "ai_connected_minutes"), "units", "month"),
    ("usage", ("metric", "sms_credits"), "cost", "day"),
    ("usage", ("campaign", "spring"), "cost", "day"),
    ("usage", ("campaign", "nobody's"), "cost", "month"),
])  # fmt: skip
LEVELS = st.sampled_from(["notice", "warning", "urgent", "critical"])
FREQUENCIES = st.sampled_from([
    ("once_per_episode", None), ("once_per_episode", None), ("once_per_period", None),
    ("once_per_period", None), ("every_hours", 1), ("every_hours", 24),
])  # fmt: skip
TARGETS = st.sampled_from([("dashboard",), (ADA,), ("dashboard", ADA), ("dashboard", ADA, BO)])
UNITS = st.sampled_from([1, 3, 5, 10, 20, 60, 100])
PERCENT = st.sampled_from([1, 5_00, 15_00, 30_00, 100_00])


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """A rule as the oracle keeps it, without what happens to it."""
    kind, scope, measure, span = draw(FIGURES)
    is_percent = draw(st.sampled_from([True, False, False]))
    if kind == "days_left":
        threshold = ("days", draw(st.integers(0, 20)))
    elif measure == "units":
        threshold = ("units", draw(UNITS))
    elif is_percent:
        threshold = ("percent", draw(PERCENT))
    else:
        threshold = ("money", draw(UNITS) * UNIT_PRICE_MICROS)
    return {
        "kind": kind, "scope": scope, "measure": measure, "span": span, "threshold": threshold,
        "level": draw(LEVELS), "frequency": draw(FREQUENCIES), "targets": draw(TARGETS),
        "recovery": draw(st.booleans()), "on": draw(st.sampled_from([True, True, True, False])),
    }  # fmt: skip


def product_rule(given: dict[str, Any]) -> AlertRule:
    """The same rule as the product is given it."""
    emails = tuple(each for each in given["targets"] if "@" in each)
    channels: tuple[Channel, ...] = (Channel.EMAIL,) if emails else ()
    if "dashboard" in given["targets"]:
        channels += (Channel.DASHBOARD,)
    unit, amount = given["threshold"]
    often, hours = given["frequency"]
    return AlertRule(
        AlertKind(given["kind"]), Threshold(Unit(unit), amount),
        AlertScope(ScopeKind(given["scope"][0]), given["scope"][1]), Measure(given["measure"]),
        Span(given["span"]) if given["span"] else None, Level(given["level"]), "",
        channels, emails, (), Frequency(Repeat(often), hours), given["recovery"], given["on"],
    )  # fmt: skip


WHICH = st.integers(0, 7)
CAMPAIGNS = st.sampled_from([None, "spring", "autumn"])
SPEND = st.tuples(
    st.just("spend"), st.sampled_from(["sms", "sms", "reply", "call"]),
    st.sampled_from([1, 2, 5, 12, 40]), CAMPAIGNS, st.sampled_from([0, 0, 0, 0, 1, 2, 6, 20]),
)  # fmt: skip
WAIT = st.tuples(
    st.just("wait"),
    st.sampled_from([60, 3_600, 7_000, 40_000, "day", "day", "day", "week", "month",
                     "billing_period"]),
    st.sampled_from(["swept", "swept", "before", "unswept"]),
)  # fmt: skip
RULES = st.lists(rules(), min_size=2, max_size=6)
# Months before the first with units used on its first day.
HISTORY = st.sampled_from([(), (), (1, 20), (1, 60), (2, 40), (6, 9)])
CHANGE = st.tuples(st.just("edit"), WHICH, rules(), st.sampled_from([
    "threshold", "threshold", "level", "frequency", "on", "on", "targets", "recovery", "figure",
    "figure", "all",
]))  # fmt: skip
MOVE = st.one_of(
    st.tuples(st.just("top_up"), UNITS),
    st.tuples(st.just("adjust"), UNITS, st.booleans()),
    st.tuples(st.just("give"), UNITS, st.sampled_from([30, 600, 3_000])),
    st.tuples(st.just("refund"), WHICH),
)
HOLD = st.one_of(
    st.tuples(st.just("hold"), st.integers(1, 9), CAMPAIGNS),
    st.tuples(st.just("settle"), WHICH, st.integers(1, 12)),
    st.tuples(st.just("release"), WHICH),
)
ANYTHING = st.one_of(
    SPEND, SPEND, SPEND, WAIT, WAIT, WAIT, MOVE, MOVE, MOVE, HOLD, CHANGE, CHANGE,
    st.tuples(st.just("batch"), st.lists(SPEND, min_size=2, max_size=4)),
    st.tuples(st.just("lapse"), UNITS),
    st.tuples(st.just("expire")),
    st.tuples(st.just("add"), rules()),
    st.tuples(st.just("remove"), WHICH),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("imported"), st.lists(st.one_of(SPEND, WAIT, MOVE, CHANGE), max_size=4),
              st.booleans()),
)  # fmt: skip
