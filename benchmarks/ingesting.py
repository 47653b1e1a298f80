"""How fast events come in over HTTP, beside SQLite storing the same rows and the bare parse.

The server runs in a process of its own; the callers share its two cores in one more. Bodies are
made before the clock starts. Each event is an answered call: two lines, one charge.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from api.v1.cloud_events import BATCH, read_delivery
from benchmarks.call_log import MINUTE_MICROS, Expected
from benchmarks.importing import ACCOUNT, LEDGER, insert_again, new_installation
from benchmarks.tables import Results, percentile, spread
from data.access.keys import add_key
from data.installation import SECRET_FILE
from data.writer import ALONE_ROWS

EVENT_COUNT = 40_000
BATCH_EVENTS = 1_000
CALLERS = 4
RUNS = 3
PROGRAM = Path(__file__).resolve().parent.parent / "app.py"
STREAMS = 5
QUEUED_BATCHES = 8
PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Run:
    """One run: seconds, and bytes of the server's memory."""

    start_seconds: float
    ingest_seconds: float
    latencies: tuple[float, ...]
    raw_seconds: float
    parse_seconds: float
    stop_seconds: float
    rest_bytes: int
    peak_bytes: int


def measure(scratch: Path, event_count: int = EVENT_COUNT, runs: int = RUNS) -> Results:
    """Ingest, raw insert and parse of the same events, in turns."""
    scratch.mkdir(parents=True, exist_ok=True)
    bodies, expected = make_bodies(event_count)
    found = [_run(scratch / f"run-{n}", bodies, expected) for n in range(runs)]
    return _results(expected, found)


