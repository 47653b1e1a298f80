"""Limits as people change them: checked, written, noted in the audit log, and in force at once.

One transaction holds the change, its audit entry, the ceilings of the present windows and what it
pauses or resumes. Must not know who shows the limits.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from billing.accounts import Account
from billing.caps import Cap, Limits, Override, check_caps, check_override
from billing.errors import NotFoundError
from billing.pauses import present_windows
from data.access.audit import record
from data.ledger.counters import set_ceilings
from data.ledger.limit_book import add_override, end_override, read_limits, save_limits
from data.ledger.pausing import Moment, Turned, turn
from data.ledger.wallet import OpenWallet

LONGEST_OVERRIDE = timedelta(days=31)


def set_limits(
    connection: Connection, account: Account, limits: Limits, actor: str, at: datetime
) -> tuple[Limits, Turned]:
    """Replaces what is set for an account; gives it with its version, and what it turned.

    Errors: ``InputError`` for limits that can't be.
    """
    caps = check_caps(limits.caps)
    wallet = OpenWallet.open(connection, account)  # its lock keeps decisions out meanwhile
    before = read_limits(connection, account.id, at)
    kept = save_limits(connection, account.id, replace(limits, caps=caps), at)
    detail = {"before": _plain(before), "after": _plain(kept)}
    record(connection, at, actor, account.id, "limits.set", _shortened(detail))
    return kept, _apply(connection, account, kept, before, wallet.posted_micros, at)


def override(connection: Connection, account: Account, given: Override, at: datetime) -> Turned:
    """Gives leave to go over one cap. Errors: ``InputError``; ``NotFoundError`` without the cap."""
    wallet = OpenWallet.open(connection, account)
    before = read_limits(connection, account.id, at)
    if before.cap(given.kind, given.campaign) is None:
        raise NotFoundError(f"No {given.kind.label.lower()} is in force.")
    checked = check_override(given, before, at, at + LONGEST_OVERRIDE)
    add_override(connection, account.id, checked, before, at)
    detail = {
        "kind": checked.kind.value, "campaign": checked.campaign, "reason": checked.reason,
        "until": checked.ends_at.isoformat(), "limit_micros": checked.limit_micros,
        "override_id": checked.id,
    }  # fmt: skip
    record(connection, at, checked.actor, account.id, "limits.override", detail)
    now = read_limits(connection, account.id, at)
    return _apply(connection, account, now, before, wallet.posted_micros, at)


def take_back(
    connection: Connection, account: Account, override_id: str, actor: str, at: datetime
) -> Turned:
    """Ends an override before its time. Errors: ``NotFoundError``."""
    wallet = OpenWallet.open(connection, account)
    before = read_limits(connection, account.id, at)
    if not end_override(connection, account.id, override_id, before, at):
        raise NotFoundError("There is no such override in force.")
    record(connection, at, actor, account.id, "limits.override_ended", {"override_id": override_id})
    now = read_limits(connection, account.id, at)
    return _apply(connection, account, now, before, wallet.posted_micros, at)


def _apply(
    connection: Connection, account: Account, limits: Limits, before: Limits,
    posted_micros: int, at: datetime,
) -> Turned:  # fmt: skip
    """Ceilings of windows that had a cap or have one now, and the pauses that follow."""
    windows = {
        *present_windows(limits, at, account.zones), *present_windows(before, at, account.zones),
    }  # fmt: skip
    ceilings = {window: limits.ceiling(window, at) for window in windows}
    set_ceilings(connection, account.id, ceilings)
    return turn(connection, Moment(account, limits, posted_micros, at))


def _plain(limits: Limits) -> dict[str, Any]:
    """Limits as the audit log keeps them."""
    return {
        "is_on": limits.is_on, "inbound": limits.inbound.value, "version": limits.version,
        "caps": [_plain_cap(each) for each in limits.caps],
    }  # fmt: skip


def _plain_cap(cap: Cap) -> list[Any]:
    return [
        cap.kind.value, cap.campaign, cap.limit_micros, cap.limit_seconds, cap.is_hard, cap.is_on,
    ]  # fmt: skip


def _shortened(detail: dict[str, Any]) -> dict[str, Any]:
    """Only the caps that differ: a thousand budgets don't fit into one entry of the log."""
    before, after = detail["before"]["caps"], detail["after"]["caps"]
    return {
        "before": {**detail["before"], "caps": [each for each in before if each not in after]},
        "after": {**detail["after"], "caps": [each for each in after if each not in before]},
    }
