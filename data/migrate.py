"""Brings the truth's schema up to date when the product starts."""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from data.database import Database, take_turn
from data.ledger.guards import create_guards
from data.postgres import notice_other_server, sort_by_bytes

_log = logging.getLogger(__name__)
MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(database: Database, *, to: str = "head") -> None:
    """Applies every migration that is missing and puts the guards back, in one transaction.

    A database that is up to date is left alone, so that starting twice at once is harmless.
    ``to``: a revision, for tests of the steps between.
    """
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
        with database.write() as connection:
            take_turn(connection, "migration")
            if notice_other_server(connection):
                _log.warning("the ledger is on another server than before: analytics follow anew")


def newest_revision() -> str:
    """The revision that the last migration leads to; their files begin with it."""
    return max(file.name.split("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found
