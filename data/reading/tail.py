"""The ledger's tail: an account's lines after a position, found by the one index made for it."""

from __future__ import annotations

from sqlalchemy import CTE, select

from data.reading.position import SeqOrder
from data.tables import usage_lines

_COLUMNS = (
    "seq", "account_id", "metric", "service", "direction", "status", "campaign_id",
    "consumer_id", "occurred_at", "stored_at", "booked_on", "base_units", "pulses",
    "talk_seconds", "cost_micros", "is_sandbox",
)  # fmt: skip


def tail(account_id: str, order: SeqOrder, synced_to: int) -> CTE:
    """The lines of an account that the lake has not got at a position.

    Materialized first: a planner that sees a metric or days beside the position prefers their
    index, and would walk the account's whole history to find a few new lines.
    """
    return (
        select(*(usage_lines.c[name] for name in _COLUMNS))
        .where(usage_lines.c.account_id == account_id, order.after(synced_to))
        .cte("tail")
        .prefix_with("MATERIALIZED")
    )
