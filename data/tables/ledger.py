"""What happened: accepted events, usage lines, receipts, statements, imports."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
)

from data.columns import Instant
from data.tables.base import ACCOUNT_ID, NAME, SEQ, UUID, metadata

imports = Table(
    "imports",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("map", NAME, nullable=False),
    Column("file_name", NAME, nullable=False),
    Column("status", String(20), nullable=False),  # running | done | stopped
    Column("rows_total", BigInteger),  # as far as it is known
    Column("rows_read", BigInteger, nullable=False),
    Column("rows_accepted", BigInteger, nullable=False),
    Column("rows_duplicate", BigInteger, nullable=False),
    Column("rows_rejected", BigInteger, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
)
events = Table(
    "events",
    metadata,
    # What was accepted, for ever: the identity that makes a second sending a duplicate.
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("source", NAME, nullable=False),
    Column("id", NAME, nullable=False),
    Column("event_id", UUID, nullable=False),
    Column("type", String(40), nullable=False),
    Column("stored_at", Instant, nullable=False),
    # The other party's number: a keyed hash, the rated prefix and the last two digits.
    Column("counterparty_hash", String(32)),
    Column("counterparty_prefix", String(20)),
    Column("counterparty_suffix", String(2)),
    PrimaryKeyConstraint("account_id", "source", "id"),
    Index(None, "event_id"),
    sqlite_with_rowid=False,
)
usage_lines = Table(
    "usage_lines",
    metadata,
    Column("seq", SEQ, primary_key=True, autoincrement=True),
    Column("id", UUID, nullable=False, unique=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("event_id", UUID, nullable=False),
    Column("source", NAME, nullable=False),
    Column("metric", String(64), nullable=False),
    Column("service", String(20), nullable=False),
    Column("direction", String(10), nullable=False),
    Column("agent", String(10)),
    Column("status", String(20), nullable=False),
    Column("reason", NAME),
    Column("campaign_id", NAME),
    Column("consumer_id", NAME),
    Column("occurred_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("stored_at", Instant, nullable=False),
    Column("booked_on", Date, nullable=False),
    Column("cap_on", Date, nullable=False),
    Column("base_units", BigInteger, nullable=False),
    Column("pulses", BigInteger, nullable=False),
    Column("talk_seconds", BigInteger, nullable=False),
    Column("rate_id", UUID),
    Column("connect_fee_micros", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("hold_id", UUID),
    Column("reverses_line_id", UUID),
    Column("corrects_period", Date),
    Column("is_sandbox", Boolean, nullable=False),
    Column("import_id", UUID),
    Column("flags", NAME),
    Column("kind", String(20)),  # what the metric doesn't tell: a message's purpose or category
    Index("ix_usage_lines_tail", "account_id", "seq"),
    Index("ix_usage_lines_list", "account_id", "metric", "booked_on", "occurred_at", "seq"),
    Index("ix_usage_lines_event", "account_id", "event_id"),
    sqlite_autoincrement=True,
)
receipts = Table(
    "receipts",
    metadata,
    # What became of a line later. The last row with a previous status says where it stands; one
    # without came too late to change anything, because a newer one was known already.
    Column("seq", SEQ, primary_key=True, autoincrement=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("line_id", UUID, nullable=False),
    Column("event_id", UUID, nullable=False),  # of the receipt's own event
    Column("previous_status", String(20)),
    Column("status", String(20), nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("stored_at", Instant, nullable=False),
    Index(None, "account_id", "line_id"),
    sqlite_autoincrement=True,
)
pending_receipts = Table(
    "pending_receipts",
    metadata,
    # Receipts whose message hasn't arrived: they wait for it, and leave when it comes.
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("ref_source", NAME, nullable=False),
    Column("ref_id", NAME, nullable=False),
    Column("event_id", UUID, nullable=False),
    Column("status", String(20), nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("stored_at", Instant, nullable=False),
    PrimaryKeyConstraint("account_id", "ref_source", "ref_id", "event_id"),
)
statements = Table(
    "statements",
    metadata,
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("period_start", Date, nullable=False),
    Column("period_end", Date, nullable=False),
    Column("opening_micros", BigInteger, nullable=False),
    Column("charges_micros", BigInteger, nullable=False),
    Column("closing_micros", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("closed_at", Instant, nullable=False),
    # What was in the ledger then: anything later that says this period is out of place.
    Column("last_entry_seq", BigInteger, nullable=False),
    Column("last_line_seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("account_id", "period_start"),
)
