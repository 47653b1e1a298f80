"""Limits as people change them: checked, written, noted in the audit log, and in force at once.

One transaction holds the change, its audit entry, the ceilings of the present windows and what it
pauses or resumes. Must not know who shows the limits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from billing.accounts import Account
from billing.caps import LONGEST_OVERRIDE, Cap, Limits, Override, check_caps, check_override
from billing.errors import NotFoundError
from billing.pauses import present_windows
from data.access.audit import LONGEST_DETAIL, record
from data.changes import mark_changed
from data.ledger.consequences import follow
from data.ledger.counters import set_ceilings
from data.ledger.limit_book import add_override, end_override, read_limits, save_limits
from data.ledger.pausing import Moment, Turned
from data.ledger.wallet import OpenWallet

_ROOM = 1_000  # of an entry of the log, for all but the caps


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
    for detail in _details(before, kept):
        record(connection, at, actor, account.id, "limits.set", detail)
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
    mark_changed(connection, account.id)  # its gauges do, even if nothing is paused or resumed
    return follow(connection, Moment(account, limits, posted_micros, at))


def _details(before: Limits, after: Limits) -> Iterator[dict[str, Any]]:
    """What the audit log keeps of a change: the settings, and the caps that differ.

    A thousand budgets don't fit into one entry of the log: then there are several.
    """
    old, new = [[_plain_cap(cap) for cap in each.caps] for each in (before, after)]
    gone, come = set(old) - set(new), set(new) - set(old)
    changes = [("before", cap) for cap in old if cap in gone]
    changes += [("after", cap) for cap in new if cap in come]
    parts: list[list[tuple[str, tuple[Any, ...]]]] = [[]]
    length = 0
    for change in changes:
        size = len(json.dumps(change, ensure_ascii=False))
        if length + size > LONGEST_DETAIL - _ROOM:
            parts.append([])
            length = 0
        parts[-1].append(change)
        length += size
    for part in parts:
        yield {
            name: _plain(limits) | {"caps": [cap for side, cap in part if side == name]}
            for name, limits in (("before", before), ("after", after))
        }


def _plain(limits: Limits) -> dict[str, Any]:
    return {"is_on": limits.is_on, "inbound": limits.inbound.value, "version": limits.version}


def _plain_cap(cap: Cap) -> tuple[Any, ...]:
    return (
        cap.kind.value, cap.campaign, cap.limit_micros, cap.limit_seconds, cap.is_hard, cap.is_on,
    )  # fmt: skip
