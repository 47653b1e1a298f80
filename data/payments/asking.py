"""Whether a top-up is due: asked in the transaction of whatever made it due, and by a sweep.

Leaves a try to be carried out; asked again, finds it in flight. Callers hold the lock on the
account's balance. Must not know how a gateway is reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, exists, select

from billing.access import Role
from billing.accounts import Account
from billing.alerts import MOST_ADDRESSES, Channel, Level, Target
from billing.notices import NoticeDraft, NoticeKind
from billing.recharges import Now, RechargeSettings, Tries, Verdict, Wait, due
from data import tables as t
from data.accounts import read_account
from data.database import Database
from data.ledger.wallet import OpenWallet
from data.notices.outbox import leave_notice
from data.payments.book import (
    IS_OPEN,
    add_recharge,
    moment_of,
    note_stopped,
    read_settings,
    read_tries,
    stopped_on,
)


def ask_if_due(
    connection: Connection, account: Account, posted_micros: int, at: datetime
) -> str | None:
    """Leaves a top-up to be carried out if one is due; gives its reference.

    The owner is told once a local day when its ceiling keeps one from being made.
    """
    settings = read_settings(connection, account.id)
    if not _may_be_due(settings, account, posted_micros):
        return None
    now = moment_of(connection, account, posted_micros, at)
    tries = read_tries(connection, account, settings.version, at)
    verdict = due(settings, now, tries, account.currency)
    if verdict.wait is Wait.CEILING:
        _tell_stopped(connection, account, settings, now, tries)
    if verdict.wait is not None:
        return None
    return add_recharge(connection, account, settings, now, verdict.amount_micros)


def accounts_to_ask(database: Database, at: datetime) -> list[str]:
    """Accounts whose top-up time alone made due, or whose ceiling is to be told of.

    A back-off that is over, a new day, an import that ended: nothing moves money then.
    """
    with database.read() as connection:
        return [each[0] for each in _below(connection) if _is_news(connection, each, at)]


def ask_account(connection: Connection, account_id: str, at: datetime) -> str | None:
    """``ask_if_due`` for one account, under a lock of its own."""
    account = read_account(connection, account_id)
    wallet = OpenWallet.open(connection, account)
    return ask_if_due(connection, account, wallet.posted_micros, at)


def verdict_of(
    connection: Connection, account: Account, settings: RechargeSettings, posted_micros: int,
    at: datetime,
) -> tuple[Verdict, Tries]:  # fmt: skip
    """What is due now, and what that is decided from; of a closed account nothing is."""
    tries = read_tries(connection, account, settings.version, at)
    if account.is_closed:
        return Verdict(wait=Wait.OFF), tries
    now = moment_of(connection, account, posted_micros, at)
    return due(settings, now, tries, account.currency), tries


def _may_be_due(settings: RechargeSettings, account: Account, posted_micros: int) -> bool:
    """What is known without another look: most charges end here."""
    is_on = settings.is_on and not account.is_closed
    return is_on and posted_micros < settings.threshold_micros


def _below(connection: Connection) -> list[tuple[str, int]]:
    """Accounts below their threshold with nothing in flight, and their balance."""
    own, posted, tries = t.auto_recharges.c, t.balances.c.posted_micros, t.recharges.c
    is_flying = exists().where(tries.account_id == own.account_id, IS_OPEN)
    rows = connection.execute(
        select(own.account_id, posted)
        .join(t.balances, t.balances.c.account_id == own.account_id)
        .where(own.is_on, posted < own.threshold_micros, ~is_flying)
        .order_by(own.account_id)
    )
    return [(row[0], row[1]) for row in rows]


def _is_news(connection: Connection, found: tuple[str, int], at: datetime) -> bool:
    """Whether asking would change anything."""
    account = read_account(connection, found[0])
    settings = read_settings(connection, account.id)
    verdict, _ = verdict_of(connection, account, settings, found[1], at)
    is_untold = stopped_on(connection, account.id) != account.today(at)
    return verdict.wait is None or (verdict.wait is Wait.CEILING and is_untold)


def _tell_stopped(
    connection: Connection, account: Account, settings: RechargeSettings, now: Now, tries: Tries
) -> None:
    """Says once a day that no more is topped up until the next."""
    day = account.today(now.at)
    if stopped_on(connection, account.id) == day:
        return
    note_stopped(connection, account.id, day)
    facts = {
        "currency": account.currency, "balance_micros": now.posted_micros,
        "threshold_micros": settings.threshold_micros,
        "ceiling_micros": settings.daily_ceiling_micros,
        "topped_up_micros": tries.counted_micros, "day_on": day.isoformat(),
        "next_at": now.day_ends_at.isoformat(),
    }  # fmt: skip
    tell_owners(connection, account.id, NoticeKind.RECHARGE_STOPPED, Level.URGENT, facts, now.at)


def tell_owners(
    connection: Connection, account_id: str, kind: NoticeKind, level: Level,
    facts: dict[str, object], at: datetime,
) -> None:  # fmt: skip
    """Leaves a notice to an account: on its dashboard, and by e-mail to its owners."""
    emails = tuple(Target(Channel.EMAIL, each) for each in _owner_emails(connection, account_id))
    draft = NoticeDraft(kind, level, facts, (Target(Channel.DASHBOARD), *emails))
    leave_notice(connection, account_id, draft, at)


def _owner_emails(connection: Connection, account_id: str) -> Sequence[str]:
    """Addresses of the account's owners who may sign in, each once, in order."""
    people, member = t.people.c, t.memberships.c
    return connection.scalars(
        select(people.email)
        .join(t.memberships, member.person_id == people.id)
        .where(
            member.account_id == account_id, member.role == Role.OWNER.value,
            people.disabled_at.is_(None),
        )
        .distinct()
        .order_by(people.email)
        .limit(MOST_ADDRESSES)
    ).all()  # fmt: skip
