"""Seals, the audit log, leases and facts about this ledger."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from data.columns import Instant
from data.tables.base import ACCOUNT_ID, NAME, SEQ, UUID, metadata

seals = Table(
    "seals",
    metadata,
    # A chained hash over each synced batch of usage lines; row_digests names a tampered row.
    Column("seq", SEQ, primary_key=True, autoincrement=True),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("row_digests", LargeBinary, nullable=False),  # 8 bytes a row, in seq order
    Column("hash", String(64), nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("sealed_at", Instant, nullable=False),
    UniqueConstraint("first_seq"),
    sqlite_autoincrement=True,
)
audit = Table(
    "audit",
    metadata,
    Column("seq", SEQ, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("actor", NAME, nullable=False),
    Column("account_id", ACCOUNT_ID),
    Column("action", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "account_id", "seq"),
    sqlite_autoincrement=True,
)
leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", UUID, nullable=False),
    Column("until", Instant, nullable=False),
    Column("fence", BigInteger, nullable=False),
)
facts = Table(
    "facts",
    metadata,
    # What this ledger is, such as its own identity, which the analytics store must match.
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
