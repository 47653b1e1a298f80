"""Triggers that keep the ledger append-only, whoever connects to the database.

On SQLite ``INSERT OR REPLACE`` deletes without firing a DELETE trigger unless the connection asks
for it, so an INSERT whose key exists is refused as well; altering a table drops its triggers, so
they are made again after every migration. PostgreSQL has TRUNCATE instead.
"""

from __future__ import annotations

from sqlalchemy import Connection, PrimaryKeyConstraint, UniqueConstraint, text

from data.tables import APPEND_ONLY, metadata

_OPERATIONS = {
    "sqlite": ("UPDATE", "DELETE", "INSERT"),
    "postgresql": ("UPDATE", "DELETE", "TRUNCATE"),
}
_REFUSE = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'check_violation'; END
$$
"""


def guard_name(table: str, operation: str) -> str:
    """The name of the trigger that refuses one operation on one table."""
    return f"guard_{table}_{operation.lower()}"


def guard_names(dialect: str) -> tuple[str, ...]:
    """Every trigger that must exist."""
    return tuple(guard_name(table, op) for table in APPEND_ONLY for op in _OPERATIONS[dialect])


def create_guards(connection: Connection) -> None:
    """Puts every guard in place, replacing what is there."""
    dialect = connection.dialect.name
    drop_guards(connection)
    if dialect == "postgresql":
        connection.execute(text(_REFUSE))
    make = {"sqlite": _sqlite_guard, "postgresql": _postgresql_guard}[dialect]
    for table in APPEND_ONLY:
        for operation in _OPERATIONS[dialect]:
            connection.execute(text(make(table, operation)))


def drop_guards(connection: Connection) -> None:
    """Takes every guard away; only a migration may, and puts them back."""
    dialect = connection.dialect.name
    for table in APPEND_ONLY:
        for operation in _OPERATIONS[dialect]:
            on_table = f" ON {table}" if dialect == "postgresql" else ""
            name = guard_name(table, operation)
            connection.execute(text(f"DROP TRIGGER IF EXISTS {name}{on_table}"))


def _sqlite_guard(table: str, operation: str) -> str:
    is_insert = operation == "INSERT"
    condition = f"WHEN {_key_exists(table)} " if is_insert else ""
    # ABORT makes SQLite keep a journal for every row; an insert is one row, so that FAIL refuses
    # as much and costs a quarter less.
    refusal = "FAIL" if is_insert else "ABORT"
    return (
        f"CREATE TRIGGER {guard_name(table, operation)} BEFORE {operation} ON {table} {condition}"
        f"BEGIN SELECT RAISE({refusal}, '{table} is append-only'); END"
    )


def _postgresql_guard(table: str, operation: str) -> str:
    each = "STATEMENT" if operation == "TRUNCATE" else "ROW"
    return (
        f"CREATE TRIGGER {guard_name(table, operation)} BEFORE {operation} ON {table} "
        f"FOR EACH {each} EXECUTE FUNCTION refuse_change()"
    )


def _key_exists(table: str) -> str:
    """SQL that tells whether a row has one of the new row's keys."""
    keys = sorted(
        [column.name for column in constraint.columns]
        for constraint in metadata.tables[table].constraints
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint)
    )
    matches = [" AND ".join(f"{name} = NEW.{name}" for name in key) for key in keys]
    # The names are this project's own, from data/tables.py.
    return " OR ".join(f"EXISTS (SELECT 1 FROM {table} WHERE {match})" for match in matches)  # noqa: S608
