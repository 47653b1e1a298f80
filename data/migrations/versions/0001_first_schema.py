"""The first schema: people, prices, ledger, wallet, proof."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from data.columns import Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates every table."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("locale", sa.String(length=20), nullable=False),
        sa.Column("environment", sa.String(length=20), nullable=False),
        sa.Column("paid_since", sa.Date(), nullable=True),
        sa.Column("is_demo", sa.Boolean(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("closed_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("shown_prefix", sa.String(length=20), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("key_hash", name="uq_api_keys_key_hash"),
    )
    op.create_table(
        "audit",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=True),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_account_id_seq", "audit", ["account_id", "seq"], unique=False)
    op.create_table(
        "campaigns",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_campaigns"),
    )
    op.create_table(
        "consumers",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_consumers"),
    )
    op.create_table(
        "credit_lots",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("granted_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("entry_id", sa.String(length=36), nullable=True),
        sa.CheckConstraint("amount_micros >= 0", name=op.f("ck_credit_lots_amount")),
        sa.PrimaryKeyConstraint("id", name="pk_credit_lots"),
    )
    op.create_index("ix_credit_lots_account_id", "credit_lots", ["account_id"], unique=False)
    op.create_table(
        "events",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("stored_at", Instant(), nullable=False),
        sa.Column("counterparty_hash", sa.String(length=32), nullable=True),
        sa.Column("counterparty_prefix", sa.String(length=20), nullable=True),
        sa.Column("counterparty_suffix", sa.String(length=2), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "source", "id", name="pk_events"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_events_event_id", "events", ["event_id"], unique=False)
    op.create_table(
        "facts",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_facts"),
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("map", sa.String(length=255), nullable=False),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("rows_total", sa.BigInteger(), nullable=True),
        sa.Column("rows_read", sa.BigInteger(), nullable=False),
        sa.Column("rows_accepted", sa.BigInteger(), nullable=False),
        sa.Column("rows_duplicate", sa.BigInteger(), nullable=False),
        sa.Column("rows_rejected", sa.BigInteger(), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_imports"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=36), nullable=False),
        sa.Column("until", Instant(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "lot_balances",
        sa.Column("lot_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("remaining_micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lot_id", name="pk_lot_balances"),
    )
    op.create_index("ix_lot_balances_account_id", "lot_balances", ["account_id"], unique=False)
    op.create_table(
        "lot_draws",
        sa.Column("entry_id", sa.String(length=36), nullable=False),
        sa.Column("lot_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", "lot_id", name="pk_lot_draws"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "people",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("disabled_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_people"),
        sa.UniqueConstraint("email", name="uq_people_email"),
    )
    op.create_table(
        "rate_lists",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("level_id", sa.String(length=64), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rate_lists"),
    )
    op.create_index(
        "ix_rate_lists_currency_level_level_id_valid_from",
        "rate_lists",
        ["currency", "level", "level_id", "valid_from"],
        unique=False,
    )
    op.create_table(
        "receipts",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("line_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("occurred_at", Instant(), nullable=False),
        sa.Column("stored_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_receipts"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_receipts_account_id_line_id", "receipts", ["account_id", "line_id"], unique=False
    )
    op.create_table(
        "seals",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("row_digests", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("sealed_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_seals"),
        sa.UniqueConstraint("first_seq", name="uq_seals_first_seq"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sign_in_failures",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("failed_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_sign_in_failures"),
    )
    op.create_index(
        "ix_sign_in_failures_key_failed_at", "sign_in_failures", ["key", "failed_at"], unique=False
    )
    op.create_table(
        "statements",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("opening_micros", sa.BigInteger(), nullable=False),
        sa.Column("charges_micros", sa.BigInteger(), nullable=False),
        sa.Column("closing_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("closed_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "period_start", name="pk_statements"),
    )
    op.create_table(
        "usage_lines",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("metric", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=20), nullable=False),
        sa.Column("direction", sa.String(length=10), nullable=False),
        sa.Column("agent", sa.String(length=10), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=True),
        sa.Column("campaign_id", sa.String(length=255), nullable=True),
        sa.Column("consumer_id", sa.String(length=255), nullable=True),
        sa.Column("occurred_at", Instant(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("stored_at", Instant(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("cap_on", sa.Date(), nullable=False),
        sa.Column("base_units", sa.BigInteger(), nullable=False),
        sa.Column("pulses", sa.BigInteger(), nullable=False),
        sa.Column("talk_seconds", sa.BigInteger(), nullable=False),
        sa.Column("rate_id", sa.String(length=36), nullable=True),
        sa.Column("connect_fee_micros", sa.BigInteger(), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("hold_id", sa.String(length=36), nullable=True),
        sa.Column("reverses_line_id", sa.String(length=36), nullable=True),
        sa.Column("corrects_period", sa.Date(), nullable=True),
        sa.Column("is_sandbox", sa.Boolean(), nullable=False),
        sa.Column("import_id", sa.String(length=36), nullable=True),
        sa.Column("flags", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_usage_lines"),
        sa.UniqueConstraint("id", name="uq_usage_lines_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_usage_lines_event", "usage_lines", ["account_id", "event_id"], unique=False)
    op.create_index(
        "ix_usage_lines_list",
        "usage_lines",
        ["account_id", "metric", "booked_on", "occurred_at", "seq"],
        unique=False,
    )
    op.create_index("ix_usage_lines_tail", "usage_lines", ["account_id", "seq"], unique=False)
    op.create_table(
        "wallet_entries",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("balance_after_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("line_id", sa.String(length=36), nullable=True),
        sa.Column("cause", sa.String(length=255), nullable=False),
        sa.Column("occurred_at", Instant(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("stored_at", Instant(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("corrects_period", sa.Date(), nullable=True),
        sa.Column("import_id", sa.String(length=36), nullable=True),
        sa.CheckConstraint(
            "kind <> 'charge' OR line_id IS NOT NULL",
            name=op.f("ck_wallet_entries_charge_reference"),
        ),
        sa.CheckConstraint("amount_micros <> 0", name=op.f("ck_wallet_entries_amount")),
        sa.PrimaryKeyConstraint("seq", name="pk_wallet_entries"),
        sa.UniqueConstraint("id", name="uq_wallet_entries_id"),
        sa.UniqueConstraint("line_id", name="uq_wallet_entries_line_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_wallet_entries_account_id_seq", "wallet_entries", ["account_id", "seq"], unique=False
    )
    op.create_table(
        "account_anchors",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("anchor_day", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "anchor_day BETWEEN 1 AND 31", name=op.f("ck_account_anchors_anchor_day")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_account_anchors_account_id"
        ),
        sa.PrimaryKeyConstraint("account_id", "valid_from", name="pk_account_anchors"),
    )
    op.create_table(
        "account_plans",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("plan", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_account_plans_account_id"
        ),
        sa.PrimaryKeyConstraint("account_id", "valid_from", name="pk_account_plans"),
    )
    op.create_table(
        "account_zones",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_account_zones_account_id"
        ),
        sa.PrimaryKeyConstraint("account_id", "valid_from", name="pk_account_zones"),
    )
    op.create_table(
        "balances",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("posted_micros", sa.BigInteger(), nullable=False),
        sa.Column("reserved_micros", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.CheckConstraint("reserved_micros >= 0", name=op.f("ck_balances_reserved")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_balances_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_balances"),
    )
    op.create_table(
        "memberships",
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_memberships_person_id"),
        sa.PrimaryKeyConstraint("person_id", "account_id", name="pk_memberships"),
    )
    op.create_table(
        "rates",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("rate_list_id", sa.String(length=36), nullable=False),
        sa.Column("metric", sa.String(length=64), nullable=False),
        sa.Column("prefix", sa.String(length=20), nullable=False),
        sa.Column("price_micros", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("minimum", sa.Integer(), nullable=False),
        sa.Column("increment", sa.Integer(), nullable=False),
        sa.Column("connect_fee_micros", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.String(length=255), nullable=True),
        sa.CheckConstraint(
            "price_micros >= 0 AND connect_fee_micros >= 0", name=op.f("ck_rates_price")
        ),
        sa.CheckConstraint(
            "size > 0 AND increment > 0 AND minimum >= 0", name=op.f("ck_rates_shape")
        ),
        sa.ForeignKeyConstraint(["rate_list_id"], ["rate_lists.id"], name="fk_rates_rate_list_id"),
        sa.PrimaryKeyConstraint("id", name="pk_rates"),
        sa.UniqueConstraint(
            "rate_list_id", "metric", "prefix", name="uq_rates_rate_list_id_metric_prefix"
        ),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("last_seen_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_sessions_person_id"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sessions"),
    )
