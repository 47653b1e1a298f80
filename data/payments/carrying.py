"""Top-ups carried out: the gateway is asked outside any transaction, the ledger told after it.

Each step is kept before the next begins, so that a process that dies anywhere is followed by one
that asks what became of the charge. A charge has one reference for ever: the gateway takes it
once, and the wallet is credited in the transaction that ends its try. Run by the leader alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, update

from billing.alerts import Level
from billing.clock import Clock
from billing.lots import LotKind
from billing.notices import NoticeKind, TroubleName
from billing.recharges import (
    IN_FLIGHT,
    LONGEST_REASON,
    UNANSWERED_AFTER,
    Charge,
    Charged,
    Declined,
    Gateway,
    Recharge,
    RechargeState,
    Tries,
    UnansweredError,
    Wait,
    ask_again_at,
    due,
    has_arrived_or_never,
    keeps_from,
    next_try_at,
)
from data import tables as t
from data.access.audit import AUTO_RECHARGE, record
from data.accounts import read_account
from data.database import Database
from data.lease import Writes
from data.ledger.consequences import follow
from data.ledger.limit_book import read_limits
from data.ledger.pausing import Moment
from data.ledger.wallet import Credit, OpenWallet, Posting
from data.notices.troubles import Trouble
from data.notices.troubles import begin as begin_trouble
from data.notices.troubles import end as end_trouble
from data.payments.asking import accounts_to_ask, ask_account, tell_owners
from data.payments.book import (
    change_recharge,
    due_recharges,
    moment_of,
    read_recharge,
    read_settings,
    read_tries,
)
from data.phases import phase

T = TypeVar("T")
CAUSE = "Auto-recharge"
IMPORT_SECONDS = 60  # until a top-up that an import keeps waiting is looked at again
_DROPPED = {
    Wait.OFF: "the settings were changed", Wait.ENOUGH: "there is enough credit again",
    Wait.CEILING: "it would pass the day's ceiling",
}  # fmt: skip
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Step:
    """What is to be done with the gateway. ``is_known``: it may have been asked to charge."""

    charge: Charge
    is_known: bool


class Recharger:
    """Carries top-ups out. ``writer`` keeps what it writes only while this process leads."""

    def __init__(self, database: Database, writer: Writes, clock: Clock, gateway: Gateway) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._gateway = gateway

    def run(self, go_on: Callable[[], None] = lambda: None) -> int:
        """Asks where time made a top-up due, and takes on every try that is; gives how many.

        ``go_on`` is called before each, and raises to end it. One that fails doesn't keep the
        others waiting. Errors: the first that came up, after all were tried.
        """
        now, write = self._clock.now(), self._writer.write
        asks = [
            partial(write, partial(ask_account, account_id=each, at=now))
            for each in accounts_to_ask(self._database, now)
        ]
        failed = _each(asks, go_on)
        with self._database.read() as connection:
            found = due_recharges(connection, self._clock.now())
        failed = _each([partial(self._take_on, *each) for each in found], go_on) or failed
        if failed is not None:
            raise failed
        return len(found)

    def _take_on(self, recharge_id: str, account_id: str) -> None:
        step = self._write(_begin, recharge_id, account_id)
        if step is None:
            return
        phase("recharge.sent")
        try:
            answer = self._asked(step, recharge_id, account_id)
        except UnansweredError as error:
            _log.warning("a payment gateway doesn't answer: %s", error.message)
            self._write(partial(_note_silence, why=error.message), recharge_id, account_id)
            return
        if answer is None:
            return
        phase("recharge.charged")
        self._write(partial(_finish, answer=answer), recharge_id, account_id)
        phase("recharge.noted")

    def _asked(self, step: _Step, recharge_id: str, account_id: str) -> Charged | Declined | None:
        """What the gateway says; none: it never heard of it, and it isn't charged now."""
        if step.is_known:
            answer = self._gateway.find(step.charge.reference)
            if answer is not None:
                return answer
            if not self._write(_send_again, recharge_id, account_id):
                return None
        return self._gateway.charge(step.charge)

    def _write(
        self, work: Callable[[OpenWallet, Recharge, datetime], T], recharge_id: str,
        account_id: str,
    ) -> T | None:  # fmt: skip
        """Does one step under the lock on the balance, if the try is still in flight."""

        def locked(connection: Connection) -> T | None:
            wallet = OpenWallet.open(connection, read_account(connection, account_id))
            recharge = read_recharge(connection, recharge_id)
            if recharge is None or recharge.state not in IN_FLIGHT:
                return None
            return work(wallet, recharge, self._clock.now())

        return self._writer.write(locked)


