"""A refund: one line's charge taken back by a reversing line and given back to its lots.

The reversing line is a line like any other, so every sum stays a sum: base units, pulses, talk
seconds, connect fee and cost are the charge's with their sign turned, and line and reversal
together come to zero. Only ``count`` grows by one, because it counts lines (calls are counted by
their event, which both share). It is booked on the day of the refund but counts for caps on the
day of the charge: a refund must not make room for more spending today than the cap allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, insert, select

from billing.errors import NotFoundError, ProductError
from billing.lots import Lot, LotKind, Share
from billing.movements import AlreadyRefundedError
from data import tables as t
from data.alerts.book import read_alerts
from data.alerts.tallies import Tallies
from data.identity import new_id
from data.ledger.counters import CapCounters
from data.ledger.standing import standing
from data.ledger.wallet import OpenWallet, Posting

_lines, _entries, _lots, _draws = (
    t.usage_lines.c, t.wallet_entries.c, t.credit_lots.c, t.lot_draws.c,
)  # fmt: skip
_TURNED = ("base_units", "pulses", "talk_seconds", "connect_fee_micros", "cost_micros")
_LONGEST_ID = 36


class NotRefundableError(ProductError):
    """A line that no refund can take back."""

    code = "not_refundable"


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge that can be given back: the line as stored, and its entry."""

    line: Row[*tuple[Any, ...]]
    entry_id: str

    @property
    def cost_micros(self) -> int:
        """What it cost: never zero."""
        return int(self.line.cost_micros)


def find_charge(connection: Connection, account_id: str, line_id: str) -> Charge:
    """The charge of one of the account's lines.

    Errors: ``NotFoundError``; ``NotRefundableError`` for a reversal, a sandbox line or one that
    cost nothing; ``AlreadyRefundedError``.
    """
    row = None
    if len(line_id) <= _LONGEST_ID:
        row = connection.execute(
            select(t.usage_lines, _entries.id.label("entry_id"))
            .outerjoin(t.wallet_entries, _entries.line_id == _lines.id)
            .where(_lines.id == line_id, _lines.account_id == account_id)
        ).first()
    if row is None:
        raise NotFoundError("There is no such transaction in this account.")
    if row.reverses_line_id:
        raise NotRefundableError("This line is a refund itself: it can't be refunded.")
    if row.is_sandbox:
        raise NotRefundableError("This is a sandbox line: it was never charged.")
    if row.cost_micros <= 0 or row.entry_id is None:
        raise NotRefundableError("This line cost nothing: there is nothing to give back.")
    reversal = connection.scalar(
        select(_lines.id).where(
            _lines.account_id == account_id,
            _lines.event_id == row.event_id,  # a reversal shares it: found by the event's index
            _lines.reverses_line_id == line_id,
        )
    )
    if reversal is not None:
        raise AlreadyRefundedError("This charge was refunded before: once is all there is.")
    return Charge(row, row.entry_id)


def refund(wallet: OpenWallet, charge: Charge, reason: str, posting: Posting) -> str:
    """Takes a charge back in the wallet's transaction; gives the entry's id. Flush it then."""
    connection, account_id = wallet.connection, wallet.account.id
    line_id = _reverse(connection, charge, reason, posting)
    counters = CapCounters(connection, account_id)
    counters.charge(charge.line.cap_on, charge.line.campaign_id, -charge.cost_micros)
    counters.flush()
    tallies = Tallies(account_id, read_alerts(connection, account_id).scopes)
    line = charge.line
    tallies.add(
        posting.booked_on, line.metric, line.service, line.campaign_id, -line.base_units,
        -line.cost_micros,
    )  # fmt: skip
    tallies.flush(connection)
    return wallet.refund(
        line_id,
        _drawn(connection, charge.entry_id),
        lambda: _repayers(connection, account_id),
        reason,
        posting,
    )


def _reverse(connection: Connection, charge: Charge, reason: str, posting: Posting) -> str:
    """Writes the reversing line; gives its id."""
    line, line_id = charge.line, new_id()
    values = {
        column.name: line._mapping[column.name]
        for column in t.usage_lines.columns
        if column.name != "seq"
    }
    values |= {name: -values[name] for name in _TURNED}
    status = connection.scalar(select(standing()).where(_lines.id == line.id))
    values |= {
        "id": line_id, "reverses_line_id": line.id, "reason": reason,
        "status": status, "hold_id": None, "import_id": None, "flags": None,
        "occurred_at": posting.occurred_at, "received_at": posting.received_at,
        "stored_at": posting.stored_at, "booked_on": posting.booked_on,
        "corrects_period": posting.corrects_period,
    }  # fmt: skip
    connection.execute(insert(t.usage_lines).values(**values))
    return line_id


def _lots_with(*columns: Any) -> Select[Any]:
    return select(t.credit_lots, t.lot_balances.c.remaining_micros, *columns).join(
        t.lot_balances, t.lot_balances.c.lot_id == _lots.id
    )


def _lot(row: Row[*tuple[Any, ...]]) -> Lot:
    return Lot(
        row.id, LotKind(row.kind), row.granted_at, row.remaining_micros, row.expires_at,
        row.priority,
    )  # fmt: skip


def _drawn(connection: Connection, entry_id: str) -> list[Share]:
    """What each lot gave to a charge, debt included."""
    rows = connection.execute(
        _lots_with(_draws.micros)
        .join(t.lot_draws, _draws.lot_id == _lots.id)
        .where(_draws.entry_id == entry_id)
        .order_by(_lots.priority, _lots.granted_at, _lots.id)
    )
    return [(_lot(row), row.micros) for row in rows]


def _repayers(connection: Connection, account_id: str) -> Sequence[Share]:
    """Every lot that repaid debt when it came, with how much of that it hasn't got back.

    A lot repays in the entry that makes it, so that entry's draw on it says how much. What a
    refund gave to a lot beyond what its charge had drawn there was debt that the lot had repaid.
    """
    rows = connection.execute(
        _lots_with(_draws.micros)
        .join(t.lot_draws, and_(_draws.lot_id == _lots.id, _draws.entry_id == _lots.entry_id))
        .where(_lots.account_id == account_id, _draws.micros > 0)
        .order_by(_lots.granted_at, _lots.id)
    ).all()
    returned = _returned(connection, account_id, {row.id for row in rows})
    shares = [(_lot(row), row.micros - returned.get(row.id, 0)) for row in rows]
    return [(lot, micros) for lot, micros in shares if micros > 0]


def _returned(connection: Connection, account_id: str, lot_ids: set[str]) -> dict[str, int]:
    """How much of the debt that each lot repaid came back to it by refunds."""
    given, charge = t.lot_draws.alias(), t.wallet_entries.alias()
    drawn = t.lot_draws.alias()
    rows = connection.execute(
        select(given.c.lot_id, -given.c.micros - func.coalesce(drawn.c.micros, 0))
        .select_from(t.wallet_entries)
        .join(given, given.c.entry_id == _entries.id)
        .join(t.usage_lines, _lines.id == _entries.line_id)
        .join(charge, charge.c.line_id == _lines.reverses_line_id)
        .outerjoin(drawn, and_(drawn.c.entry_id == charge.c.id, drawn.c.lot_id == given.c.lot_id))
        .where(_entries.account_id == account_id, _entries.kind == "refund")
    )
    found: dict[str, int] = {}
    for lot_id, micros in rows:
        if lot_id in lot_ids and micros > 0:
            found[lot_id] = found.get(lot_id, 0) + micros
    return found
