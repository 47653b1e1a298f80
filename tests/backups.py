"""Installations to back up, ends of the process at a point of it, and backups that lie."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import zipfile
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from billing.events import SmsEvent
from billing.periods import Period
from billing.queries import Filters
from data import phases
from data.analytics.sync import sync_all
from data.backup.making import back_up
from data.backup.restoring import Restored, restore
from data.installation import Installation, open_installation
from data.proof.verify import verify
from data.settings import Settings, load_settings
from data.tables import events, usage_lines
from tests.ledger_builder import account, scope
from tests.live import NOW, fill, post

ACME = "acme"


def settings_for(folder: Path, url: str | None = None, **more: Any) -> Settings:
    """Settings of an installation in a folder, on SQLite unless an address is given."""
    return load_settings(data_dir=folder, database_url=url, _env_file=None, **more)


def filled(settings: Settings) -> None:
    """An installation with three tenants and their usage, synced and closed."""
    installation = open_installation(settings)
    fill(installation)
    sync_all(installation.database, installation.lake)
    installation.close()


def nothing(_stage: str, _done: int, _total: int | None) -> None:
    """Told of progress, says nothing."""


def backed_up(settings: Settings, file: Path) -> Path:
    """A backup of an installation."""
    return back_up(settings, file, NOW, nothing)[0]


def restored(settings: Settings, file: Path, *, may_replace: bool = False) -> Restored:
    """A backup put in place."""
    return restore(settings, file, NOW, nothing, may_replace=may_replace)


def messages(first: int, count: int) -> list[SmsEvent]:
    """New usage of acme: messages of one segment."""
    return [
        SmsEvent(source="late", id=f"late-{n}", occurred_at=NOW - timedelta(minutes=1 + n % 50),
                 direction="outbound", segments=1, counterparty=f"9180000{n:05d}")
        for n in range(first, first + count)
    ]  # fmt: skip


def send(installation: Installation, first: int, count: int) -> None:
    """Posts new usage of acme."""
    post(installation, ACME, messages(first, count))


def event_ids(installation: Installation, source: str) -> set[str]:
    """The ids of every event of a source."""
    with installation.database.read() as connection:
        return set(connection.scalars(select(events.c.event_id).where(events.c.source == source)))


def line_count(installation: Installation) -> int:
    """How many usage lines there are."""
    with installation.database.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(usage_lines)) or 0)


def assert_exact(installation: Installation) -> int:
    """What the product shows is the plain sum of the ledger; all is proved; gives the lines."""
    who, count = account(), 0
    for _ in range(2):  # with the tail in the ledger, and with all of it in analytics
        found = installation.reader.usage(
            scope(who), Period(NOW.date() - timedelta(days=365), NOW.date() + timedelta(days=2)),
            [], Filters(),
        ).cells  # fmt: skip
        with installation.database.read() as connection:
            count, cost = connection.execute(
                select(func.count(), func.sum(usage_lines.c.cost_micros)).where(
                    usage_lines.c.account_id == ACME
                )
            ).one()
        assert [(cell.count, cell.cost_micros) for cell in found] == [(count, int(cost))]
        sync_all(installation.database, installation.lake)
    report = verify(installation.database, installation.lake)
    assert report.passed, [check for check in report.checks if not check.passed]
    return int(count)


@contextmanager
def opened(settings: Settings):
    """An installation, closed afterwards."""
    installation = open_installation(settings)
    try:
        yield installation
    finally:
        installation.close()


def in_a_process(work: Callable[[], object]) -> tuple[int, str]:
    """Runs work in a forked process: the code it ended with (minus a signal), and its error."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        code = 0
        try:
            work()
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode())
            code = 1
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        text = told.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text


def kill_at(phase: str, work: Callable[[], object]) -> None:
    """Runs work in a process that ends at a phase as kill -9 ends it."""

    def run() -> None:
        phases.hook = phases.killing_hook(phase, None)
        work()

    code, text = in_a_process(run)
    assert code == -signal.SIGKILL, f"{phase} was never reached: {text}"


def with_little_room(size_bytes: int, work: Callable[[], object]) -> str:
    """Runs work where no file can grow past a size, as on a disk that runs full; its error."""

    def run() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))
        work()

    code, text = in_a_process(run)
    assert code == 1, "there was room"
    return text


def forged(
    backup: Path,
    file: Path,
    parts: dict[str, bytes] | None = None,
    said_parts: list[dict[str, Any]] | None = None,
    **said: Any,
) -> Path:
    """A backup with other parts, or another manifest; hashes fit unless ``said_parts`` don't."""
    with zipfile.ZipFile(backup) as original:
        contents = {name: original.read(name) for name in original.namelist()}
    manifest = json.loads(contents.pop("manifest.json"))
    contents |= parts or {}
    for part in manifest["parts"]:
        found = contents[part["name"]]
        part |= {"size_bytes": len(found), "sha256": hashlib.sha256(found).hexdigest()}
    manifest |= {"parts": said_parts or manifest["parts"], **said}
    with zipfile.ZipFile(file, "w") as made:
        for name, content in contents.items():
            made.writestr(name, content)
        made.writestr("manifest.json", json.dumps(manifest))
    return file
