"""The alerts of accounts in the truth: read whole, remembered by version, changed one by one.

Each change is in the audit log. Whoever changes one holds the lock on the account's balance
(data/alerts/rules.py). Must not know what an alert does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from billing.alerts import (
    MOST_ALERTS,
    Alert,
    AlertKind,
    AlertRule,
    AlertScope,
    Channel,
    Frequency,
    Level,
    Measure,
    Repeat,
    ScopeKind,
    Span,
    Threshold,
    Unit,
)
from billing.errors import InputError
from data import tables as t
from data.changes import is_rewritten, mark_changed, mark_rewritten

MOST_REMEMBERED = 1_000
_alerts, _settings = t.alerts.c, t.alert_settings.c
_VERSION = select(_settings.version).where(_settings.account_id == bindparam("account"))
_RULES = (
    select(t.alerts)
    .where(_alerts.account_id == bindparam("account"), _alerts.removed_at.is_(None))
    .order_by(_alerts.created_at, _alerts.id)
)


@dataclass(frozen=True, slots=True)
class AlertBook:
    """Every alert of an account, oldest first. ``scopes``: the parts of usage they look at."""

    alerts: tuple[Alert, ...] = ()
    version: int = 0

    @property
    def scopes(self) -> frozenset[AlertScope]:
        """Parts of usage that are counted for them, without the whole account."""
        return frozenset(
            each.rule.scope for each in self.alerts
            if each.rule.scope.kind is not ScopeKind.ACCOUNT
        )  # fmt: skip

    def find(self, alert_id: str) -> Alert | None:
        """One alert; none where the account has none of that id."""
        return next((each for each in self.alerts if each.id == alert_id), None)


NO_ALERTS = AlertBook()


def read_alerts(connection: Connection, account_id: str) -> AlertBook:
    """The alerts of an account."""
    version = connection.scalar(_VERSION, {"account": account_id})
    if version is None:
        return NO_ALERTS
    rows = connection.execute(_RULES, {"account": account_id})
    return AlertBook(tuple(alert_of(row) for row in rows), version)


class AlertBooks:
    """Alerts remembered from one transaction to the next, for one thread: the writer's."""

    def __init__(self, read: Callable[[Connection, str], AlertBook] = read_alerts) -> None:
        self._read = read
        self._known: dict[str, AlertBook] = {}

    def of(self, connection: Connection, account_id: str) -> AlertBook:
        """The alerts of an account, as ``read_alerts`` gives them."""
        version = connection.scalar(_VERSION, {"account": account_id})
        if version is None:
            return NO_ALERTS
        known = self._known.get(account_id)
        if known is not None and known.version == version:
            return known
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        known = self._read(connection, account_id)
        if not is_rewritten(connection, account_id):
            self._known[account_id] = known
        return known


def insert_alert(connection: Connection, alert: Alert) -> None:
    """Writes a new alert. Errors: ``InputError`` for one too many."""
    count = connection.scalar(
        select(func.count())
        .select_from(t.alerts)
        .where(_alerts.account_id == alert.account_id, _alerts.removed_at.is_(None))
    )
    if (count or 0) >= MOST_ALERTS:
        raise InputError("alert", count, f"remove one first: there may be {MOST_ALERTS}")
    connection.execute(
        insert(t.alerts).values(
            id=alert.id, account_id=alert.account_id, version=alert.version,
            created_at=alert.created_at, updated_at=alert.updated_at, **row_of(alert.rule),
        )
    )  # fmt: skip
    _next_version(connection, alert.account_id)


def update_alert(connection: Connection, alert: Alert, removed_at: datetime | None = None) -> None:
    """Writes a changed alert; with an instant it is removed."""
    connection.execute(
        update(t.alerts)
        .where(_alerts.id == alert.id, _alerts.account_id == alert.account_id)
        .values(
            version=alert.version, updated_at=alert.updated_at, removed_at=removed_at,
            **row_of(alert.rule),
        )
    )  # fmt: skip
    _next_version(connection, alert.account_id)


def alert_of(row: Any) -> Alert:
    """A row of ``alerts`` as a value."""
    rule = AlertRule(
        AlertKind(row.kind), Threshold(Unit(row.unit), row.amount),
        AlertScope(ScopeKind(row.scope), row.scope_id), Measure(row.measure),
        Span(row.span) if row.span else None, Level(row.level), row.name,
        tuple(Channel(each) for each in row.channels.split()), tuple(row.emails.split()),
        tuple(row.phones.split()), Frequency(Repeat(row.repeat), row.repeat_hours),
        row.has_recovery, row.is_on,
    )  # fmt: skip
    return Alert(row.id, row.account_id, row.version, rule, row.created_at, row.updated_at)


def row_of(rule: AlertRule) -> Mapping[str, Any]:
    """A rule as columns of ``alerts``, and as the audit log keeps it."""
    return {
        "kind": rule.kind.value, "scope": rule.scope.kind.value, "scope_id": rule.scope.id,
        "measure": rule.measure.value, "span": rule.span.value if rule.span else None,
        "level": rule.level.value, "name": rule.name, "unit": rule.threshold.unit.value,
        "amount": rule.threshold.amount, "channels": " ".join(rule.channels),
        "emails": " ".join(rule.emails), "phones": " ".join(rule.phones),
        "repeat": rule.frequency.repeat.value, "repeat_hours": rule.frequency.hours,
        "has_recovery": rule.has_recovery, "is_on": rule.is_on,
    }  # fmt: skip


def _next_version(connection: Connection, account_id: str) -> None:
    version = connection.scalar(_VERSION, {"account": account_id})
    if version is None:
        connection.execute(insert(t.alert_settings).values(account_id=account_id, version=1))
    else:
        connection.execute(
            update(t.alert_settings)
            .where(_settings.account_id == account_id)
            .values(version=version + 1)
        )
    mark_rewritten(connection, account_id)
    mark_changed(connection, account_id)
