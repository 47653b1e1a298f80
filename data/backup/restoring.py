"""Restores a backup: checked whole before anything is touched, then put in place.

Until the very last step the target is as it was. Nothing is deleted: what a restore replaces
stays under another name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from billing.errors import InputError
from data.backup import postgresql, sqlite
from data.backup.archive import Archive, Progress, open_archive
from data.backup.manifest import BackupError, Manifest, compare, dialect_of, read_contents
from data.backup.unfinished import alone, mark, unmark
from data.durable import sync_path
from data.installation import SECRET_FILE
from data.migrate import newest_revision
from data.phases import phase
from data.settings import MASK, Settings

_STAGED = ".restoring"
_SAVED = "before-restore"


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put in place, and the names that what was there before has now."""

    manifest: Manifest
    kept: tuple[str, ...]


def check(settings: Settings, file: Path, progress: Progress) -> Manifest:
    """Reads a backup through and says what it is, without touching anything.

    Errors: ``BackupError``, ``InputError``, ``OSError``.
    """
    with _fitting(settings, file, progress) as archive:
        return archive.manifest


def restore(
    settings: Settings, file: Path, at: datetime, progress: Progress, *, may_replace: bool = False
) -> Restored:
    """Puts a backup's ledger and secret where the settings say; analytics are not made here.

    ``may_replace``: also where a ledger is, which is kept aside. Errors: ``BackupError``,
    ``InputError`` with the target as it was; ``OSError``.
    """
    with _fitting(settings, file, progress) as archive, alone(settings.data_dir):
        is_sqlite = archive.manifest.dialect == "sqlite"
        place = _into_sqlite if is_sqlite else _into_postgresql
        kept = place(settings, archive, f"{at:%Y%m%dT%H%M%S}", progress, may_replace)
        return Restored(archive.manifest, tuple(kept))


@contextmanager
def _fitting(settings: Settings, file: Path, progress: Progress) -> Iterator[Archive]:
    """A backup that this version, this database and this secret can take."""
    dialect = dialect_of(settings.truth_url)
    if not file.is_file():
        raise InputError("file", file, "name a file that `usage-dashboard backup` made")
    with open_archive(file, progress) as archive:
        manifest = archive.manifest
        if manifest.dialect != dialect:
            raise BackupError(
                f"The backup is of {manifest.dialect} and USAGE_DATABASE_URL names {dialect}: "
                f"restore it into {manifest.dialect}."
            )
        if manifest.contents.revision > newest_revision():
            raise BackupError(
                f"The backup has schema {manifest.contents.revision}, made by version "
                f"{manifest.version}; this version knows {newest_revision()}: use that one."
            )
        given = settings.secret_key
        if given is not None and given.get_secret_value() != archive.secret():
            raise InputError(
                "USAGE_SECRET_KEY", MASK,
                f"unset it, or set it to the backup's own: `unzip -p {file.name} secret.key`",
            )  # fmt: skip
        yield archive


def _into_sqlite(
    settings: Settings, archive: Archive, stamp: str, progress: Progress, may_replace: bool
) -> list[str]:
    file = sqlite.file_of(settings.truth_url)
    file.parent.mkdir(parents=True, exist_ok=True)
    is_there = sqlite.is_ledger(file)
    _refuse_ledger(is_there, str(file), may_replace)
    if is_there:
        sqlite.close_down(file)  # asked again below; said now before the long work
    ledger = archive.manifest.ledger
    _require_room(file.parent, ledger.size_bytes)
    staged = Path(f"{file}{_STAGED}")
    try:
        chunks = archive.chunks(ledger.name, progress, "Restoring")
        sqlite.prepare(chunks, staged, archive.manifest.contents)
        phase("restore.prepared")
        with _swap(settings, archive, stamp) as swap:
            if is_there:
                sqlite.close_down(file)
                swap.kept.append(_aside(file, stamp, sqlite.keep_aside))
            swap.is_half = True
            staged.replace(file)
            sync_path(file.parent)
            phase("restore.half")
        return swap.kept
    finally:
        sqlite.remove(staged)


def _into_postgresql(
    settings: Settings, archive: Archive, stamp: str, progress: Progress, may_replace: bool
) -> list[str]:
    url = settings.truth_url
    postgresql.require_tool("pg_restore")
    is_there = postgresql.has_ledger(url)
    _refuse_ledger(is_there, "this database", may_replace)
    aside = f"{postgresql.ASIDE_PREFIX}{stamp.lower()}" if is_there else None
    with postgresql.held(url), _swap(settings, archive, stamp) as swap:
        if aside is not None:
            postgresql.put_aside(url, aside)
            swap.kept.append(f"schema {aside}")
        swap.is_half = True
        phase("restore.half")
        try:
            ledger = archive.manifest.ledger
            postgresql.restore(url, archive.chunks(ledger.name, progress, "Restoring"))
            with postgresql.reading(url) as connection:
                compare(read_contents(connection), archive.manifest.contents)
            postgresql.forget_identity(url)
        except BaseException:
            postgresql.put_back(url, aside)
            swap.is_half = False
            raise
    return swap.kept


@dataclass
class _Swap:
    """The last step. ``is_half``: an end now would leave things that don't belong together."""

    kept: list[str] = field(default_factory=list)
    is_half: bool = False


@contextmanager
def _swap(settings: Settings, archive: Archive, stamp: str) -> Iterator[_Swap]:
    """The block puts the ledger in place, its secret follows; both under the mark.

    The mark goes when both belong together, whether they are the new ones or still the old.
    """
    secret, file = archive.secret(), settings.data_dir / SECRET_FILE
    staged = Path(f"{file}{_STAGED}")
    staged.unlink(missing_ok=True)
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as writing:
        writing.write(secret)
        writing.flush()
        os.fsync(writing.fileno())
    swap = _Swap()
    mark(settings.data_dir)
    phase("restore.marked")
    try:
        if file.exists() and file.read_text().strip() != secret:
            swap.kept.append(_aside(file, stamp, sqlite.keep))
        yield swap
        staged.replace(file)
        sync_path(file.parent)
        swap.is_half = False
    finally:
        if not swap.is_half:
            unmark(settings.data_dir)
        staged.unlink(missing_ok=True)
    phase("restore.placed")


def _aside(file: Path, stamp: str, keep: Callable[[Path, Path], None]) -> str:
    aside = Path(f"{file}.{_SAVED}-{stamp}")
    keep(file, aside)
    return str(aside)


def _refuse_ledger(is_there: bool, where: str, may_replace: bool) -> None:
    if is_there and not may_replace:
        raise BackupError(
            f"{where} holds a ledger already. Nothing was changed: restore into another place, or "
            "with --replace, which keeps that ledger aside."
        )


def _require_room(folder: Path, needed_bytes: int) -> None:
    if shutil.disk_usage(folder).free < needed_bytes:
        raise BackupError(
            f"The disk of {folder} has no room for the ledger ({needed_bytes:,} bytes). Nothing "
            "was changed: make room first."
        )
