"""What processes that a test may kill need, loaded once a run: see tests/forked.py."""

from tests import (
    hold_race,
    import_crash,
    ingest_crash,
    lease_holders,
    notice_crash,
    sweep_leader,
    sync_crash,
    sync_forever,
)

__all__ = [
    "hold_race",
    "import_crash",
    "ingest_crash",
    "lease_holders",
    "notice_crash",
    "sweep_leader",
    "sync_crash",
    "sync_forever",
]
