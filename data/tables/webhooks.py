"""Webhooks: where messages go, the messages, and each delivery with its attempts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
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

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("url", Text, nullable=False),
    Column("topics", Text, nullable=False),  # by spaces; empty: all
    Column("description", NAME, nullable=False),
    # Encrypted under the installation's secret.
    Column("sealed_secret", Text, nullable=False),
    Column("old_sealed_secret", Text),
    Column("old_secret_until", Instant),
    Column("is_on", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("removed_at", Instant),
    Index(None, "account_id", "created_at"),
)
webhook_messages = Table(
    "webhook_messages",
    metadata,
    # What there was to tell, numbered within the account without a gap.
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("id", UUID, nullable=False, unique=True),
    Column("topic", String(40), nullable=False),
    Column("payload", Text, nullable=False),  # JSON, as it is sent
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("account_id", "sequence"),
)
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("endpoint_id", UUID, ForeignKey("webhook_endpoints.id"), nullable=False),
    Column("message_id", UUID, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("state", String(10), nullable=False),  # waiting | delivered | parked
    Column("attempt_count", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("next_at", Instant),
    Column("done_at", Instant),
    Column("last_status", Integer),
    Column("last_error", NAME),
    UniqueConstraint("endpoint_id", "message_id"),
    Index(
        "ix_webhook_deliveries_waiting", "endpoint_id", "sequence",
        sqlite_where=text("state = 'waiting'"), postgresql_where=text("state = 'waiting'"),
    ),
    Index("ix_webhook_deliveries_recent", "account_id", "created_at"),
)  # fmt: skip
webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("delivery_id", UUID, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("status", Integer),
    Column("error", NAME),
    Column("answer", Text, nullable=False),  # its first characters
    Column("milliseconds", Integer, nullable=False),
    PrimaryKeyConstraint("delivery_id", "number"),
)
