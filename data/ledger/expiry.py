"""Credit that has expired leaves the wallet, whether or not a charge comes along."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from data import tables as t
from data.accounts import read_account
from data.ledger.consequences import follow
from data.ledger.limit_book import read_limits
from data.ledger.pausing import Moment
from data.ledger.wallet import OpenWallet, Posting


def expire_due(connection: Connection, now: datetime) -> int:
    """Takes out what is left of every lot that has expired by ``now``; gives how many lots.

    Running it again changes nothing.
    """
    lots, left = t.credit_lots.c, t.lot_balances.c
    due = connection.scalars(
        select(lots.account_id)
        .join(t.lot_balances, left.lot_id == lots.id)
        .where(lots.expires_at <= now, left.remaining_micros > 0)
        .distinct()
        .order_by(lots.account_id)
    ).all()
    count = 0
    for account_id in due:
        wallet = OpenWallet.open(connection, read_account(connection, account_id))
        count += wallet.expire(Posting(now, now, now, wallet.account.today(now)))
        wallet.flush(now)
        limits = read_limits(connection, account_id, now)
        follow(connection, Moment(wallet.account, limits, wallet.posted_micros, now))
    return count
