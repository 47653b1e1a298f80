"""Opens the analytics store, and makes it again when it was made otherwise or of another ledger."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from billing.clock import Clock
from data.analytics.ahead import refuse_lake_ahead
from data.analytics.lake import (
    Lake,
    LakeAheadError,
    LakeCatalogError,
    LakeError,
    LakeForeignError,
    LakeLayoutError,
)
from data.database import Database

# A page's queries are short: a second thread costs half as much again of them in all (25 against
# 16 ms), and takes the core that another page is made on. Long scans gain from one, so there are
# more where there are cores.
THREADS = max(1, min(4, (os.cpu_count() or 2) // 2))

_log = logging.getLogger(__name__)


def open_lake(directory: Path, database: Database, clock: Clock | None = None) -> Lake:
    """The store in use. One that doesn't fit the ledger is made again from it first.

    That is one of an older layout, of another ledger, ahead of it after a restore, or without a
    catalog in its database; making it takes as long as a rebuild. Errors: as for ``Lake``.
    """
    try:
        lake = Lake(directory, database, threads=THREADS)
        refuse_lake_ahead(lake, database)
        return lake
    except LakeLayoutError:
        why = "were made by another version"
    except LakeForeignError:
        why = "belong to another ledger"
    except LakeCatalogError as error:
        why = f"have no catalog in this database ({error.reason})"
    except LakeAheadError:
        why = "are ahead of the ledger, which was restored from an older backup"
    _log.warning("analytics %s: they are made again from the ledger", why)
    from data.analytics.rebuild import rebuild  # with pyarrow: no start needs it otherwise

    try:
        rebuild(database, directory, clock=clock)
    except LakeError:
        # Another process may have made them meanwhile; if not, opening says what is wrong.
        _log.warning("analytics could not be made again here", exc_info=True)
    return Lake(directory, database, threads=THREADS)
