"""Opens the analytics store, and makes it again when another version of this program made it."""

from __future__ import annotations

import logging
from pathlib import Path

from billing.clock import Clock
from data.analytics.lake import Lake, LakeError, LakeLayoutError
from data.analytics.rebuild import rebuild
from data.database import Database

_log = logging.getLogger(__name__)


def open_lake(directory: Path, database: Database, clock: Clock | None = None) -> Lake:
    """The store in use. One of an older layout is made again from the ledger first.

    That takes as long as a rebuild. Errors: ``LakeError`` as for ``Lake``.
    """
    try:
        return Lake(directory, database)
    except LakeLayoutError:
        _log.warning("analytics were made by another version: they are made again from the ledger")
    try:
        rebuild(database, directory, clock=clock)
    except LakeError:
        # Another process may have made them meanwhile; if not, opening says what is wrong.
        _log.warning("analytics could not be made again here", exc_info=True)
    return Lake(directory, database)
