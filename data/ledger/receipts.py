"""Delivery receipts: what became of a message after it was accepted. They never move money.

A line stands where its latest receipt says: the latest by when it happened, of two at the same
instant the one whose status sorts last, and any before the line's own. A line that takes its
charge back stands where that line stands. So the end doesn't depend
on the order in which receipts and messages arrive; only the chain of moves towards it does. A
receipt whose message isn't known waits for it. One whose message turns out to be something else,
such as a call, waits for ever.

A receipt moves counts by status within its line's booked day and no total of any day, so it is
taken after the billing period was closed as well. Must not know what a status costs: nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Connection,
    and_,
    bindparam,
    delete,
    exists,
    select,
    type_coerce,
)

from billing.errors import InputError
from billing.events import (
    MESSAGE_STATUSES,
    AnyEvent,
    StatusEvent,
    UsageEvent,
    event_type,
)
from billing.rating import LineDraft
from data import tables as t
from data.columns import to_micros
from data.ledger.bulk import insert_rows, is_one_of
from data.ledger.standing import last_move

MESSAGE_TYPES = frozenset({"usage.sms", "usage.whatsapp", "usage.voicemail"})
_events, _lines, _receipts, _pending = (
    t.events.c, t.usage_lines.c, t.receipts.c, t.pending_receipts.c,
)  # fmt: skip
_WAITS = select(exists().where(_pending.account_id == bindparam("account")))
_LEAVE = delete(t.pending_receipts).where(
    _pending.account_id == bindparam("account"),
    _pending.ref_source == bindparam("source"),
    _pending.ref_id == bindparam("ref"),
    _pending.event_id == bindparam("event"),
)

Identity = tuple[str, str]


class _Receipt(NamedTuple):
    """A receipt that waits or is applied; sorts by when it happened, in microseconds."""

    occurred_micros: int
    status: str
    event_id: str
    is_stored: bool = False


# Any receipt tells more than the status a message came with: a carrier's clock may be behind.
_ITS_OWN = (-1, "")


@dataclass(slots=True)
class _Line:
    """A message's line and where it stands; ``since`` is what a later receipt must exceed."""

    id: str
    status: str
    since: tuple[int, str]
    reversals: list[_Line] = field(default_factory=list)


class _Arrived(NamedTuple):
    """A usage event that is accepted but not written yet."""

    event: UsageEvent
    line_ids: Sequence[str]
    drafts: Sequence[LineDraft]


