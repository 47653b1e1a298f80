"""Opens a log that lies plain, in gzip or in a zip archive, as one stream of bytes.

What it is follows from its first bytes, not from its name.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import BinaryIO

from data.importers.errors import FileRefusedError

BUFFER_BYTES = 1 << 18
GZIP_MAGIC, ZIP_MAGIC, EMPTY_ZIP_MAGIC = b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06"
MOST_NAMED = 5
Unpacked = io.BufferedReader | gzip.GzipFile | zipfile.ZipExtFile


@dataclass(frozen=True, slots=True)
class FileState:
    """What must stay the same from one pass over a file to the next."""

    size_bytes: int
    modified_at_ns: int


@dataclass(frozen=True, slots=True)
class OpenLog:
    """The unpacked bytes, and the file they come from, whose position shows the progress."""

    lines: io.BufferedReader
    raw: BinaryIO

    def done_bytes(self) -> int:
        """How far the file on disk was read."""
        return self.raw.tell()


def file_state(file: Path) -> FileState:
    """Size and time of a regular file that can be read; ``FileRefusedError`` otherwise."""
    try:
        if not file.exists():
            raise FileRefusedError(file, "there is no such file", "Check the path.")
        if not file.is_file():
            raise FileRefusedError(file, "this is not a file", "Name the log itself.")
        found = file.stat()
    except OSError as error:
        raise _unreadable(file, error) from None
    if found.st_size == 0:
        raise FileRefusedError(file, "it is empty", "Fetch it again.")
    return FileState(found.st_size, found.st_mtime_ns)


@contextmanager
def open_log(file: Path, member: str | None) -> Iterator[OpenLog]:
    """The unpacked bytes of a log. ``member``: name pattern of the file inside a zip.

    Errors: ``FileRefusedError``, also while reading, when the container is cut short or damaged.
    """
    try:
        with ExitStack() as stack:
            raw = stack.enter_context(file.open("rb"))
            stream = stack.enter_context(_unpacked(file, raw, member))
            yield OpenLog(io.BufferedReader(stream, BUFFER_BYTES), raw)
    except EOFError:
        raise FileRefusedError(
            file, "it ends in the middle of its compressed data", "Fetch the whole file again."
        ) from None
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
        raise FileRefusedError(
            file, f"its compressed data is damaged ({error})", "Fetch it again."
        ) from None
    except OSError as error:
        raise _unreadable(file, error) from None


def _unpacked(file: Path, raw: io.BufferedReader, member: str | None) -> Unpacked:
    magic = raw.read(4)
    raw.seek(0)
    if magic.startswith(GZIP_MAGIC):
        return gzip.GzipFile(fileobj=raw)
    if magic in (ZIP_MAGIC, EMPTY_ZIP_MAGIC):
        return _zip_member(file, zipfile.ZipFile(raw), member)
    for suffix in (".gz", ".zip"):
        if file.suffix.lower() == suffix:
            raise FileRefusedError(
                file, f"it is named {suffix} but isn't such an archive", "Fetch it again."
            )
    return raw


def _zip_member(file: Path, archive: zipfile.ZipFile, pattern: str | None) -> Unpacked:
    names = [
        name
        for name in archive.namelist()
        if not name.endswith("/")
        and not name.startswith("__MACOSX/")
        and not Path(name).name.startswith(".")
    ]
    wanted = [name for name in names if not pattern or fnmatch(Path(name).name, pattern)]
    if len(wanted) != 1:
        shown = ", ".join(repr(name[:80]) for name in names[:MOST_NAMED]) or "nothing"
        problem = f"of its files {shown}, {len(wanted)} match {pattern or 'any name'}"
        raise FileRefusedError(
            file, problem, "Unpack it and import the file, or name it in the map's file.member."
        )
    try:
        return archive.open(wanted[0])  # type: ignore[return-value]
    except (RuntimeError, NotImplementedError) as error:  # a password, or an odd compression
        raise FileRefusedError(file, str(error), "Unpack it first.") from None


def _unreadable(file: Path, error: OSError) -> FileRefusedError:
    return FileRefusedError(file, f"it can't be read ({error.strerror or error})", "Check it.")
