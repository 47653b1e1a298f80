"""Fills a demo in a process of its own, so that the page opens while the rest loads."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence

from billing.errors import ProductError
from data.demo.state import read_progress
from data.installation import Installation

WAIT_SECONDS = 20.0
STEP_SECONDS = 0.1


def start_loader(installation: Installation, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Runs ``command``, which fills the demo; returns once its people can sign in.

    Errors: ``ProductError`` when the command ends before that.
    """
    loader = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        with installation.database.read() as connection:
            if read_progress(connection) is not None:
                break
        if loader.poll() is not None:
            raise ProductError("The demo could not be made: run `usage-dashboard demo` to see why.")
        time.sleep(STEP_SECONDS)
    threading.Thread(target=loader.wait, daemon=True).start()  # no zombie is left
    return loader
