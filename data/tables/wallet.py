"""Money: entries, credit lots, what each lot paid, and the projections that writers lock."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from data.columns import Instant
from data.tables.base import ACCOUNT_ID, NAME, SEQ, UUID, metadata

wallet_entries = Table(
    "wallet_entries",
    metadata,
    Column("seq", SEQ, primary_key=True, autoincrement=True),
    Column("id", UUID, nullable=False, unique=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("kind", String(20), nullable=False),  # charge | top_up | grant | refund | …
    Column("amount_micros", BigInteger, nullable=False),
    Column("balance_after_micros", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("line_id", UUID, unique=True),  # the charge reference
    Column("cause", NAME, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("stored_at", Instant, nullable=False),
    Column("booked_on", Date, nullable=False),
    Column("corrects_period", Date),
    Column("import_id", UUID),
    Column("actor", NAME),  # who moved the money by hand: person:… or key:…
    CheckConstraint("amount_micros <> 0", name="amount"),
    CheckConstraint("kind <> 'charge' OR line_id IS NOT NULL", name="charge_reference"),
    Index(None, "account_id", "seq"),
    # Few among millions of charges: what people did, found without walking past those.
    Index(
        "ix_wallet_entries_rare",
        "account_id",
        "seq",
        sqlite_where=text("kind <> 'charge'"),
        postgresql_where=text("kind <> 'charge'"),
    ),
    sqlite_autoincrement=True,
)
credit_lots = Table(
    "credit_lots",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("kind", String(20), nullable=False),  # paid | promotional | overdraft
    Column("amount_micros", BigInteger, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("granted_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("entry_id", UUID),  # none for the overdraft lot
    CheckConstraint("amount_micros >= 0", name="amount"),
    Index(None, "account_id"),
)
lot_draws = Table(
    "lot_draws",
    metadata,
    # Which lot gave how much to which entry; a charge's draws sum to the charge.
    Column("entry_id", UUID, nullable=False),
    Column("lot_id", UUID, nullable=False),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("micros", BigInteger, nullable=False),
    PrimaryKeyConstraint("entry_id", "lot_id"),
    sqlite_with_rowid=False,
)
lot_balances = Table(
    "lot_balances",
    metadata,
    # A projection of lot_draws that decisions read and lock.
    Column("lot_id", UUID, primary_key=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("remaining_micros", BigInteger, nullable=False),
    Index(None, "account_id"),
)
balances = Table(
    "balances",
    metadata,
    # A projection of wallet_entries, one row an account; writers lock it.
    Column("account_id", ACCOUNT_ID, ForeignKey("accounts.id"), primary_key=True),
    Column("posted_micros", BigInteger, nullable=False),
    Column("reserved_micros", BigInteger, nullable=False),
    Column("updated_at", Instant, nullable=False),
    CheckConstraint("reserved_micros >= 0", name="reserved"),
)
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    # The first answer to a call that moved money, kept for ever: the same call again gets it.
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("route", String(64), nullable=False),
    Column("key", NAME, nullable=False),
    Column("request_hash", String(64), nullable=False),
    Column("status_code", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("account_id", "route", "key"),
)
approvals = Table(
    "approvals",
    metadata,
    # A movement above the limit: it waits for another person than the one who asked.
    Column("id", UUID, primary_key=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("action", String(20), nullable=False),  # grant | adjustment | refund
    Column("request", Text, nullable=False),  # JSON: what the call would have done
    Column("amount_micros", BigInteger, nullable=False),
    Column("asked_by", NAME, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("decision", String(20)),  # approved | rejected
    Column("decided_by", NAME),
    Column("decided_at", Instant),
    Column("entry_id", UUID),
    Index(None, "account_id", "asked_at"),
)
