"""The wallet in the truth: one open account's lots and balance, changed inside a transaction.

``OpenWallet`` is the only code that writes wallet entries, lots and their projections.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from billing.accounts import Account
from billing.booking import book
from billing.errors import InputError
from billing.lots import DEFAULT_PRIORITY, Draw, Lot, LotBook, LotKind
from data import tables as t
from data.changes import mark_changed
from data.columns import to_micros
from data.identity import new_id
from data.ledger.bulk import StoredDays, insert_rows

_SET_LOT = (
    update(t.lot_balances)
    .where(t.lot_balances.c.lot_id == bindparam("lot"))
    .values(remaining_micros=bindparam("remaining"))
)


@dataclass(frozen=True, slots=True)
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
    """Money coming in: a top-up (``PAID``) or a promotional grant."""

    kind: LotKind
    amount_micros: int
    cause: str
    expires_at: datetime | None = None
    priority: int = DEFAULT_PRIORITY


@dataclass(slots=True)
class OpenWallet:
    """One account's wallet within a write transaction.

    Rows are collected and written by ``flush``; nothing is final before the transaction commits.
    """

    connection: Connection
    account: Account
    lots: LotBook
    posted_micros: int
    closed_before: date | None = None  # the first day that no statement has closed
    entries: list[tuple[Any, ...]] = field(default_factory=list)
    draws: list[tuple[Any, ...]] = field(default_factory=list)
    new_lots: list[dict[str, Any]] = field(default_factory=list)
    _expiring: list[Lot] = field(default_factory=list)
    _days: StoredDays = field(init=False)

    def __post_init__(self) -> None:
        self._days = StoredDays(self.connection)

    @classmethod
    def open(cls, connection: Connection, account: Account) -> OpenWallet:
        """Locks the account's balance and loads what is left of its lots."""
        posted = connection.scalar(
            select(t.balances.c.posted_micros)
            .where(t.balances.c.account_id == account.id)
            .with_for_update()
        )
        rows = connection.execute(
            select(t.credit_lots, t.lot_balances.c.remaining_micros)
            .join(t.lot_balances, t.lot_balances.c.lot_id == t.credit_lots.c.id)
            .where(t.credit_lots.c.account_id == account.id)
            .where(
                (t.lot_balances.c.remaining_micros != 0)
                | (t.credit_lots.c.kind == LotKind.OVERDRAFT.value)
            )
        ).all()
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
            connection, account, LotBook(spendable, overdraft), posted or 0,
            closed_before=first_open_day(connection, account.id), _expiring=expiring,
        )  # fmt: skip

    def charge(self, line_id: str, cost_micros: int, posting: Posting) -> None:
        """Takes one line's cost from the lots; what they can't pay becomes debt.

        Usage that happened is never refused for lack of money.
        """
        if self._expiring:
            self.expire(posting)
        draws = self.lots.charge(cost_micros, posting.received_at)
        self._enter("charge", -cost_micros, posting, "usage", draws, line_id)

    def credit(self, credit: Credit, posting: Posting) -> str:
        """Adds a lot, repaying debt first; gives the entry's id.

        Errors: ``InputError`` unless the amount is above zero.
        """
        if credit.amount_micros <= 0:
            raise InputError("amount", credit.amount_micros, "use an amount above zero")
        lot = Lot(
            new_id(), credit.kind, posting.occurred_at, credit.amount_micros, credit.expires_at,
            credit.priority,
        )  # fmt: skip
        draws = self.lots.add(lot)
        if credit.expires_at:
            self._expiring.append(lot)
        kind = "top_up" if credit.kind is LotKind.PAID else "grant"
        entry_id = self._enter(kind, credit.amount_micros, posting, credit.cause, draws)
        self.new_lots.append(
            {
                "id": lot.id, "account_id": self.account.id, "kind": credit.kind.value,
                "amount_micros": credit.amount_micros, "priority": credit.priority,
                "granted_at": posting.occurred_at, "expires_at": credit.expires_at,
                "entry_id": entry_id,
            }
        )  # fmt: skip
        return entry_id

    def expire(self, posting: Posting) -> int:
        """Takes out what is left of lots that have expired by now; gives how many."""
        due = [lot for lot in self._expiring if lot.expires_at <= posting.received_at]  # type: ignore[operator]
        for lot in due:
            self._expiring.remove(lot)
            if lot.remaining_micros > 0:
                left = lot.remaining_micros
                draws = self.lots.take_all(lot)
                self._enter(
                    "expiry", -left, self._expiry(lot, posting), "promotional credit expired",
                    draws,
                )  # fmt: skip
        return len(due)

    def _expiry(self, lot: Lot, posting: Posting) -> Posting:
        """An expiry happened when the lot expired, whatever posting noticed it."""
        assert lot.expires_at is not None, "only lots that expire are looked at"
        booking = book(self.account, lot.expires_at, posting.received_at, self.closed_before)
        return replace(
            posting, occurred_at=lot.expires_at, booked_on=booking.booked_on,
            corrects_period=booking.corrects_period,
        )  # fmt: skip

    def flush(self, at: datetime) -> None:
        """Writes everything collected so far, and the projections."""
        run = self.connection.execute
        if self.entries:
            mark_changed(self.connection, self.account.id)
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
            run(
                update(t.balances)
                .where(t.balances.c.account_id == self.account.id)
                .values(posted_micros=self.posted_micros, updated_at=at)
            )
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
        entry_id = new_id()
        self.posted_micros += micros
        self.entries.append(
            (
                entry_id, self.account.id, kind, micros, self.posted_micros,
                self.account.currency, line_id, cause, *posting.micros,
                self._days(posting.booked_on), self._days(posting.corrects_period),
                posting.import_id, posting.actor,
            )
        )  # fmt: skip
        self.draws += [(entry_id, draw.lot_id, self.account.id, draw.micros) for draw in draws]
        return entry_id


def first_open_day(connection: Connection, account_id: str) -> date | None:
    """The first day that no statement has closed; none before the first statement."""
    found: date | None = connection.scalar(
        select(func.max(t.statements.c.period_end)).where(t.statements.c.account_id == account_id)
    )
    return found
