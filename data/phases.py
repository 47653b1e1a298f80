"""Named points in work that must survive a kill: what a crash test stops at, and what it logs.

A test sets ``USAGE_KILL_AT`` to a phase and the process ends there as ``kill -9`` ends it;
``USAGE_PHASE_LOG`` names a file that gets one line for each phase passed. Without both, passing
a phase costs one call that does nothing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

SYNC_PHASES = (
    "sync.read",
    "sync.sealed",
    "sync.lines",
    "sync.rollups",
    "sync.position",
    "sync.committed",
)
REBUILD_PHASES = ("rebuild.started", "rebuild.filled", "rebuild.switched", "rebuild.cleaned")
IMPORT_PHASES = ("import.read", "import.before_commit", "import.committed", "import.finished")
INGEST_PHASES = ("ingest.before_commit", "ingest.committed")
BACKUP_PHASES = ("backup.step", "backup.copied", "backup.written", "backup.named")
RESTORE_PHASES = (
    "restore.step", "restore.prepared", "restore.marked", "restore.half", "restore.placed",
)  # fmt: skip
NOTICE_PHASES = ("notice.before_send", "notice.sent")
RECHARGE_PHASES = ("recharge.sent", "recharge.charged", "recharge.noted")
PHASES = (
    *SYNC_PHASES, *REBUILD_PHASES, *IMPORT_PHASES, *INGEST_PHASES, *BACKUP_PHASES, *RESTORE_PHASES,
    *RECHARGE_PHASES, *NOTICE_PHASES,
)  # fmt: skip


def _nothing(name: str) -> None:
    """What happens at a phase outside tests."""


def killing_hook(kill_at: str | None, log: Path | None) -> Callable[[str], None]:
    """A hook that logs each phase and ends the process without any clean-up at one of them."""

    def pass_phase(name: str) -> None:
        if log is not None:
            with log.open("a", encoding="utf-8") as file:
                file.write(f"{name}\n")
        if name == kill_at:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    return pass_phase


def _hook_from_environment() -> Callable[[str], None]:
    kill_at = os.environ.get("USAGE_KILL_AT")
    log = os.environ.get("USAGE_PHASE_LOG")
    if not kill_at and not log:
        return _nothing
    return killing_hook(kill_at, Path(log) if log else None)


hook: Callable[[str], None] = _hook_from_environment()


def phase(name: str) -> None:
    """Passes a named point. ``name`` is one of ``PHASES``."""
    hook(name)
