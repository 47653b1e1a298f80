"""Usage by service, metric and campaign, counted day by day for the alerts that look at it.

Kept up within each transaction that writes lines; only what an alert looks at is counted. A tally
begins with a row, of zero if need be, before which days are unknown to it. Callers hold the lock on
the account's balance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, text

from billing.accounts import Account
from billing.alerts import AlertScope, ScopeKind, Span
from billing.metrics import METRICS, Service
from data import tables as t
from data.ledger.bulk import StoredDays

_lines, _tallies = t.usage_lines.c, t.usage_tallies.c
# A day before the tally's first is left out: it would be no sum of all the day's lines.
_ADD = """
INSERT INTO usage_tallies (account_id, scope, scope_id, booked_on, base_units, cost_micros)
SELECT
    CAST(:account AS VARCHAR), CAST(:scope AS VARCHAR), CAST(:scope_id AS VARCHAR), {day},
    CAST(:units AS BIGINT), CAST(:micros AS BIGINT)
WHERE EXISTS (
    SELECT 1 FROM usage_tallies WHERE account_id = CAST(:account AS VARCHAR)
    AND scope = CAST(:scope AS VARCHAR) AND scope_id = CAST(:scope_id AS VARCHAR)
    AND booked_on <= {day}
)
ON CONFLICT (account_id, scope, scope_id, booked_on) DO UPDATE SET
    base_units = usage_tallies.base_units + excluded.base_units,
    cost_micros = usage_tallies.cost_micros + excluded.cost_micros
"""
_ADDS = {
    "sqlite": text(_ADD.format(day=":day")),
    "postgresql": text(_ADD.format(day="CAST(:day AS DATE)")),
}
_REMOVE = delete(t.usage_tallies).where(
    _tallies.account_id == bindparam("account"), _tallies.scope == bindparam("scope_kind"),
    _tallies.scope_id == bindparam("wanted"),
)  # fmt: skip
_HAS = select(func.count()).select_from(
    select(_tallies.booked_on)
    .where(
        _tallies.account_id == bindparam("account"), _tallies.scope == bindparam("scope_kind"),
        _tallies.scope_id == bindparam("wanted"),
    )
    .limit(1)
    .subquery()
)  # fmt: skip


class Tallies:
    """What lines of one account add to its tallies; ``flush`` writes it. Sandbox isn't told."""

    def __init__(self, account_id: str, scopes: Collection[AlertScope]) -> None:
        self._account_id = account_id
        self._scopes = scopes
        self._added: dict[tuple[AlertScope, date], list[int]] = defaultdict(lambda: [0, 0])

    def add(
        self, day: date, metric: str, service: str, campaign: str | None, base_units: int,
        micros: int,
    ) -> None:  # fmt: skip
        """A line that counts on a booking day; a reversal has both figures below zero."""
        parts = (metric, service, campaign)
        for scope in self._scopes:
            if scope.id == parts[_PLACES[scope.kind]]:
                added = self._added[scope, day]
                added[0] += base_units
                added[1] += micros

    def flush(self, connection: Connection) -> None:
        """Writes what was added."""
        if not self._added:
            return
        days = StoredDays(connection)
        connection.execute(
            _ADDS[connection.dialect.name],
            [
                {
                    "account": self._account_id, "scope": scope.kind.value, "scope_id": scope.id,
                    "day": days[day], "units": units, "micros": micros,
                }
                for (scope, day), (units, micros) in self._added.items()
            ],
        )  # fmt: skip
        self._added.clear()


_PLACES = {ScopeKind.METRIC: 0, ScopeKind.SERVICE: 1, ScopeKind.CAMPAIGN: 2}


def keep_tallies(
    connection: Connection, account: Account, before: Collection[AlertScope],
    wanted: Collection[AlertScope], today: date,
) -> None:  # fmt: skip
    """Begins tallies that are newly wanted, from the lines there are, and ends the others.

    They begin with the longest span that is running today; it takes as long as reading those days'
    lines does.
    """
    for scope in sorted(set(before) - set(wanted)):
        connection.execute(_REMOVE, _named(account.id, scope))
    for scope in sorted(wanted):
        if not connection.scalar(_HAS, _named(account.id, scope)):
            _begin(connection, account, scope, today)


def _named(account_id: str, scope: AlertScope) -> dict[str, Any]:
    return {"account": account_id, "scope_kind": scope.kind.value, "wanted": scope.id}


def _begin(connection: Connection, account: Account, scope: AlertScope, today: date) -> None:
    first = min(span.of(account, today).start for span in Span)
    metrics = _metrics_of(scope)
    own: list[ColumnElement[bool]] = [
        _lines.account_id == account.id, _lines.metric.in_(metrics), _lines.booked_on >= first,
        _lines.is_sandbox.is_(False),
    ]  # fmt: skip
    if scope.kind is ScopeKind.CAMPAIGN:
        own.append(_lines.campaign_id == scope.id)
    found = {
        row[0]: (int(row[1]), int(row[2]))
        for row in connection.execute(
            select(
                _lines.booked_on, func.sum(_lines.base_units), func.sum(_lines.cost_micros)
            )
            .where(*own)
            .group_by(_lines.booked_on)
        )
    }  # fmt: skip
    rows = {first: (0, 0)} | found
    connection.execute(
        insert(t.usage_tallies),
        [
            {
                "account_id": account.id, "scope": scope.kind.value, "scope_id": scope.id,
                "booked_on": day, "base_units": units, "cost_micros": micros,
            }
            for day, (units, micros) in rows.items()
        ],
    )  # fmt: skip


def _metrics_of(scope: AlertScope) -> list[str]:
    """The metrics whose lines may belong to a part of usage: lines are found by them."""
    if scope.kind is ScopeKind.METRIC:
        return [scope.id]
    if scope.kind is ScopeKind.SERVICE:
        return [metric.id for metric in METRICS if metric.service is Service(scope.id)]
    return [metric.id for metric in METRICS]
