"""Imports one log in a process of its own that is killed at a phase; the parent resumes.

Phases passed go to FOLDER/phases.
"""

import os
import signal
from pathlib import Path

from data import phases
from tests.import_ledger import open_ledger, run

BATCH_ROWS = 50


def kill_at(folder: Path, wanted: str, nth: int) -> None:
    """Ends this process as kill -9 does, the nth time a phase is passed."""
    left = [nth]

    def pass_phase(name: str) -> None:
        with (folder / "phases").open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")
        if name == wanted:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    phases.hook = pass_phase


def main(folder: Path, log: Path, wanted: str, nth: int) -> None:
    os.chdir(log.parent)
    kill_at(folder, wanted, nth)
    run(open_ledger(folder), log, "calls.toml", is_funded=True, batch_rows=BATCH_ROWS)
