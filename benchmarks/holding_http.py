"""How fast holds are decided over HTTP: authorize and settle, by callers with a key each.

The server is a process of its own; the callers share its two cores in one more. They speak plain
HTTP/1.1 over connections that stay open, with next to nothing of their own to compute. A key may
ask a hundred times a second, so there are as many keys as callers.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.holding import prepare
from benchmarks.importing import ACCOUNT, new_installation
from benchmarks.ingesting import start_server
from benchmarks.tables import Results, percentile, spread
from data.access.keys import add_key

PAIR_COUNT = 4_000
CALLERS = 64
RUNS = 3
PATIENCE_SECONDS = 60
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Run:
    """One run: pairs a second, milliseconds of each request, the server's computing a pair."""

    pairs: float
    authorize_ms: tuple[float, ...]
    settle_ms: tuple[float, ...]
    server_micros: float


def measure(scratch: Path, pair_count: int = PAIR_COUNT, runs: int = RUNS) -> Results:
    """Pairs over HTTP on SQLite, durable."""
    scratch.mkdir(parents=True, exist_ok=True)
    return _results(pair_count, [_run(scratch / f"run-{n}", pair_count) for n in range(runs)])


def _run(folder: Path, pair_count: int) -> Run:
    folder.mkdir()
    made = new_installation(folder)
    prepare(made)
    keys = [
        made.writer.write(
            lambda c: add_key(c, made.pseudonyms, ACCOUNT, ["holds:write"], made.clock.now())
        )[0]
        for _ in range(CALLERS)
    ]
    made.close()
    server, url, _ = start_server(folder)
    try:
        asyncio.run(_call_all(url, keys, 2 * CALLERS, "warm"))
        computed = computed_seconds(server.pid)
        began = time.perf_counter()
        authorized, settled = asyncio.run(_call_all(url, keys, pair_count, "call"))
        seconds = time.perf_counter() - began
        computed = computed_seconds(server.pid) - computed
    finally:
        server.terminate()
        server.wait(PATIENCE_SECONDS)
    return Run(pair_count / seconds, tuple(authorized), tuple(settled), 1e6 * computed / pair_count)


def computed_seconds(pid: int) -> float:
    """What a process has computed so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def _call_all(
    url: str, keys: list[str], pair_count: int, name: str
) -> tuple[list[float], list[float]]:
    left = iter(range(pair_count))
    authorized: list[float] = []
    settled: list[float] = []

    async def work(key: str) -> None:
        caller = await Caller.connect(url, key)
        for number in left:
            answer, took = await caller.post("/api/v1/holds", _asked(f"{name}-{number}", number))
            authorized.append(took)
            path = f"/api/v1/holds/{answer['hold_id']}/settle"
            _, took = await caller.post(path, _happened(f"{name}-{number}", number))
            settled.append(took)
        caller.close()

    await asyncio.gather(*(work(key) for key in keys))
    return authorized, settled


def _asked(request_id: str, number: int) -> dict[str, Any]:
    return {
        "request_id": request_id, "kind": "call.human", "campaign": f"campaign-{number % 7}",
        "consumer": f"user:{number % 23}", "to": f"+1415555{number % 10_000:04d}",
        "estimate": {"seconds": 60},
    }  # fmt: skip


def _happened(event_id: str, number: int) -> dict[str, Any]:
    return {
        "source": "dialler", "id": event_id, "time": datetime.now(UTC).isoformat(),
        "data": {
            "answered": True, "duration_s": 1 + number % 60,
            "to": f"+1415555{number % 10_000:04d}",
        },
    }  # fmt: skip


class Caller:
    """One connection that stays open."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str
    ) -> None:
        self._reader, self._writer, self._key = reader, writer, key

    @classmethod
    async def connect(cls, url: str, key: str) -> Caller:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        return cls(reader, writer, key)

    async def post(
        self, path: str, body: dict[str, Any], *, kind: str = "application/json", status: int = 200
    ) -> tuple[dict[str, Any], float]:
        """What is answered, and after how many milliseconds. Errors: ``AssertionError``."""
        sent = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(sent)}\r\n\r\n"
        )
        began = time.perf_counter()
        self._writer.write(head.encode() + sent)
        answered = await self._reader.readuntil(b"\r\n\r\n")
        lengths = [
            int(line.split(b":")[1])
            for line in answered.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ]
        found = await self._reader.readexactly(sum(lengths))
        took = (time.perf_counter() - began) * 1000
        assert answered.startswith(b"HTTP/1.1 %d" % status), (answered[:40], found[:300])
        return json.loads(found or b"{}"), took

    def close(self) -> None:
        """Ends the connection."""
        self._writer.close()


def _results(pair_count: int, runs: list[Run]) -> Results:
    authorize = [each for run in runs for each in run.authorize_ms]
    settle = [each for run in runs for each in run.settle_ms]

    def both(values: list[float]) -> str:
        return f"{percentile(values, 0.5):,.0f} · {percentile(values, 0.95):,.0f}"

    rows = (
        ("pairs/s", spread([run.pairs for run in runs], ",.0f")),
        ("authorize, p50 · p95 ms", both(authorize)),
        ("settle, p50 · p95 ms", both(settle)),
        ("the server computes a pair, µs", spread([run.server_micros for run in runs], ",.0f")),
    )
    title = f"Holds over HTTP: {pair_count:,} pairs by {CALLERS} callers"
    return Results(
        title, ("", "least · median · most"),
        rows,
        (
            f"{len(runs)} runs on SQLite, flushed at every commit; server and callers share the "
            "machine, and each caller has a key and a connection of its own. Aim: 2,000 pairs/s "
            "with p95 below 60 ms.",
        ),
    )  # fmt: skip