def _each(work: Sequence[Callable[[], object]], go_on: Callable[[], None]) -> Exception | None:
    """Does one after another; gives the first error, once all had their turn."""
    failed = None
    for one in work:
        go_on()
        try:
            one()
        except Exception as error:  # raised by the caller
            failed = failed or error
    return failed


def _begin(wallet: OpenWallet, recharge: Recharge, now: datetime) -> _Step | None:
    """Notes that the gateway is going to be asked, and what; none: not now, or never."""
    account, is_known = wallet.account, recharge.state is RechargeState.SENT
    count = recharge.attempt_count + 1
    noted: dict[str, Any] = {"attempt_count": count, "next_at": ask_again_at(count, now)}
    if not is_known:
        keeps, tries = _kept_from(wallet, recharge, now)
        if keeps is not None:
            _put_off(wallet, recharge, now, keeps, tries)
            return None
        amount = _amount_now(wallet, recharge, now, tries)
        noted |= {
            "state": RechargeState.SENT, "sent_at": now, "counted_on": account.today(now),
            "amount_micros": amount,
        }  # fmt: skip
    else:
        amount = recharge.amount_micros  # by its reference the gateway knows that one
    change_recharge(wallet.connection, recharge, **noted)
    charge = Charge(recharge.id, account.id, recharge.method, amount, account.currency)
    return _Step(charge, is_known)


def _amount_now(wallet: OpenWallet, recharge: Recharge, now: datetime, others: Tries) -> int:
    """How much a try that the gateway hasn't heard of is to top up: credit may have come since."""
    connection, account = wallet.connection, wallet.account
    settings = read_settings(connection, account.id)
    moment = moment_of(connection, account, wallet.posted_micros, now)
    return due(settings, moment, others, account.currency).amount_micros or recharge.amount_micros


def _send_again(wallet: OpenWallet, recharge: Recharge, now: datetime) -> bool:
    """Whether a charge that the gateway doesn't know is made after all; it is noted then.

    One that isn't wanted any more is dropped once it can't be on its way.
    """
    keeps, tries = _kept_from(wallet, recharge, now)
    if keeps is None:
        today = wallet.account.today(now)
        change_recharge(wallet.connection, recharge, sent_at=now, counted_on=today)
        return True
    if has_arrived_or_never(recharge, now):
        _put_off(wallet, recharge, now, keeps, tries)
    return False


def _kept_from(wallet: OpenWallet, recharge: Recharge, now: datetime) -> tuple[Wait | None, Tries]:
    """What keeps a try from being charged now, and what else was tried."""
    connection, account = wallet.connection, wallet.account
    settings = read_settings(connection, account.id)
    tries = read_tries(connection, account, settings.version, now, without=recharge)
    moment = moment_of(connection, account, wallet.posted_micros, now)
    return keeps_from(recharge, settings, moment, tries, account.currency), tries


def _put_off(
    wallet: OpenWallet, recharge: Recharge, now: datetime, keeps: Wait, tries: Tries
) -> None:
    """Ends a try of which nothing was paid, or lets it wait for what will be over."""
    connection = wallet.connection
    again_at = {
        Wait.IMPORTING: now + timedelta(seconds=IMPORT_SECONDS),
        Wait.DECLINED: next_try_at(tries),
    }.get(keeps)
    if again_at is not None:
        change_recharge(connection, recharge, next_at=again_at)
        return
    reason = _DROPPED[keeps]
    change_recharge(
        connection, recharge, state=RechargeState.DROPPED, next_at=None, done_at=now, reason=reason
    )
    _note(wallet, recharge, now, "dropped", reason)
    _go_on(wallet, now)


