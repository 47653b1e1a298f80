"""Dated price lists and their rates."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from data.columns import Instant
from data.tables.base import ACCOUNT_ID, NAME, UUID, metadata

rate_lists = Table(
    "rate_lists",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("name", NAME, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("level", String(20), nullable=False),  # account | plan | default
    Column("level_id", ACCOUNT_ID),  # the account's or the plan's id
    Column("valid_from", Date),  # none: always
    Column("created_at", Instant, nullable=False),
    Index(None, "currency", "level", "level_id", "valid_from"),
)
rates = Table(
    "rates",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("rate_list_id", UUID, ForeignKey("rate_lists.id"), nullable=False),
    Column("metric", String(64), nullable=False),
    Column("prefix", String(20), nullable=False),
    Column("price_micros", BigInteger, nullable=False),
    Column("size", Integer, nullable=False),
    Column("minimum", Integer, nullable=False),
    Column("increment", Integer, nullable=False),
    Column("connect_fee_micros", BigInteger, nullable=False),
    Column("note", NAME),
    UniqueConstraint("rate_list_id", "metric", "prefix"),
    CheckConstraint("size > 0 AND increment > 0 AND minimum >= 0", name="shape"),
    CheckConstraint("price_micros >= 0 AND connect_fee_micros >= 0", name="price"),
)
