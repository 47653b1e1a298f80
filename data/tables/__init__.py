"""The tables of the truth (SQLAlchemy Core), in SQL that every database speaks.

Append-only tables are listed in ``APPEND_ONLY``; triggers refuse UPDATE and DELETE on them
(data/ledger/guards.py). Money is BIGINT micros, instants BIGINT microseconds (``Instant``),
local days DATE. Keys of tenant data start with ``account_id``.
"""

from __future__ import annotations

from data.tables.alerts import (
    alert_episodes,
    alert_settings,
    alert_states,
    alerts,
    usage_tallies,
)
from data.tables.base import metadata
from data.tables.ledger import (
    events,
    imports,
    pending_receipts,
    receipts,
    statements,
    usage_lines,
)
from data.tables.limits import (
    cap_counters,
    cap_overrides,
    caps,
    hold_extensions,
    holds,
    limit_settings,
    pauses,
)
from data.tables.notices import (
    notice_attempts,
    notice_marks,
    notice_mutes,
    notice_sends,
    notices,
    troubles,
)
from data.tables.payments import auto_recharges, recharges, test_gateway_charges
from data.tables.people import (
    account_anchors,
    account_plans,
    account_zones,
    accounts,
    api_keys,
    campaigns,
    consumers,
    memberships,
    people,
    sessions,
    sign_in_failures,
)
from data.tables.prices import rate_lists, rates
from data.tables.proof import audit, facts, leases, seals
from data.tables.wallet import (
    approvals,
    balances,
    credit_lots,
    idempotency_keys,
    lot_balances,
    lot_draws,
    wallet_entries,
)
from data.tables.webhooks import (
    webhook_attempts,
    webhook_deliveries,
    webhook_endpoints,
    webhook_messages,
)

APPEND_ONLY = (
    "events",
    "usage_lines",
    "receipts",
    "statements",
    "wallet_entries",
    "idempotency_keys",
    "credit_lots",
    "lot_draws",
    "hold_extensions",
    "webhook_messages",
    "webhook_attempts",
    "notices",
    "notice_attempts",
    "test_gateway_charges",
    "rate_lists",
    "rates",
    "seals",
    "audit",
)

__all__ = [
    "APPEND_ONLY",
    "account_anchors",
    "account_plans",
    "account_zones",
    "accounts",
    "alert_episodes",
    "alert_settings",
    "alert_states",
    "alerts",
    "api_keys",
    "approvals",
    "audit",
    "auto_recharges",
    "balances",
    "campaigns",
    "cap_counters",
    "cap_overrides",
    "caps",
    "consumers",
    "credit_lots",
    "events",
    "facts",
    "hold_extensions",
    "holds",
    "idempotency_keys",
    "imports",
    "leases",
    "limit_settings",
    "lot_balances",
    "lot_draws",
    "memberships",
    "metadata",
    "notice_attempts",
    "notice_marks",
    "notice_mutes",
    "notice_sends",
    "notices",
    "pauses",
    "pending_receipts",
    "people",
    "rate_lists",
    "rates",
    "receipts",
    "recharges",
    "seals",
    "sessions",
    "sign_in_failures",
    "statements",
    "test_gateway_charges",
    "troubles",
    "usage_lines",
    "usage_tallies",
    "wallet_entries",
    "webhook_attempts",
    "webhook_deliveries",
    "webhook_endpoints",
    "webhook_messages",
]
