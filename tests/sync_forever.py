"""A process that syncs without end, to be killed at any moment."""

from pathlib import Path

from data.analytics.lake import Lake
from data.analytics.sync import sync
from data.database import open_database

BATCH_ROWS = 200


def main(url: str, folder: Path) -> None:
    """Carries the ledger of a database into the lake of a folder."""
    database = open_database(url)
    lake = Lake(folder, database)
    while True:
        sync(database, lake, BATCH_ROWS)
