"""Looks for troubles that are measured: a full disk, analytics behind, a proof that differed.

By the leader, again and again: what is known already is told no second time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from billing.notices import TroubleName
from data import tables as t
from data.backlog import LEAST_BEHIND_SECONDS, MOST_MISSED_SYNCS, Standing
from data.disk import ROOMY_DISK_BYTES, SMALL_DISK_BYTES
from data.nightly import ProofState
from data.notices.troubles import Trouble, begin, end

_troubles = t.troubles.c
_OPEN_WEBHOOKS = (
    select(
        _troubles.subject, t.webhook_endpoints.c.account_id, t.webhook_endpoints.c.is_on
    )
    .outerjoin(t.webhook_endpoints, t.webhook_endpoints.c.id == _troubles.subject)
    .where(_troubles.name == TroubleName.WEBHOOK_PARKED.value, _troubles.ended_at.is_(None))
    .order_by(_troubles.subject)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """What the leader sees. ``behind_seconds``: since analytics last had everything."""

    free_bytes: int
    behind_seconds: float
    sync_seconds: int
    standing: Standing
    proof: ProofState | None


def watch(connection: Connection, measured: Measured, at: datetime) -> int:
    """Looks at what is measured; gives how many notices were left."""
    count = 0
    for trouble, is_wrong, is_over in _looked_at(measured):
        if is_wrong:
            count += begin(connection, trouble, at)
        elif is_over:
            count += end(connection, trouble, at)
    for row in connection.execute(_OPEN_WEBHOOKS).all():
        if not row.is_on:  # nothing will be delivered there that could end it
            gone = Trouble(TroubleName.WEBHOOK_PARKED, row.subject, row.account_id)
            count += end(connection, gone, at)
    return count


def is_anything_new(connection: Connection, measured: Measured) -> bool:
    """Whether ``watch`` would do anything: asked first, so that nothing is written for nothing."""
    known = {
        (name, subject)
        for name, subject in connection.execute(
            select(_troubles.name, _troubles.subject).where(_troubles.ended_at.is_(None))
        )
    }
    for trouble, is_wrong, is_over in _looked_at(measured):
        is_known = (trouble.name.value, trouble.subject) in known
        if (is_wrong and not is_known) or (is_over and is_known):
            return True
    return any(not row.is_on for row in connection.execute(_OPEN_WEBHOOKS).all())


def _looked_at(measured: Measured) -> list[tuple[Trouble, bool, bool]]:
    """Each trouble that is measured: whether it is so, and whether it is certainly over."""
    behind = measured.behind_seconds
    longest = max(LEAST_BEHIND_SECONDS, MOST_MISSED_SYNCS * measured.sync_seconds)
    standing = measured.standing
    is_behind = behind > longest or standing.is_long or standing.is_held_up
    proof = measured.proof
    differs = proof is not None and bool(proof.differing)
    found = [
        (
            Trouble(TroubleName.DISK_NEARLY_FULL, facts={"free_bytes": measured.free_bytes}),
            measured.free_bytes < SMALL_DISK_BYTES, measured.free_bytes >= ROOMY_DISK_BYTES,
        ),
        (
            Trouble(
                TroubleName.SYNC_BEHIND,
                facts={"behind_seconds": round(behind), "lines": standing.lines},
            ),
            is_behind, not is_behind,
        ),
    ]  # fmt: skip
    months = list(proof.differing) if proof else []
    found.append(
        (Trouble(TroubleName.DISCREPANCY_FOUND, facts={"months": months}), differs, not differs)
    )
    return found
