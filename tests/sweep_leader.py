"""A process that leads the background jobs of a ledger until it is killed."""

from __future__ import annotations

import threading
from pathlib import Path

from data import jobs
from data.installation import Installation, open_installation
from data.jobs import Jobs
from data.settings import load_settings


def opened(folder: Path, url: str | None) -> Installation:
    """The installation of a folder, with the clock of its file."""
    return open_installation(
        load_settings(
            data_dir=folder, database_url=url, secret_key="s" * 40, sync_seconds=3600,
            clock_file=folder / "clock.txt", _env_file=None,
        ),
        is_demo=True,
    )  # fmt: skip


def leading(installation: Installation) -> Jobs:
    """Jobs that sweep each second, begun."""
    jobs.SWEEP_SECONDS = 1
    found = Jobs(installation, is_demo=False)
    found.start()
    return found


def main(folder: Path, url: str | None) -> None:
    """Leads, or waits for it."""
    leading(opened(folder, url))
    threading.Event().wait()
