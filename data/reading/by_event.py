"""One call or message by an id: the sender's own, or the one that the ledger gave it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from billing.errors import InputError, NotFoundError
from billing.usage import UsageLine
from data.reading.lines import to_line, whole_lines
from data.reading.visibility import View
from data.tables import events, usage_lines

MOST_SOURCES = 1_000  # looked through for an id without a source
MOST_LINES = 1_000
SHOWN_SOURCES = 10
_events = events.c
_lines = usage_lines.c


def lines_of_event(
    connection: Connection,
    view: View,
    event: str,
    source: str | None,
    services: Sequence[str],
) -> list[UsageLine]:
    """The visible lines of one event of some services, in ledger order.

    Errors: ``NotFoundError`` when there is none; ``InputError`` when several sources have sent
    that id, which names them.
    """
    visible = whole_lines().where(view.shows(usage_lines), _lines.service.in_(services))
    found: dict[str, list[UsageLine]] = {}
    for event_id in _event_ids(connection, view.account_id, event, source):
        rows = connection.execute(
            visible.where(_lines.event_id == event_id).order_by(_lines.seq).limit(MOST_LINES)
        )
        lines = [to_line(row) for row in rows]
        if lines:
            found[event_id] = lines
    if event in found:
        return found[event]
    if len(found) > 1:
        sources = sorted(lines[0].source for lines in found.values())
        names = ", ".join(repr(name) for name in sources[:SHOWN_SOURCES])
        more = f" and {len(sources) - SHOWN_SOURCES} more" if len(sources) > SHOWN_SOURCES else ""
        raise InputError("source", source or "", f"name one that sent this id: {names}{more}")
    if not found:
        raise NotFoundError("There is no such call or message that you may see.")
    return next(iter(found.values()))


def _event_ids(
    connection: Connection, account_id: str, event: str, source: str | None
) -> list[str]:
    """The account's events with this id of either kind, each by an index."""
    own = select(_events.event_id).where(_events.account_id == account_id)
    if source is not None:
        own = own.where(_events.source == source)
        sent = own.where(_events.id == event)
    else:
        sources = _sources(connection, account_id)
        if len(sources) > MOST_SOURCES:
            raise InputError("source", "", "name the source: too many have sent events")
        sent = own.where(_events.source.in_(sources), _events.id == event)
    given = connection.scalars(own.where(_events.event_id == event)).all()
    return [*given, *connection.scalars(sent.order_by(_events.source))]


def _sources(connection: Connection, account_id: str) -> list[str]:
    """The sources an account's events came from: one index step each, not a scan."""

    def least(*after: ColumnElement[bool]) -> Select[Any]:
        return select(func.min(_events.source).label("source")).where(
            _events.account_id == account_id, *after
        )

    found = least().cte("found", recursive=True)
    following = least(_events.source > found.c.source).correlate(found).scalar_subquery()
    found = found.union_all(select(following).where(found.c.source.is_not(None)))
    statement = select(found.c.source).where(found.c.source.is_not(None)).limit(MOST_SOURCES + 1)
    return list(connection.scalars(statement))
