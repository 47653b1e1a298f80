"""A server of its own process that is told to stop: streams hear it, what was taken is kept.

Open beside each other: streams, a request whose body never comes, a stream that isn't read, and
events that are still waiting for the writer.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from data import tables as t
from data.access.keys import add_key
from data.installation import Installation, open_installation
from data.settings import Settings, load_settings
from tests.databases import settings_url
from tests.live import NOW, OWNER, open_filled
from tests.web_client import WebClient

ROOT = Path(__file__).parents[1]
SECRET = "s" * 40
STARTS_WITHIN = 30.0  # seconds, on a busy machine; 3 on a quiet one
STOPS_WITHIN = 5.0
SENDERS, BATCH = 4, 500


@dataclass
class Running:
    """A server process on an installation; its key may send events and listen."""

    process: subprocess.Popen[str]
    url: str
    port: int
    folder: Path
    key: dict[str, str]
    acknowledged: set[str] = field(default_factory=set)


def settings_of(folder: Path) -> Settings:
    return load_settings(
        data_dir=folder, database_url=settings_url(folder), secret_key=SECRET, _env_file=None
    )


def opened(folder: Path) -> Installation:
    return open_installation(settings_of(folder))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    folder = tmp_path / "data"
    installation = open_filled(settings_of(folder))
    scopes = ("events:write", "wallet:read")
    with installation.database.write() as connection:
        shown, _ = add_key(connection, installation.pseudonyms, "acme", scopes, NOW)
    installation.close()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if "USAGE_" not in name}
    environment |= {"USAGE_DATA_DIR": str(folder), "USAGE_SECRET_KEY": SECRET}
    if url := settings_url(folder):
        environment["USAGE_DATABASE_URL"] = url
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py"), "serve", "--port", str(port)],
        cwd=tmp_path, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    found = Running(process, f"http://127.0.0.1:{port}", port, folder,
                    {"Authorization": f"Bearer {shown}"})  # fmt: skip
    try:
        wait_until_it_answers(found)
        yield found
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def wait_until_it_answers(running: Running) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{running.url}/healthz").status_code == 200:
                return
        assert running.process.poll() is None, running.process.communicate()[0]
        assert time.monotonic() < deadline, f"it did not answer within {STARTS_WITHIN} s"
        threading.Event().wait(0.02)


class Stream(threading.Thread):
    """Listens until the server ends the stream."""

    def __init__(self, running: Running, headers: dict[str, str]) -> None:
        super().__init__()
        self._url, self._headers = f"{running.url}/stream", headers
        self.text = ""
        self.is_whole = False
        self.start()

    def run(self) -> None:
        with httpx.stream("GET", self._url, headers=self._headers, timeout=60) as answer:
            for part in answer.iter_text():
                self.text += part
            self.is_whole = True


class Sender(threading.Thread):
    """Sends batches one after another; remembers what the server said it has taken."""

    def __init__(self, running: Running, name: str) -> None:
        super().__init__()
        self._running, self._prefix = running, name
        self.start()

    def run(self) -> None:
        kind = "application/cloudevents-batch+json"
        with httpx.Client(headers={**self._running.key, "Content-Type": kind}) as client:
            for number in range(100):
                names = [f"{self._prefix}-{number}-{n}" for n in range(BATCH)]
                try:
                    answer = client.post(
                        f"{self._running.url}/api/v1/events",
                        json=[message(name) for name in names], timeout=60,
                    )  # fmt: skip
                except httpx.TransportError:
                    return  # told nothing, so nothing is promised
                if answer.status_code != 204:
                    assert answer.status_code in {429, 503}, answer.text
                    return
                self._running.acknowledged.update(names)


def message(name: str) -> dict[str, Any]:
    return {
        "specversion": "1.0", "type": "usage.sms", "source": "stop", "id": name,
        "subject": "acme", "time": datetime.now(UTC).isoformat(),
        "data": {"direction": "outbound", "kind": "campaign", "segments": 1,
                 "status": "delivered"},
    }  # fmt: skip


def connect(running: Running, request: str) -> socket.socket:
    """A connection on which a request was begun and from which little is read."""
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    wire.connect(("127.0.0.1", running.port))
    wire.sendall(request.encode("latin1"))
    return wire


def taken(folder: Path) -> set[str]:
    """The ids of the events that are in the ledger with their line."""
    installation = opened(folder)
    try:
        with installation.database.read() as connection:
            joined = t.events.join(
                t.usage_lines,
                (t.usage_lines.c.event_id == t.events.c.event_id)
                & (t.usage_lines.c.account_id == t.events.c.account_id),
            )
            query = select(t.events.c.id).select_from(joined).where(t.events.c.source == "stop")
            return set(connection.scalars(query))
    finally:
        installation.close()


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_everything_and_keeps_what_was_taken(running: Running, told: int) -> None:
    owner = WebClient(running.url, OWNER)
    cookies = "; ".join(f"{name}={value}" for name, value in owner.http.cookies.items())
    streams = [Stream(running, {"Cookie": cookies}) for _ in range(3)]
    streams += [Stream(running, running.key) for _ in range(3)]
    key = running.key["Authorization"]
    half = "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\nhalf"
    begun = [
        connect(running, f"POST /sign-in HTTP/1.1\r\nHost: x\r\n{half}"),
        connect(
            running,
            f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n{half}",
        ),
        connect(running, f"GET /stream HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n"),
        connect(running, "GET /head-only HTTP/1.1\r\nHost: x\r\n"),
    ]
    senders = [Sender(running, f"sender{n}") for n in range(SENDERS)]
    deadline = time.monotonic() + 60
    while len(running.acknowledged) < 2 * BATCH or not all("hello" in s.text for s in streams):
        assert time.monotonic() < deadline, "nothing was taken in time"
        threading.Event().wait(0.05)
    at = time.monotonic()
    running.process.send_signal(told)
    output, _ = running.process.communicate(timeout=60)
    seconds = time.monotonic() - at
    print(f"stopped within {seconds:.2f} s, {len(running.acknowledged)} events acknowledged")
    assert running.process.returncode == 0, output
    assert seconds <= STOPS_WITHIN
    for thread in [*streams, *senders]:
        thread.join(10)
        assert not thread.is_alive()
    for stream in streams:
        assert stream.is_whole
        assert stream.text.endswith('event: bye\ndata: {"reason": "stopping"}\n\n')
    assert "Traceback" not in output, output
    assert running.acknowledged <= taken(running.folder)
    with pytest.raises(ProcessLookupError):
        os.killpg(running.process.pid, 0)  # nothing of its group is left
    for wire in begun:
        wire.close()
    owner.close()


def test_a_second_signal_is_no_harm(running: Running) -> None:
    stream = Stream(running, running.key)
    deadline = time.monotonic() + STARTS_WITHIN
    while "hello" not in stream.text:
        assert time.monotonic() < deadline, "the stream was not opened in time"
        threading.Event().wait(0.02)
    running.process.send_signal(signal.SIGTERM)
    running.process.send_signal(signal.SIGTERM)
    output, _ = running.process.communicate(timeout=60)
    assert running.process.returncode == 0, output
    stream.join(10)
    assert not stream.is_alive()
