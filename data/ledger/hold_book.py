"""Holds of one account within a write transaction: found, opened, extended, closed.

Knows what closing a hold means for the money it set aside; must not know how one is decided.
Callers hold the lock on the account's balance.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, select

from billing.errors import InputError
from billing.events import CallEvent, SmsEvent, UsageEvent, VoicemailEvent, WhatsAppEvent
from billing.holds import HoldKind, HoldState
from billing.records import record
from data import tables as t
from data.columns import to_micros
from data.ledger.bulk import StoredDays, insert_rows, placeholder, rows_among
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
# Of the driver's own, a row each: a batch closes dozens.
_CLOSE = (
    "UPDATE holds SET state = {0}, closed_at = {0}, event_id = {0}, cost_micros = {0} "
    "WHERE id = {0} AND state = 'open'"
)
_EXTEND = (
    "UPDATE holds SET held_micros = {0}, amount = {0}, limit_at = {0}, expires_at = {0}, "
    "told_limit_at = NULL WHERE id = {0} AND state = 'open'"
)


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
    rule: str | None = None  # of a denial

    @property
    def limit_at(self) -> datetime:
        """When a call that is open reaches its last second."""
        return self.decided_at + timedelta(seconds=self.amount)


@record()
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
    _days: StoredDays = field(init=False)
    expired: list[Hold] = field(default_factory=list)  # released as nobody settled them
    _known: dict[str, Hold | None] = field(default_factory=dict)
    _new: list[tuple[Any, ...]] = field(default_factory=list)
    _closed: list[tuple[Any, ...]] = field(default_factory=list)
    _extended: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._days = StoredDays(self.connection)

    def look_up(self, ids: Collection[str]) -> None:
        """Finds holds of the account by id, for all that follows."""
        unknown = {each for each in ids if each not in self._known}
        if not unknown:
            return
        self._known.update(dict.fromkeys(unknown))
        for row in rows_among(
            self.connection, t.holds.c.id, unknown, account_id=self.wallet.account.id
        ):
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

    def open(self, hold: Hold) -> None:
        """Keeps a new decision; of an allowed one the money is set aside already."""
        self._known[hold.id] = hold
        is_timed = hold.state is HoldState.OPEN and hold.kind.is_call
        self._new.append(
            (
                hold.id, hold.account_id, hold.request_id, hold.request_hash, hold.kind.value,
                hold.campaign, hold.consumer, hold.rate_id, hold.once_micros, hold.state.value,
                hold.rule, hold.held_micros, hold.amount, to_micros(hold.decided_at),
                self._days[hold.cap_on], _micros(hold.limit_at if is_timed else None),
                _micros(hold.expires_at), _micros(hold.closed_at), None, None, None, hold.answer,
            )
        )  # fmt: skip

    def extend(self, hold: Hold) -> None:
        """Writes what an open hold has now."""
        self._extended[hold.id] = (
            hold.held_micros, hold.amount, to_micros(hold.limit_at), _micros(hold.expires_at),
            hold.id,
        )  # fmt: skip

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
        self._closed.append((state.value, to_micros(at), hold.event_id, hold.cost_micros, hold.id))

    def flush(self) -> None:
        """Writes what changed; wallet and counters are written by their owners."""
        if self._new:
            insert_rows(self.connection, t.holds, self._new)
        for statement, rows in ((_EXTEND, [*self._extended.values()]), (_CLOSE, self._closed)):
            if rows:
                mark = placeholder(self.connection.dialect.name)
                self.connection.exec_driver_sql(statement.format(mark), rows)
        self._new, self._closed, self._extended = [], [], {}


def _micros(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)


def hold_of(row: Any) -> Hold:
    """A row of ``holds`` as a value."""
    return Hold(
        row.id, row.account_id, row.request_id, HoldKind(row.kind), row.campaign_id,
        row.consumer_id, row.rate_id, row.once_micros, HoldState(row.state), row.held_micros,
        row.amount, row.decided_at, row.cap_on, row.expires_at, row.closed_at, row.event_id,
        row.cost_micros, row.request_hash, row.answer, row.rule,
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
