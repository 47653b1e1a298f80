"""Analytics that are locked, gone or broken: figures are exact or plainly missing, never wrong.

The ledger is not affected: events are taken, the balance and single transactions are told.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from api import readiness
from data import jobs
from data.analytics.lake import Lake, LakeError
from data.proof.verify import verify
from data.tables import usage_lines
from tests.api_client import ApiClient, sms
from tests.databases import of_sqlite
from tests.live import OWNER, SUPPORT, Live, LiveServer
from tests.stream_ear import listening, wait_for
from tests.web_client import WebClient

ROOT = Path(__file__).parents[1]
STOPS_WITHIN = 13.0  # seconds: SQLite's own wait for a lock, of 10 s, isn't broken off
MENDS_WITHIN = 30.0
HOLD = """
import sqlite3, sys
catalog = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
catalog.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""
STAFF_ALONE = "usage-dashboard rebuild"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveServer]:
    monkeypatch.setattr(readiness, "LEAST_BEHIND_SECONDS", 1)
    server = LiveServer(tmp_path, sync_seconds=1)
    yield server
    server.stop()


@pytest.fixture
def live(server: LiveServer) -> Iterator[Live]:
    live = server.start()
    yield live
    report = verify(live.installation.database, live.installation.lake)
    assert report.passed, [check for check in report.checks if not check.passed]


@contextmanager
def locked_catalog(lake: Lake) -> Iterator[None]:
    """A transaction on the catalog that does not end: of another process, as locks are per process.

    The catalog is asked first, so that it is whole.
    """
    lake.position()
    name = (lake.directory / "CURRENT").read_text().strip()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lake.directory / name / "catalog.sqlite")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdin
    assert holder.stdout
    try:
        assert holder.stdout.readline() == "held\n"
        yield
    finally:
        holder.stdin.close()
        holder.wait(10)
        holder.stdout.close()


def checks(live: Live) -> dict[str, str]:
    return httpx.get(f"{live.url}/readyz", timeout=30).json()["checks"]


def is_ready(live: Live) -> bool:
    return httpx.get(f"{live.url}/readyz", timeout=30).status_code == 200


def is_exact(live: Live, client: ApiClient) -> None:
    """November's usage as analytics and tail tell it, against the ledger's own sum."""
    live.installation.reader.forget()
    lines = usage_lines.c
    wanted = select(func.sum(lines.cost_micros), func.count()).where(
        lines.account_id == "acme", lines.booked_on.between(date(2026, 11, 1), date(2026, 11, 30))
    )
    with live.installation.database.read() as connection:
        cost, count = connection.execute(wanted).one()
    totals = client.get("/usage", **{"from": "2026-11-01", "to": "2026-11-30"}).json()["totals"]
    assert (totals["cost_micros"], totals["count"]) == (cost, count)


def is_readable(live: Live) -> bool:
    try:
        return live.installation.lake.position() >= 0
    except LakeError:
        return False


def is_current(live: Live) -> bool:
    return not live.application.state.readiness.jobs.standing().lines


# --- locked --------------------------------------------------------------------------------------
@of_sqlite
def test_a_locked_catalog_stops_syncing_and_no_figure(live: Live):
    client, owner = ApiClient(live), WebClient(live.url, OWNER)
    with listening(live, client.bearer) as ear, locked_catalog(live.installation.lake):
        before = live.installation.lake.position()
        for _ in range(3):
            assert client.send(*(sms() for _ in range(5))).status_code == 204
            is_exact(live, client)
        wait_for(lambda: checks(live)["sync"] == "degraded")
        assert is_ready(live), "requests go on"
        page = owner.page("/billing/usage", "")
        assert "Complete to" in page
        assert "could not be loaded" not in page
        wait_for(lambda: len(ear.lines) == 15)
        assert live.installation.lake.position() == before
        is_exact(live, client)
    wait_for(lambda: is_current(live))
    wait_for(lambda: checks(live)["sync"] == "ok")
    is_exact(live, client)
    client.close()
    owner.close()


@of_sqlite
@pytest.mark.long
def test_a_server_stops_in_time_while_its_catalog_is_locked(tmp_path: Path):
    server = LiveServer(tmp_path, sync_seconds=1)
    live = server.start()
    client = ApiClient(live)
    with locked_catalog(live.installation.lake):
        assert client.send(sms()).status_code == 204
        wait_for(live.installation.lake.changing.locked)
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < STOPS_WITHIN
    client.close()


# --- gone or broken ------------------------------------------------------------------------------
def break_files(live: Live, how: str) -> None:
    """Damages every file of analytics, as a wrong command or a bad disk would."""
    for file in live.installation.lake.directory.rglob("*.parquet"):
        if how == "missing":
            file.unlink()
        else:
            os.truncate(file, file.stat().st_size // 2)
    live.installation.reader.forget()


@pytest.mark.parametrize("how", ["missing", "truncated"])
def test_broken_files_are_said_and_a_rebuild_beside_the_server_mends_them(live: Live, how: str):
    client = ApiClient(live)
    owner, staff = WebClient(live.url, OWNER), WebClient(live.url, SUPPORT)
    staff.post("/session/account", account="acme", next="/")
    wait_for(lambda: is_current(live))
    break_files(live, how)

    assert client.send(sms()).status_code == 204, "events are taken"
    assert client.get("/transactions").status_code == 200
    answer = client.get("/usage")
    assert (answer.status_code, answer.json()["code"]) == (503, "analytics_unusable")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1
    assert ".parquet" not in answer.text
    assert STAFF_ALONE not in answer.text

    shown = owner.page("/billing/usage", "")
    assert "Spend could not be loaded" in shown
    assert "usage is still recorded" in shown
    assert STAFF_ALONE not in shown
    assert ".parquet" not in shown
    assert STAFF_ALONE in staff.page("/billing/usage", ""), "who runs it is told how to mend it"

    wait_for(lambda: checks(live)["analytics"] == "failed")
    assert is_ready(live), "events must go on coming"

    rebuilt(live)
    live.installation.reader.forget()
    assert client.get("/usage").status_code == 200
    is_exact(live, client)
    assert "could not be loaded" not in owner.page("/billing/usage", "")
    wait_for(lambda: set(checks(live).values()) == {"ok"})
    for each in (client, owner, staff):
        each.close()


def rebuilt(live: Live) -> None:
    """By the command, in a process of its own."""
    settings = live.installation.settings
    environment = {name: value for name, value in os.environ.items() if "USAGE_" not in name}
    environment |= {
        "USAGE_DATA_DIR": str(settings.data_dir), "USAGE_SECRET_KEY": "s" * 40,
        "USAGE_DATABASE_URL": settings.truth_url,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(ROOT / "app.py"), "rebuild"], cwd=settings.data_dir,
        env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_analytics_that_cannot_be_read_are_made_again_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(jobs, "PROOF_SECONDS", 2)
    server = LiveServer(tmp_path, sync_seconds=1)
    live = server.start()
    client = ApiClient(live)
    records = live.application.state.readiness.jobs.records
    try:
        wait_for(lambda: records["nightly_proof"].runs >= 2)
        break_files(live, "missing")
        assert client.send(sms()).status_code == 204
        wait_for(lambda: is_readable(live), MENDS_WITHIN)
        wait_for(lambda: is_current(live))
        is_exact(live, client)
        wait_for(lambda: checks(live)["proof"] == "degraded")  # somebody should ask why
        report = verify(live.installation.database, live.installation.lake)
        assert report.passed, [check for check in report.checks if not check.passed]
    finally:
        client.close()
        server.stop()