@dataclass(slots=True)
class Receipts:
    """Receipts of one account within one write transaction; end it with ``flush``."""

    connection: Connection
    account_id: str
    stored_micros: int
    _known: dict[Identity, list[_Line]] = field(init=False, default_factory=dict)
    _arrived: dict[Identity, _Arrived] = field(init=False, default_factory=dict)
    _waiting: dict[Identity, dict[str, _Receipt]] = field(init=False, default_factory=dict)
    _may_wait: bool | None = field(init=False, default=None)
    _rows: list[tuple[Any, ...]] = field(init=False, default_factory=list)
    _left: list[dict[str, str]] = field(init=False, default_factory=list)

    def look_up(self, batch: Sequence[AnyEvent]) -> None:
        """Reads what a batch needs to know: nothing for usage of an account where none waits."""
        referred = {
            (event.ref_source, event.ref_id) for event in batch if isinstance(event, StatusEvent)
        }
        for source, ids in _by_source(referred - self._arrived.keys() - self._known.keys()):
            self._read_messages(source, ids)
        if self._may_wait is None:
            self._may_wait = bool(self.connection.scalar(_WAITS, {"account": self.account_id}))
        if self._may_wait:
            fresh = {(event.source, event.id) for event in batch if isinstance(event, UsageEvent)}
            for source, ids in _by_source(fresh - self._arrived.keys()):
                self._read_waiting(source, ids)

    def take(self, event: StatusEvent, event_id: str) -> None:
        """Moves the message's lines, or keeps the receipt until the message comes.

        Errors: ``InputError`` for an unknown status, or when the other event is no message.
        """
        if event.status not in MESSAGE_STATUSES:
            raise InputError("status", event.status, f"use one of {', '.join(MESSAGE_STATUSES)}")
        identity = (event.ref_source, event.ref_id)
        receipt = _Receipt(to_micros(event.occurred_at), event.status, event_id)
        lines = self._lines_of(identity)
        if lines is None:
            self._waiting.setdefault(identity, {})[event_id] = receipt
        elif not lines:
            raise InputError(
                "ref", f"{event.ref_source} {event.ref_id}",
                "name a message that went out: another event has no delivery",
            )  # fmt: skip
        else:
            self._apply(lines, receipt)

    def arrived(
        self, event: UsageEvent, line_ids: Sequence[str], drafts: Sequence[LineDraft]
    ) -> None:
        """Tells of an accepted usage event: what waited for it is applied."""
        identity = (event.source, event.id)
        self._arrived[identity] = _Arrived(event, line_ids, drafts)
        if identity in self._waiting and (lines := self._lines_of(identity)):
            for receipt in sorted(self._waiting.pop(identity).values()):
                self._apply(lines, receipt)
                if receipt.is_stored:
                    self._left.append({
                        "account": self.account_id, "source": event.source, "ref": event.id,
                        "event": receipt.event_id,
                    })  # fmt: skip

    def flush(self) -> None:
        """Writes what was taken since the last flush; lines must be written before."""
        insert_rows(self.connection, t.receipts, self._rows)
        waiting = [
            (
                self.account_id, *identity, receipt.event_id, receipt.status,
                receipt.occurred_micros, self.stored_micros,
            )
            for identity, receipts in self._waiting.items()
            for receipt in receipts.values()
            if not receipt.is_stored
        ]  # fmt: skip
        insert_rows(self.connection, t.pending_receipts, waiting)
        if self._left:
            self.connection.execute(_LEAVE, self._left)
        self._may_wait = True if waiting else self._may_wait
        self._known, self._arrived, self._waiting, self._rows, self._left = {}, {}, {}, [], []

    def _apply(self, lines: Iterable[_Line], receipt: _Receipt) -> None:
        at = (receipt.occurred_micros, receipt.status)
        for line in lines:
            moves = at > line.since
            for each in (line, *line.reversals):
                self._rows.append(
                    (
                        self.account_id, each.id, receipt.event_id, each.status if moves else None,
                        receipt.status, receipt.occurred_micros, self.stored_micros,
                    )
                )  # fmt: skip
                if moves:
                    each.status, each.since = receipt.status, at

    def _lines_of(self, identity: Identity) -> list[_Line] | None:
        """The lines of a message; empty for another event, none for one that isn't known."""
        lines = self._known.get(identity)
        arrived = self._arrived.get(identity)
        if lines is None and arrived is not None:
            event = arrived.event
            lines = self._known[identity] = [
                _Line(line_id, draft.status, _ITS_OWN)
                for line_id, draft in zip(arrived.line_ids, arrived.drafts, strict=True)
                if is_message(event_type(event), draft.direction)
            ]
        return lines

    def _read_messages(self, source: str, ids: Sequence[str]) -> None:
        """Reads lines of written events and where they stand."""
        its_lines = and_(
            _lines.account_id == _events.account_id,
            _lines.event_id == _events.event_id,
        )
        moved = last_move(t.usage_lines, _receipts.seq).scalar_subquery()
        rows = self.connection.execute(
            select(
                _events.id, _events.type, _lines.id.label("line_id"), _lines.direction,
                _lines.status, _lines.reverses_line_id,
                _receipts.status.label("moved_to"),
                type_coerce(_receipts.occurred_at, BigInteger).label("moved_at"),
            )
            .select_from(t.events.outerjoin(t.usage_lines, its_lines).outerjoin(
                t.receipts, _receipts.seq == moved
            ))
            .where(_events.account_id == self.account_id, _events.source == source)
            .where(is_one_of(self.connection, _events.id, ids))
            .order_by(_lines.seq)  # a reversal comes after its line
        )  # fmt: skip
        by_id: dict[str, _Line] = {}
        for row in rows:
            lines = self._known.setdefault((source, row.id), [])
            if row.line_id is None or not is_message(row.type, row.direction):
                continue
            line = by_id[row.line_id] = _Line(row.line_id, row.status, _ITS_OWN)
            if row.moved_to is not None:
                line.status, line.since = row.moved_to, (row.moved_at, row.moved_to)
            if row.reverses_line_id is None:
                lines.append(line)
            else:
                by_id[row.reverses_line_id].reversals.append(line)

    def _read_waiting(self, source: str, ids: Sequence[str]) -> None:
        rows = self.connection.execute(
            select(
                _pending.ref_id, type_coerce(_pending.occurred_at, BigInteger), _pending.status,
                _pending.event_id,
            )
            .where(_pending.account_id == self.account_id, _pending.ref_source == source)
            .where(is_one_of(self.connection, _pending.ref_id, ids))
        )  # fmt: skip
        for ref_id, occurred_micros, status, event_id in rows:
            found = _Receipt(occurred_micros, status, event_id, is_stored=True)
            self._waiting.setdefault((source, ref_id), {})[event_id] = found


def is_message(type_name: str, direction: str) -> bool:
    """Whether a line of an event of this type is a message that went out.

    Units that a sender counted itself (``usage.metered``) are no message of which one could say
    where it is.
    """
    return type_name in MESSAGE_TYPES and direction == "outbound"


def _by_source(identities: Iterable[Identity]) -> Iterable[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for source, event_id in identities:
        found.setdefault(source, []).append(event_id)
    return found.items()
