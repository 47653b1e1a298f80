"""What a benchmark gives back: one table with its sentences, for the terminal and for a file."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "RESULTS.md"
HEAD = """# Benchmarks

`make bench` measures, `make bench ARGS="--only NAME"` one of them. A load above the number of
cores means that other programs were running. Read the ratios: they are to the raw limit of the
same run."""


@dataclass(frozen=True, slots=True)
class Results:
    """One table. ``sentences`` say what was measured, and what of it is synthetic."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...] = ()


def machine() -> str:
    """What the figures depend on, without naming any machine."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{os.cpu_count()} cores{load}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, DuckDB {duckdb.__version__}"
    )


def show(found: Iterable[Results]) -> None:
    """Prints the tables."""
    console = Console(highlight=False)
    for results in found:
        table = Table(title=results.title, title_justify="left")
        for place, column in enumerate(results.columns):
            table.add_column(column, justify="right" if place else "left")
        for row in results.rows:
            table.add_row(*row)
        console.print(table)
        for sentence in results.sentences:
            console.print(f"- {sentence}")
        console.print()


def write(found: Sequence[Results], machines: Sequence[str]) -> None:
    """Puts the tables into ``RESULTS.md``; tables of other benchmarks stay.

    ``machines``: what ``machine`` said before and after.
    """
    measured = (
        f"- Measured on {datetime.now(UTC):%d %B %Y}. Before: {machines[0]}; after: {machines[-1]}."
    )
    sections = _sections(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for results in found:
        rows = [_markdown_row(results.columns)]
        rows.append(_markdown_row(["---", *["---:"] * (len(results.columns) - 1)]))
        rows += [_markdown_row(row) for row in results.rows]
        notes = [measured, *[f"- {sentence}" for sentence in results.sentences]]
        sections[results.title] = "\n".join(["", *rows, "", *notes])
    text = "\n\n".join([HEAD, *(f"## {title}\n{body}" for title, body in sections.items())])
    RESULTS.write_text(text + "\n", encoding="utf-8")


def _sections(text: str) -> dict[str, str]:
    """What stands under each heading, in order."""
    parts = text.split("\n## ")[1:]
    return {title: body.rstrip() for title, _, body in (part.partition("\n") for part in parts)}


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def spread(values: Sequence[float], form: str) -> str:
    """The least, the median and the greatest of some figures: ``7 · 8 · 9``."""
    ordered = sorted(values)
    chosen = (ordered[0], ordered[len(ordered) // 2], ordered[-1])
    return " · ".join(format(value, form) for value in chosen)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that a share of all doesn't exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
