"""Alerts as people change them: checked, written, noted in the audit log, and looked at at once.

One transaction holds the change, its audit entry, what is newly counted for it, and whatever it
finds: a rule that is already broken says so right away. Must not know who shows alerts.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from billing.accounts import Account
from billing.alert_steps import EndCause
from billing.alerts import Alert, AlertRule, check_rule, recommended
from billing.errors import NotFoundError, ProductError
from data.access.audit import record
from data.alerts.book import AlertBook, insert_alert, read_alerts, row_of, update_alert
from data.alerts.looking import Looked, end_alert, look
from data.alerts.tallies import keep_tallies
from data.identity import new_id
from data.ledger.wallet import OpenWallet

NO_ALERT = "There is no such alert in this account."


class AlertChangedError(ProductError):
    """Somebody changed the alert since it was read."""

    code = "changed"


def add_alert(
    connection: Connection, account: Account, rule: AlertRule, actor: str, at: datetime
) -> Alert:
    """A new alert. Errors: ``InputError`` for a rule that can't be, or one too many."""
    return _add(connection, account, (rule,), actor, at)[0]


def install_recommended(
    connection: Connection, account: Account, emails: tuple[str, ...], actor: str, at: datetime
) -> tuple[Alert, ...]:
    """The recommended levels that the account doesn't have yet, the mildest first.

    Errors: ``InputError`` naming the addresses.
    """
    wallet = OpenWallet.open(connection, account)
    present = {
        (each.rule.family, each.rule.threshold)
        for each in read_alerts(connection, wallet.account.id).alerts
    }
    rules = [
        rule for rule in recommended(emails) if (rule.family, rule.threshold) not in present
    ]  # fmt: skip
    return _add(connection, account, tuple(rules), actor, at) if rules else ()


def change_alert(
    connection: Connection, account: Account, alert_id: str, rule: AlertRule, version: int | None,
    actor: str, at: datetime,
) -> Alert:  # fmt: skip
    """Replaces what an alert says.

    ``version``: the one that was read; none: whatever it is. Errors: ``NotFoundError``;
    ``AlertChangedError`` for another version; ``InputError``.
    """
    checked = check_rule(rule)
    wallet = OpenWallet.open(connection, account)  # its lock keeps charges out meanwhile
    before = read_alerts(connection, account.id)
    found = _find(before, alert_id, version)
    after = replace(found, version=found.version + 1, rule=checked, updated_at=at)
    update_alert(connection, after)
    if found.rule.family != checked.family:  # another figure: what was said of it is over
        end_alert(connection, found, at, EndCause.EDITED.value)
    detail = {
        "alert_id": found.id, "version": after.version, "before": _noted(found.rule),
        "after": _noted(checked),
    }  # fmt: skip
    record(connection, at, actor, account.id, "alert.changed", detail)
    _apply(connection, account, before, wallet.posted_micros, at)
    return after


def remove_alert(
    connection: Connection, account: Account, alert_id: str, version: int | None, actor: str,
    at: datetime,
) -> None:  # fmt: skip
    """Removes an alert; what it told stays known. Errors: as of ``change_alert``."""
    wallet = OpenWallet.open(connection, account)
    before = read_alerts(connection, account.id)
    found = _find(before, alert_id, version)
    update_alert(connection, replace(found, version=found.version + 1, updated_at=at), at)
    end_alert(connection, found, at, EndCause.OFF.value)
    detail = {"alert_id": found.id, "before": _noted(found.rule)}
    record(connection, at, actor, account.id, "alert.removed", detail)
    _apply(connection, account, before, wallet.posted_micros, at)


def _add(
    connection: Connection, account: Account, rules: tuple[AlertRule, ...], actor: str,
    at: datetime,
) -> tuple[Alert, ...]:  # fmt: skip
    checked = [check_rule(rule) for rule in rules]
    wallet = OpenWallet.open(connection, account)
    before = read_alerts(connection, account.id)
    made = tuple(Alert(new_id(), account.id, 1, rule, at, at) for rule in checked)
    for alert in made:
        insert_alert(connection, alert)
        detail = {"alert_id": alert.id, "after": _noted(alert.rule)}
        record(connection, at, actor, account.id, "alert.added", detail)
    _apply(connection, account, before, wallet.posted_micros, at)
    return made


def _noted(rule: AlertRule) -> dict[str, Any]:
    """A rule as the audit log keeps it for ever: how many are told, not who."""
    row = dict(row_of(rule))
    return row | {"emails": len(rule.emails), "phones": len(rule.phones)}


def _find(book: AlertBook, alert_id: str, version: int | None) -> Alert:
    found = book.find(alert_id)
    if found is None:
        raise NotFoundError(NO_ALERT)
    if version not in {None, found.version}:
        raise AlertChangedError(
            f"The alert was changed meanwhile (version {found.version}): read it and try again."
        )
    return found


def _apply(
    connection: Connection, account: Account, before: AlertBook, posted_micros: int, at: datetime
) -> Looked:
    book = read_alerts(connection, account.id)
    keep_tallies(connection, account, before.scopes, book.scopes, account.today(at))
    return look(connection, account, book, at, posted_micros)
