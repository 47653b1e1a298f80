"""Why one line cost what it cost, put together from the ledger alone."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from billing.errors import NotFoundError
from billing.usage import Explanation, LotDraw
from data.reading.lines import to_line, whole_lines
from data.reading.visibility import View
from data.tables import (
    credit_lots,
    events,
    lot_draws,
    rate_lists,
    rates,
    usage_lines,
    wallet_entries,
)

_LONGEST_ID = 36
_MOST_SIBLINGS = 100
_lines = usage_lines.c


def explain_line(connection: Connection, view: View, line_id: str) -> Explanation:
    """The explanation of one visible line; its siblings are the event's other visible lines.

    Errors: ``NotFoundError`` for a line that isn't there or may not be seen.
    """
    visible = whole_lines().where(view.shows(usage_lines))
    row = None
    if len(line_id) <= _LONGEST_ID:
        row = connection.execute(visible.where(_lines.id == line_id)).first()
    if row is None:
        raise NotFoundError("There is no such transaction that you may see.")
    line = to_line(row)
    siblings = connection.execute(
        visible.where(_lines.event_id == line.event_id, _lines.id != line.id)
        .order_by(_lines.seq)
        .limit(_MOST_SIBLINGS)
    )
    rate = _rate(connection, line.rate_id) if line.rate_id else None
    entry = _entry(connection, view, line.id)
    return Explanation(
        line=line,
        rate_list=rate.name if rate else None,
        rate_valid_from=rate.valid_from if rate else None,
        rate_prefix=rate.prefix if rate else None,
        price_micros=rate.price_micros if rate else None,
        price_size=rate.size if rate else None,
        minimum=rate.minimum if rate else None,
        increment=rate.increment if rate else None,
        counterparty=counterparty_of(connection, view, line.event_id),
        entry_id=entry.id if entry else None,
        draws=_draws(connection, entry.id) if entry else (),
        balance_before_micros=(entry.balance_after_micros - entry.amount_micros if entry else None),
        balance_after_micros=entry.balance_after_micros if entry else None,
        siblings=tuple(to_line(sibling) for sibling in siblings),
    )


def _rate(connection: Connection, rate_id: str) -> Row[*tuple[Any, ...]] | None:
    return connection.execute(
        select(
            rate_lists.c.name, rate_lists.c.valid_from, rates.c.prefix, rates.c.price_micros,
            rates.c.size, rates.c.minimum, rates.c.increment,
        )
        .join(rate_lists, rate_lists.c.id == rates.c.rate_list_id)
        .where(rates.c.id == rate_id)
    ).first()  # fmt: skip


def _entry(connection: Connection, view: View, line_id: str) -> Row[*tuple[Any, ...]] | None:
    return connection.execute(
        select(
            wallet_entries.c.id,
            wallet_entries.c.amount_micros,
            wallet_entries.c.balance_after_micros,
        )
        .where(wallet_entries.c.line_id == line_id)
        .where(wallet_entries.c.account_id == view.account_id)
    ).first()


def _draws(connection: Connection, entry_id: str) -> tuple[LotDraw, ...]:
    """What each lot paid, in the order in which lots burn."""
    lots = credit_lots.c
    rows = connection.execute(
        select(lots.id, lots.kind, lots.granted_at, lots.expires_at, lot_draws.c.micros)
        .join(lot_draws, lot_draws.c.lot_id == lots.id)
        .where(lot_draws.c.entry_id == entry_id)
        .order_by(
            lots.kind == "overdraft", lots.priority, lots.expires_at.is_(None), lots.expires_at,
            lots.kind == "paid", lots.granted_at, lots.id,
        )
    )  # fmt: skip
    return tuple(LotDraw(*row) for row in rows)


def counterparty_of(connection: Connection, view: View, event_id: str) -> str | None:
    """The other party as it may be shown: country code and last two digits."""
    row = connection.execute(
        select(events.c.counterparty_prefix, events.c.counterparty_suffix)
        .where(events.c.event_id == event_id, events.c.account_id == view.account_id)
        .limit(1)
    ).first()
    if row is None or not (row.counterparty_prefix or row.counterparty_suffix):
        return None
    prefix = f"+{row.counterparty_prefix}" if row.counterparty_prefix else ""
    return f"{prefix}…{row.counterparty_suffix or ''}"
