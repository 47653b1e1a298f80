"""Accounts, people, sessions and keys; names that a person may ask to have erased."""

from __future__ import annotations

from sqlalchemy import (
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
)

from data.columns import Instant
from data.tables.base import ACCOUNT_ID, NAME, SEQ, UUID, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("id", ACCOUNT_ID, primary_key=True),
    Column("name", NAME, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("locale", String(20), nullable=False),
    Column("environment", String(20), nullable=False),
    Column("paid_since", Date),
    Column("is_demo", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("closed_at", Instant),
)
account_plans = Table(
    "account_plans",
    metadata,
    Column("account_id", ACCOUNT_ID, ForeignKey("accounts.id"), nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("plan", String(20), nullable=False),
    PrimaryKeyConstraint("account_id", "valid_from"),
)
account_zones = Table(
    "account_zones",
    metadata,
    Column("account_id", ACCOUNT_ID, ForeignKey("accounts.id"), nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("timezone", String(64), nullable=False),
    PrimaryKeyConstraint("account_id", "valid_from"),
)
account_anchors = Table(
    "account_anchors",
    metadata,
    Column("account_id", ACCOUNT_ID, ForeignKey("accounts.id"), nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("anchor_day", Integer, nullable=False),
    PrimaryKeyConstraint("account_id", "valid_from"),
    CheckConstraint("anchor_day BETWEEN 1 AND 31", name="anchor_day"),
)
people = Table(
    "people",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("email", NAME, nullable=False, unique=True),
    Column("name", NAME, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
)
memberships = Table(
    "memberships",
    metadata,
    Column("person_id", UUID, ForeignKey("people.id"), nullable=False),
    Column("account_id", ACCOUNT_ID, nullable=False),  # "*" for support and admin
    Column("role", String(20), nullable=False),
    PrimaryKeyConstraint("person_id", "account_id"),
)
sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("person_id", UUID, ForeignKey("people.id"), nullable=False),
    Column("account_id", ACCOUNT_ID),  # the account being looked at
    Column("created_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("ended_at", Instant),
)
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("seq", SEQ, primary_key=True, autoincrement=True),
    Column("key", String(64), nullable=False),  # keyed hash of an address or an e-mail
    Column("failed_at", Instant, nullable=False),
    Index(None, "key", "failed_at"),
)
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("shown_prefix", String(20), nullable=False),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)
# Names that a person may ask to have erased: nothing that is summed or sealed refers to them.
campaigns = Table(
    "campaigns",
    metadata,
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("id", NAME, nullable=False),
    Column("name", NAME, nullable=False),
    PrimaryKeyConstraint("account_id", "id"),
)
consumers = Table(
    "consumers",
    metadata,
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("id", NAME, nullable=False),
    Column("kind", String(20), nullable=False),  # user | application
    Column("name", NAME, nullable=False),
    PrimaryKeyConstraint("account_id", "id"),
)
