"""Notices that a test leaves, as whatever tells people does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from billing.alerts import Channel, Level, Target
from billing.notices import NoticeDraft, NoticeKind
from data.notices.outbox import leave_notice
from tests.live import Live

DASHBOARD = (Target(Channel.DASHBOARD),)
FACTS: dict[str, Any] = {
    "name": "Low water", "kind": "low_balance", "scope": "account", "scope_id": "",
    "measure": "cost", "span": None, "unit": "money", "amount": 900_000_000,
    "threshold": 900_000_000, "value": 812_500_000, "average_micros": None, "currency": "INR",
    "window_on": None, "window_end_on": None, "number": 1,
}  # fmt: skip


def leave(
    live: Live, account_id: str = "acme", level: Level = Level.WARNING, *,
    kind: NoticeKind = NoticeKind.ALERT_FIRED, at: datetime | None = None,
    targets: Sequence[Target] = DASHBOARD, **facts: Any,
) -> str:  # fmt: skip
    """Leaves an alert's notice, committed when this returns; gives its id."""
    said = {**FACTS, "level": level.value, **facts}
    draft = NoticeDraft(kind, level, said, tuple(targets))
    left_at = at or live.installation.clock.now()
    return live.installation.writer.write(lambda c: leave_notice(c, account_id, draft, left_at))


def leave_trouble(live: Live) -> str:
    """Leaves a notice to those who run the product."""
    facts = {"name": "disk_nearly_full", "subject": "", "account_id": None, "free_bytes": 10**9}
    draft = NoticeDraft(NoticeKind.TROUBLE, Level.URGENT, facts, DASHBOARD)
    now = live.installation.clock.now()
    return live.installation.writer.write(lambda c: leave_notice(c, "*", draft, now))
