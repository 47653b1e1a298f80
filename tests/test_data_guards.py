"""The ledger is append-only, whoever connects: proved by trying on every table."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    Integer,
    LargeBinary,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.exc import IntegrityError

from data.columns import Instant
from data.database import open_database, sqlite_url
from data.ledger.guards import create_guards, drop_guards, guard_names
from data.tables import APPEND_ONLY, metadata
from tests.builders import open_truth
from tests.databases import of_sqlite

pytestmark = of_sqlite  # PostgreSQL's guards: test_data_postgres.py
ATTEMPTS = ["UPDATE", "UPDATE OR REPLACE", "DELETE", "INSERT OR REPLACE", "REPLACE", "UPSERT"]
# Everything else is a projection, a setting or a name, and may change.
CHANGEABLE = {
    "approvals", "pending_receipts",
    "accounts", "account_plans", "account_zones", "account_anchors", "people", "memberships",
    "sessions", "sign_in_failures", "api_keys", "campaigns", "consumers", "imports",
    "lot_balances", "balances", "leases", "facts",
    "limit_settings", "caps", "cap_overrides", "cap_counters", "holds", "pauses",
    "webhook_endpoints", "webhook_deliveries",
    "alerts", "alert_settings", "alert_states", "alert_episodes", "usage_tallies",
    "auto_recharges", "recharges",
    "notice_sends", "notice_marks", "notice_mutes", "troubles",
}  # fmt: skip


def sample(table: Table, number: int = 1) -> dict[str, object]:
    """A row with a value in every column."""
    row: dict[str, object] = {}
    for column in table.columns:
        if isinstance(column.type, Instant):
            row[column.name] = datetime(2026, 11, number, tzinfo=UTC)
        elif isinstance(column.type, Date):
            row[column.name] = date(2026, 11, number)
        elif isinstance(column.type, Boolean):
            row[column.name] = False
        elif isinstance(column.type, BigInteger | Integer):
            row[column.name] = number
        elif isinstance(column.type, LargeBinary):
            row[column.name] = b"\0" * 8
        else:
            row[column.name] = f"{column.name}{number}"[
                -(getattr(column.type, "length", None) or 99) :
            ]
    return row


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A truth with one row in every append-only table."""
    folder = tmp_path_factory.mktemp("guards")
    database = open_truth(folder)
    with database.write() as connection:
        connection.execute(text("PRAGMA defer_foreign_keys=ON"))
        for name in APPEND_ONLY:
            connection.execute(metadata.tables[name].insert(), sample(metadata.tables[name]))
        # The list that the sample rate belongs to.
        connection.execute(
            text(
                "INSERT INTO rate_lists (id, name, currency, level, created_at) "
                "VALUES ('rate_list_id1', 'x', 'USD', 'default', 0)"
            )
        )
    database.dispose()
    return folder / "truth.db"


@pytest.fixture(scope="module")
def plain(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection as any other program would open it, with none of our settings."""
    connection = sqlite3.connect(file, isolation_level=None)
    yield connection
    connection.close()


def columns_of(plain: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in plain.execute(f"PRAGMA table_info({table})")]


def attempt(plain: sqlite3.Connection, table: str, operation: str) -> str:
    """SQL that would change a stored row."""
    columns = columns_of(plain, table)
    copied = f"INTO {table} SELECT * FROM {table} LIMIT 1"
    if operation.startswith("UPDATE"):
        return f"{operation} {table} SET {columns[-1]} = {columns[-1]}"
    if operation == "DELETE":
        return f"DELETE FROM {table}"
    if operation == "UPSERT":
        sets = f"{columns[-1]} = excluded.{columns[-1]}"
        return f"INSERT INTO {table} SELECT * FROM {table} WHERE 1 ON CONFLICT DO UPDATE SET {sets}"
    return f"{operation} {copied}"


@pytest.mark.parametrize("operation", ATTEMPTS)
@pytest.mark.parametrize("table", APPEND_ONLY)
def test_a_stored_row_can_not_be_changed(plain: sqlite3.Connection, table: str, operation: str):
    before = plain.execute(f"SELECT * FROM {table}").fetchall()
    assert before
    with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
        plain.execute(attempt(plain, table, operation))
    assert plain.execute(f"SELECT * FROM {table}").fetchall() == before


@pytest.mark.parametrize("recursive", [True, False])
@pytest.mark.parametrize("table", APPEND_ONLY)
def test_no_key_of_a_row_lets_it_be_replaced(
    plain: sqlite3.Connection, table: str, recursive: bool
):
    """A new row that shares only one of its keys with a stored one replaces nothing either."""
    plain.execute(f"PRAGMA recursive_triggers={'ON' if recursive else 'OFF'}")
    before = plain.execute(f"SELECT * FROM {table}").fetchall()
    columns = columns_of(plain, table)
    found = metadata.tables[table]
    keys = [[column.name for column in found.primary_key.columns]]
    keys += [
        [column.name for column in constraint.columns]
        for constraint in found.constraints
        if isinstance(constraint, UniqueConstraint)
    ]
    for key in keys:
        fresh = sample(metadata.tables[table], number=2)
        row = dict(zip(columns, before[0], strict=True))
        changed = {name: row[name] if name in key else fresh[name] for name in columns}
        values = [str(value) if isinstance(value, date) else value for value in changed.values()]
        marks = ", ".join("?" * len(columns))
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            plain.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", values)
    assert plain.execute(f"SELECT * FROM {table}").fetchall() == before


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_the_product_itself_can_not_change_a_stored_row(file: Path, table: str):
    database = open_database(sqlite_url(file))
    for statement in (
        f"DELETE FROM {table}",
        f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
    ):
        with pytest.raises(IntegrityError, match="append-only"), database.write() as connection:
            connection.execute(text(statement))
    database.dispose()


def test_every_table_is_guarded_or_known_to_change():
    assert set(metadata.tables) == set(APPEND_ONLY) | CHANGEABLE
    assert not set(APPEND_ONLY) & CHANGEABLE


def test_the_guards_are_back_after_a_migration(tmp_path: Path):
    database = open_truth(tmp_path)
    names = text("SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
    with database.write() as connection:
        assert connection.scalars(names).all() == sorted(guard_names("sqlite"))
        drop_guards(connection)
        assert connection.scalars(names).all() == []
        create_guards(connection)
        create_guards(connection)
        assert connection.scalars(names).all() == sorted(guard_names("sqlite"))
    database.dispose()


def test_a_reader_can_not_write(tmp_path: Path):
    database = open_truth(tmp_path)
    with database.read() as connection, pytest.raises(Exception, match="readonly"):
        connection.execute(text("INSERT INTO facts (name, value) VALUES ('a', 'b')"))
    database.dispose()
