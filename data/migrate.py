"""Brings the truth's schema up to date when the product starts."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from data.database import Database
from data.ledger.guards import create_guards

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(database: Database, *, to: str = "head") -> None:
    """Applies every migration that is missing and puts the guards back, in one transaction.

    A database that is up to date is left alone, so that starting twice at once is harmless.
    ``to``: a revision, for tests of the steps between.
    """
    with database.read() as connection:
        if _revision(connection) == newest_revision():
            return
    from alembic import command  # a sixth of a second, seldom needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        if to == "head":
            create_guards(connection)


def newest_revision() -> str:
    """The revision that the last migration leads to; their files begin with it."""
    return max(file.name.split("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found
