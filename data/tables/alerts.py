"""Alerts: rules, where each stands, its episodes, and usage counted for those that need it."""

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
    text,
)

from data.columns import Instant
from data.tables.base import ACCOUNT_ID, NAME, UUID, metadata

alert_settings = Table(
    "alert_settings",
    metadata,
    # One row an account that ever had an alert; its version grows with every change of any.
    Column("account_id", ACCOUNT_ID, ForeignKey("accounts.id"), primary_key=True),
    Column("version", Integer, nullable=False),
)
alerts = Table(
    "alerts",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", String(20), nullable=False),  # low_balance | usage | days_left
    Column("scope", String(10), nullable=False),  # account | service | metric | campaign
    Column("scope_id", NAME, nullable=False),  # empty: the account
    Column("measure", String(10), nullable=False),  # cost | units
    Column("span", String(20)),  # day | week | month | billing_period
    Column("level", String(10), nullable=False),
    Column("name", NAME, nullable=False),
    Column("unit", String(10), nullable=False),  # of the threshold: money | units | percent | days
    Column("amount", BigInteger, nullable=False),
    Column("channels", String(60), nullable=False),  # by spaces
    Column("emails", Text, nullable=False),  # by spaces
    Column("phones", Text, nullable=False),
    Column("repeat", String(20), nullable=False),
    Column("repeat_hours", Integer),
    Column("has_recovery", Boolean, nullable=False),
    Column("is_on", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("removed_at", Instant),
    CheckConstraint("amount >= 0", name="amount"),
    Index(None, "account_id", "created_at"),
)
alert_states = Table(
    "alert_states",
    metadata,
    # Where each rule stood at the last look; a rule that was never looked at has none.
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("alert_id", UUID, ForeignKey("alerts.id"), nullable=False),
    Column("phase", String(10), nullable=False),  # waiting | armed | alarm | off
    Column("version", Integer, nullable=False),
    Column("window_on", Date),
    Column("episode_number", Integer, nullable=False),
    Column("told_count", Integer, nullable=False),
    Column("told_at", Instant),
    Column("told_on", Date),
    PrimaryKeyConstraint("account_id", "alert_id"),
)
alert_episodes = Table(
    "alert_episodes",
    metadata,
    # Each time a rule was in alarm, numbered within the rule, with the figures of its beginning.
    Column("id", UUID, primary_key=True),
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("alert_id", UUID, ForeignKey("alerts.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("window_on", Date),
    Column("value", BigInteger),
    Column("threshold", BigInteger),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("end_cause", String(20)),
    CheckConstraint("(ended_at IS NULL) = (end_cause IS NULL)", name="ended"),
    Index("uq_alert_episodes_number", "alert_id", "number", unique=True),
    Index(
        "ix_alert_episodes_open", "alert_id", unique=True,
        sqlite_where=text("ended_at IS NULL"), postgresql_where=text("ended_at IS NULL"),
    ),
    Index(None, "account_id", "started_at"),
)  # fmt: skip
usage_tallies = Table(
    "usage_tallies",
    metadata,
    # A projection of lines, by the day they are booked on, of the parts of usage that a rule looks
    # at: kept from the first day of the longest span on that was running when the rule was made.
    Column("account_id", ACCOUNT_ID, nullable=False),
    Column("scope", String(10), nullable=False),  # service | metric | campaign
    Column("scope_id", NAME, nullable=False),
    Column("booked_on", Date, nullable=False),
    Column("base_units", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    PrimaryKeyConstraint("account_id", "scope", "scope_id", "booked_on"),
)
