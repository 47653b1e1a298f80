"""A server in a process of its own that a test may kill, from when it answers."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx

from tests import forked

PATIENCE_SECONDS = 60
LOOK_SECONDS = 0.05


@contextmanager
def served(
    work: Callable[..., object], folder: Path, *given: Any
) -> Iterator[tuple[str, BaseProcess]]:
    """Runs ``work(folder, port, *given)``; its address. Ended afterwards if it still runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = folder / "told"
    process = forked.start(work, folder, port, *given, environment={**os.environ}, told=told)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while not _answers(url):
            assert process.is_alive(), told.read_text()
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(LOOK_SECONDS)
        yield url, process
    finally:
        if process.is_alive():
            process.terminate()
        process.join(PATIENCE_SECONDS)
        assert process.exitcode is not None


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False
