"""The limits of accounts in the truth: read whole, remembered by version, replaced whole.

Must not know what a limit does. Whoever changes one holds the lock on the account's balance.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from billing.caps import Cap, CapKind, Inbound, Limits, Override
from data import tables as t
from data.changes import is_rewritten, mark_rewritten
from data.database import can_write

MOST_REMEMBERED = 1_000
_settings, _caps, _overrides = t.limit_settings.c, t.caps.c, t.cap_overrides.c
_SETTINGS = select(t.limit_settings).where(_settings.account_id == bindparam("account"))
_VERSION = select(_settings.version).where(_settings.account_id == bindparam("account"))
_CAPS = (
    select(t.caps)
    .where(_caps.account_id == bindparam("account"))
    .order_by(_caps.kind, _caps.campaign_id)
)
_VALID = (
    select(t.cap_overrides)
    .where(
        _overrides.account_id == bindparam("account"),
        _overrides.ends_at > bindparam("at"),
        _overrides.ended_at.is_(None),
    )
    .order_by(_overrides.starts_at, _overrides.id)
)
_NONE = Limits()


def read_limits(connection: Connection, account_id: str, at: datetime) -> Limits:
    """What is set for an account, with the overrides that are in force or yet to be."""
    row = connection.execute(_SETTINGS, {"account": account_id}).first()
    if row is None:
        return _NONE
    caps = tuple(
        Cap(
            CapKind(each.kind), each.limit_micros, each.limit_seconds, each.campaign_id,
            each.is_hard, each.is_on,
        )
        for each in connection.execute(_CAPS, {"account": account_id})
    )  # fmt: skip
    overrides = tuple(
        Override(
            each.id, CapKind(each.kind), each.campaign_id, each.reason, each.actor,
            each.starts_at, each.ends_at, each.limit_micros, each.ended_at,
        )
        for each in connection.execute(_VALID, {"account": account_id, "at": at})
    )  # fmt: skip
    order = list(CapKind)
    ordered = tuple(sorted(caps, key=lambda cap: (order.index(cap.kind), cap.campaign)))
    return Limits(ordered, overrides, row.is_on, Inbound(row.inbound), row.version)


class LimitBooks:
    """Limits remembered from one transaction to the next, for one thread: the writer's."""

    def __init__(self, read: Callable[..., Limits] = read_limits) -> None:
        self._read = read
        self._known: dict[str, Limits] = {}

    def of(self, connection: Connection, account_id: str, at: datetime) -> Limits:
        """The limits of an account, as ``read_limits`` gives them."""
        version = connection.scalar(_VERSION, {"account": account_id})
        if version is None:
            return _NONE
        known = self._known.get(account_id)
        if known is not None and known.version == version:
            return known
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        known = self._read(connection, account_id, at)
        if not is_rewritten(connection, account_id):
            self._known[account_id] = known
        return known


def save_limits(connection: Connection, account_id: str, limits: Limits, at: datetime) -> Limits:
    """Replaces settings and caps; gives them with their new version. Overrides stay."""
    assert can_write(connection), "limits are changed in a write transaction"
    _next_version(connection, account_id, limits, at)
    connection.execute(delete(t.caps).where(_caps.account_id == account_id))
    rows = [
        {
            "account_id": account_id, "kind": cap.kind.value, "campaign_id": cap.campaign,
            "limit_micros": cap.limit_micros, "limit_seconds": cap.limit_seconds,
            "is_hard": cap.is_hard, "is_on": cap.is_on,
        }
        for cap in limits.caps
    ]  # fmt: skip
    if rows:
        connection.execute(insert(t.caps), rows)
    return read_limits(connection, account_id, at)


def add_override(
    connection: Connection, account_id: str, override: Override, limits: Limits, at: datetime
) -> None:
    """Writes leave to go over a cap."""
    connection.execute(
        insert(t.cap_overrides).values(
            id=override.id, account_id=account_id, kind=override.kind.value,
            campaign_id=override.campaign, limit_micros=override.limit_micros,
            reason=override.reason, actor=override.actor, starts_at=override.starts_at,
            ends_at=override.ends_at,
        )
    )  # fmt: skip
    _next_version(connection, account_id, limits, at)


def end_override(
    connection: Connection, account_id: str, override_id: str, limits: Limits, at: datetime
) -> bool:
    """Takes an override back; gives whether there was one to take back."""
    ended = connection.execute(
        update(t.cap_overrides)
        .where(
            _overrides.id == override_id, _overrides.account_id == account_id,
            _overrides.ended_at.is_(None), _overrides.ends_at > at,
        )
        .values(ended_at=at)
    )  # fmt: skip
    if ended.rowcount:
        _next_version(connection, account_id, limits, at)
    return bool(ended.rowcount)


def _next_version(connection: Connection, account_id: str, limits: Limits, at: datetime) -> int:
    """Writes the settings with the next version, so that nobody goes by the old ones."""
    mark_rewritten(connection, account_id)
    version = (connection.scalar(_VERSION, {"account": account_id}) or 0) + 1
    values = {
        "is_on": limits.is_on, "inbound": limits.inbound.value, "version": version,
        "updated_at": at,
    }  # fmt: skip
    if version == 1:
        connection.execute(insert(t.limit_settings).values(account_id=account_id, **values))
    else:
        connection.execute(
            update(t.limit_settings).where(_settings.account_id == account_id).values(**values)
        )
    return version
