"""Commands that back a ledger up and bring it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.console import console, demo_settings, plain, print_proof, progress_bar
from data.clocks import open_clock
from data.logs import configure_logging
from data.settings import Settings, load_settings

if TYPE_CHECKING:
    from data.backup.archive import Progress
    from data.backup.manifest import Manifest


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, or a folder.")],
    demo: Annotated[bool, typer.Option("--demo", help="The demo's ledger.")] = False,
) -> None:
    """Copies ledger and secret into one file, whole or not at all, while the product serves."""
    from data.backup.making import back_up

    settings = _settings(demo)
    with _progress() as progress:
        file, manifest = back_up(
            settings, target, open_clock(settings.clock_file).now(), progress
        )  # fmt: skip
    console.print(f"{plain(str(file))}: {file.stat().st_size:,} bytes", soft_wrap=True)
    _print(manifest)
    console.print(
        "It holds the secret that numbers, keys and sessions are hashed under: keep it as safe as "
        "the ledger.", soft_wrap=True,
    )  # fmt: skip


def restore(
    file: Annotated[Path, typer.Argument(help="What `backup` made.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Where a ledger is; that one is kept aside.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check the file.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Into the demo's folder.")] = False,
) -> None:
    """Puts a backup in place, makes analytics from it and proves it; exit code 1 if that fails."""
    from data.backup.restoring import check
    from data.backup.restoring import restore as put_in_place

    settings = _settings(demo)
    with _progress() as progress:
        if dry_run:
            _print(check(settings, file, progress))
            console.print("The backup is whole; nothing was changed.")
            return
        now = open_clock(settings.clock_file).now()
        restored = put_in_place(settings, file, now, progress, may_replace=replace)
    _print(restored.manifest)
    for each in restored.kept:
        console.print(f"What was there before is kept: {plain(each)}", soft_wrap=True)
    _prove(settings, demo)


def _prove(settings: Settings, is_demo: bool) -> None:
    from data.analytics.rebuild import rebuild
    from data.installation import open_installation
    from data.proof.verify import verify

    installation = open_installation(settings, is_demo=is_demo)
    try:
        with _progress() as progress:
            result = rebuild(
                installation.database, settings.data_dir, clock=installation.clock,
                progress=lambda done, total: progress("Analytics", done, total),
            )  # fmt: skip
        console.print(f"Analytics made from {result.rows:,} usage lines.")
        report = verify(installation.database, installation.lake)
    finally:
        installation.close()
    print_proof(report)


def _settings(is_demo: bool) -> Settings:
    settings = demo_settings() if is_demo else load_settings()
    configure_logging(settings.log_level, settings.log_format)
    return settings


def _print(manifest: Manifest) -> None:
    counts = ", ".join(
        f"{count:,} {name.replace('_', ' ')}"
        for name, count in manifest.contents.counts.items()
    )  # fmt: skip
    console.print(
        f"Of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC, {manifest.dialect}, version "
        f"{manifest.version}, schema {manifest.contents.revision}: {counts}.", soft_wrap=True,
    )  # fmt: skip


@contextmanager
def _progress() -> Iterator[Progress]:
    with progress_bar() as bars:
        bar = bars.add_task("Reading", total=None)

        def show(stage: str, done: int, total: int | None) -> None:
            bars.update(bar, description=stage, completed=done, total=total)

        yield show
