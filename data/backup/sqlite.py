"""A ledger in an SQLite file: copied while it is written, prepared beside, put in its place."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, delete
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from billing.errors import InputError, shorten
from data.backup.archive import Progress
from data.backup.manifest import LEDGER_ID, BackupError, Contents, compare, read_contents
from data.database import open_database, sqlite_url
from data.durable import sync_path
from data.ledger.guards import create_guards, guard_names
from data.migrate import migrate
from data.phases import phase
from data.tables import facts

STEP_PAGES = 1024
BUSY_SECONDS = 2.0
_JOURNALS = ("-wal", "-shm", "-journal")


def file_of(url: str) -> Path:
    """The file of an SQLite address."""
    return Path(make_url(url).database or "").absolute()


def copy_ledger(source: Path, copy: Path, progress: Progress) -> None:
    """Copies the ledger as it is at one moment, while writers go on.

    One read transaction holds that moment: SQLite's backup in steps without it starts over after
    each commit of another process, and under load never ends.
    Errors: ``BackupError``, also when the disk is full.
    """
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))

    def told(_status: int, remaining: int, total: int) -> None:
        progress("Copying", total - remaining, total)
        phase("backup.step")

    try:
        with closing(_open(source, "rw")) as ledger, closing(_open(copy, "rw")) as made:
            made.execute("PRAGMA synchronous=OFF")  # it is synced once, below
            made.execute("PRAGMA journal_mode=OFF")
            ledger.execute("PRAGMA query_only=ON")
            ledger.execute("BEGIN")
            ledger.execute("SELECT count(*) FROM sqlite_master").fetchone()
            ledger.backup(made, pages=STEP_PAGES, progress=told, sleep=0)
            ledger.execute("COMMIT")
    except sqlite3.Error as error:
        raise BackupError(f"The ledger can't be copied: {error}. It was left as it is.") from error


@contextmanager
def at_rest(file: Path) -> Iterator[Connection]:
    """Reads a copy that nobody writes, without making any file beside it."""
    engine = create_engine(
        "sqlite://", creator=lambda: _open(file, "ro&immutable=1"), poolclass=NullPool
    )
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def prepare(chunks: Iterable[bytes], staged: Path, said: Contents) -> None:
    """Writes a backup's ledger to a file, checks it and brings it to this version's schema.

    It gets no identity here: analytics that were made of another are then made again.
    Errors: ``BackupError``; ``OSError`` when the disk is full.
    """
    remove(staged)
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for chunk in chunks:
            file.write(chunk)
            phase("restore.step")
    try:
        with at_rest(staged) as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
            if found != "ok":
                raise BackupError(f"The backup's ledger is damaged: {found}.")
            _refuse_foreign_code(connection)
            compare(read_contents(connection), said)
        database = open_database(sqlite_url(staged))
        try:
            migrate(database)
            with database.write() as connection:
                connection.execute(delete(facts).where(facts.c.name == LEDGER_ID))
                create_guards(connection)  # whatever those of the file do
        finally:
            database.dispose()
        with closing(_open(staged, "rw")) as ledger:
            ledger.execute("PRAGMA journal_mode=DELETE")  # all of it in the one file
    except (sqlite3.Error, DBAPIError) as error:
        why = error.orig if isinstance(error, DBAPIError) else error
        raise BackupError(f"The backup's ledger can't be read: {why}.") from error
    with staged.open("rb") as file:
        os.fsync(file.fileno())


def is_ledger(file: Path) -> bool:
    """Whether there is something in a ledger's place."""
    return file.exists() and file.stat().st_size > 0


def close_down(file: Path) -> None:
    """Makes sure that nobody has the ledger open, and that all of it is in its one file.

    A damaged one can't be asked, and stays with its journals. Errors: ``InputError``.
    """
    try:
        with closing(_open(file, "rw")) as ledger:
            ledger.execute("PRAGMA locking_mode=EXCLUSIVE")  # with WAL, also against readers
            ledger.execute("BEGIN IMMEDIATE")
            ledger.execute("COMMIT")
            ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            return
        raise InputError(
            "ledger", file, "stop the server and every command that has it open, then try again"
        ) from error
    except sqlite3.DatabaseError:
        return


def keep_aside(file: Path, aside: Path) -> None:
    """Keeps what is in a ledger's place, with the journals of a damaged one, under another name."""
    for journal in _JOURNALS:
        with suppress(FileNotFoundError):
            Path(f"{file}{journal}").rename(f"{aside}{journal}")
    keep(file, aside)


def keep(file: Path, aside: Path) -> None:
    """Gives a file a second name, so that it is there under one of them at every moment."""
    try:
        aside.hardlink_to(file)
    except OSError:  # not every disk has hard links
        shutil.copy2(file, aside)
    sync_path(aside.parent)


def remove(file: Path) -> None:
    """Removes a staged ledger and its journals, as a run that was killed may have left them."""
    for name in ("", *_JOURNALS):
        Path(f"{file}{name}").unlink(missing_ok=True)


def _refuse_foreign_code(connection: Connection) -> None:
    """A trigger runs with whatever is written later: only the product's own may be there."""
    found = connection.exec_driver_sql(
        "SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view')"
    ).scalars()
    foreign = set(found) - set(guard_names("sqlite"))
    if foreign:
        raise BackupError(
            f"The backup's ledger has triggers or views of somebody else: {shorten(min(foreign))}."
        )


def _open(file: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(file))}?mode={mode}", uri=True, isolation_level=None,
        timeout=BUSY_SECONDS, check_same_thread=False,
    )  # fmt: skip
