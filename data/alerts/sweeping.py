"""The sweep of alerts: what time alone changes, and what no charge has brought to light.

Looks first and writes only where there is something to do; one transaction an account, safe to
repeat. Must not know who runs it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, select

from data import tables as t
from data.accounts import read_account
from data.alerts.book import AlertBooks, read_alerts
from data.alerts.looking import Looked, is_calm, look
from data.database import Database
from data.lease import Writes
from data.ledger.wallet import OpenWallet


def sweep_alerts(
    database: Database, writer: Writes, now: datetime, books: AlertBooks,
    go_on: Callable[[], None] = lambda: None,
) -> int:  # fmt: skip
    """Looks at the alerts of every account that has any; gives how many notices were left.

    A closed account is left alone: its balance stays as it is, and nobody is reminded of it.

    ``books``: of the calling thread alone. ``go_on`` is asked before each account, and raises to
    end it. An account that fails doesn't keep the others waiting. Errors: the first that came up,
    after all accounts were tried.
    """
    with database.read() as connection:
        wanted = connection.scalars(select(t.alert_settings.c.account_id)).all()
    count, failed = 0, None
    for account_id in wanted:
        go_on()
        try:
            with database.read() as connection:
                account = read_account(connection, account_id)
                book = books.of(connection, account_id)
                if account.is_closed or is_calm(connection, account, book, now):
                    continue
            count += writer.write(partial(look_at, account_id=account_id, now=now)).notice_count
        except Exception as error:  # raised below, once the other accounts had their turn
            failed = failed or error
    if failed is not None:
        raise failed
    return count


def look_at(connection: Connection, account_id: str, now: datetime) -> Looked:
    """Looks at one account's alerts in the caller's transaction."""
    account = read_account(connection, account_id)
    wallet = OpenWallet.open(connection, account)  # its lock
    book = read_alerts(connection, account_id)
    return look(connection, account, book, now, wallet.posted_micros)
