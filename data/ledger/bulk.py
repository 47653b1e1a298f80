"""Many rows at once: an INSERT compiled once, fed with tuples that need no conversion.

SQLAlchemy's own executemany spends more time converting parameters than SQLite spends storing
them; this keeps its tables and its connection and skips the conversion. Callers hand over values
as the driver stores them: instants as microseconds, days through ``StoredDays``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Select,
    Table,
    any_,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import array

# There is one row a statement, so OR FAIL undoes as much as SQLite's default does; SQLite then does
# without a copy of every page touched, because the guards of data/ledger/guards.py say FAIL too.
_INSERT = {"sqlite": "INSERT OR FAIL"}
_PLACEHOLDER = {"sqlite": "?"}


def insert_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Inserts tuples that follow the table's columns, without an automatic ``seq``."""
    if rows:
        connection.exec_driver_sql(insert_sql(table, connection.dialect.name), list(rows))


@cache
def bulk_columns(table: Table) -> tuple[str, ...]:
    """The columns a tuple has to follow: all but the one the database counts by itself."""
    return tuple(column.name for column in table.columns if column.name != "seq")


@cache
def insert_sql(table: Table, dialect: str) -> str:
    """The statement that stores one such tuple."""
    names, insert = bulk_columns(table), _INSERT.get(dialect, "INSERT")
    marks = ", ".join([_PLACEHOLDER.get(dialect, "%s")] * len(names))
    return f"{insert} INTO {table.name} ({', '.join(names)}) VALUES ({marks})"


class StoredDays:
    """Days as a database's driver stores them: ISO text on SQLite, dates elsewhere."""

    def __init__(self, connection: Connection) -> None:
        self._is_text = connection.dialect.name == "sqlite"
        self._known: dict[date, Any] = {}

    def __call__(self, day: date | None) -> Any:
        """The stored form of a day; none stays none."""
        if day is None or not self._is_text:
            return day
        stored = self._known.get(day)
        if stored is None:
            stored = self._known[day] = day.isoformat()
        return stored


def known_among(
    connection: Connection, column: Column[Any], values: Collection[str], **keys: str
) -> set[str]:
    """Which of the values a column has in rows whose key columns are as given.

    The statement is made once for each column: making it costs more than running it.
    """
    if not values:
        return set()
    dialect = connection.dialect.name
    bound: Any = json.dumps(list(values)) if dialect == "sqlite" else list(values)
    statement = _among(dialect, column, tuple(keys))
    return set(connection.scalars(statement, {**keys, "wanted": bound}))


@cache
def _among(dialect: str, column: Column[Any], keys: tuple[str, ...]) -> Select[Any]:
    wanted: BindParameter[Any] = bindparam("wanted")
    if dialect == "sqlite":
        items = func.json_each(wanted).table_valued("value")
        is_wanted: ColumnElement[bool] = column.in_(select(items.c.value))
    else:
        is_wanted = column == any_(wanted)
    own = [column.table.c[name] == bindparam(name) for name in keys]
    return select(column).where(*own, is_wanted)


def is_one_of(
    connection: Connection, column: ColumnElement[str], values: Collection[str]
) -> ColumnElement[bool]:
    """``column IN (values)`` with one bind for all values, so that the statement stays the same.

    A list of binds would be compiled anew for every length of the list.
    """
    if connection.dialect.name == "sqlite":
        items = func.json_each(json.dumps(list(values))).table_valued("value")
        return column.in_(select(items.c.value))
    return column == any_(array(list(values)))
