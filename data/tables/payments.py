"""Auto-recharge: what is set, each try, and what the built-in test gateway has taken."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    text,
)

from data.columns import Instant
from data.tables.base import ACCOUNT_ID, NAME, UUID, metadata

_OPEN = "state IN ('waiting', 'sent')"

auto_recharges = Table(
    "auto_recharges",
    metadata,
    # One row an account that ever set it; its version grows with every change.
    Column("account_id", ACCOUNT_ID, ForeignKey("accounts.id"), primary_key=True),
    Column("is_on", Boolean, nullable=False),
    Column("threshold_micros", BigInteger, nullable=False),
    Column("mode", String(20), nullable=False),  # fixed_amount | to_target
    Column("amount_micros", BigInteger, nullable=False),
    Column("daily_ceiling_micros", BigInteger, nullable=False),
    Column("method", String(40), nullable=False),  # a way to pay that the gateway knows
    Column("version", Integer, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("stopped_on", Date),  # the last local day whose ceiling was told of
)
recharges = Table(
    "recharges",
    metadata,
    # Each try; its id is the reference under which the gateway knows it.
    Column("id", UUID, primary_key=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("version", Integer, nullable=False),  # of the settings that made it
    Column("state", String(10), nullable=False),  # waiting | sent | done | declined | dropped
    Column("amount_micros", BigInteger, nullable=False),
    Column("method", String(40), nullable=False),
    Column("posted_micros", BigInteger, nullable=False),  # the balance that made it due
    Column("threshold_micros", BigInteger, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("counted_on", Date, nullable=False),  # the local day in whose ceiling it counts
    Column("attempt_count", Integer, nullable=False),
    Column("sent_at", Instant),  # when the gateway was last asked to charge
    Column("next_at", Instant),  # when it is taken on, while it is in flight
    Column("done_at", Instant),
    Column("told_at", Instant),  # when the owner was told that nothing is answered
    Column("entry_id", UUID),
    Column("payment_id", NAME),  # the gateway's own
    Column("reason", NAME),
    UniqueConstraint("entry_id"),
    CheckConstraint("amount_micros > 0", name="amount"),
    CheckConstraint("(state = 'done') = (entry_id IS NOT NULL)", name="paid"),
    CheckConstraint(f"({_OPEN}) = (next_at IS NOT NULL)", name="open"),
    # An account has one in flight at most, whatever decides.
    Index(
        "ix_recharges_open", "account_id", unique=True,
        sqlite_where=text(_OPEN), postgresql_where=text(_OPEN),
    ),
    Index(None, "account_id", "asked_at"),
    Index(None, "account_id", "counted_on"),
)  # fmt: skip
test_gateway_charges = Table(
    "test_gateway_charges",
    metadata,
    # What the built-in test gateway has answered: its own memory, no part of the ledger.
    Column("reference", UUID, primary_key=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("payment_id", NAME),  # none: declined
    Column("reason", NAME),
    Column("charged_at", Instant, nullable=False),
)
