"""Brings the truth's schema up to date when the product starts."""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from billing.errors import InputError
from data.database import Database, take_turn
from data.ledger.guards import create_guards
from data.outage import reason_of
from data.postgres import known_identity, notice_other_server, sort_by_bytes
from data.roles import refuse_lacking_role

_log = logging.getLogger(__name__)
_DENIED = frozenset({"42501", "3F000"})  # no privilege, or not even to look into the schema
MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(database: Database, *, to: str = "head") -> None:
    """Applies every migration that is missing and puts the guards back, in one transaction.

    A database that is up to date is left alone, so that starting twice at once is harmless.
    ``to``: a revision, for tests of the steps between.
    Errors: ``InputError`` when the database's role may not do what is to be done.
    """
    try:
        _migrate(database, to)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in _DENIED:
            raise
        raise InputError(
            "USAGE_DATABASE_URL", database.writer_engine.url.username or "(no role)",
            f"{reason_of(error)}: run `usage-dashboard migrate` as the ledger's owner, then "
            "`usage-dashboard roles` for the role that serves",
        ) from error  # fmt: skip


def _migrate(database: Database, to: str) -> None:
    with database.read() as connection:
        is_current = _revision(connection) == newest_revision()
    if is_current:
        _notice_other_server(database)
        return
    from alembic import command  # a sixth of a second, seldom needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.write() as connection:
        take_turn(connection, "migration")
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        if to == "head":
            create_guards(connection)
            if database.dialect == "postgresql":
                sort_by_bytes(connection)
    if to == "head":
        _notice_other_server(database)


def _notice_other_server(database: Database) -> None:
    if database.dialect == "postgresql":
        with database.read() as connection:
            refuse_lacking_role(connection)
        with database.write() as connection:
            take_turn(connection, "migration")
            before = known_identity(connection)
            is_elsewhere = notice_other_server(connection)
        if is_elsewhere:
            from data.analytics.catalog import drop_copies  # brings DuckDB, seldom needed

            _log.warning("the ledger is on another server than before: analytics follow anew")
            drop_copies(database, before)


def newest_revision() -> str:
    """The revision that the last migration leads to; their files begin with it."""
    return max(file.name.split("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found
