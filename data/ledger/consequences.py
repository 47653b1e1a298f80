"""What follows from money that moved or limits that changed, within the same transaction.

One place for all of it: whatever charges, credits, holds or changes a limit ends with ``follow``.
Safe to repeat: asked twice, the second time finds nothing to do. Callers hold the lock on the
account's balance.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from billing.pauses import Pause
from data.alerts.book import AlertBook, read_alerts
from data.alerts.looking import look
from data.ledger.counters import CapCounters
from data.ledger.pausing import Moment, Turned, turn
from data.payments.asking import ask_if_due


def follow(
    connection: Connection, moment: Moment, known: Sequence[Pause] | None = None,
    counters: CapCounters | None = None, alerts: AlertBook | None = None,
) -> Turned:  # fmt: skip
    """Pauses and resumes what is to be, and gives that; then sees to alerts and auto-recharge.

    ``known``: the open pauses, ``alerts``: the account's, if they were read; ``counters``: the
    account's, if they are open. Everything that moved is written by then.
    """
    turned = turn(connection, moment, known, counters)
    account = moment.account
    book = read_alerts(connection, account.id) if alerts is None else alerts
    look(connection, account, book, moment.at, moment.posted_micros)
    ask_if_due(connection, account, moment.posted_micros, moment.at)
    return turned
