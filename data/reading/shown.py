"""What the sums of an account's pages are made of in the ledger, in a few cheap looks.

Equal twice means that such a page shows the same twice: lines and entries are only ever added, and
everything else is compared by value. Receipts aren't in it: no index says which one is an account's
last, so whatever depends on where a line stands has to be read. Must not know pages.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from billing.access import ALL_ACCOUNTS, AccountScope
from data.reading.news import place_of
from data.reading.wallet_state import read_balance
from data.tables import campaigns, consumers, imports, rate_lists

_AT_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_LIST_COUNT = select(func.count()).select_from(rate_lists)


def shown_of(connection: Connection, scope: AccountScope) -> Hashable:
    """Everything in the ledger that a scope's sums, names and balance depend on.

    In the connection's snapshot; not the account itself, which a scope carries. Price lists are
    only ever added, so that their count tells.
    """
    account_id = scope.account_id
    named = [
        tuple(
            (row.id, row.name)
            for row in connection.execute(
                select(table.c.id, table.c.name)
                .where(table.c.account_id == account_id)
                .order_by(table.c.id)
            )
        )
        for table in (campaigns, consumers)
    ]
    running = connection.execute(
        select(imports.c.id, imports.c.rows_read, imports.c.rows_total)
        .where(imports.c.status == "running", imports.c.account_id.in_([account_id, ALL_ACCOUNTS]))
        .order_by(imports.c.id)
    )
    return (
        place_of(connection, account_id),
        read_balance(connection, account_id, scope.account.currency, _AT_ANY_TIME),
        hash(tuple(named)),  # of thousands of names; a part is kept for seconds
        tuple(tuple(row) for row in running),
        connection.scalar(_LIST_COUNT),
    )
