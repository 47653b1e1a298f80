"""Holds of one account within a write transaction: found, opened, extended, closed.

Knows what closing a hold means for the money it set aside; must not know how one is decided.
Callers hold the lock on the account's balance.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from billing.errors import InputError
from billing.events import CallEvent, SmsEvent, UsageEvent, VoicemailEvent, WhatsAppEvent
from billing.holds import HoldKind, HoldState
from data import tables as t
from data.ledger.bulk import is_one_of
from data.ledger.counters import CapCounters
from data.ledger.wallet import OpenWallet

# Flags of lines that a hold has to do with (RULES: wallet, holds, caps).
OVER_HOLD, LATE, RELEASED, SECOND, UNKNOWN = (
    "over_hold", "late_settle", "after_release", "second_settle", "unknown_hold",
)  # fmt: skip
_FLAG_OF = {
    HoldState.EXPIRED: LATE, HoldState.RELEASED: RELEASED, HoldState.SETTLED: SECOND,
    HoldState.DENIED: UNKNOWN,
}  # fmt: skip
_DUE = select(t.holds).where(
    t.holds.c.account_id == bindparam("account"),
    t.holds.c.state == HoldState.OPEN.value,
    t.holds.c.expires_at <= bindparam("at"),
)
_CLOSE = (
    update(t.holds)
    .where(t.holds.c.id == bindparam("hold"), t.holds.c.state == HoldState.OPEN.value)
    .values(
        state=bindparam("to_state"), closed_at=bindparam("at"), event_id=bindparam("event"),
        cost_micros=bindparam("cost"),
    )
)  # fmt: skip
_EXTEND = (
    update(t.holds)
    .where(t.holds.c.id == bindparam("hold"), t.holds.c.state == HoldState.OPEN.value)
    .values(
        held_micros=bindparam("held"), amount=bindparam("to_amount"),
        limit_at=bindparam("limit"), expires_at=bindparam("expires"), told_limit_at=None,
    )
)  # fmt: skip


@dataclass(slots=True)
class Hold:
    """One hold as it stands in the transaction."""

    id: str
    account_id: str
    request_id: str
    kind: HoldKind
    campaign: str | None
    consumer: str | None
    rate_id: str | None
    once_micros: int
    state: HoldState
    held_micros: int
    amount: int
    decided_at: datetime
    cap_on: date
    expires_at: datetime | None
    closed_at: datetime | None
    event_id: str | None
    cost_micros: int | None
    request_hash: str
    answer: str
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Backing:
    """What a hold means for the lines of its event: the day they count on for caps, and flags.

    ``hold`` none: there is no such hold, and the event is an ordinary one.
    """

    hold: Hold | None
    flags: tuple[str, ...] = ()

    @property
    def held_at(self) -> datetime | None:
        """When the money for it was set aside, while it still is."""
        is_open = self.hold is not None and self.hold.state is HoldState.OPEN
        return self.hold.decided_at if is_open and self.hold else None


@dataclass(slots=True)
class HoldBook:
    """The holds that a transaction deals with; ``flush`` writes what changed."""

    connection: Connection
    wallet: OpenWallet
    counters: CapCounters
    expired: list[Hold] = field(default_factory=list)  # released as nobody settled them
    _known: dict[str, Hold | None] = field(default_factory=dict)
    _new: list[dict[str, Any]] = field(default_factory=list)
    _closed: list[dict[str, Any]] = field(default_factory=list)
    _extended: dict[str, dict[str, Any]] = field(default_factory=dict)

    def look_up(self, ids: Collection[str]) -> None:
        """Finds holds of the account by id, for all that follows."""
        unknown = {each for each in ids if each not in self._known}
        if not unknown:
            return
        own = t.holds.c.account_id == self.wallet.account.id
        found = self.connection.execute(
            select(t.holds).where(own, is_one_of(self.connection, t.holds.c.id, unknown))
        )
        self._known.update(dict.fromkeys(unknown))
        for row in found:
            self._known[row.id] = hold_of(row)

    def find(self, hold_id: str) -> Hold | None:
        """A hold of the account; none if it has no such hold."""
        if hold_id not in self._known:
            self.look_up([hold_id])
        return self._known[hold_id]

    def expire_due(self, at: datetime) -> int:
        """Closes every open hold whose time is over; gives how many."""
        due = self.connection.execute(_DUE, {"account": self.wallet.account.id, "at": at}).all()
        for row in due:
            hold = self._known[row.id] = hold_of(row)
            self.close(hold, HoldState.EXPIRED, at)
            self.expired.append(hold)
        return len(due)

    def open(self, hold: Hold, row: dict[str, Any]) -> None:
        """Keeps a new decision; of an allowed one the money is set aside already."""
        self._known[hold.id] = hold
        self._new.append(row)

    def extend(self, hold: Hold, limit_at: datetime, expires_at: datetime) -> None:
        """Writes what an open hold has now."""
        self._extended[hold.id] = {
            "hold": hold.id, "held": hold.held_micros, "to_amount": hold.amount,
            "limit": limit_at, "expires": expires_at,
        }  # fmt: skip

    def backing(self, event: UsageEvent, at: datetime) -> Backing | None:
        """What an event's hold means for it; none for an event without one.

        Errors: ``InputError`` for a hold of other work, or one that a sandbox event names.
        """
        if event.hold_id is None:
            return None
        hold = self.find(event.hold_id)
        if hold is None or hold.state is HoldState.DENIED:
            return Backing(None, (UNKNOWN,))
        if event.is_sandbox:
            fix = "leave it out: sandbox usage is never held"
            raise InputError("data.hold_id", event.hold_id, fix)
        if not _is_of_kind(event, hold.kind):
            fix = f"settle it with what it was for: {hold.kind.value}"
            raise InputError("data.hold_id", event.hold_id, fix)
        if hold.state is HoldState.OPEN and hold.expires_at and hold.expires_at <= at:
            self.close(hold, HoldState.EXPIRED, at)
            self.expired.append(hold)
        if hold.state is HoldState.OPEN:
            return Backing(hold)
        return Backing(hold, (_FLAG_OF[hold.state],))

    def settle(self, hold: Hold, event_id: str, cost_micros: int, at: datetime) -> None:
        """Closes an open hold by its event, after its lines were charged."""
        hold.event_id, hold.cost_micros = event_id, cost_micros
        self.close(hold, HoldState.SETTLED, at)

    def close(self, hold: Hold, state: HoldState, at: datetime) -> None:
        """Closes an open hold and gives back what it has set aside."""
        hold.state, hold.closed_at = state, at
        self.wallet.reserve(-hold.held_micros)
        self.counters.release(hold.cap_on, hold.campaign, hold.held_micros)
        self._closed.append(
            {
                "hold": hold.id, "to_state": state.value, "at": at, "event": hold.event_id,
                "cost": hold.cost_micros,
            }
        )  # fmt: skip

    def flush(self) -> None:
        """Writes what changed; wallet and counters are written by their owners."""
        if self._new:
            self.connection.execute(insert(t.holds), self._new)
        if self._extended:
            self.connection.execute(_EXTEND, list(self._extended.values()))
        if self._closed:
            self.connection.execute(_CLOSE, self._closed)
        self._new, self._closed, self._extended = [], [], {}


def hold_of(row: Any) -> Hold:
    """A row of ``holds`` as a value."""
    return Hold(
        row.id, row.account_id, row.request_id, HoldKind(row.kind), row.campaign_id,
        row.consumer_id, row.rate_id, row.once_micros, HoldState(row.state), row.held_micros,
        row.amount, row.decided_at, row.cap_on, row.expires_at, row.closed_at, row.event_id,
        row.cost_micros, row.request_hash, row.answer,
    )  # fmt: skip


def _is_of_kind(event: UsageEvent, kind: HoldKind) -> bool:
    """Whether an event is the work that a hold of a kind was for."""
    if isinstance(event, CallEvent):
        if event.direction == "inbound":
            return kind is HoldKind.CALL_INBOUND
        agents = {"human": (HoldKind.CALL_HUMAN,)}
        return kind in agents.get(event.agent, (HoldKind.CALL_AI, HoldKind.CALL_AI_PREMIUM))
    if isinstance(event, SmsEvent):
        wanted = HoldKind.SMS_AI_REPLY if event.kind == "ai_reply" else HoldKind.SMS
        return event.direction == "outbound" and kind is wanted
    if isinstance(event, VoicemailEvent):
        drop = HoldKind.VOICEMAIL_DROP
        return kind is (HoldKind.VOICEMAIL_RINGLESS if event.kind == "ringless" else drop)
    return isinstance(event, WhatsAppEvent) and kind is HoldKind.WHATSAPP
