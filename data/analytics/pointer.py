"""Which generation of the analytics store is in use: a small file that is replaced in one step."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

CURRENT = "CURRENT"
NEXT = "NEXT"


def current_generation(directory: Path, pointer: str = CURRENT) -> str | None:
    """The name of the generation in use, if there is one."""
    try:
        return (directory / pointer).read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def publish(directory: Path, name: str, *, first: bool = False, pointer: str = CURRENT) -> bool:
    """Makes a generation the one in use, in one step that survives a power cut.

    ``first``: only if there is none yet. Gives whether it is the one in use.
    """
    part = directory / f"{pointer}.{uuid.uuid4().hex[:8]}"
    with part.open("w", encoding="utf-8") as file:
        file.write(name)
        file.flush()
        os.fsync(file.fileno())
    if not first:
        part.replace(directory / pointer)
        return True
    try:
        (directory / pointer).hardlink_to(part)
    except FileExistsError:
        return False
    finally:
        part.unlink()
    return True
