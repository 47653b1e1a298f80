"""Several workers on a real PostgreSQL: they serve alike, one that dies is replaced, all stop."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.workers import refuse_workers
from billing.errors import InputError
from data.access.keys import add_key
from data.installation import open_installation
from data.settings import load_settings
from tests.databases import postgresql_url
from tests.live import NOW, OWNER, fill
from tests.test_api_stop import SECRET, STOPS_WITHIN, Stream, message
from tests.web_client import WebClient

ROOT = Path(__file__).parents[1]
STARTS_WITHIN = 60.0  # seconds, on a busy machine
TAKES_OVER_WITHIN = 30.0
AT_ONCE_SECONDS = 2.0


@dataclass
class Served:
    """A parent with its workers."""

    process: subprocess.Popen[str]
    url: str
    log: Path
    key: dict[str, str]

    @property
    def workers(self) -> list[int]:
        """Process ids of the workers that run now."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(each) for each in listed.split()]

    def leads(self) -> int:
        """How often somebody began to lead."""
        return self.log.read_text().count("is held here")

    def get(self, path: str, **rest: Any) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", timeout=30, **rest)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("workers")
    url = postgresql_url(folder)
    settings = load_settings(
        data_dir=folder / "data", database_url=url, secret_key=SECRET, _env_file=None
    )
    installation = open_installation(settings)
    fill(installation)
    with installation.database.write() as connection:
        scopes = ("events:write", "wallet:read", "usage:read")
        shown, _ = add_key(connection, installation.pseudonyms, "acme", scopes, NOW)
    installation.close()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if "USAGE_" not in name}
    environment |= {
        "USAGE_DATA_DIR": str(folder / "data"), "USAGE_SECRET_KEY": SECRET,
        "USAGE_DATABASE_URL": url, "USAGE_SYNC_SECONDS": "1",
    }  # fmt: skip
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "app.py"), "serve", "--port", str(port), "--workers", "2"],
            cwd=folder, env=environment, text=True, stdout=output, stderr=output,
        )  # fmt: skip
    found = Served(process, f"http://127.0.0.1:{port}", log, {"Authorization": f"Bearer {shown}"})
    try:
        wait_until(lambda: ready(found) == 2, STARTS_WITHIN)
        yield found
    finally:
        for pid in found.workers if process.poll() is None else ():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if process.poll() is None:
            process.kill()
        process.wait(10)


class Listening(Stream):
    """A stream whose worker may be killed."""

    def run(self) -> None:
        with suppress(httpx.TransportError):
            super().run()


def ready(served: Served) -> int:
    """How many workers have begun to serve, and run."""
    text = served.log.read_text()
    assert served.process.poll() is None, text
    return text.count("Application startup complete") - text.count("ended with -9")


def wait_until(what: Any, seconds: float = 20.0) -> float:
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds, "it did not happen in time"
        threading.Event().wait(0.02)
    return time.monotonic() - begun


def test_workers_are_refused_where_they_would_do_harm():
    for count in (0, -1, 65):
        with pytest.raises(InputError, match="workers"):
            refuse_workers(count, "postgresql+psycopg://x/y")
    with pytest.raises(InputError, match="USAGE_DATABASE_URL"):
        refuse_workers(2, "sqlite:///x")
    refuse_workers(1, "sqlite:///x")
    refuse_workers(8, "postgresql+psycopg://x/y")


def test_on_sqlite_the_command_says_why(tmp_path: Path):
    environment = {name: value for name, value in os.environ.items() if "USAGE_" not in name}
    told = subprocess.run(
        [sys.executable, str(ROOT / "app.py"), "serve", "--workers", "2", "--port", "1"],
        cwd=tmp_path, env=environment, text=True, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert told.returncode == 2
    assert "SQLite has one writing process" in told.stderr
    assert "Traceback" not in told.stderr


def test_each_serves_pages_calls_and_the_scripts_that_another_ones_page_names(served: Served):
    assert served.leads() == 1
    owner = WebClient(served.url, OWNER)
    cookies = dict(owner.http.cookies)
    owner.close()
    scripts: set[str] = set()
    for asleep in served.workers:  # whoever is awake answers
        os.kill(asleep, signal.SIGSTOP)
        try:
            for script in scripts:  # of the other one's page, before this one was asked for it
                assert served.get(script, cookies=cookies).status_code == 200
            page = served.get("/billing/usage", cookies=cookies)
            assert page.status_code == 200, "signed in at one is signed in at both"
            scripts = set(re.findall(r'src="(/_dash-component-suites/[^"]+)"', page.text))
            assert scripts
            assert served.get("/api/v1/balance", headers=served.key).status_code == 200
            assert served.get("/readyz").status_code == 200
        finally:
            os.kill(asleep, signal.SIGCONT)
    assert served.leads() == 1, "a short sleep changes nobody's turn"


def test_what_one_takes_in_the_other_tells_at_once(served: Served):
    """Streams land at either worker; an event is posted on a connection of its own."""
    streams = [Listening(served, served.key) for _ in range(8)]  # type: ignore[arg-type]
    wait_until(lambda: all("hello" in each.text for each in streams))
    kind = {"Content-Type": "application/cloudevents+json"}
    for number in range(5):
        name = f"told-{number}"
        answer = httpx.post(
            f"{served.url}/api/v1/events", json=message(name), headers={**served.key, **kind}
        )
        assert answer.status_code == 204, answer.text
        took = wait_until(lambda n=name: all(n in each.text for each in streams))
        print(f"all {len(streams)} streams had it after {1000 * took:.0f} ms")
        assert took < AT_ONCE_SECONDS


def test_one_that_is_killed_is_replaced_and_the_lease_goes_over(served: Served):
    killed, other = served.workers
    leads = served.leads()
    begun = time.monotonic()
    os.kill(killed, signal.SIGKILL)
    for _ in range(20):  # whoever comes meanwhile is served by the other
        assert served.get("/healthz").status_code == 200
    wait_until(lambda: len(served.workers) == 2)
    wait_until(lambda: ready(served) == 2, STARTS_WITHIN)
    print(f"replaced within {time.monotonic() - begun:.1f} s")
    assert other in served.workers
    assert killed not in served.workers
    os.kill(other, signal.SIGKILL)
    wait_until(lambda: other not in served.workers and len(served.workers) == 2)
    # One of the two was the leader; who leads in the end is one that runs.
    took = wait_until(lambda: served.leads() > leads, TAKES_OVER_WITHIN)
    print(f"somebody leads {took:.1f} s after that")
    wait_until(lambda: ready(served) == 2, STARTS_WITHIN)


def test_a_stop_ends_all_of_it_with_streams_open(served: Served):
    streams = [Listening(served, served.key) for _ in range(6)]  # type: ignore[arg-type]
    wait_until(lambda: all("hello" in each.text for each in streams))
    workers = served.workers
    begun = time.monotonic()
    served.process.terminate()
    code = served.process.wait(30)
    took = time.monotonic() - begun
    print(f"stopped within {took:.2f} s")
    assert code == 0, served.log.read_text()
    assert took <= STOPS_WITHIN
    for each in streams:
        each.join(10)
        assert each.text.endswith('event: bye\ndata: {"reason": "stopping"}\n\n')
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(httpx.ConnectError):
        served.get("/healthz")
    assert "Traceback" not in served.log.read_text()
