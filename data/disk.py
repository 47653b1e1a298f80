"""How much room the disk of the data directory has, and from when on that is little."""

from __future__ import annotations

import shutil
from pathlib import Path

LEAST_DISK_BYTES = 100_000_000  # below it a commit may fail at any moment
SMALL_DISK_BYTES = 1_000_000_000
ROOMY_DISK_BYTES = 1_200_000_000  # a disk that was nearly full has room again from here on


def free_bytes(folder: Path) -> int:
    """What may still be written there."""
    return shutil.disk_usage(folder).free
