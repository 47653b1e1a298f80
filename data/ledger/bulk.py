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
from itertools import chain
from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Select,
    Table,
    TableValuedAlias,
    Text,
    any_,
    bindparam,
    func,
    select,
)

# OR FAIL undoes no row before the one that is refused: whoever inserts does so in a savepoint or
# transaction and undoes that. SQLite then does without a copy of every page touched, because the
# guards of data/ledger/guards.py say FAIL too.
_INSERT = {"sqlite": "INSERT OR FAIL"}
_PLACEHOLDER = {"sqlite": "?"}
# SQLite's driver lets go of the interpreter for each statement and waits to get it back: with one
# row a statement, storing stands still while any other thread computes.
_SQLITE_ROWS = 100


def insert_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Inserts tuples that follow the table's columns, without an automatic ``seq``.

    A row that is refused leaves those before it: undo the savepoint or transaction.
    """
    dialect, first = connection.dialect.name, 0
    if dialect == "sqlite":
        many = insert_sql(table, dialect, _SQLITE_ROWS)
        for end in range(_SQLITE_ROWS, len(rows) + 1, _SQLITE_ROWS):
            values = tuple(chain.from_iterable(rows[first:end]))
            connection.exec_driver_sql(many, values)
            first = end
    if first < len(rows):
        connection.exec_driver_sql(insert_sql(table, dialect), list(rows[first:]))


def placeholder(dialect: str) -> str:
    """What stands for a value in a statement of the driver's own."""
    return _PLACEHOLDER.get(dialect, "%s")


@cache
def bulk_columns(table: Table) -> tuple[str, ...]:
    """The columns a tuple has to follow: all but the one the database counts by itself."""
    return tuple(column.name for column in table.columns if column.name != "seq")


@cache
def insert_sql(table: Table, dialect: str, row_count: int = 1) -> str:
    """The statement that stores so many of such tuples, one after another in one row of binds."""
    names, insert = bulk_columns(table), _INSERT.get(dialect, "INSERT")
    marks = ", ".join([placeholder(dialect)] * len(names))
    rows = ", ".join([f"({marks})"] * row_count)
    return f"{insert} INTO {table.name} ({', '.join(names)}) VALUES {rows}"


class StoredDays(dict[date | None, Any]):
    """Days as a database's driver stores them: ISO text on SQLite, dates elsewhere.

    Asked by ``days[day]``; none stays none.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__({None: None})
        self._is_text = connection.dialect.name == "sqlite"

    def __missing__(self, day: date) -> Any:
        """The stored form of a day that is asked for the first time."""
        stored = self[day] = day.isoformat() if self._is_text else day
        return stored


def listed(connection: Connection, values: Collection[str]) -> TableValuedAlias:
    """The values as a table with one column, ``value``, in one bind."""
    if connection.dialect.name == "sqlite":
        return func.json_each(json.dumps(list(values))).table_valued("value").alias("listed")
    return func.unnest(_texts(values)).table_valued("value", name="listed").render_derived()


def _texts(values: Collection[str]) -> BindParameter[Any]:
    return bindparam("texts", list(values), type_=ARRAY(Text), unique=True)


def known_among(
    connection: Connection, column: Column[Any], values: Collection[str], **keys: str
) -> set[str]:
    """Which of the values a column has in rows whose key columns are as given.

    The statement is made once for each column: making it costs more than running it.
    """
    return {row[0] for row in _found(connection, column, values, (column,), keys)}


def rows_among(
    connection: Connection, column: Column[Any], values: Collection[str], *shown: Column[Any],
    **keys: str,
) -> list[Any]:  # fmt: skip
    """The rows in which a column has one of the values; ``shown``: of them, none: all columns."""
    columns = shown or tuple(column.table.columns)
    return _found(connection, column, values, columns, keys)


def _found(
    connection: Connection, column: Column[Any], values: Collection[str],
    shown: tuple[Column[Any], ...], keys: dict[str, str],
) -> list[Any]:  # fmt: skip
    dialect = connection.dialect.name
    if dialect == "postgresql":  # it can't hold a NUL, and refuses to look for one
        values = [value for value in values if "\0" not in value]
        if any("\0" in key for key in keys.values()):
            return []
    if not values:
        return []
    bound: Any = json.dumps(list(values)) if dialect == "sqlite" else list(values)
    statement = _among(dialect, column, shown, tuple(keys))
    return list(connection.execute(statement, {**keys, "wanted": bound}))


@cache
def _among(
    dialect: str, column: Column[Any], shown: tuple[Column[Any], ...], keys: tuple[str, ...]
) -> Select[Any]:
    if dialect == "sqlite":
        wanted: BindParameter[Any] = bindparam("wanted")
        items = func.json_each(wanted).table_valued("value")
        is_wanted: ColumnElement[bool] = column.in_(select(items.c.value))
    else:
        is_wanted = column == any_(bindparam("wanted", type_=ARRAY(Text)))
    own = [column.table.c[name] == bindparam(name) for name in keys]
    return select(*shown).where(*own, is_wanted)


def is_one_of(
    connection: Connection, column: ColumnElement[str], values: Collection[str]
) -> ColumnElement[bool]:
    """``column IN (values)`` with one bind for all values, so that the statement stays the same.

    A list of binds would be compiled anew for every length of the list.
    """
    if connection.dialect.name == "sqlite":
        return column.in_(select(listed(connection, values).c.value))
    return column == any_(_texts(values))
