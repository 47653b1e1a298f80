"""The demo's alerts: the recommended levels where somebody would have them, and two more kinds.

One account has none, so that the page for it can be seen. They tell on the dashboard alone: a
demo writes to nobody.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from billing.alerts import AlertKind, AlertRule, Level, Span, Threshold, Unit
from data.accounts import read_account
from data.alerts.rules import add_alert, install_recommended

ACTOR = "demo"
_OTHERS = {
    "acme-outreach": AlertRule(
        AlertKind.USAGE, Threshold(Unit.PERCENT, 7_00), span=Span.DAY, level=Level.NOTICE,
        name="An unusual day",
    ),
    "nordwind-energie": AlertRule(
        AlertKind.DAYS_LEFT, Threshold(Unit.DAYS, 5), level=Level.WARNING, has_recovery=True,
        name="Five days left",
    ),
}  # fmt: skip


def add_alerts(connection: Connection, now: datetime) -> None:
    """Alerts of a demo that has just been filled, in the caller's transaction."""
    for account_id, rule in _OTHERS.items():
        account = read_account(connection, account_id)
        install_recommended(connection, account, (), ACTOR, now)
        add_alert(connection, account, rule, ACTOR, now)
