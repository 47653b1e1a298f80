"""Opens the analytics store, and makes it again when another version of this program made it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from billing.clock import Clock
from data.analytics.lake import Lake, LakeError, LakeLayoutError
from data.analytics.rebuild import rebuild
from data.database import Database

# A page's queries are short: a second thread costs half as much again of them in all (25 against
# 16 ms), and takes the core that another page is made on. Long scans gain from one, so there are
# more where there are cores.
THREADS = max(1, min(4, (os.cpu_count() or 2) // 2))

_log = logging.getLogger(__name__)


def open_lake(directory: Path, database: Database, clock: Clock | None = None) -> Lake:
    """The store in use. One of an older layout is made again from the ledger first.

    That takes as long as a rebuild. Errors: ``LakeError`` as for ``Lake``.
    """
    try:
        return Lake(directory, database, threads=THREADS)
    except LakeLayoutError:
        _log.warning("analytics were made by another version: they are made again from the ledger")
    try:
        rebuild(database, directory, clock=clock)
    except LakeError:
        # Another process may have made them meanwhile; if not, opening says what is wrong.
        _log.warning("analytics could not be made again here", exc_info=True)
    return Lake(directory, database, threads=THREADS)
