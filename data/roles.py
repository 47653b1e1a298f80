"""Who may do what in a ledger on PostgreSQL: the application's role, and one for people who read.

The owner of the tables migrates. The application's role reads all, adds rows, and changes only
what is no part of the ledger; it makes the schemas of its own analytics. A reader sees usage and
money, and nothing that opens a door. Triggers still guard what the owner could change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from billing.errors import InputError
from data.database import Database
from data.tables import APPEND_ONLY, metadata

# Columns that the application sets again, by table; none named: all of them.
CHANGED: dict[str, tuple[str, ...]] = {
    "accounts": ("paid_since",),
    "alert_episodes": ("ended_at", "end_cause"),
    "alert_settings": (),
    "alert_states": (),
    "alerts": (),
    "api_keys": ("revoked_at",),
    "approvals": ("decision", "decided_by", "decided_at", "entry_id"),
    "auto_recharges": (),
    "balances": (),
    "cap_counters": (),
    "cap_overrides": ("ended_at",),
    "holds": (
        "state",
        "held_micros",
        "amount",
        "limit_at",
        "expires_at",
        "closed_at",
        "event_id",
        "cost_micros",
        "told_limit_at",
    ),
    "imports": (),
    "leases": (),
    "limit_settings": (),
    "lot_balances": (),
    "notice_marks": (),
    "notice_sends": ("state", "address", "attempt_count", "next_at", "done_at", "error"),
    "pauses": ("ended_at", "end_cause"),
    "people": ("password_hash", "disabled_at"),
    "recharges": (
        "state",
        "counted_on",
        "attempt_count",
        "sent_at",
        "next_at",
        "done_at",
        "told_at",
        "amount_micros",
        "entry_id",
        "payment_id",
        "reason",
    ),
    "sessions": (),
    "troubles": ("ended_at",),
    "usage_tallies": (),
    "webhook_deliveries": (
        "state",
        "attempt_count",
        "next_at",
        "done_at",
        "last_status",
        "last_error",
    ),
    "webhook_endpoints": (
        "url",
        "topics",
        "description",
        "sealed_secret",
        "old_sealed_secret",
        "old_secret_until",
        "is_on",
        "removed_at",
    ),
}
EMPTIED = (
    "caps", "facts", "memberships", "notice_mutes", "pending_receipts", "sessions",
    "sign_in_failures", "usage_tallies",
)  # fmt: skip
# What a reader must not see: tables whole, and columns of others.
HIDDEN = ("sessions", "sign_in_failures")
HIDDEN_COLUMNS = {
    "people": ("password_hash",), "api_keys": ("key_hash",),
    "idempotency_keys": ("key", "request_hash", "answer"), "events": ("counterparty_hash",),
    "webhook_endpoints": ("sealed_secret", "old_sealed_secret", "old_secret_until"),
    "holds": ("request_hash",), "hold_extensions": ("request_hash",),
}  # fmt: skip
REVISIONS = "alembic_version"
_FORBIDDEN = ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER")
_ROLE = text("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = :name")
_PLACE = text(
    "SELECT n.nspname AS schema, "
    "pg_get_userbyid(c.relowner) AS owner, current_user AS me, current_database() AS database, "
    "pg_has_role(current_user, c.relowner, 'USAGE') AS is_owner "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.oid = to_regclass('usage_lines')"
)
_MEMBER = text("SELECT pg_has_role(:role, :owner, 'MEMBER')")
_TABLE = text("SELECT has_table_privilege(:role, :table, :privilege)")
_ANY_COLUMN = text("SELECT has_any_column_privilege(:role, :table, :privilege)")
_COLUMN = text("SELECT has_column_privilege(:role, :table, :column, :privilege)")
_SEQUENCE = text("SELECT has_sequence_privilege(:role, :table, 'USAGE')")
_SCHEMA = text("SELECT has_schema_privilege(:role, :schema, :privilege)")
_DATABASE = text("SELECT has_database_privilege(:role, current_database(), 'CREATE')")
_SEQUENCES = text(
    "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind = 'S' AND n.nspname = :schema ORDER BY 1"
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the ledger is, and whose it is."""

    schema: str
    owner: str
    me: str
    database: str
    is_owner: bool

    def table(self, name: str) -> str:
        """A table's full name, quoted."""
        return f"{quoted(self.schema)}.{quoted(name)}"


