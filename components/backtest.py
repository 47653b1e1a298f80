"""What a limit would have done over the last 90 days, before it is saved."""

from __future__ import annotations

from typing import Any

from billing.caps import Cap, CapKind
from billing.limit_standing import Backtest, Hit
from components import format as fmt
from components import html
from components.limit_words import Telling

MOST_LISTED = 6


def backtest(tried: Backtest, telling: Telling) -> html.Div:
    """One sentence with how often and when, and what was spent each time, newest first."""
    hits = tuple(reversed(tried.hits))
    rows = [
        html.Li([html.B(_when(hit)), f" {_spent(hit, tried.cap, telling)}"])
        for hit in hits[:MOST_LISTED]
    ]
    more = len(hits) - len(rows)
    if more:
        rows.append(html.Li(f"and {fmt.number(more, telling.locale)} earlier", className="dim"))
    return html.Div(
        [
            html.H3("Backtest"),
            html.P(backtest_text(tried, telling)),
            html.Details(
                [
                    html.Summary("What was spent each time"),
                    html.Ul(rows, className="backtest-list"),
                ],
                className="backtest-more",
            )
            if rows
            else None,
        ],
        className="backtest",
    )


def backtest_text(tried: Backtest, telling: Telling) -> str:
    """``Over the last 90 days it would have paused outbound services 3 times: 4 Oct, …``."""
    days = fmt.days_text(tried.period.day_count, telling.locale)
    over = f"Over the last {days} ({fmt.period_label(tried.period)})"
    if tried.cap.kind is CapKind.PER_CALL:
        return f"{over} {_calls_text(tried, telling)}"
    if not tried.hits:
        return f"{over} it would never have {_did(tried.cap)}."
    if tried.cap.kind is CapKind.CAMPAIGN:
        return f"{over} it would have {_did(tried.cap)} on {fmt.day(tried.hits[0].reached_on)}."
    count = len(tried.hits)
    times = {1: "once", 2: "twice"}.get(count, f"{fmt.number(count, telling.locale)} times")
    newest = [fmt.short_day(hit.reached_on) for hit in tried.hits[-MOST_LISTED:]]
    listed = ", ".join(newest)
    which = listed if count <= MOST_LISTED else f"the latest {listed}"
    return f"{over} it would have {_did(tried.cap)} {times}: {which}."


def _calls_text(tried: Backtest, telling: Telling) -> str:
    calls = fmt.number(tried.calls, telling.locale)
    if not tried.calls:
        return "there was no answered call."
    if not tried.calls_over:
        return f"it would have ended none of {calls} answered calls early."
    return f"it would have ended {fmt.number(tried.calls_over, telling.locale)} of {calls} " \
        "answered calls early."  # fmt: skip


def _did(cap: Cap) -> str:
    if not cap.is_hard:
        return "warned"
    return "paused the campaign" if cap.kind is CapKind.CAMPAIGN else "paused outbound services"


def _when(hit: Hit) -> str:
    return f"{fmt.day(hit.reached_on)} {hit.reached_on.year}"


def _spent(hit: Hit, cap: Cap, telling: Telling) -> Any:
    span = {
        CapKind.DAILY: "that day", CapKind.WEEKLY: "in that week",
        CapKind.MONTHLY: "in that month",
    }.get(cap.kind, "so far")  # fmt: skip
    return f"· {telling.sum(hit.spent_micros)} spent {span}"
