"""Many callers in several operating-system processes that ask one account at the same moment.

``call_at_once`` runs in a process of its own, as does ``serve_at``; the rest is for the test that
starts them. They meet by files in a folder: ready-N, go, stop, result-N.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from api.listening import listen_at
from api.server import build_server, serve
from data.installation import open_installation
from data.settings import Settings, load_settings
from tests import forked

PROCESSES, CALLERS = 4, 16
SECRET = "s" * 40
PATIENCE_SECONDS = 60.0
NAP_SECONDS = 0.01


@dataclass(frozen=True)
class Errand:
    """What each caller asks for: so often, or, with 0, until there is a file ``stop``."""

    urls: tuple[str, ...]
    attempts: int
    campaign: str | None = None


def settings_at(folder: Path, database_url: str | None) -> Settings:
    """The settings of every server on a folder, whose clock is a file."""
    return load_settings(
        data_dir=folder / "data", database_url=database_url, clock_file=folder / "clock.txt",
        secret_key=SECRET, sync_seconds=3600, _env_file=None,
    )  # fmt: skip


def serve_at(folder: Path, port: int, database_url: str) -> None:
    """Serves an installation until it is ended."""
    with listen_at("127.0.0.1", port) as sockets:
        installation = open_installation(settings_at(folder, database_url), is_demo=True)
        serve(build_server(installation, is_demo=False), sockets, "WARNING")


def call_at_once(folder: Path, number: int, key: str, errand: Errand) -> None:
    """Opens a connection a caller, says that it is ready, and lets them ask together."""
    barrier = threading.Barrier(CALLERS + 1)
    told: list[Any] = []
    threads = [
        threading.Thread(target=_ask, args=(folder, f"{number}-{n}", key, errand, n, barrier, told))
        for n in range(CALLERS)
    ]
    for thread in threads:
        thread.start()
    barrier.wait(PATIENCE_SECONDS)  # everybody has a connection
    (folder / f"ready-{number}").touch()
    _wait_for(folder / "go")
    barrier.wait(PATIENCE_SECONDS)
    for thread in threads:
        thread.join()
    part = folder / f"part-{number}"
    part.write_text(json.dumps(told))
    part.rename(folder / f"result-{number}")


def _ask(
    folder: Path, name: str, key: str, errand: Errand, place: int, barrier: threading.Barrier,
    told: list[Any],
) -> None:  # fmt: skip
    url = errand.urls[place % len(errand.urls)]
    with httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE_SECONDS
    ) as client:
        client.get("/healthz")
        barrier.wait(PATIENCE_SECONDS)
        barrier.wait(PATIENCE_SECONDS)
        count = 0
        while count < errand.attempts or (not errand.attempts and not (folder / "stop").exists()):
            body = {
                "request_id": f"{name}-{count}", "kind": "call.human", "to": "+14155550142",
                "estimate": {"seconds": 60}, "campaign": errand.campaign,
            }  # fmt: skip
            answer = client.post("/api/v1/holds", json=body)
            if answer.status_code == 429:
                time.sleep(NAP_SECONDS)
                continue
            count += 1
            told.append({"status": answer.status_code, **answer.json()})


@contextmanager
def callers(folder: Path, keys: Sequence[str], errand: Errand) -> Iterator[list[Any]]:
    """Lets all of them go; at the end of the context ``stop`` is there and the answers are in."""
    folder.mkdir()
    processes = [
        forked.start(
            call_at_once, folder, number, key, errand, environment={**os.environ},
            told=folder / f"told-{number}",
        )
        for number, key in enumerate(keys)
    ]  # fmt: skip
    answers: list[Any] = []
    try:
        for number in range(len(keys)):
            _wait_for(folder / f"ready-{number}")
        (folder / "go").touch()
        yield answers
        (folder / "stop").touch()
        for number, process in enumerate(processes):
            process.join(PATIENCE_SECONDS)
            assert process.exitcode == 0, (folder / f"told-{number}").read_text()
            answers += json.loads((folder / f"result-{number}").read_text())
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
            process.join()


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not file.exists():
        assert time.monotonic() < deadline, f"there was no {file.name}"
        time.sleep(NAP_SECONDS)
