"""Closes billing periods: writes each one's statement once it is due, after which it is final.

One transaction a period, oldest first, safe to repeat. Must not know what a statement looks
like on paper, nor who runs this.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

from sqlalchemy import Connection, exists, func, insert, or_, select

from billing.booking import CLOSES_AFTER
from billing.clock import Clock
from billing.errors import NotFoundError
from billing.periods import Period
from billing.statements import DaySums, Statement, added, closes_at, next_period, state
from data import tables as t
from data.accounts import read_account, read_accounts
from data.database import Database
from data.lease import Writes
from data.ledger.wallet import OpenWallet, Posting, closed_days

EVERY_ACCOUNT = "*"  # an import that fills all accounts, such as the demo
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """What an account's entries up to a ``seq`` (included) sum to, by booked day.

    Entries never change, so it may be read before the transaction that closes a period: that
    one then adds only what came since.
    """

    last_seq: int = 0
    days: Mapping[date, DaySums] = field(default_factory=dict)


def close_due(
    database: Database, writer: Writes, clock: Clock, closes_after: timedelta = CLOSES_AFTER
) -> int:
    """Closes every period of every account that is due by now; gives how many.

    An account that can't be closed doesn't keep the others open. Errors: the first that came up,
    after all accounts were tried.
    """
    count, failed = 0, None
    with database.read() as connection:
        due = _due_accounts(connection, clock.now(), closes_after)
    for account_id in due:
        with database.read() as connection:
            known = read_sums(connection, account_id)
        close = partial(_close_now, account_id, clock, closes_after, known)
        try:
            while statement := writer.write(close):
                count += 1
                _log.info("closed %s of %s", statement.period, account_id)
        except Exception as error:  # raised below, once the other accounts had their turn
            failed = failed or error
    if failed is not None:
        raise failed
    return count


def close_next(
    connection: Connection,
    account_id: str,
    now: datetime,
    closes_after: timedelta = CLOSES_AFTER,
    known: Known | None = None,
) -> Statement | None:
    """Closes an account's oldest open period if it is due, in the caller's transaction.

    None when nothing is due: the period isn't over for long enough, an import into the account
    is running, or the account never had a wallet entry (there is nothing to state, and its
    history may still be brought in).
    """
    account = read_account(connection, account_id)
    created_at = connection.scalar(
        select(t.accounts.c.created_at).where(t.accounts.c.id == account_id)
    )
    if created_at is None:
        raise NotFoundError(f"There is no account {account_id[:64]!r}.")
    period = next_period(account, created_at, closed_days(connection, account_id))
    if now < closes_at(account, period, closes_after) or _is_importing(connection, account_id):
        return None
    wallet = OpenWallet.open(connection, account)
    wallet.expire(Posting(now, now, now, account.today(now)))  # credit ends in its own period
    wallet.flush(now)
    sums = read_sums(connection, account_id, known)
    if not sums.days:
        return None
    statement = state(period, sums.days)
    last_line_seq = connection.scalar(
        select(func.max(t.usage_lines.c.seq)).where(t.usage_lines.c.account_id == account_id)
    )
    connection.execute(
        insert(t.statements).values(
            account_id=account_id, period_start=period.start, period_end=period.end,
            opening_micros=statement.opening_micros, charges_micros=statement.charges_micros,
            closing_micros=statement.closing_micros, currency=account.currency, closed_at=now,
            last_entry_seq=sums.last_seq, last_line_seq=last_line_seq or 0,
        )
    )  # fmt: skip
    return statement


def read_sums(connection: Connection, account_id: str, known: Known | None = None) -> Known:
    """The account's entries so far by booked day; what is ``known`` isn't read again."""
    known = known or Known()
    entries = t.wallet_entries.c
    charges = func.sum(entries.amount_micros).filter(entries.line_id.is_not(None))
    rows = connection.execute(
        select(
            entries.booked_on, func.max(entries.seq), func.sum(entries.amount_micros),
            func.coalesce(-charges, 0),
        )
        .where(entries.account_id == account_id, entries.seq > known.last_seq)
        .group_by(entries.booked_on)
    ).all()  # fmt: skip
    newer = {day: DaySums(int(amount), int(charged)) for day, _, amount, charged in rows}
    last_seq = max([known.last_seq, *(seq for _, seq, _, _ in rows)])
    return Known(last_seq, added(known.days, newer))


def _close_now(
    account_id: str, clock: Clock, closes_after: timedelta, known: Known, connection: Connection
) -> Statement | None:
    """The time is read within the transaction: everything committed before was stored by then."""
    return close_next(connection, account_id, clock.now(), closes_after, known)


def _due_accounts(connection: Connection, now: datetime, closes_after: timedelta) -> list[str]:
    """Accounts with a period that is over for long enough, and with something to state."""
    accounts, entries = t.accounts.c, t.wallet_entries.c
    statements = t.statements.c
    has_entry = exists().where(entries.account_id == accounts.id)
    used = connection.execute(select(accounts.id, accounts.created_at).where(has_entry))
    created: dict[str, datetime] = {row.id: row.created_at for row in used}
    rows = connection.execute(
        select(
            statements.account_id, func.min(statements.period_start),
            func.max(statements.period_end),
        ).group_by(statements.account_id)
    )  # fmt: skip
    closed = {account_id: Period(start, end) for account_id, start, end in rows}
    due = []
    for account in read_accounts(connection):
        if created_at := created.get(account.id):
            period = next_period(account, created_at, closed.get(account.id))
            if now >= closes_at(account, period, closes_after):
                due.append(account.id)
    return due


def _is_importing(connection: Connection, account_id: str) -> bool:
    imports = t.imports.c
    return bool(
        connection.scalar(
            select(
                exists().where(
                    imports.status == "running",
                    or_(imports.account_id == account_id, imports.account_id == EVERY_ACCOUNT),
                )
            )
        )
    )
