"""What PostgreSQL needs beside the common schema: numbered transactions and one collation.

``usage_lines`` and ``receipts`` have a column ``tx`` there, the number of the transaction that
wrote a row (data/reading/position.py reads by it). The number is the server's own transaction id
plus an offset: a server into which the ledger was restored counts from the beginning again, and
the offset keeps the numbers growing. Must not know what a row means.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

CLUSTER = "cluster"
NUMBERED = ("usage_lines", "receipts")
_IDENTITY = text(
    "SELECT (SELECT system_identifier FROM pg_control_system()) || ':' || oid "
    "FROM pg_database WHERE datname = current_database()"
)
_NUMBER = """
CREATE OR REPLACE FUNCTION {name}() RETURNS bigint LANGUAGE sql {kind}
AS $$ SELECT {expression} + {offset} $$
"""


def number_transactions(connection: Connection) -> None:
    """Gives the two tables their column; once, when they are made."""
    _set_offset(connection, 0)
    for table in NUMBERED:
        connection.execute(
            text(f"ALTER TABLE {table} ADD COLUMN tx BIGINT NOT NULL DEFAULT ledger_tx()")
        )
        connection.execute(text(f"CREATE INDEX ix_{table}_tx ON {table} (tx)"))
    connection.execute(
        text("CREATE INDEX ix_usage_lines_account_tx ON usage_lines (account_id, tx)")
    )


def sort_by_bytes(connection: Connection) -> None:
    """Gives every text column the order that SQLite and Python have, whatever the server's is."""
    columns = connection.execute(
        text(
            "SELECT table_name, column_name, data_type, character_maximum_length "
            "FROM information_schema.columns WHERE table_schema = current_schema() "
            "AND data_type IN ('character varying', 'text') AND collation_name IS NULL"
        )
    ).all()
    for table, column, kind, length in columns:
        size = f"({length})" if length else ""
        connection.execute(
            text(f'ALTER TABLE {table} ALTER COLUMN "{column}" TYPE {kind}{size} COLLATE "C"')
        )


def notice_other_server(connection: Connection) -> bool:
    """Whether the ledger now lives on another server, or database, than when this last ran.

    Then transactions are numbered on from the highest number in the ledger, and it gets a new
    identity, so that analytics made before are made again.
    """
    found = connection.scalar(_IDENTITY)
    known = connection.scalar(text("SELECT value FROM facts WHERE name = :name"), {"name": CLUSTER})
    if found == known:
        return False
    highest = max(
        int(connection.scalar(text(f"SELECT max(tx) FROM {table}")) or 0)  # noqa: S608
        for table in NUMBERED
    )
    if highest:
        now = int(connection.scalar(text("SELECT pg_current_xact_id()::text::bigint")) or 0)
        _set_offset(connection, max(0, highest + 1 - now))
    connection.execute(
        text("DELETE FROM facts WHERE name IN (:name, 'ledger_id')"), {"name": CLUSTER}
    )
    connection.execute(
        text("INSERT INTO facts (name, value) VALUES (:name, :value)"),
        {"name": CLUSTER, "value": found},
    )
    return known is not None


def known_identity(connection: Connection) -> str:
    """The identity that the ledger was last opened under; empty for one that has none yet."""
    found = text("SELECT value FROM facts WHERE name = 'ledger_id'")
    return str(connection.scalar(found) or "")


def _set_offset(connection: Connection, offset: int) -> None:
    for name, kind, expression in (
        ("ledger_tx", "VOLATILE", "pg_current_xact_id()::text::bigint"),
        ("ledger_settled", "STABLE", "pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1"),
    ):
        given = {"name": name, "kind": kind, "expression": expression, "offset": offset}
        connection.execute(text(_NUMBER.format(**given).replace("::", r"\:\:")))
