"""``python -m benchmarks``: measures, prints, and keeps what a whole run found."""

from __future__ import annotations

import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import (
    alerting,
    browsing,
    holding,
    holding_http,
    importing,
    ingesting,
    rendering,
    streaming,
)
from benchmarks.tables import RESULTS, Results, machine, show, write


class Name(StrEnum):
    """A benchmark."""

    IMPORTING = "importing"
    RENDERING = "rendering"
    INGESTING = "ingesting"
    HOLDING = "holding"
    HOLDING_HTTP = "holding-http"
    ALERTING = "alerting"
    STREAMING = "streaming"
    BROWSING = "browsing"


def main(
    only: Annotated[Name | None, typer.Option(help="Run one benchmark.")] = None,
    lines: Annotated[
        int | None, typer.Option(min=1_000, help="Rows or lines instead of the usual number.")
    ] = None,
    large: Annotated[
        bool, typer.Option("--large", help="Also a million rows and twenty million lines.")
    ] = False,
    largest: Annotated[
        bool, typer.Option("--largest", help="Also a hundred million lines: 10 GB, an hour.")
    ] = False,
) -> None:
    """Measures against the raw limit of this machine; keeps figures in benchmarks/RESULTS.md."""
    machines = [machine()]
    typer.echo(machines[0])
    found: list[Results] = []
    with tempfile.TemporaryDirectory(prefix="usage-benchmarks-") as folder:
        if only in (None, Name.IMPORTING):
            found += _importing(Path(folder), lines, is_large=large)
        if only in (None, Name.RENDERING):
            found.append(_rendering(Path(folder), lines, is_large=large, is_largest=largest))
        if only in (None, Name.INGESTING):
            count = lines or ingesting.EVENT_COUNT
            found.append(ingesting.measure(Path(folder) / "ingesting", count))
        if only in (None, Name.HOLDING):
            count = lines or holding.PAIR_COUNT
            found.append(holding.measure(Path(folder) / "holding", count))
        if only in (None, Name.HOLDING_HTTP):
            count = lines or holding_http.PAIR_COUNT
            found.append(holding_http.measure(Path(folder) / "holding-http", count))
        if only in (None, Name.ALERTING):
            found.append(alerting.measure(Path(folder) / "alerting"))
        if only in (None, Name.STREAMING):
            found.append(streaming.measure(Path(folder) / "streaming"))
        if only in (None, Name.BROWSING):
            count = lines or browsing.LINE_COUNT
            found.append(browsing.measure(Path(folder) / "browsing", count))
    machines.append(machine())
    show(found)
    typer.echo(machines[1])
    if lines is None:
        write(found, machines)
        typer.echo(f"Kept in benchmarks/{RESULTS.name}.")


def _importing(scratch: Path, lines: int | None, *, is_large: bool) -> list[Results]:
    found = [importing.measure(scratch / "import", lines or importing.ROW_COUNT)]
    if is_large and lines is None:
        rows = importing.LARGE_ROW_COUNT
        found.append(importing.measure(scratch / "large-import", rows, importing.LARGE_RUNS))
    return found


def _rendering(scratch: Path, lines: int | None, *, is_large: bool, is_largest: bool) -> Results:
    if lines is not None:
        return rendering.measure(scratch, (lines,))
    large = (rendering.LARGE_LINE_COUNT,) if is_large or is_largest else ()
    largest = (rendering.LARGEST_LINE_COUNT,) if is_largest else ()
    return rendering.measure(scratch, (rendering.LINE_COUNT, *large, *largest))


if __name__ == "__main__":
    typer.run(main)
