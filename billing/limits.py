"""The limits of the outside contract, each with its name, value and meaning, in one table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: how much, of what, and what it bounds."""

    value: int
    unit: str
    meaning: str


LIMITS: dict[str, Limit] = {
    "body": Limit(5_000_000, "bytes", "the body of a request with events"),
    "small_body": Limit(64_000, "bytes", "the body of a request that brings no events"),
    "limits_body": Limit(1_500_000, "bytes", "the body of a request that sets spending limits"),
    "batch": Limit(1_000, "events", "one batch"),
    "page": Limit(1_000, "rows", "one page of a list"),
    "name": Limit(255, "characters", "an id, source, campaign, consumer, key or reason"),
    "call": Limit(86_400, "seconds", "one call (24 hours)"),
    "range": Limit(40, "months", "the range of one question"),
    "rows": Limit(50_000, "rows", "one answer of sums"),
    "hours": Limit(31, "days", "the range of a question cut by hours"),
    "requests": Limit(100, "requests a second", "one API key"),
    "burst": Limit(200, "requests", "one API key at once, after it was quiet"),
    "streams": Limit(8, "streams", "one session or API key at a time"),
    "all_streams": Limit(1_000, "streams", "one server at a time"),
    "live_age": Limit(35, "days", "how late a live event may arrive"),
}


def limit(name: str) -> int:
    """The value of one limit."""
    return LIMITS[name].value
