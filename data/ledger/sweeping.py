"""The sweep: what time alone changes, and what charges that never asked have filled.

Holds that outlived their time are released; what is to be paused or to go on, is. Looks first and
writes only where there is something to do; one transaction an account, safe to repeat. Must not
know who runs it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import CompoundSelect, Connection, exists, select, union

from billing.holds import HoldState
from billing.pauses import BALANCE
from data import tables as t
from data.accounts import read_account
from data.database import Database
from data.lease import Writes
from data.ledger.consequences import follow
from data.ledger.counters import CapCounters
from data.ledger.hold_book import HoldBook
from data.ledger.limit_book import read_limits
from data.ledger.pausing import Moment, is_settled
from data.ledger.telling import tell_expired
from data.ledger.wallet import OpenWallet

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did, over all accounts."""

    expired: int = 0
    begun: int = 0
    ended: int = 0

    def __add__(self, other: Swept) -> Swept:
        return Swept(
            self.expired + other.expired, self.begun + other.begun, self.ended + other.ended
        )


def sweep(
    database: Database, writer: Writes, now: datetime, go_on: Callable[[], None] = lambda: None
) -> Swept:
    """Sweeps every account that may need it; gives what was done.

    ``go_on`` is asked before each account, and raises to end it. An account that fails doesn't
    keep the others waiting. Errors: the first that came up, after all accounts were tried.
    """
    with database.read() as connection:
        wanted = connection.scalars(_candidates(now)).all()
        found = [each for each in wanted if _needs_it(connection, each, now)]
    done, failed = Swept(), None
    for account_id in found:
        go_on()
        try:
            done += writer.write(partial(sweep_account, account_id=account_id, now=now))
        except Exception as error:  # raised below, once the other accounts had their turn
            failed = failed or error
    if failed is not None:
        raise failed
    return done


def sweep_account(connection: Connection, account_id: str, now: datetime) -> Swept:
    """Sweeps one account in the caller's transaction."""
    account = read_account(connection, account_id)
    wallet = OpenWallet.open(connection, account)
    counters = CapCounters(connection, account_id)
    holds = HoldBook(connection, wallet, counters)
    expired = holds.expire_due(now)
    if expired:
        _log.info("%s holds of %s were never settled and are released", expired, account_id)
    for hold in holds.expired:
        tell_expired(connection, account, hold, now)
    holds.flush()
    counters.flush()
    wallet.flush(now)
    limits = read_limits(connection, account_id, now)
    turned = follow(connection, Moment(account, limits, wallet.posted_micros, now))
    return Swept(expired, len(turned.begun), len(turned.ended))


def _candidates(now: datetime) -> CompoundSelect[str]:
    """Accounts with holds that are due, with limits, with a pause, or without money."""
    holds, pauses, balances = t.holds.c, t.pauses.c, t.balances.c
    is_known = exists().where(
        pauses.account_id == balances.account_id, pauses.rule == BALANCE, pauses.ended_at.is_(None)
    )
    return union(
        select(holds.account_id).where(
            holds.state == HoldState.OPEN.value, holds.expires_at <= now
        ),
        select(t.limit_settings.c.account_id),
        select(pauses.account_id).where(pauses.ended_at.is_(None)),
        select(balances.account_id).where(balances.posted_micros <= 0, ~is_known),
    )


def _needs_it(connection: Connection, account_id: str, now: datetime) -> bool:
    """Whether a sweep of the account would change anything."""
    holds, balances = t.holds.c, t.balances.c
    due = exists().where(
        holds.account_id == account_id, holds.state == HoldState.OPEN.value,
        holds.expires_at <= now,
    )  # fmt: skip
    if connection.scalar(select(due)):
        return True
    account = read_account(connection, account_id)
    posted = connection.scalar(
        select(balances.posted_micros).where(balances.account_id == account_id)
    )
    limits = read_limits(connection, account_id, now)
    return not is_settled(connection, Moment(account, limits, posted or 0, now))
