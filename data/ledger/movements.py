"""Money moved by hand, once a key: the one use case behind the API's calls and the page's forms.

One transaction holds the movement or the request for approval, its audit entry and the answer
kept for its key. Must not know who shows the answer.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from billing.access import AccountScope, Role
from billing.accounts import Account
from billing.clock import Clock
from billing.lots import LotKind
from billing.movements import (
    Action,
    Approval,
    Movement,
    check_movement,
    needs_approval,
    require_action,
    require_decision,
)
from billing.usage import Balance, PromotionalLot
from billing.wallet import WalletEntry
from data.access.audit import record
from data.accounts import read_account
from data.ledger import approvals
from data.ledger.consequences import follow
from data.ledger.idempotency import CallKey, InFlight, Kept, call_key, first_answer, keep_answer
from data.ledger.limit_book import read_limits
from data.ledger.pausing import Moment
from data.ledger.refunds import Charge, find_charge, refund
from data.ledger.wallet import Credit, OpenWallet, Posting
from data.reading.entries import read_entry
from data.reading.wallet_state import read_balance
from data.writer import Writer

DONE, WAITING = 200, 202


@dataclass(frozen=True, slots=True)
class Moved:
    """What a call came to: the entry with the balance after it, or the request that now waits.

    ``is_replay``: it was answered before, and nothing was done now.
    """

    entry: WalletEntry | None
    balance: Balance | None
    approval: Approval | None
    is_replay: bool = False

    @property
    def status_code(self) -> int:
        """200 for a movement, 202 for a request that waits."""
        return WAITING if self.entry is None else DONE


class Movements:
    """Moves money for people and keys. ``limit_micros``: what support may move alone a day."""

    def __init__(self, writer: Writer, clock: Clock, limit_micros: int) -> None:
        self._writer = writer
        self._clock = clock
        self._in_flight = InFlight()
        self.limit_micros = limit_micros

    def move(self, scope: AccountScope, actor: str, movement: Movement, key: str | None) -> Moved:
        """Makes one movement, or asks for approval when support's limit is passed.

        The same key and request again give the first answer. Errors: ``NotAllowedError``,
        ``InputError`` (the key's too), ``MismatchError``, ``InProgressError``, and of a refund
        ``NotFoundError``, ``NotRefundableError``, ``AlreadyRefundedError``; ``BusyError``.
        """
        require_action(scope.role, movement.action)
        call = call_key(scope.account_id, movement.action.route, key, movement.request())
        with self._in_flight.hold(call):
            return self._writer.write(lambda c: self._once(c, scope, actor, movement, call))

    def decide(
        self, scope: AccountScope, actor: str, approval_id: str, *, is_approved: bool
    ) -> tuple[Approval, Moved | None]:
        """Approves or rejects a request; an approved one is carried out in the same transaction.

        When that fails, for example because the line was refunded meanwhile, the request stays.
        Errors: ``NotFoundError``, those of ``require_decision`` and of ``move``.
        """
        return self._writer.write(
            lambda c: self._decide(c, scope, actor, approval_id, is_approved=is_approved)
        )

    def _once(
        self, connection: Connection, scope: AccountScope, actor: str, movement: Movement,
        call: CallKey,
    ) -> Moved:  # fmt: skip
        known = first_answer(connection, call)
        if known is not None:
            return _decoded(known)
        now = self._clock.now()
        account = read_account(connection, scope.account_id)
        movement = check_movement(movement, now)
        charge = _charge_of(connection, account, movement)
        micros = charge.cost_micros if charge else movement.amount_micros
        is_support = scope.role is Role.SUPPORT
        today = approvals.moved_today(connection, account, now) if is_support else 0
        if needs_approval(scope.role, movement.action, micros, today, self.limit_micros):
            approval = approvals.ask(connection, account.id, movement, micros, actor, now)
            detail = {**movement.request(), "amount_micros": micros, "approval_id": approval.id}
            record(connection, now, actor, account.id, "approval.asked", detail)
            moved = Moved(None, None, approval)
        else:
            moved = _carry_out(connection, account, movement, charge, actor, now)
            _note(connection, account.id, movement, moved, actor, scope.role.value, now)
        keep_answer(connection, call, _encoded(moved), now)
        return moved

    def _decide(
        self, connection: Connection, scope: AccountScope, actor: str, approval_id: str, *,
        is_approved: bool,
    ) -> tuple[Approval, Moved | None]:  # fmt: skip
        now = self._clock.now()
        account = read_account(connection, scope.account_id)
        approval = approvals.read_approval(connection, account.id, approval_id)
        require_decision(approval, scope.role, actor, now)
        moved, entry_id = None, None
        if is_approved:
            movement = check_movement(approval.movement, now)
            charge = _charge_of(connection, account, movement)
            moved = _carry_out(connection, account, movement, charge, approval.asked_by, now)
            assert moved.entry is not None, "what is carried out has its entry"
            entry_id = moved.entry.id
            _note(
                connection, account.id, movement, moved, approval.asked_by, Role.SUPPORT.value,
                now,
                approval.id,
            )  # fmt: skip
        decision = "approved" if is_approved else "rejected"
        approvals.decide(connection, approval, decision, actor, now, entry_id)
        detail = {"approval_id": approval.id, "asked_by": approval.asked_by, "entry_id": entry_id}
        record(connection, now, actor, account.id, f"approval.{decision}", detail)
        return approvals.read_approval(connection, account.id, approval.id), moved


def _charge_of(connection: Connection, account: Account, movement: Movement) -> Charge | None:
    """The charge that a refund takes back; none for another movement."""
    if movement.action is not Action.REFUND:
        return None
    return find_charge(connection, account.id, movement.line_id or "")


def _carry_out(
    connection: Connection, account: Account, movement: Movement, charge: Charge | None,
    actor: str, now: datetime,
) -> Moved:  # fmt: skip
    """Writes the movement; gives the entry and the balance after it."""
    wallet = OpenWallet.open(connection, account)
    posting = wallet.booked(Posting(now, now, now, account.today(now), actor=actor))
    wallet.expire(posting)  # so that the balance after it holds nothing that has lapsed
    micros = movement.amount_micros
    if charge is not None:
        entry_id = refund(wallet, charge, movement.reason, posting)
    elif movement.action is Action.ADJUSTMENT and micros < 0:
        entry_id = wallet.debit(-micros, movement.reason, posting)
    else:
        entry_id = wallet.credit(_credit(movement), posting)
    wallet.flush(now)
    follow(connection, Moment(account, read_limits(connection, account.id, now),
                            wallet.posted_micros, now))  # fmt: skip
    entry = read_entry(connection, account.id, entry_id)
    return Moved(entry, read_balance(connection, account.id, account.currency, now), None)


def _credit(movement: Movement) -> Credit:
    kind = LotKind.PAID if movement.action is Action.TOP_UP else LotKind.PROMOTIONAL
    return Credit(
        kind, movement.amount_micros, movement.reason, movement.expires_at, movement.priority,
        entry_kind=movement.action.value,
    )  # fmt: skip


def _note(
    connection: Connection, account_id: str, movement: Movement, moved: Moved, actor: str,
    role: str, now: datetime, approval_id: str | None = None,
) -> None:  # fmt: skip
    """One entry in the audit log; support's daily sum is taken from these."""
    assert moved.entry is not None, "what is noted has happened"
    detail = {
        **movement.request(), "amount_micros": moved.entry.amount_micros,
        "entry_id": moved.entry.id, "role": role, "approval_id": approval_id,
    }  # fmt: skip
    record(connection, now, actor, account_id, approvals.audit_action(movement.action), detail)


def _encoded(moved: Moved) -> Kept:
    parts = {"entry": moved.entry, "balance": moved.balance, "approval": moved.approval}
    plain = {name: asdict(part) if part else None for name, part in parts.items()}
    return Kept(moved.status_code, json.dumps(plain, default=_iso, ensure_ascii=False))


def _iso(value: object) -> str:
    assert isinstance(value, datetime | date), "all else is plain"
    return value.isoformat()


def _decoded(kept: Kept) -> Moved:
    """A kept answer as it was given first."""
    plain: dict[str, Any] = json.loads(kept.answer)
    entry, balance, approval = plain["entry"], plain["balance"], plain["approval"]
    return Moved(
        WalletEntry(**_timed(entry)) if entry else None,
        Balance(**_timed(balance)) if balance else None,
        Approval(**_timed(approval)) if approval else None,
        is_replay=True,
    )


def _timed(plain: dict[str, Any]) -> dict[str, Any]:
    """Plain values with their instants and days as what they were."""
    found: dict[str, Any] = {}
    for name, value in plain.items():
        if name.endswith("_at") or name == "as_of":
            found[name] = datetime.fromisoformat(value) if value else None
        elif name in {"booked_on", "corrects_period"}:
            found[name] = date.fromisoformat(value) if value else None
        elif name == "promotional":
            found[name] = tuple(PromotionalLot(**_timed(lot)) for lot in value)
        elif name == "movement":
            found[name] = Movement(**_timed({**value, "action": Action(value["action"])}))
        else:
            found[name] = value
    return found