def grant_roles(database: Database, app: str | None, reader: str | None) -> list[str]:
    """Gives existing roles what they need and nothing else; gives a sentence for each.

    May be run again at any time, and must be after a migration. In one transaction.
    Errors: ``InputError`` for SQLite, for no role, one that is missing or has more than it may.
    """
    if database.dialect != "postgresql":
        raise InputError(
            "USAGE_DATABASE_URL", "sqlite", "roles are PostgreSQL's: name a ledger there"
        )
    if app is None and reader is None:
        raise InputError("app", "(none)", "name a role with --app, --reader or both")
    if app == reader:
        raise InputError("reader", reader, "name another role than the application's")
    done = []
    with database.write() as connection:
        place = _place(connection)
        if place is None or not place.is_owner:
            owner = "its owner" if place is None else place.owner
            raise InputError(
                "USAGE_DATABASE_URL", place.me if place else "(no ledger)",
                f"connect as the role that owns the ledger ({owner}), after `usage-dashboard "
                "migrate`",
            )  # fmt: skip
        for field, name in (("app", app), ("reader", reader)):
            if name is not None:
                _require_plain_role(connection, place, field, name)
        if app is not None:
            _grant_app(connection, place, app)
            done.append(f"{app} may serve: it adds to the ledger and can change nothing of it.")
        if reader is not None:
            _grant_reader(connection, place, reader)
            done.append(f"{reader} may read usage and money, and nothing that opens a door.")
    return done


def refuse_lacking_role(connection: Connection) -> None:
    """Refuses a connection's role that can't run the product. ``InputError`` says what it lacks.

    The owner of the ledger lacks nothing.
    """
    place = _place(connection)
    if place is None or place.is_owner:
        return
    lacking = _lacking(connection, place, place.me)
    if lacking:
        raise InputError(
            "USAGE_DATABASE_URL", place.me,
            f"its role may not {', '.join(lacking[:5])}{' and more' if lacking[5:] else ''}: as "
            f"the ledger's owner ({place.owner}) run `usage-dashboard roles --app {place.me}`",
        )  # fmt: skip


def quoted(name: str) -> str:
    """An identifier of SQL, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def _place(connection: Connection) -> _Place | None:
    row = connection.execute(_PLACE).one_or_none()
    return (
        None if row is None else _Place(row.schema, row.owner, row.me, row.database, row.is_owner)
    )


def _require_plain_role(connection: Connection, place: _Place, field: str, name: str) -> None:
    row = connection.execute(_ROLE, {"name": name}).one_or_none()
    if row is None:
        raise InputError(field, name, f"make it first: CREATE ROLE {quoted(name)} LOGIN")
    if row.rolsuper or connection.scalar(_MEMBER, {"role": name, "owner": place.owner}):
        raise InputError(
            field, name,
            "it is a superuser, or the ledger's owner or a member of it, whom no privilege "
            "limits: name a role of its own",
        )  # fmt: skip


def _grant_app(connection: Connection, place: _Place, role: str) -> None:
    to = f"TO {quoted(role)}"
    _revoke(connection, place, role)
    run = _runner(connection)
    run(f"GRANT CREATE ON DATABASE {quoted(place.database)} {to}")
    run(f"GRANT USAGE ON SCHEMA {quoted(place.schema)} {to}")
    run(f"GRANT SELECT ON TABLE {place.table(REVISIONS)} {to}")
    for table in metadata.tables:
        run(f"GRANT SELECT, INSERT ON TABLE {place.table(table)} {to}")
    for table, columns in CHANGED.items():
        of = f" ({', '.join(map(quoted, columns))})" if columns else ""
        run(f"GRANT UPDATE{of} ON TABLE {place.table(table)} {to}")
    for table in EMPTIED:
        run(f"GRANT DELETE ON TABLE {place.table(table)} {to}")
    for sequence in connection.scalars(_SEQUENCES, {"schema": place.schema}).all():
        run(f"GRANT USAGE, SELECT ON SEQUENCE {sequence} {to}")
    lacking = _lacking(connection, place, role)
    if lacking:
        raise InputError(
            "app", role,
            f"it may still not {', '.join(lacking)}, since you can't give that: as the "
            f"database's owner run GRANT CREATE ON DATABASE {quoted(place.database)} {to}",
        )  # fmt: skip
    _refuse_excess(connection, place, "app", role, APPEND_ONLY)


def _grant_reader(connection: Connection, place: _Place, role: str) -> None:
    to = f"TO {quoted(role)}"
    _revoke(connection, place, role)
    run = _runner(connection)
    run(f"GRANT USAGE ON SCHEMA {quoted(place.schema)} {to}")
    run(f"GRANT SELECT ON TABLE {place.table(REVISIONS)} {to}")
    for table, known in metadata.tables.items():
        if table in HIDDEN:
            continue
        hidden = HIDDEN_COLUMNS.get(table, ())
        shown = [quoted(column.name) for column in known.columns if column.name not in hidden]
        of = f" ({', '.join(shown)})" if hidden else ""
        run(f"GRANT SELECT{of} ON TABLE {place.table(table)} {to}")
    _refuse_excess(connection, place, "reader", role, tuple(metadata.tables), "INSERT")
    seen = [
        f"SELECT {table}.{column}"
        for table, columns in HIDDEN_COLUMNS.items()
        for column in columns
        if _ask(connection, _COLUMN, role, place.table(table), "SELECT", column=column)
    ]
    seen += [
        f"SELECT {table}"
        for table in HIDDEN
        if _ask(connection, _ANY_COLUMN, role, place.table(table), "SELECT")
    ]
    _refuse(seen, "reader", role)


def _revoke(connection: Connection, place: _Place, role: str) -> None:
    """What an earlier version gave and this one doesn't goes; nobody sees the state between."""
    schema, who = quoted(place.schema), f"FROM {quoted(role)}"
    run = _runner(connection)
    for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
        run(f"REVOKE ALL ON ALL {kind} IN SCHEMA {schema} {who}")
    run(f"REVOKE ALL ON SCHEMA {schema} {who}")


