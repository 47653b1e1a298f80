"""What an import writes beside usage: its own row, its top-up, its lock and its rejected rows."""

from __future__ import annotations

import csv
import fcntl
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from sqlalchemy import Connection, insert, select, update

from billing.accounts import Account
from billing.lots import LotKind
from data import tables as t
from data.database import Database
from data.importers.errors import Rejection
from data.ledger.wallet import Credit, OpenWallet, Posting

FOLDER = "imports"
LONGEST_FILE_NAME = 200
LONGEST_LABELLED = 80
HEADINGS = ("line", "field", "reason")


@dataclass(slots=True)
class Tally:
    """How many rows came to what, so far."""

    read: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0


def begin_import(
    connection: Connection, import_id: str, account: Account, names: tuple[str, str],
    rows_total: int, at: datetime,
) -> None:  # fmt: skip
    """Writes the import's row. ``names``: the map's and the file's."""
    connection.execute(
        insert(t.imports).values(
            id=import_id, account_id=account.id, map=names[0], file_name=names[1][:255],
            status="running", rows_total=rows_total, rows_read=0, rows_accepted=0,
            rows_duplicate=0, rows_rejected=0, started_at=at,
        )
    )  # fmt: skip


def update_import(connection: Connection, import_id: str, tally: Tally) -> None:
    """Brings the import's row up to what is in the ledger with this transaction."""
    _set_import(connection, import_id, {}, tally)


def end_import(
    connection: Connection, import_id: str, status: str, tally: Tally, at: datetime
) -> None:
    """Writes how the import ended: ``done`` or ``stopped``."""
    _set_import(connection, import_id, {"status": status, "finished_at": at}, tally)


def _set_import(
    connection: Connection, import_id: str, values: dict[str, Any], tally: Tally
) -> None:
    connection.execute(
        update(t.imports)
        .where(t.imports.c.id == import_id)
        .values(
            rows_read=tally.read, rows_accepted=tally.accepted, rows_duplicate=tally.duplicate,
            rows_rejected=tally.rejected, **values,
        )
    )  # fmt: skip


def fund_import(
    connection: Connection, account: Account, log: tuple[str, str], cost_micros: int,
    posting: Posting,
) -> int:  # fmt: skip
    """One paid top-up of what a log will cost, once for each log; gives its micros.

    ``log``: its file's name, which the label shows, and the mark by which it is known under any
    name: an import that was interrupted after it was funded isn't funded again.
    """
    file_name, mark = log
    cause = f"Covers the import of {file_name[:LONGEST_LABELLED]} ({mark})"
    entries = t.wallet_entries.c
    found = connection.scalar(
        select(entries.amount_micros)
        .where(entries.account_id == account.id)
        .where(entries.kind == "top_up", entries.cause.endswith(f"({mark})", autoescape=True))
        .limit(1)
    )
    if found is not None or cost_micros <= 0:
        return 0
    wallet = OpenWallet.open(connection, account)
    # A period may have closed since the log's cost was found.
    wallet.credit(Credit(LotKind.PAID, cost_micros, cause), wallet.booked(posting))
    wallet.flush(posting.stored_at)
    return cost_micros


class ImportLock:
    """Held while an import runs, so that one that was killed can be told from one at work."""

    def __init__(self, data_dir: Path, import_id: str) -> None:
        self._path = _lock_path(data_dir, import_id)
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("w", encoding="utf-8")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._path.unlink(missing_ok=True)
        if self._file:
            self._file.close()


def stop_stale_imports(database: Database, data_dir: Path, at: datetime) -> int:
    """Marks imports as stopped whose process is gone; gives how many."""
    with database.read() as connection:
        running = connection.scalars(
            select(t.imports.c.id).where(t.imports.c.status == "running").order_by(t.imports.c.id)
        ).all()
    stale = [import_id for import_id in running if not _is_held(_lock_path(data_dir, import_id))]
    if stale:
        with database.write() as connection:
            connection.execute(
                update(t.imports)
                .where(t.imports.c.id.in_(stale), t.imports.c.status == "running")
                .values(status="stopped", finished_at=at)
            )
    for import_id in stale:
        _lock_path(data_dir, import_id).unlink(missing_ok=True)
    return len(stale)


def _lock_path(data_dir: Path, import_id: str) -> Path:
    return data_dir / FOLDER / f"{import_id}.lock"


def _is_held(path: Path) -> bool:
    try:
        with path.open("r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


class RejectedFile:
    """Rejected rows as line, field and reason: never their values. Made with the first one.

    It stands beside the log; where that folder can't be written, in the data directory.
    """

    def __init__(self, log: Path, data_dir: Path) -> None:
        name = f"{log.name[:LONGEST_FILE_NAME]}.rejected.csv"
        can_write = os.access(log.parent, os.W_OK)
        self.path = (log.parent if can_write else data_dir / FOLDER) / name
        self._part = self.path.with_name(f"{self.path.name}.part")
        self._file: IO[str] | None = None

    def add(self, rejected: list[Rejection]) -> None:
        """More rows, in file order."""
        if not rejected:
            return
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("w", encoding="utf-8", newline="")
            csv.writer(self._file).writerow(HEADINGS)
        csv.writer(self._file).writerows(rejection.cells() for rejection in rejected)

    def finish(self, *, is_whole: bool) -> Path | None:
        """Puts the file in its place; what a stopped import left of it goes.

        An older one goes too when nothing was rejected this time.
        """
        if self._file:
            self._file.close()
        if not is_whole:
            self._part.unlink(missing_ok=True)
            return None
        if self._file is None:
            self.path.unlink(missing_ok=True)
            return None
        self._part.replace(self.path)
        return self.path
