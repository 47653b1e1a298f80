"""The mark of a restore that is putting a ledger in its place: nothing may open it meanwhile."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from billing.errors import InputError
from data.durable import sync_path

MARK = "RESTORE-UNFINISHED"
_TEXT = """\
A restore was putting a ledger and its secret in place here and did not end.
Run it again: usage-dashboard restore --replace FILE
What was here before is kept under names that contain "before-restore" (SQLite)
or in a schema whose name begins with before_restore_ (PostgreSQL).
"""


def refuse_unfinished(data_dir: Path) -> None:
    """Stops whoever opens an installation into which a restore was killed half-way.

    Errors: ``InputError`` says to run the restore again.
    """
    if (data_dir / MARK).exists():
        raise InputError(
            "USAGE_DATA_DIR", data_dir,
            "a restore into it is at work or was interrupted: wait for it, or run "
            "`usage-dashboard restore --replace FILE` again",
        )  # fmt: skip


@contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """One restore into a data folder at a time. Errors: ``InputError`` when one is at work."""
    data_dir.mkdir(parents=True, exist_ok=True)
    folder = os.open(data_dir, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError("USAGE_DATA_DIR", data_dir, "another restore into it is at work") from None
    else:
        yield
    finally:
        os.close(folder)


def mark(data_dir: Path) -> None:
    """Marks the folder while what must belong together doesn't; a kill leaves the mark."""
    (data_dir / MARK).write_text(_TEXT, encoding="utf-8")
    sync_path(data_dir / MARK)
    sync_path(data_dir)


def unmark(data_dir: Path) -> None:
    """Takes the mark away: everything belongs together again."""
    (data_dir / MARK).unlink(missing_ok=True)
    sync_path(data_dir)