def make_bodies(event_count: int) -> tuple[list[bytes], Expected]:
    """Batches of CloudEvents as JSON, and what they must come to."""
    rng, now = random.Random(20_261_122), datetime.now(UTC)
    seconds = minutes = 0
    events: list[dict[str, Any]] = []
    for number in range(event_count):
        duration = 1 + int(rng.expovariate(1 / 258)) % 4_900
        seconds, minutes = seconds + duration, minutes - (-duration // 60)
        at = now - timedelta(seconds=60 + number % 3_000)
        events.append(
            {
                "specversion": "1.0", "id": f"call-{number}", "source": "dialler",
                "type": "usage.call", "subject": ACCOUNT, "time": at.isoformat(),
                "data": {
                    "direction": "outbound", "agent": "human", "answered": True,
                    "duration_s": duration, "to": f"+1415555{number % 10_000:04d}",
                    "campaign": f"campaign-{number % 7}", "consumer": f"user:{number % 23}",
                },
            }
        )  # fmt: skip
    bodies = [
        json.dumps(events[start : start + BATCH_EVENTS]).encode()
        for start in range(0, event_count, BATCH_EVENTS)
    ]
    return bodies, Expected(event_count, 2 * event_count, seconds, minutes * MINUTE_MICROS)


def _run(folder: Path, bodies: Sequence[bytes], expected: Expected) -> Run:
    folder.mkdir()
    made = new_installation(folder)
    key, _ = made.writer.write(
        lambda c: add_key(c, made.pseudonyms, ACCOUNT, ["events:write", "wallet:read"],
                          made.clock.now())
    )  # fmt: skip
    made.close()
    server, url, start_seconds = start_server(folder)
    rest_bytes = memory_bytes(server.pid)
    ingest_seconds, latencies = asyncio.run(_send_all(url, key, bodies))
    peak_bytes = memory_bytes(server.pid, "VmHWM")
    parse_seconds = parse_all(bodies)
    raw_seconds, _ = insert_again(folder / LEDGER, folder / "raw.db", expected, ALONE_ROWS)
    more, _ = make_bodies(QUEUED_BATCHES * BATCH_EVENTS)
    more = [body.replace(b'"id": "call-', b'"id": "more-') for body in more]
    stop_seconds = _stop(server, url, key, more)
    for file in sorted(folder.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    return Run(
        start_seconds, ingest_seconds, tuple(latencies), raw_seconds, parse_seconds, stop_seconds,
        rest_bytes, peak_bytes,
    )  # fmt: skip


def start_server(folder: Path) -> tuple[subprocess.Popen[bytes], str, float]:
    """A server process, its address, and how long it took to answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, str(PROGRAM), "serve", "--port", str(port)],
        env={**os.environ, "USAGE_DATA_DIR": str(folder), "USAGE_LOG_LEVEL": "WARNING",
             "USAGE_SECRET_KEY": (folder / SECRET_FILE).read_text().strip()},
        cwd=folder, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return server, url, time.perf_counter() - began
        except httpx.TransportError:
            time.sleep(0.02)
        assert server.poll() is None, "the server ended"
        assert time.perf_counter() - began < PATIENCE_SECONDS, "the server does not answer"


async def _send_all(url: str, key: str, bodies: Sequence[bytes]) -> tuple[float, list[float]]:
    """All batches by a few callers at once; seconds in all and of each request."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": BATCH}
    waiting, latencies = list(reversed(bodies)), []
    async with httpx.AsyncClient(headers=headers, timeout=PATIENCE_SECONDS) as client:

        async def call() -> None:
            while waiting:
                body, began = waiting.pop(), time.perf_counter()
                answer = await client.post(f"{url}/api/v1/events", content=body)
                assert answer.status_code == 204, answer.text
                latencies.append(time.perf_counter() - began)

        began = time.perf_counter()
        await asyncio.gather(*(call() for _ in range(CALLERS)))
        return time.perf_counter() - began, latencies


def parse_all(bodies: Sequence[bytes]) -> float:
    """Seconds to read and check the events and do nothing with them."""
    began = time.perf_counter()
    for body in bodies:
        read_delivery({"content-type": BATCH}, body)
    return time.perf_counter() - began


def _stop(server: subprocess.Popen[bytes], url: str, key: str, bodies: Sequence[bytes]) -> float:
    """Seconds from SIGTERM to the end, with streams open and batches on their way."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": BATCH}
    opened = threading.Barrier(STREAMS + 1, timeout=PATIENCE_SECONDS)
    streams = [
        threading.Thread(target=_listen, args=(url, headers, opened), daemon=True)
        for _ in range(STREAMS)
    ]
    for stream in streams:
        stream.start()
    opened.wait()
    senders = [
        threading.Thread(target=_send_quietly, args=(url, headers, body), daemon=True)
        for body in bodies
    ]
    for sender in senders:
        sender.start()
    time.sleep(0.15)
    began = time.perf_counter()
    server.send_signal(signal.SIGTERM)
    server.wait(PATIENCE_SECONDS)
    stopped = time.perf_counter() - began
    for thread in (*streams, *senders):
        thread.join(PATIENCE_SECONDS)
    return stopped


def _listen(url: str, headers: dict[str, str], opened: threading.Barrier) -> None:
    with httpx.Client(timeout=PATIENCE_SECONDS) as client:
        try:
            with client.stream("GET", f"{url}/stream", headers=headers) as answer:
                opened.wait()
                for _ in answer.iter_lines():
                    pass
        except httpx.TransportError:
            pass  # the server went away


def _send_quietly(url: str, headers: dict[str, str], body: bytes) -> None:
    with contextlib.suppress(httpx.TransportError):  # the server goes away
        httpx.post(f"{url}/api/v1/events", headers=headers, content=body, timeout=PATIENCE_SECONDS)


def memory_bytes(pid: int, what: str = "VmRSS") -> int:
    """What a process holds now, or (``VmHWM``) held at most; 0 where nobody tells."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0
    for line in status.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    return 0


def _results(expected: Expected, runs: Sequence[Run]) -> Results:
    count = expected.row_count
    latencies = [each for run in runs for each in run.latencies]
    return Results(
        f"Events over HTTP: {count:,} in batches of {BATCH_EVENTS:,} by {CALLERS} callers",
        ("", "least · median · most"),
        (
            ("ingest, events/s", spread([count / run.ingest_seconds for run in runs], ",.0f")),
            ("raw insert, events/s", spread([count / run.raw_seconds for run in runs], ",.0f")),
            ("parse alone, events/s", spread([count / run.parse_seconds for run in runs], ",.0f")),
            (
                "ratio to raw insert",
                spread([run.raw_seconds / run.ingest_seconds for run in runs], ".2f"),
            ),
            (
                "ratio to raw insert and parse, one after the other",
                spread(
                    [(run.raw_seconds + run.parse_seconds) / run.ingest_seconds for run in runs],
                    ".2f",
                ),
            ),
            ("batch, p50 · p95 ms", " · ".join(
                f"{1000 * percentile(latencies, share):.0f}" for share in (0.5, 0.95)
            )),
            ("start, s", spread([run.start_seconds for run in runs], ".1f")),
            (
                f"stop with {STREAMS} streams open and {QUEUED_BATCHES} batches queued, s",
                spread([run.stop_seconds for run in runs], ".1f"),
            ),
            ("memory at rest, MB", spread([run.rest_bytes / 1e6 for run in runs], ".0f")),
            ("memory at most, MB", spread([run.peak_bytes / 1e6 for run in runs], ".0f")),
        ),
        (
            f"{len(runs)} runs; server, callers and the disk's flush share the machine. The raw "
            f"insert stores the events, lines, entries and draws, {ALONE_ROWS} events a commit. "
            "Aims: 10,000 events/s, start ≤ 3 s, stop ≤ 5 s.",
        ),
    )  # fmt: skip
