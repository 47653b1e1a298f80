"""The lines that one event wrote, as its sender is told them again.

Must not know who asks; the event is named by its own identity, of one account.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from data.tables import events, usage_lines

_events, _lines = events.c, usage_lines.c


def lines_of_identity(
    connection: Connection, account_id: str, source: str, sent_id: str
) -> tuple[str | None, list[dict[str, Any]]]:
    """The ledger's id of an event, and its lines: id, metric, base units, cost, flags.

    In the order in which they were written; no id and no lines without such an event.
    """
    event_id = connection.scalar(
        select(_events.event_id).where(
            _events.account_id == account_id, _events.source == source, _events.id == sent_id
        )
    )
    if event_id is None:
        return None, []
    rows = connection.execute(
        select(_lines.id, _lines.metric, _lines.base_units, _lines.cost_micros, _lines.flags)
        .where(
            _lines.account_id == account_id, _lines.event_id == event_id,
            _lines.reverses_line_id.is_(None),
        )
        .order_by(_lines.seq)
    )  # fmt: skip
    return str(event_id), [dict(row._mapping) for row in rows]
