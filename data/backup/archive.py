"""The file of a backup: a ZIP of known parts, checked whole before anything is taken from it.

Parts are found by names that this module gives them and never written where a file's own names
say, so a hostile name leads nowhere.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from data.backup.manifest import (
    FORMAT,
    MANIFEST,
    MOST_MANIFEST_BYTES,
    PRODUCT,
    SECRET,
    BackupError,
    Contents,
    Manifest,
    Part,
    product_version,
    read_manifest,
)

CHUNK_BYTES = 1024 * 1024
MOST_SECRET_BYTES = 4096
QUICK_LEVEL = 1  # of deflate: a ledger halves or better at it, and level 6 takes thrice as long
Progress = Callable[[str, int, int | None], None]
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


class ArchiveWriter:
    """Writes parts into a new file that only its owner can read, and the manifest at the end."""

    def __init__(self, file: Path, *, is_compressed: bool) -> None:
        """``is_compressed``: what comes is already."""
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._handle = os.fdopen(descriptor, "wb")
        method = zipfile.ZIP_STORED if is_compressed else zipfile.ZIP_DEFLATED
        self._zip = zipfile.ZipFile(self._handle, "w", method, compresslevel=QUICK_LEVEL)
        self._parts: list[Part] = []

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """Writes one part as its chunks come."""
        digest, size = hashlib.sha256(), 0
        with self._zip.open(name, "w", force_zip64=True) as part:
            for chunk in chunks:
                part.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        self._parts.append(Part(name=name, size_bytes=size, sha256=digest.hexdigest()))

    def finish(self, manifest: Callable[[tuple[Part, ...]], Manifest]) -> Manifest:
        """Writes the manifest made from the parts; the file is on the disk when this returns."""
        made = manifest(tuple(self._parts))
        self._zip.writestr(MANIFEST, made.model_dump_json(indent=1))
        self._zip.close()
        self._handle.flush()
        os.fsync(self._handle.fileno())
        self._handle.close()
        return made

    def abandon(self) -> None:
        """Lets go of a file that won't be finished; without its directory it is no archive."""
        self._zip.fp = None  # or it would try to end the file, on a disk that may be full
        with suppress(OSError):
            self._handle.close()


class Archive:
    """A backup that was checked: every part is there and has the hash that the manifest says."""

    def __init__(self, file: Path, opened: zipfile.ZipFile, manifest: Manifest) -> None:
        self.file = file
        self._zip = opened
        self.manifest = manifest

    def chunks(
        self, name: str, progress: Progress | None = None, stage: str = ""
    ) -> Iterator[bytes]:
        """A part's bytes; ends with an error where they aren't those the manifest names.

        No more is read than the manifest says, however much a damaged or hostile part holds.
        """
        part = self.manifest.part(name)
        digest, size = hashlib.sha256(), 0
        try:
            with self._zip.open(name) as stream:
                while chunk := stream.read(CHUNK_BYTES):
                    size += len(chunk)
                    if size > part.size_bytes:
                        break
                    digest.update(chunk)
                    if progress is not None:
                        progress(stage, size, part.size_bytes)
                    yield chunk
        except _BROKEN as error:
            raise self._damaged(f"{name}: {error}") from error
        if (size, digest.hexdigest()) != (part.size_bytes, part.sha256):
            raise self._damaged(f"{name} doesn't have the SHA-256 that {MANIFEST} says")

    def secret(self) -> str:
        """The secret that numbers, keys and sessions were hashed under."""
        found = b"".join(self.chunks(SECRET))
        try:
            return found.decode("ascii").strip()
        except UnicodeDecodeError:
            raise self._damaged(f"{SECRET} is no text") from None

    def _damaged(self, why: str) -> BackupError:
        return damaged(self.file, why)


def damaged(file: Path, why: str) -> BackupError:
    """The refusal of a file that is no whole backup."""
    return BackupError(
        f"{file.name} is no whole backup ({why}). Nothing was changed: use another copy of it."
    )


@contextmanager
def open_archive(file: Path, progress: Progress) -> Iterator[Archive]:
    """A backup, read through once and found whole. Errors: ``BackupError``, ``OSError``."""
    with file.open("rb") as handle:
        try:
            opened = zipfile.ZipFile(handle)
        except (*_BROKEN, ValueError) as error:
            raise damaged(file, str(error)) from error
        with opened:
            archive = Archive(file, opened, _manifest(file, opened))
            for part in archive.manifest.parts:
                for _ in archive.chunks(part.name, progress, "Checking"):
                    pass
            yield archive


def _manifest(file: Path, opened: zipfile.ZipFile) -> Manifest:
    sizes = {entry.filename: entry.file_size for entry in opened.infolist()}
    if len(sizes) != len(opened.infolist()) or MANIFEST not in sizes:
        raise damaged(file, f"it has no {MANIFEST}, or a name twice")
    if sizes[MANIFEST] > MOST_MANIFEST_BYTES:
        raise damaged(file, f"its {MANIFEST} is too long")
    try:
        with opened.open(MANIFEST) as stream:
            text = stream.read(MOST_MANIFEST_BYTES + 1)
    except _BROKEN as error:
        raise damaged(file, f"{MANIFEST}: {error}") from error
    manifest = read_manifest(text)
    if sizes.keys() != {MANIFEST, *(part.name for part in manifest.parts)}:
        raise damaged(file, "it holds other files than a backup has")
    if manifest.part(SECRET).size_bytes > MOST_SECRET_BYTES:
        raise damaged(file, f"its {SECRET} is too long")
    return manifest


def new_manifest(dialect: str, contents: Contents, made_at: datetime) -> Callable[..., Manifest]:
    """Makes the manifest of a ledger once its parts are known."""

    def make(parts: tuple[Part, ...]) -> Manifest:
        return Manifest.model_validate(
            {
                "product": PRODUCT, "format": FORMAT, "version": product_version(),
                "made_at": made_at, "dialect": dialect, "contents": contents, "parts": parts,
            }
        )  # fmt: skip

    return make


def file_chunks(file: Path, progress: Progress, stage: str) -> Iterator[bytes]:
    """A file's bytes."""
    total, done = file.stat().st_size, 0
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            done += len(chunk)
            progress(stage, done, total)
            yield chunk
