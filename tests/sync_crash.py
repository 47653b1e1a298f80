"""A sync, a rebuild or an opening in a process of its own, to be killed at a named phase.

``python -m tests.sync_crash sync|rebuild|open DIRECTORY`` with ``USAGE_KILL_AT`` and
``USAGE_PHASE_LOG`` set; ``run`` does that.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from data.analytics.lake import Lake
from data.analytics.opening import open_lake
from data.analytics.rebuild import rebuild
from data.analytics.sync import sync_all
from tests.ledger_builder import open_truth

ROOT = Path(__file__).resolve().parent.parent
BATCH_ROWS = 20


def run(work: str, directory: Path, kill_at: str = "") -> tuple[int, list[str]]:
    """Runs the work and gives the process's exit code and the phases it passed."""
    log = directory / "phases.log"
    log.unlink(missing_ok=True)
    process = subprocess.run(
        [sys.executable, "-m", "tests.sync_crash", work, str(directory)],
        cwd=ROOT,
        env=os.environ | {"USAGE_KILL_AT": kill_at, "USAGE_PHASE_LOG": str(log)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if process.returncode > 0:
        raise AssertionError(process.stderr)
    return process.returncode, log.read_text().split() if log.exists() else []


def main(work: str, directory: Path) -> None:
    database = open_truth(directory)
    if work == "sync":
        sync_all(database, Lake(directory, database), BATCH_ROWS)
    elif work == "open":
        open_lake(directory, database)
    else:
        rebuild(database, directory, limit=BATCH_ROWS)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
