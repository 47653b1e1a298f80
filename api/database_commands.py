"""Commands for whoever keeps the ledger's database: its schema, and who may do what in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from api.console import console, plain
from data.backup.unfinished import refuse_unfinished
from data.database import Database, open_database
from data.logs import configure_logging
from data.settings import load_settings


def migrate() -> None:
    """Brings the ledger's schema up to date; on PostgreSQL as the role that owns it."""
    from data.migrate import migrate as bring_up_to_date
    from data.migrate import newest_revision

    with _database() as database:
        bring_up_to_date(database)
    console.print(f"The ledger has schema {newest_revision()}.")


def roles(
    app: Annotated[str | None, typer.Option(help="The role that serve runs as.")] = None,
    reader: Annotated[str | None, typer.Option(help="A role of people who read by SQL.")] = None,
) -> None:
    """Gives roles of PostgreSQL what they need and no more; run it again after each migrate."""
    from data.roles import grant_roles

    with _database() as database:
        for sentence in grant_roles(database, app, reader):
            console.print(plain(sentence), soft_wrap=True)


@contextmanager
def _database() -> Iterator[Database]:
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    refuse_unfinished(settings.data_dir)
    database = open_database(settings.truth_url)
    try:
        yield database
    finally:
        database.dispose()