def _note_silence(wallet: OpenWallet, recharge: Recharge, now: datetime, why: str) -> None:
    """Keeps why nothing is known; the owner is told once, when it lasts."""
    connection = wallet.connection
    change_recharge(connection, recharge, reason=why[:LONGEST_REASON])
    if now - recharge.asked_at < UNANSWERED_AFTER:
        return
    told = connection.execute(
        update(t.recharges)
        .where(t.recharges.c.id == recharge.id, t.recharges.c.told_at.is_(None))
        .values(told_at=now)
    )
    if told.rowcount:
        _tell(wallet, recharge, now, "unanswered", why, recharge.next_at, 0)


def _finish(
    wallet: OpenWallet, recharge: Recharge, now: datetime, answer: Charged | Declined
) -> None:
    """Ends a try by the gateway's answer: paid and in the wallet, or declined and told."""
    if isinstance(answer, Charged):
        _credit(wallet, recharge, now, answer.payment_id)
    else:
        _decline(wallet, recharge, now, answer.reason[:LONGEST_REASON])


def _credit(wallet: OpenWallet, recharge: Recharge, now: datetime, payment_id: str) -> None:
    today = wallet.account.today(now)
    posting = wallet.booked(Posting(now, now, now, today, actor=AUTO_RECHARGE))
    wallet.expire(posting)  # so that the balance after it holds nothing that has lapsed
    entry_id = wallet.credit(Credit(LotKind.PAID, recharge.amount_micros, CAUSE), posting)
    wallet.flush(now)
    change_recharge(
        wallet.connection, recharge, state=RechargeState.DONE, next_at=None, done_at=now,
        entry_id=entry_id, payment_id=payment_id[:LONGEST_REASON], reason=None,
    )  # fmt: skip
    _note(wallet, recharge, now, "done", None, entry_id)
    end_trouble(wallet.connection, _trouble_of(wallet), now)
    _go_on(wallet, now)


def _decline(wallet: OpenWallet, recharge: Recharge, now: datetime, reason: str) -> None:
    connection, account = wallet.connection, wallet.account
    change_recharge(
        connection, recharge, state=RechargeState.DECLINED, next_at=None, done_at=now,
        reason=reason,
    )  # fmt: skip
    version = read_settings(connection, account.id).version
    tries = read_tries(connection, account, version, now)
    _note(wallet, recharge, now, "declined", reason)
    begin_trouble(connection, _trouble_of(wallet, reason), now)
    _tell(wallet, recharge, now, "declined", reason, next_try_at(tries), tries.decline_count)


def _trouble_of(wallet: OpenWallet, reason: str | None = None) -> Trouble:
    """What those who run the product are told of it."""
    account_id = wallet.account.id
    return Trouble(TroubleName.RECHARGE_DECLINED, account_id, account_id, {"reason": reason})


def _go_on(wallet: OpenWallet, now: datetime) -> None:
    limits = read_limits(wallet.connection, wallet.account.id, now)
    follow(wallet.connection, Moment(wallet.account, limits, wallet.posted_micros, now))


def _tell(
    wallet: OpenWallet, recharge: Recharge, now: datetime, outcome: str, reason: str,
    next_at: datetime | None, decline_count: int,
) -> None:  # fmt: skip
    facts = {
        "outcome": outcome, "recharge_id": recharge.id, "reason": reason,
        "amount_micros": recharge.amount_micros, "currency": wallet.account.currency,
        "balance_micros": wallet.posted_micros, "threshold_micros": recharge.threshold_micros,
        "decline_count": decline_count, "next_at": next_at.isoformat() if next_at else None,
    }  # fmt: skip
    kind = NoticeKind.RECHARGE_DECLINED
    tell_owners(wallet.connection, wallet.account.id, kind, Level.URGENT, facts, now)


def _note(
    wallet: OpenWallet, recharge: Recharge, now: datetime, what: str, reason: str | None,
    entry_id: str | None = None,
) -> None:  # fmt: skip
    """One entry of the audit log for each end of a try."""
    detail = {
        "recharge_id": recharge.id, "amount_micros": recharge.amount_micros, "reason": reason,
        "entry_id": entry_id, "version": recharge.version,
    }  # fmt: skip
    account_id = wallet.account.id
    record(wallet.connection, now, AUTO_RECHARGE, account_id, f"recharge.{what}", detail)
