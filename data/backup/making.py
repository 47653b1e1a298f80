"""Makes a backup while the product serves: whole under its name, or not there at all.

Everything is written in a hidden folder beside the target, which a killed run leaves and the
next one there clears away.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from billing.errors import InputError
from data.backup import postgresql, sqlite
from data.backup.archive import ArchiveWriter, Progress, file_chunks, new_manifest
from data.backup.manifest import LEDGERS, SECRET, BackupError, Manifest, dialect_of, read_contents
from data.durable import sync_path
from data.installation import SECRET_FILE
from data.phases import phase
from data.settings import Settings

NAME = "usage-dashboard-{at:%Y%m%dT%H%M%SZ}.backup"
_PART = ".part"
_COPY, _FILE = "ledger", "file"


def back_up(
    settings: Settings, target: Path, made_at: datetime, progress: Progress
) -> tuple[Path, Manifest]:
    """Writes one file with the ledger and its secret; gives its name and what it says of itself.

    ``target``: a file that isn't there yet, or a folder, in which the file gets a name of its
    own. ``progress`` is told the stage, what is done and the whole, where that is known.
    Errors: ``InputError``, ``BackupError``, ``OSError``.
    """
    file = target / NAME.format(at=made_at) if target.is_dir() else target
    if file.exists() or not file.parent.is_dir():
        raise InputError("file", file, "name a new file in a folder that exists")
    secret = _secret(settings)
    with _work_folder(file) as folder:
        make = _of_sqlite if dialect_of(settings.truth_url) == "sqlite" else _of_postgresql
        manifest = make(settings.truth_url, secret, folder, made_at, progress)
        phase("backup.written")
        if file.exists():
            raise InputError("file", file, "it has appeared meanwhile: name a new one")
        (folder / _FILE).replace(file)
        sync_path(file.parent)
        phase("backup.named")
    return file, manifest


def _of_sqlite(
    url: str, secret: str, folder: Path, made_at: datetime, progress: Progress
) -> Manifest:
    source, copy = sqlite.file_of(url), folder / _COPY
    if not sqlite.is_ledger(source):
        raise BackupError(f"There is no ledger at {source}: nothing to back up.")
    _require_room(folder, source.stat().st_size)
    sqlite.copy_ledger(source, copy, progress)
    phase("backup.copied")
    with sqlite.at_rest(copy) as connection:
        contents = read_contents(connection)
    writer = ArchiveWriter(folder / _FILE, is_compressed=False)
    try:
        writer.add(SECRET, [secret.encode()])
        writer.add(LEDGERS["sqlite"], file_chunks(copy, progress, "Packing"))
        return writer.finish(new_manifest("sqlite", contents, made_at))
    except BaseException:
        writer.abandon()
        raise


def _of_postgresql(
    url: str, secret: str, folder: Path, made_at: datetime, progress: Progress
) -> Manifest:
    postgresql.require_tool("pg_dump")
    if not postgresql.has_ledger(url):
        raise BackupError("There is no ledger in this database: nothing to back up.")
    writer = ArchiveWriter(folder / _FILE, is_compressed=True)
    try:
        writer.add(SECRET, [secret.encode()])
        with postgresql.snapshot(url) as (connection, name):
            contents = read_contents(connection)
            phase("backup.copied")
            dumped = postgresql.dump(url, name, progress)
            writer.add(LEDGERS["postgresql"], dumped)
        return writer.finish(new_manifest("postgresql", contents, made_at))
    except BaseException:
        writer.abandon()
        raise


def _secret(settings: Settings) -> str:
    kept = settings.data_dir / SECRET_FILE
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    if not kept.exists():
        raise BackupError(f"There is no {kept} and no USAGE_SECRET_KEY: nothing to back up.")
    return kept.read_text().strip()


def _require_room(folder: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise BackupError(
            f"The disk of {folder.parent} has {free:,} bytes left and a copy takes "
            f"{needed_bytes:,}: make room or name another place."
        )


@contextmanager
def _work_folder(file: Path) -> Iterator[Path]:
    """A folder only its owner can read, held while it is in use and removed afterwards."""
    for left in file.parent.glob(f".*{_PART}"):
        if left.name.startswith((f".{file.name}.", ".usage-dashboard-")) and left.is_dir():
            _remove_if_dead(left)
    folder = Path(tempfile.mkdtemp(_PART, f".{file.name}.", file.parent))
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield folder
    finally:
        _clear(folder)
        os.close(held)


def _remove_if_dead(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # another backup is at work
    else:
        _clear(folder)
    finally:
        os.close(opened)


def _clear(folder: Path) -> None:
    """Removes the files that this module makes, and nothing else."""
    sqlite.remove(folder / _COPY)
    (folder / _FILE).unlink(missing_ok=True)
    folder.rmdir()
