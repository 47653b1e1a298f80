"""Processes that a test may kill, forked from one that has loaded the program already.

Starting Python and importing the program takes most of a second of work, and DuckDB's extensions
another half. Here one process a run has done that, and each fork of it is a process like any other:
with connections, threads and an end of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import chdir
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from data.analytics import generation

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "tests.forked_program"
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([PROGRAM])


def run(
    work: Callable[..., object], *given: Any, environment: dict[str, str], seconds: float = 120
) -> tuple[int, str]:
    """Runs a module's function; its exit code (negative: killed by that signal), what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told"
        process = start(work, *given, environment=environment, told=told)
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise AssertionError(f"not done after {seconds} s: {told.read_text()}")
        return process.exitcode, told.read_text()


def start(
    work: Callable[..., object], *given: Any, environment: dict[str, str], told: Path
) -> BaseProcess:
    """Starts it; what it writes goes to the file ``told``."""
    told.touch()
    known = frozenset(generation._proved)  # this process has proved the files, so it needn't
    process = _context.Process(target=_begin, args=(told, environment, known, work, given))
    with chdir(ROOT):  # the first one starts what forks, which then finds the program
        process.start()
    return process


def ready() -> None:
    """Has what forks started: the first time it takes seconds, which belong to no test."""
    assert run(os.getpid, environment=dict(os.environ)) == (0, "")


def _begin(
    told: Path,
    environment: dict[str, str],
    known: frozenset[tuple[str, int, int, int]],
    work: Callable[..., object],
    given: tuple[Any, ...],
) -> None:
    assert PROGRAM in sys.modules, "it was not loaded before"
    with told.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    generation._proved.update(known)
    work(*given)
