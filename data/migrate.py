"""Brings the truth's schema up to date when the product starts."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from data.database import Database
from data.ledger.guards import create_guards

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(database: Database, *, to: str = "head") -> None:
    """Applies every migration that is missing and puts the guards back, in one transaction.

    A database that is up to date is left alone, so that starting twice at once is harmless.
    ``to``: a revision, for tests of the steps between.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    head = ScriptDirectory.from_config(config).get_current_head()
    with database.read() as connection:
        if MigrationContext.configure(connection).get_current_revision() == head:
            return
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        if to == "head":
            create_guards(connection)
