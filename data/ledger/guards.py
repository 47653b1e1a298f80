"""Triggers that keep the ledger append-only, whoever connects to the database.

``INSERT OR REPLACE`` deletes without firing a DELETE trigger unless the connection asks for it,
so an INSERT whose key exists is refused as well. Re-created after every migration, because
altering an SQLite table drops its triggers.
"""

from __future__ import annotations

from sqlalchemy import Connection, PrimaryKeyConstraint, UniqueConstraint, text

from data.tables import APPEND_ONLY, metadata

_OPERATIONS = ("UPDATE", "DELETE", "INSERT")


def guard_name(table: str, operation: str) -> str:
    """The name of the trigger that refuses one operation on one table."""
    return f"guard_{table}_{operation.lower()}"


def guard_names() -> tuple[str, ...]:
    """Every trigger that must exist."""
    return tuple(guard_name(table, op) for table in APPEND_ONLY for op in _OPERATIONS)


def create_guards(connection: Connection) -> None:
    """Puts every guard in place, replacing what is there (SQLite)."""
    for table in APPEND_ONLY:
        for operation in _OPERATIONS:
            name = guard_name(table, operation)
            is_insert = operation == "INSERT"
            condition = f"WHEN {_key_exists(table)} " if is_insert else ""
            # ABORT makes SQLite keep a journal for every row; an insert is one row, so that FAIL
            # refuses as much and costs a quarter less.
            refusal = "FAIL" if is_insert else "ABORT"
            connection.execute(text(f"DROP TRIGGER IF EXISTS {name}"))
            connection.execute(
                text(
                    f"CREATE TRIGGER {name} BEFORE {operation} ON {table} {condition}"
                    f"BEGIN SELECT RAISE({refusal}, '{table} is append-only'); END"
                )
            )


def drop_guards(connection: Connection) -> None:
    """Takes every guard away; only a migration may, and puts them back."""
    for name in guard_names():
        connection.execute(text(f"DROP TRIGGER IF EXISTS {name}"))


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
