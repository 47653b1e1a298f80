"""What every command shares: the terminal, an opened installation, a progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from billing.errors import InputError
from data.installation import Installation, open_installation
from data.logs import configure_logging
from data.settings import Settings, load_settings

if TYPE_CHECKING:
    from rich.progress import Progress

    from data.proof.verify import Report

DEMO_FOLDER = "demo"
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def plain(text: str) -> str:
    """Text as it is: brackets in a message are not markup."""
    return text.replace("[", "\\[")


def print_proof(report: Report) -> None:
    """A proof, check by check; the command then ends with 1 if one found something."""
    from data.console_reports import proof_lines

    for passed, text, broken in proof_lines(report):
        console.print(f"{'[green]✓[/]' if passed else '[bold red]✗[/]'} {plain(text)}")
        for row in broken:
            console.print(f"    {plain(row)}", soft_wrap=True)
    if not report.passed:
        raise typer.Exit(1)


def demo_settings() -> Settings:
    """A demo lives beside real data, never in it."""
    settings = load_settings()
    if settings.database_url:
        raise InputError(
            "USAGE_DATABASE_URL", "(set)", "unset it: a demo keeps to a folder of its own"
        )
    return load_settings(data_dir=settings.data_dir / DEMO_FOLDER)


@contextmanager
def opened(*, is_demo: bool = False) -> Iterator[Installation]:
    """An installation for one command, closed afterwards."""
    settings = demo_settings() if is_demo else load_settings()
    configure_logging(settings.log_level, settings.log_format)
    installation = open_installation(settings, is_demo=is_demo)
    try:
        yield installation
    finally:
        installation.close()


def parse_day(text: str, field: str) -> date:
    """A day somebody typed; ``InputError`` names the field."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(field, text, "use a day such as 2026-11-22") from None


def progress_bar() -> Progress:
    """A bar on standard error that leaves nothing behind."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(), console=errors, transient=True,
    )  # fmt: skip
