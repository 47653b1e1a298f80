"""Notices: what people were told, deliveries by e-mail and SMS, what was read or muted."""

from __future__ import annotations

from sqlalchemy import (
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

notices = Table(
    "notices",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("account_id", ACCOUNT_ID, nullable=False),  # "*": for those who run the product
    Column("kind", String(20), nullable=False),
    Column("level", String(10), nullable=False),
    Column("alert_id", UUID),
    Column("episode_id", UUID),
    Column("facts", Text, nullable=False),  # JSON
    Column("is_shown", Boolean, nullable=False),  # on the dashboard
    Column("created_at", Instant, nullable=False),
    Index(None, "account_id", "created_at"),
    Index("ix_notices_alert", "alert_id", "created_at"),
)
notice_sends = Table(
    "notice_sends",
    metadata,
    # One delivery by e-mail or SMS. The address can be erased; what was sent stays known.
    Column("id", UUID, primary_key=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("notice_id", UUID, ForeignKey("notices.id"), nullable=False),
    Column("channel", String(10), nullable=False),  # email | sms
    Column("address", NAME, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("next_at", Instant),
    Column("done_at", Instant),
    Column("error", NAME),
    UniqueConstraint("notice_id", "channel", "address"),
    Index(
        "ix_notice_sends_waiting", "next_at",
        sqlite_where=text("state IN ('waiting', 'sending')"),
        postgresql_where=text("state IN ('waiting', 'sending')"),
    ),
    Index(None, "account_id", "created_at"),
)  # fmt: skip
notice_attempts = Table(
    "notice_attempts",
    metadata,
    Column("send_id", UUID, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("is_taken", Boolean, nullable=False),
    Column("answer", NAME, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    PrimaryKeyConstraint("send_id", "number"),
)
notice_marks = Table(
    "notice_marks",
    metadata,
    # Up to when somebody has seen an account's notices.
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("person_id", UUID, nullable=False),
    Column("seen_at", Instant, nullable=False),
    PrimaryKeyConstraint("account_id", "person_id"),
)
notice_mutes = Table(
    "notice_mutes",
    metadata,
    # Who asked to hear no more: of one rule, or of all of an account's (empty ``alert_id``).
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("channel", String(10), nullable=False),
    Column("address", NAME, nullable=False),
    Column("alert_id", String(36), nullable=False),
    Column("muted_at", Instant, nullable=False),
    PrimaryKeyConstraint("account_id", "channel", "address", "alert_id"),
)
troubles = Table(
    "troubles",
    metadata,
    # What is wrong with the product itself, told once for as long as it lasts.
    Column("id", UUID, primary_key=True),
    Column("name", String(40), nullable=False),  # sync_behind, disk_nearly_full, …
    Column("subject", NAME, nullable=False),  # an account or endpoint, or empty
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index(
        "ix_troubles_open", "name", "subject", unique=True,
        sqlite_where=text("ended_at IS NULL"), postgresql_where=text("ended_at IS NULL"),
    ),
)  # fmt: skip
