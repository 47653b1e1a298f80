"""A sync, a rebuild or an opening in a process of its own, to be killed at a named phase."""

from __future__ import annotations

import os
from pathlib import Path

from data import phases
from data.analytics.lake import Lake
from data.analytics.opening import open_lake
from data.analytics.rebuild import rebuild
from data.analytics.sync import sync_all
from tests import forked
from tests.ledger_builder import open_truth

BATCH_ROWS = 20


def run(work: str, directory: Path, kill_at: str = "") -> tuple[int, list[str]]:
    """Runs ``sync``, ``rebuild`` or ``open``: the process's exit code and the phases it passed."""
    log = directory / "phases.log"
    log.unlink(missing_ok=True)
    environment = os.environ | {"USAGE_KILL_AT": kill_at, "USAGE_PHASE_LOG": str(log)}
    code, told = forked.run(main, work, directory, environment=environment)
    if code > 0:
        raise AssertionError(told)
    return code, log.read_text().split() if log.exists() else []


def main(work: str, directory: Path) -> None:
    phases.hook = phases._hook_from_environment()  # known before the environment was this one's
    database = open_truth(directory)
    if work == "sync":
        sync_all(database, Lake(directory, database), BATCH_ROWS)
    elif work == "open":
        open_lake(directory, database)
    else:
        rebuild(database, directory, limit=BATCH_ROWS)
