"""What processes that a test may kill need, loaded once a run: see tests/forked.py."""

from tests import import_crash, ingest_crash, lease_holders, sync_crash, sync_forever

__all__ = ["import_crash", "ingest_crash", "lease_holders", "sync_crash", "sync_forever"]
