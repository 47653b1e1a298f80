"""Spending limits: caps, counters by window, holds, pauses; counters of what was spent before."""

from __future__ import annotations

from collections import defaultdict

import sqlalchemy as sa
from alembic import op

from billing.caps import Window, windows_of
from billing.periods import FIRST_DAY
from data.columns import Instant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
_LINES = sa.table(
    "usage_lines", sa.column("account_id"), sa.column("cap_on", sa.Date()),
    sa.column("campaign_id"), sa.column("cost_micros"), sa.column("is_sandbox", sa.Boolean()),
)  # fmt: skip

_COUNTERS = sa.table(
    "cap_counters", sa.column("account_id"), sa.column("kind"), sa.column("start_on", sa.Date()),
    sa.column("campaign_id"), sa.column("spent_micros"), sa.column("reserved_micros"),
    sa.column("over_micros"),
)  # fmt: skip


def upgrade() -> None:
    """Adds the tables and counts what the ledger has already."""
    _create()
    connection = op.get_bind()
    rows = _counted(connection)
    if rows:
        connection.execute(sa.insert(_COUNTERS), rows)


def _create() -> None:
    op.create_table(
        "cap_counters",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("start_on", sa.Date(), nullable=False),
        sa.Column("campaign_id", sa.String(length=255), nullable=False),
        sa.Column("spent_micros", sa.BigInteger(), nullable=False),
        sa.Column("reserved_micros", sa.BigInteger(), nullable=False),
        sa.Column("limit_micros", sa.BigInteger(), nullable=True),
        sa.Column("over_micros", sa.BigInteger(), nullable=False),
        sa.Column("least_micros", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint(
            "account_id", "kind", "start_on", "campaign_id", name="pk_cap_counters"
        ),
        sa.CheckConstraint("reserved_micros >= 0", name=op.f("ck_cap_counters_reserved")),
        sa.CheckConstraint("over_micros >= 0", name=op.f("ck_cap_counters_over")),
        sa.CheckConstraint(
            "limit_micros IS NULL OR spent_micros + reserved_micros <= limit_micros + over_micros",
            name=op.f("ck_cap_counters_ceiling"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "cap_overrides",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("campaign_id", sa.String(length=255), nullable=False),
        sa.Column("limit_micros", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("starts_at", Instant(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_cap_overrides"),
    )
    op.create_index(
        "ix_cap_overrides_account_id_ends_at",
        "cap_overrides",
        ["account_id", "ends_at"],
        unique=False,
    )
    op.create_table(
        "caps",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("campaign_id", sa.String(length=255), nullable=False),
        sa.Column("limit_micros", sa.BigInteger(), nullable=True),
        sa.Column("limit_seconds", sa.Integer(), nullable=True),
        sa.Column("is_hard", sa.Boolean(), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.CheckConstraint("limit_micros >= 0", name=op.f("ck_caps_limit")),
        sa.CheckConstraint(
            "limit_micros IS NOT NULL OR limit_seconds IS NOT NULL", name=op.f("ck_caps_any")
        ),
        sa.PrimaryKeyConstraint("account_id", "kind", "campaign_id", name="pk_caps"),
    )
    op.create_table(
        "hold_extensions",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("hold_id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("added_micros", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", Instant(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "hold_id", "request_id", name="pk_hold_extensions"),
    )
    op.create_table(
        "holds",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("campaign_id", sa.String(length=255), nullable=True),
        sa.Column("consumer_id", sa.String(length=255), nullable=True),
        sa.Column("rate_id", sa.String(length=36), nullable=True),
        sa.Column("once_micros", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("rule", sa.String(length=20), nullable=True),
        sa.Column("held_micros", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("decided_at", Instant(), nullable=False),
        sa.Column("cap_on", sa.Date(), nullable=False),
        sa.Column("limit_at", Instant(), nullable=True),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("closed_at", Instant(), nullable=True),
        sa.Column("event_id", sa.String(length=36), nullable=True),
        sa.Column("cost_micros", sa.BigInteger(), nullable=True),
        sa.Column("told_limit_at", Instant(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.CheckConstraint("(state = 'open') = (closed_at IS NULL)", name=op.f("ck_holds_closed")),
        sa.CheckConstraint("held_micros >= 0", name=op.f("ck_holds_held")),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
        sa.UniqueConstraint("account_id", "request_id", name="uq_holds_account_id_request_id"),
    )
    op.create_index(
        "ix_holds_open",
        "holds",
        ["account_id", "expires_at"],
        unique=False,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index("ix_holds_recent", "holds", ["account_id", "decided_at"], unique=False)
    op.create_table(
        "pauses",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("rule", sa.String(length=20), nullable=False),
        sa.Column("campaign_id", sa.String(length=255), nullable=False),
        sa.Column("window_on", sa.Date(), nullable=True),
        sa.Column("spent_micros", sa.BigInteger(), nullable=False),
        sa.Column("limit_micros", sa.BigInteger(), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("until_at", Instant(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("end_cause", sa.String(length=20), nullable=True),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (end_cause IS NULL)", name=op.f("ck_pauses_ended")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_pauses"),
    )
    op.create_index(
        "ix_pauses_account_id_started_at", "pauses", ["account_id", "started_at"], unique=False
    )
    op.create_index(
        "ix_pauses_open",
        "pauses",
        ["account_id", "rule", "campaign_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "limit_settings",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("inbound", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_limit_settings_account_id"
        ),
        sa.PrimaryKeyConstraint("account_id", name="pk_limit_settings"),
    )


def _counted(connection: sa.Connection) -> list[dict[str, object]]:
    """One counter for each window in which anything was spent."""
    lines = _LINES.c
    spent = sa.func.sum(lines.cost_micros)
    charged = sa.select(lines.account_id).where(lines.is_sandbox.is_(False), lines.cost_micros != 0)
    sums: dict[tuple[str, Window], int] = defaultdict(int)
    by_day = charged.add_columns(lines.cap_on, spent).group_by(lines.account_id, lines.cap_on)
    for account_id, day, micros in connection.execute(by_day):
        for window in windows_of(day, None):
            sums[account_id, window] += int(micros)
    by_campaign = (
        charged.add_columns(lines.campaign_id, spent)
        .where(lines.campaign_id.is_not(None))
        .group_by(lines.account_id, lines.campaign_id)
    )
    for account_id, campaign, micros in connection.execute(by_campaign):
        sums[account_id, windows_of(FIRST_DAY, campaign)[0]] = int(micros)
    return [
        {
            "account_id": account_id, "kind": window.kind.value,
            "start_on": window.start_on, "campaign_id": window.campaign,
            "spent_micros": micros, "reserved_micros": 0, "over_micros": 0,
        }
        for (account_id, window), micros in sums.items()
    ]  # fmt: skip


def downgrade() -> None:
    """Not offered: a ledger is never taken back."""
    raise NotImplementedError
