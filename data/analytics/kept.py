"""Files of a change, kept until it is known whether the change was.

When the connection to a catalog in PostgreSQL breaks at the very end of a change, DuckLake takes
it for undone and deletes its Parquet files, though PostgreSQL may have committed it: then the
catalog would name files that are gone. A second name for each of them brings them back. Those of
a change that was undone after all are orphans, which the upkeep clears away.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from pathlib import Path

PLACE = "kept"
LEFT_SECONDS = 60 * 60  # after which a killed process's names are taken away; no change takes it


class KeptFiles:
    """Second names for the files that appear in a generation's folder during one change."""

    def __init__(self, generation: Path) -> None:
        self._files = generation / "files"
        self._place = generation / PLACE / uuid.uuid4().hex[:12]
        self._before = _names(self._files)
        _clear_left(self._place.parent)

    def keep(self) -> None:
        """Names what has appeared; to be called before the end of the change."""
        for number, name in enumerate(sorted(_names(self._files) - self._before)):
            self._place.mkdir(parents=True, exist_ok=True)
            second = self._place / f"{number:06d}"
            try:
                second.hardlink_to(name)
            except FileNotFoundError:
                continue  # another process's, undone meanwhile
            (self._place / f"{number:06d}.name").write_text(name, encoding="utf-8")

    def put_back(self) -> None:
        """Gives what was deleted its name again."""
        for second in sorted(self._place.glob("*.name")) if self._place.is_dir() else ():
            name = Path(second.read_text(encoding="utf-8"))
            if not name.exists():
                name.parent.mkdir(parents=True, exist_ok=True)
                name.hardlink_to(second.with_suffix(""))

    def forget(self) -> None:
        """Takes the second names away."""
        shutil.rmtree(self._place, ignore_errors=True)


def _names(folder: Path) -> set[str]:
    return {
        os.path.join(place, name)  # noqa: PTH118
        for place, _, names in os.walk(folder)
        for name in names
    }


def _clear_left(folder: Path) -> None:
    """What killed processes left."""
    oldest = time.time() - LEFT_SECONDS
    for left in folder.iterdir() if folder.is_dir() else ():
        try:
            is_old = left.stat().st_mtime < oldest
        except FileNotFoundError:
            continue
        if is_old:
            shutil.rmtree(left, ignore_errors=True)
