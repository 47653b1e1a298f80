"""Reads auto-recharge of one account: the port ``billing.desk.RechargesReader``.

Every read takes a scope and decides from it alone what is visible. Must not know who asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from billing.access import AccountScope
from billing.clock import Clock
from billing.recharges import (
    Gateway,
    Recharge,
    RechargePage,
    RechargeStanding,
    require_sight,
)
from data import tables as t
from data.database import Database
from data.payments.asking import verdict_of
from data.payments.book import read_settings, recharge_of
from data.reading.instant_cursor import check_limit, older_than, read_cursor, write_cursor

MOST_RECENT = 5  # on the page; the API gives all
_tries = t.recharges.c


class LedgerRechargesReader:
    """Settings and tries as the ledger has them."""

    def __init__(self, database: Database, clock: Clock, gateway: Gateway) -> None:
        self._database = database
        self._clock = clock
        self._gateway = gateway

    def standing(self, scope: AccountScope) -> RechargeStanding:
        """What is set, what it does now, and the newest tries: of one moment.

        Errors: ``NotAllowedError`` for a role that may not see it.
        """
        require_sight(scope.role)
        now, account = self._clock.now(), scope.account
        with self._database.read() as connection:
            settings = read_settings(connection, account.id)
            posted = connection.scalar(
                select(t.balances.c.posted_micros).where(t.balances.c.account_id == account.id)
            )
            verdict, tries = verdict_of(connection, account, settings, posted or 0, now)
            recent = _read(connection, _visible(scope).limit(MOST_RECENT))
        methods = self._gateway.methods
        return RechargeStanding(
            settings, verdict, tries.counted_micros, tuple(recent), methods, now
        )

    def recharges(
        self, scope: AccountScope, cursor: str | None = None, limit: int = 100
    ) -> RechargePage:
        """One page of tries, newest first.

        Errors: ``NotAllowedError``; ``InputError`` for a cursor or limit that isn't one.
        """
        require_sight(scope.role)
        most = check_limit(limit)
        statement = _visible(scope).limit(most + 1)
        if cursor:
            statement = statement.where(older_than(read_cursor(cursor), _tries.asked_at, _tries.id))
        with self._database.read() as connection:
            found = _read(connection, statement)
        shown = tuple(found[:most])
        has_more = len(found) > most
        last = shown[-1] if shown else None
        return RechargePage(
            shown, write_cursor((last.asked_at, last.id)) if has_more and last else None
        )


def _visible(scope: AccountScope) -> Select[Any]:
    statement = select(t.recharges).where(_tries.account_id == scope.account_id)
    if scope.visible_from:
        statement = statement.where(_tries.counted_on >= scope.visible_from)
    return statement.order_by(_tries.asked_at.desc(), _tries.id.desc())


def _read(connection: Connection, statement: Select[Any]) -> Sequence[Recharge]:
    return [recharge_of(row) for row in connection.execute(statement)]
