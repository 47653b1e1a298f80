"""Spending limits: what is set, what each window has, holds, pauses and overrides."""

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
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from data.columns import Instant
from data.tables.base import ACCOUNT_ID, NAME, UUID, metadata

limit_settings = Table(
    "limit_settings",
    metadata,
    # One row an account that ever set a limit; its version grows with every change of any limit.
    Column("account_id", ACCOUNT_ID, ForeignKey("accounts.id"), primary_key=True),
    Column("is_on", Boolean, nullable=False),
    Column("inbound", String(20), nullable=False),  # continue | stop, at a balance of zero
    Column("version", Integer, nullable=False),
    Column("updated_at", Instant, nullable=False),
)
caps = Table(
    "caps",
    metadata,
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("kind", String(20), nullable=False),  # per_call | campaign | daily | weekly | monthly
    Column("campaign_id", NAME, nullable=False),  # empty unless it is a campaign's
    Column("limit_micros", BigInteger),
    Column("limit_seconds", Integer),
    Column("is_hard", Boolean, nullable=False),
    Column("is_on", Boolean, nullable=False),
    PrimaryKeyConstraint("account_id", "kind", "campaign_id"),
    CheckConstraint("limit_micros >= 0", name="limit"),
    CheckConstraint("limit_micros IS NOT NULL OR limit_seconds IS NOT NULL", name="any"),
)
cap_overrides = Table(
    "cap_overrides",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("campaign_id", NAME, nullable=False),
    Column("limit_micros", BigInteger),  # none: as much as it takes
    Column("reason", NAME, nullable=False),
    Column("actor", NAME, nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("ended_at", Instant),  # when somebody took it back
    Index(None, "account_id", "ends_at"),
)
cap_counters = Table(
    "cap_counters",
    metadata,
    # A projection of lines and open holds that decisions read and lock: one row a window. What
    # is over the limit came from charges that never asked; a hold can't add to it.
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("start_on", Date, nullable=False),
    Column("campaign_id", NAME, nullable=False),
    Column("spent_micros", BigInteger, nullable=False),
    Column("reserved_micros", BigInteger, nullable=False),
    Column("limit_micros", BigInteger),  # the ceiling of the last decision; none: no bound
    Column("over_micros", BigInteger, nullable=False),
    Column("least_micros", BigInteger),  # the least that was asked for in vain, nearly full
    PrimaryKeyConstraint("account_id", "kind", "start_on", "campaign_id"),
    CheckConstraint("reserved_micros >= 0", name="reserved"),
    CheckConstraint("over_micros >= 0", name="over"),
    CheckConstraint(
        "limit_micros IS NULL OR spent_micros + reserved_micros <= limit_micros + over_micros",
        name="ceiling",
    ),
    sqlite_with_rowid=False,
)
holds = Table(
    "holds",
    metadata,
    # Every decision, with the answer it was given for ever; of an allowed one also its state.
    Column("id", UUID, primary_key=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("request_id", NAME, nullable=False),
    Column("request_hash", String(64), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("campaign_id", NAME),
    Column("consumer_id", NAME),
    Column("rate_id", UUID),
    Column("once_micros", BigInteger, nullable=False),  # of the quote, beside the rate
    Column("state", String(10), nullable=False),  # denied | open | settled | released | expired
    Column("rule", String(20)),  # of a denial
    Column("held_micros", BigInteger, nullable=False),
    Column("amount", Integer, nullable=False),  # seconds of a call, units of anything else
    Column("decided_at", Instant, nullable=False),
    Column("cap_on", Date, nullable=False),  # the local day in whose windows it counts
    Column("limit_at", Instant),  # when a call reaches its last second
    Column("expires_at", Instant),
    Column("closed_at", Instant),
    Column("event_id", UUID),  # that settled it
    Column("cost_micros", BigInteger),
    Column("told_limit_at", Instant),  # when the platform was told that the call is at its limit
    Column("answer", Text, nullable=False),  # JSON
    UniqueConstraint("account_id", "request_id"),
    CheckConstraint("held_micros >= 0", name="held"),
    CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed"),
    Index(
        "ix_holds_open", "account_id", "expires_at",
        sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'"),
    ),
    Index("ix_holds_recent", "account_id", "decided_at"),
)  # fmt: skip
hold_extensions = Table(
    "hold_extensions",
    metadata,
    # The first answer to each request for more, kept for ever.
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("hold_id", UUID, nullable=False),
    Column("request_id", NAME, nullable=False),
    Column("request_hash", String(64), nullable=False),
    Column("added_micros", BigInteger, nullable=False),
    Column("decided_at", Instant, nullable=False),
    Column("answer", Text, nullable=False),
    PrimaryKeyConstraint("account_id", "hold_id", "request_id"),
)
pauses = Table(
    "pauses",
    metadata,
    # What stood still, from when to when and why, with the figures of that moment.
    Column("id", UUID, primary_key=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("rule", String(20), nullable=False),  # balance, or a kind of cap
    Column("campaign_id", NAME, nullable=False),  # empty: all outbound work
    Column("window_on", Date),  # the first day of the window that is full
    Column("spent_micros", BigInteger, nullable=False),
    Column("limit_micros", BigInteger, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("until_at", Instant),  # when it ends by itself
    Column("ended_at", Instant),
    Column("end_cause", String(20)),
    CheckConstraint("(ended_at IS NULL) = (end_cause IS NULL)", name="ended"),
    Index(None, "account_id", "started_at"),
    Index(
        "ix_pauses_open", "account_id", "rule", "campaign_id", unique=True,
        sqlite_where=text("ended_at IS NULL"), postgresql_where=text("ended_at IS NULL"),
    ),
)  # fmt: skip