def _lacking(connection: Connection, place: _Place, role: str) -> list[str]:
    """What a role needs to serve and may not."""
    lacking = []
    if not connection.scalar(_DATABASE, {"role": role}):
        lacking.append("CREATE schemas in the database, for analytics")
    for table in metadata.tables:
        lacking += [
            f"{privilege} {table}"
            for privilege in ("SELECT", "INSERT", *(["DELETE"] if table in EMPTIED else []))
            if not _ask(connection, _TABLE, role, place.table(table), privilege)
        ]
    for table, columns in CHANGED.items():
        wanted = columns or tuple(column.name for column in metadata.tables[table].columns)
        lacking += [
            f"UPDATE {table}.{column}"
            for column in wanted
            if not _ask(connection, _COLUMN, role, place.table(table), "UPDATE", column=column)
        ]
    lacking += [
        f"USAGE {sequence}"
        for sequence in connection.scalars(_SEQUENCES, {"schema": place.schema}).all()
        if not connection.scalar(_SEQUENCE, {"role": role, "table": sequence})
    ]
    return lacking


def _refuse_excess(
    connection: Connection, place: _Place, field: str, role: str, tables: tuple[str, ...],
    *more: str,
) -> None:  # fmt: skip
    """Refuses what a role has by other ways, which revoking from it doesn't end."""
    excess = [
        f"{privilege} {table}"
        for table in tables
        for privilege in (*_FORBIDDEN, *more)
        if _ask(
            connection, _TABLE if privilege in {"DELETE", "TRUNCATE", "TRIGGER"} else _ANY_COLUMN,
            role, place.table(table), privilege,
        )
    ]  # fmt: skip
    given = {"role": role, "schema": place.schema, "privilege": "CREATE"}
    if connection.scalar(_SCHEMA, given):
        excess.append(f"CREATE in schema {place.schema}")
    _refuse(excess, field, role)


def _refuse(excess: list[str], field: str, role: str) -> None:
    if excess:
        raise InputError(
            field, role,
            f"it may still {', '.join(excess[:5])}{' and more' if excess[5:] else ''}, given to "
            "PUBLIC or to a role it is a member of: revoke that there, then run this again",
        )  # fmt: skip


def _ask(
    connection: Connection, question: Any, role: str, table: str, privilege: str, **more: str
) -> bool:
    given = {"role": role, "table": table, "privilege": privilege, **more}
    return bool(connection.scalar(question, given))


def _runner(connection: Connection) -> Any:
    """Runs a statement as it is: a name may have colons and per cent signs in it."""
    return lambda statement: connection.exec_driver_sql(statement.replace("%", "%%"))
