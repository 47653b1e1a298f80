"""The wallet in the truth: one open account's lots and balance, changed inside a transaction.

``OpenWallet`` is the only code that writes wallet entries, lots and their projections.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from billing.accounts import Account
from billing.booking import book
from billing.errors import InputError
from billing.lots import DEFAULT_PRIORITY, Draw, Lot, LotBook, LotKind, Share, merged
from billing.movements import RETURNED_FOR
from billing.periods import Period
from billing.records import record
from data import tables as t
from data.changes import mark_changed
from data.columns import to_micros
from data.database import can_write
from data.identity import new_id
from data.ledger.bulk import StoredDays, insert_rows

MOST_MICROS = 10**17  # of one wallet: a hundred billion, far from where integers end
# Made once: making a statement costs several times what running it on a row does.
_POSTED = select(t.balances.c.posted_micros, t.balances.c.reserved_micros).where(
    t.balances.c.account_id == bindparam("account")
)
_LOCK = _POSTED.with_for_update()
_LOTS = (
    select(t.credit_lots, t.lot_balances.c.remaining_micros)
    .join(t.lot_balances, t.lot_balances.c.lot_id == t.credit_lots.c.id)
    .where(t.credit_lots.c.account_id == bindparam("account"))
    .where(
        (t.lot_balances.c.remaining_micros != 0) | (t.credit_lots.c.kind == LotKind.OVERDRAFT.value)
    )
)
_CLOSED = select(func.min(t.statements.c.period_start), func.max(t.statements.c.period_end)).where(
    t.statements.c.account_id == bindparam("account")
)
_SET_BALANCE = (
    update(t.balances)
    .where(t.balances.c.account_id == bindparam("account"))
    .values(
        posted_micros=bindparam("posted"),
        reserved_micros=bindparam("reserved"),
        updated_at=bindparam("at"),
    )
)
_SET_LOT = (
    update(t.lot_balances)
    .where(t.lot_balances.c.lot_id == bindparam("lot"))
    .values(remaining_micros=bindparam("remaining"))
)


@record()
class Posting:
    """When an entry happened, was received and stored, and the local day it is booked on.

    ``micros``: the three instants as the ledger stores them, computed once for all its rows.
    """

    occurred_at: datetime
    received_at: datetime
    stored_at: datetime
    booked_on: date
    corrects_period: date | None = None
    import_id: str | None = None
    actor: str | None = None  # who moved money by hand
    micros: tuple[int, int, int] = field(init=False)

    def __post_init__(self) -> None:
        micros = to_micros(self.occurred_at), to_micros(self.received_at), to_micros(self.stored_at)
        object.__setattr__(self, "micros", micros)


@dataclass(frozen=True, slots=True)
class Credit:
    """Money coming in: a top-up (``PAID``) or a promotional grant.

    ``entry_kind``: what the entry is called when it is neither, such as an adjustment.
    """

    kind: LotKind
    amount_micros: int
    cause: str
    expires_at: datetime | None = None
    priority: int = DEFAULT_PRIORITY
    entry_kind: str | None = None


@dataclass(slots=True)
class OpenWallet:
    """One account's wallet within a write transaction.

    Rows are collected and written by ``flush``; nothing is final before the transaction commits.
    """

    connection: Connection
    account: Account
    lots: LotBook
    posted_micros: int
    reserved_micros: int = 0  # by open holds
    closed: Period | None = None  # the days that statements have closed
    entries: list[tuple[Any, ...]] = field(default_factory=list)
    draws: list[tuple[Any, ...]] = field(default_factory=list)
    new_lots: list[dict[str, Any]] = field(default_factory=list)
    _expiring: list[Lot] = field(default_factory=list)
    _days: StoredDays = field(init=False)
    _is_reserving: bool = False

    def __post_init__(self) -> None:
        self._days = StoredDays(self.connection)

    @classmethod
    def open(cls, connection: Connection, account: Account) -> OpenWallet:
        """Locks the account's balance and loads what is left of its lots.

        In a reader's transaction, as of a dry run, nothing is locked.
        """
        balance = _LOCK if can_write(connection) else _POSTED
        row = connection.execute(balance, {"account": account.id}).first()
        posted, reserved = row or (0, 0)
        rows = connection.execute(_LOTS, {"account": account.id}).all()
        lots = [
            Lot(
                row.id, LotKind(row.kind), row.granted_at, row.remaining_micros, row.expires_at,
                row.priority,
            )
            for row in rows
        ]  # fmt: skip
        overdraft = next(lot for lot in lots if lot.kind is LotKind.OVERDRAFT)
        spendable = [lot for lot in lots if lot is not overdraft]
        expiring = sorted((lot for lot in spendable if lot.expires_at), key=lambda lot: lot.id)
        return cls(
            connection, account, LotBook(spendable, overdraft), posted, reserved,
            closed=closed_days(connection, account.id), _expiring=expiring,
        )  # fmt: skip

    def charge(
        self, line_id: str, cost_micros: int, posting: Posting, held_at: datetime | None = None
    ) -> None:
        """Takes one line's cost from the lots; what they can't pay becomes debt.

        ``held_at``: when a hold set the money aside; credit that was good then pays. Usage that
        happened is never refused for lack of money.
        """
        if self._expiring:
            self.expire(posting)
        draws = self.lots.charge(cost_micros, held_at or posting.received_at)
        self._enter("charge", -cost_micros, posting, "usage", draws, line_id)

    def reserve(self, micros: int) -> None:
        """Sets money aside for a hold; below zero: gives it back."""
        self.reserved_micros += micros
        self._is_reserving = self._is_reserving or micros != 0

    def credit(self, credit: Credit, posting: Posting) -> str:
        """Adds a lot, repaying debt first; gives the entry's id.

        Errors: ``InputError`` unless the amount is above zero.
        """
        if credit.amount_micros <= 0:
            raise InputError("amount", credit.amount_micros, "use an amount above zero")
        if self.posted_micros + credit.amount_micros > MOST_MICROS:
            fix = f"keep the balance below {MOST_MICROS:,} micros"
            raise InputError("amount_micros", credit.amount_micros, fix)
        lot = Lot(
            new_id(), credit.kind, posting.occurred_at, credit.amount_micros, credit.expires_at,
            credit.priority,
        )  # fmt: skip
        draws = self.lots.add(lot)
        if credit.expires_at:
            self._expiring.append(lot)
        kind = credit.entry_kind or ("top_up" if credit.kind is LotKind.PAID else "grant")
        entry_id = self._enter(kind, credit.amount_micros, posting, credit.cause, draws)
        self._keep(lot, credit.amount_micros, entry_id)
        return entry_id

    def debit(self, amount_micros: int, cause: str, posting: Posting) -> str:
        """Takes an amount by hand, in burn order, what no lot has as debt; gives the entry's id."""
        self.expire(posting)
        draws = self.lots.charge(amount_micros, posting.received_at)
        return self._enter("adjustment", -amount_micros, posting, cause, draws)

    def refund(
        self,
        line_id: str,
        drawn: Sequence[Share],
        repayers: Callable[[], Sequence[Share]],
        cause: str,
        posting: Posting,
    ) -> str:
        """Gives a charge back to the lots it drew from; gives the entry's id.

        ``line_id``: the reversing line. What belongs to expired lots comes back as one promotional
        lot, valid for ``RETURNED_FOR``; being new credit, it repays what is owed first.
        """
        self.expire(posting)
        draws, lapsed = self.lots.unwind(drawn, posting.received_at, repayers)
        returned = None
        if lapsed:
            ends = posting.received_at + RETURNED_FOR
            returned = Lot(new_id(), LotKind.PROMOTIONAL, posting.occurred_at, lapsed, ends)
            draws = merged([*draws, *self.lots.add(returned)])
            self._expiring.append(returned)
        total = sum(micros for _, micros in drawn)
        entry_id = self._enter("refund", total, posting, cause, draws, line_id)
        if returned:
            self._keep(returned, lapsed, entry_id)
        return entry_id

    def _keep(self, lot: Lot, amount_micros: int, entry_id: str) -> None:
        """Remembers a new lot, to be written by the next flush."""
        self.new_lots.append(
            {
                "id": lot.id, "account_id": self.account.id, "kind": lot.kind.value,
                "amount_micros": amount_micros, "priority": lot.priority,
                "granted_at": lot.granted_at, "expires_at": lot.expires_at,
                "entry_id": entry_id,
            }
        )  # fmt: skip

    def has_lapsed(self, at: datetime) -> bool:
        """Whether there is credit that has expired and isn't taken out."""
        return any(lot.expires_at and lot.expires_at <= at for lot in self._expiring)

    def expire(self, posting: Posting) -> int:
        """Takes out what is left of lots that have expired by now; gives how many.

        What open holds have set aside stays until they are closed: they were allowed by it.
        """
        due = [lot for lot in self._expiring if lot.expires_at <= posting.received_at]  # type: ignore[operator]
        for lot in due:
            left = min(lot.remaining_micros, max(0, self.posted_micros - self.reserved_micros))
            if left == lot.remaining_micros:
                self._expiring.remove(lot)
            if left > 0:
                draws = self.lots.lapse(lot, left)
                self._enter(
                    "expiry", -left, self._expiry(lot, posting), "promotional credit expired",
                    draws,
                )  # fmt: skip
        return len(due)

    def _expiry(self, lot: Lot, posting: Posting) -> Posting:
        """An expiry happened when the lot expired, whatever posting noticed it."""
        assert lot.expires_at is not None, "only lots that expire are looked at"
        return self.booked(replace(posting, occurred_at=lot.expires_at))

    def booked(self, posting: Posting) -> Posting:
        """The posting on the day to which its instants lead, whatever day it named."""
        booking = book(self.account, posting.occurred_at, posting.received_at, self.closed)
        return replace(
            posting, booked_on=booking.booked_on, corrects_period=booking.corrects_period
        )

    def flush(self, at: datetime) -> None:
        """Writes everything collected so far, and the projections."""
        run = self.connection.execute
        if self.entries or self._is_reserving:
            mark_changed(self.connection, self.account.id)
            balance = {
                "account": self.account.id, "posted": self.posted_micros,
                "reserved": self.reserved_micros, "at": at,
            }  # fmt: skip
            run(_SET_BALANCE, balance)
            self._is_reserving = False
        if self.new_lots:
            run(insert(t.credit_lots), self.new_lots)
            run(
                insert(t.lot_balances),
                [
                    {"lot_id": lot["id"], "account_id": self.account.id, "remaining_micros": 0}
                    for lot in self.new_lots
                ],
            )
        if self.entries:
            insert_rows(self.connection, t.wallet_entries, self.entries)
            insert_rows(self.connection, t.lot_draws, self.draws)
        changed = self.lots.changed
        if changed:
            run(
                _SET_LOT,
                [{"lot": lot.id, "remaining": lot.remaining_micros} for lot in changed.values()],
            )
        self.entries, self.draws, self.new_lots, self.lots.changed = [], [], [], {}

    def _enter(
        self, kind: str, micros: int, posting: Posting, cause: str, draws: list[Draw],
        line_id: str | None = None,
    ) -> str:  # fmt: skip
        if self.closed and posting.booked_on in self.closed:
            msg = f"an entry of {self.account.id} can't be booked on {posting.booked_on}: closed"
            raise ValueError(msg)
        entry_id = new_id()
        self.posted_micros += micros
        self.entries.append(
            (
                entry_id, self.account.id, kind, micros, self.posted_micros,
                self.account.currency, line_id, cause, *posting.micros,
                self._days[posting.booked_on], self._days[posting.corrects_period],
                posting.import_id, posting.actor,
            )
        )  # fmt: skip
        self.draws += [(entry_id, draw.lot_id, self.account.id, draw.micros) for draw in draws]
        return entry_id


def closed_days(connection: Connection, account_id: str) -> Period | None:
    """The days that the account's statements have closed, one after another; none without."""
    start, end = connection.execute(_CLOSED, {"account": account_id}).one()
    return None if start is None else Period(start, end)
