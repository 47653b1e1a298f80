"""The command line: wires the parts together; nothing imports this file."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from sqlalchemy.exc import OperationalError

from api.account_commands import account_app, key_app, user_app
from api.backup_commands import backup, restore
from api.console import (
    console,
    demo_settings,
    errors,
    opened,
    parse_day,
    plain,
    print_proof,
    progress_bar,
)
from api.database_commands import migrate, roles
from api.simulate_command import simulate
from billing.errors import InputError, ProductError
from data.installation import Installation, open_installation, refuse_own_secret
from data.logs import configure_logging
from data.settings import Settings, effective_settings, load_settings
from exports.csv_files import transactions_csv

app = typer.Typer(
    help="Usage and spending of a communications platform: screens, ledger, proof.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
rates_app = typer.Typer(help="Price lists.", no_args_is_help=True)
for name, group in (
    ("account", account_app), ("user", user_app), ("key", key_app), ("rates", rates_app),
):  # fmt: skip
    app.add_typer(group, name=name)
for command in (backup, restore, migrate, roles, simulate):
    app.command()(command)


def main() -> None:
    """Runs one command; a refusal is one line on standard error and exit code 2."""
    try:
        app(standalone_mode=True)
    except ProductError as error:
        _refuse(error.message)
    except OperationalError as error:  # a full disk, a locked or read-only file
        _refuse(
            f"The ledger can't be used: {error.orig}. Nothing was half-written: mend that, then "
            "run the command again."
        )
    except OSError as error:
        _refuse(f"{error.filename or 'A file'} can't be used: {error.strerror}.")


def _refuse(message: str) -> NoReturn:
    errors.print(f"[bold red]✗[/] {plain(message)}", soft_wrap=True)
    sys.exit(2)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8050,
    demo: Annotated[bool, typer.Option("--demo", help="Serve the seeded demo.")] = False,
    workers: Annotated[int, typer.Option(help="Processes, on PostgreSQL.")] = 1,
    sockets: Annotated[str, typer.Option(hidden=True)] = "",
    parent: Annotated[int, typer.Option(hidden=True)] = -1,
) -> None:
    """Serves the whole product: screens and background jobs."""
    from api.listening import listen_at

    settings = effective_settings(demo_settings() if demo else load_settings(), host, port)
    configure_logging(settings.log_level, settings.log_format)
    if sockets:
        _work(settings, sockets, parent)
        return
    if workers != 1:
        from api.workers import refuse_workers

        refuse_workers(workers, settings.truth_url)
    with listen_at(host, port) as listeners:
        if not demo:
            refuse_own_secret(settings)
        if workers == 1:
            _serve_at(listeners, settings, host, port, is_demo=demo)
        else:
            _serve_by(workers, listeners, settings, host, port)


def _work(settings: Settings, sockets: str, parent: int) -> None:
    """One worker of ``_serve_by``: a server on the parent's sockets, for as long as it lives."""
    from api.server import build_server
    from api.server import serve as run
    from api.workers import inherited, render_index, stop_with_parent
    from components.notice_words import words

    stop_with_parent(parent)
    application = build_server(open_installation(settings), words=words)
    render_index(application.state.screens)
    run(application, inherited(sockets), settings.log_level)


def _serve_by(
    count: int, sockets: list[socket.socket], settings: Settings, host: str, port: int
) -> None:
    """Readies the ledger once, then lets ``count`` processes serve it."""
    from api.listening import start_notes
    from api.workers import Workers
    from data.importers.ledger import stop_stale_imports

    installation = open_installation(settings)
    try:
        _print_settings(settings)
        stop_stale_imports(installation.database, settings.data_dir, installation.clock.now())
        notes = list(start_notes(installation, host))
    finally:
        installation.close()
    _print_address(notes, settings, host, port)
    command = [sys.executable, str(Path(__file__).resolve()), "serve", "--host", host]
    sys.exit(Workers([*command, "--port", str(port)], sockets, count).run())


def _serve_at(
    sockets: list[socket.socket], settings: Settings, host: str, port: int, *, is_demo: bool
) -> None:
    """Opens the installation and serves it; what takes long is begun beside each other."""
    installation = open_installation(settings, is_demo=is_demo)
    installation.open_lake_beside()
    _print_settings(settings)
    from api.listening import LOOPBACK, start_notes
    from api.quick_start import loading

    with loading():
        from api.server import build_server  # two thirds of a start, while analytics open
        from api.server import serve as run
        from components.notice_words import words
        from data.importers.ledger import stop_stale_imports

        loader = _load_demo_beside(installation) if is_demo else None
        if not is_demo:
            stop_stale_imports(installation.database, settings.data_dir, installation.clock.now())
        application = build_server(
            installation,
            is_demo=is_demo,
            demo_people=_demo_people() if is_demo else (),
            on_stop=loader.terminate if loader else None,
            words=words,
        )
    if is_demo and host not in LOOPBACK:
        console.print("[bold yellow]![/] The demo's passwords are public, and so is this address.")
    _print_address(() if is_demo else start_notes(installation, host), settings, host, port)
    run(application, sockets, settings.log_level)


def _print_address(notes: Iterable[str], settings: Settings, host: str, port: int) -> None:
    for each in notes:
        console.print(f"[bold yellow]![/] {plain(each)}", soft_wrap=True)
    listens_at = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    reached = f", reached as {settings.base_url}" if settings.base_url != listens_at else ""
    console.print(f"\nUsage Dashboard: [bold]{listens_at}[/]{reached}  (Ctrl-C stops it)\n")


def _load_demo_beside(installation: Installation) -> subprocess.Popen[bytes]:
    from data.demo.loader_process import start_loader

    return start_loader(installation, [sys.executable, str(Path(__file__).resolve()), "demo"])


def _print_settings(settings: Settings) -> None:
    for name, value in settings.shown():
        console.print(f"  {name:<22} {plain(value)}", soft_wrap=True)


@app.command()
def demo(
    days: Annotated[int, typer.Option(min=30, max=1100, help="Days of history.")] = 400,
    lines: Annotated[int, typer.Option(min=1000, help="About how many usage lines.")] = 200_000,
) -> None:
    """Fills the demo: four accounts, one per plan. Running it again adds nothing."""
    from data.analytics.sync import sync_all
    from data.demo import extend_demo, load_demo
    from data.demo.sign_ins import DemoSignIns

    installation = open_installation(demo_settings(), is_demo=True)
    try:
        with progress_bar() as progress:
            bar = progress.add_task("Demo data", total=None)
            load_demo(
                installation.database, installation.clock, installation.pseudonyms,
                DemoSignIns(installation.clock.now()),
                lambda done, total: progress.update(bar, completed=done, total=total),
                days=days, lines=lines,
            )  # fmt: skip
            added = extend_demo(installation.database, installation.clock, installation.pseudonyms)
        sync_all(installation.database, installation.lake)
        console.print(f"The demo is complete ({added:,} events for the days since it was made).")
    finally:
        installation.close()


def _demo_people() -> tuple[object, ...]:
    from data.demo import DEMO_PEOPLE

    return DEMO_PEOPLE


@rates_app.command("import")
def rates_import(
    file: Annotated[Path, typer.Argument(help="A CSV file or a provider's JSON price list.")],
    currency: Annotated[str, typer.Option(help="The list's currency.")],
    valid_from: Annotated[str, typer.Option(help="DATE or always.")],
    increment: Annotated[str, typer.Option(help="Voice rounding, minimum/increment.")] = "60/60",
    account: Annotated[str | None, typer.Option(help="Only for this account.")] = None,
    plan: Annotated[str | None, typer.Option(help="Only for this plan.")] = None,
    default: Annotated[bool, typer.Option("--default", help="For every account.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show it.")] = False,
) -> None:
    """Takes a dated price list, checked and shown first."""
    from rich.table import Table

    from data.console_reports import price_rows
    from data.importers.price_lists import import_rates, read_price_list, with_zeros

    chosen = [(level, found) for level, found in (("account", account), ("plan", plan)) if found]
    if len(chosen) + default > 1:
        raise InputError("level", "several", "use one of --account, --plan and --default")
    level, level_id = chosen[0] if chosen else ("default", None)
    price_list = read_price_list(
        file, currency=currency, valid_from=valid_from, increment=increment
    )
    if level == "default":
        price_list = with_zeros(price_list)
    rows, zero = price_rows(price_list)
    table = Table(*price_list.HEADINGS[:-1], title=f"{price_list.name} · {price_list.currency}")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if zero:
        console.print(f"Not charged by this price list: {', '.join(zero)}.")
    if dry_run:
        return
    with opened() as installation:
        at = installation.clock.now()
        installation.writer.write(
            lambda c: import_rates(c, price_list, level=level, level_id=level_id, at=at)
        )
    console.print(f"{len(price_list.rates)} prices taken, valid from {valid_from}.")


@app.command("import")
def import_log(
    file: Annotated[Path, typer.Argument(help="A call or message log.")],
    account: Annotated[str, typer.Option(help="The account it belongs to.")],
    *,
    map: Annotated[str, typer.Option(help="A built-in map, or a TOML file of your own.")],  # noqa: A002
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report.")] = False,
    fund: Annotated[bool, typer.Option("--fund", help="Add one top-up that covers it.")] = False,
    destination: Annotated[str | None, typer.Option(help="For logs without numbers.")] = None,
    start: Annotated[str | None, typer.Option(help="For logs without times.")] = None,
    zone: Annotated[str | None, typer.Option(help="Of times that carry none.")] = None,
    region: Annotated[str | None, typer.Option(help="Country of numbers without a sign.")] = None,
) -> None:
    """Brings a real log into usage lines; a second run adds nothing."""
    from data.analytics.sync import sync_all
    from data.console_reports import import_lines
    from data.importers.importing import ImportOptions, ImportTarget, import_file
    from data.importers.importing import Progress as Step

    options = ImportOptions(
        file=file, account_id=account, map=map, is_dry_run=dry_run, is_funded=fund,
        destination=destination, start=start, zone=zone, region=region,
    )  # fmt: skip
    with opened() as installation:
        target = ImportTarget(
            installation.database, installation.clock, installation.pseudonyms,
            installation.settings.data_dir,
        )  # fmt: skip
        with progress_bar() as progress:
            bar = progress.add_task("Reading", total=None)

            def show(step: Step) -> None:
                progress.update(
                    bar, description=step.stage.capitalize(), completed=step.done_bytes,
                    total=step.total_bytes,
                )  # fmt: skip

            report = import_file(target, options, show)
        if not dry_run:
            sync_all(installation.database, installation.lake)
    for line in import_lines(report):
        console.print(plain(line), soft_wrap=True)
    if report.rows_rejected:
        raise typer.Exit(1)


@app.command()
def export(
    account: Annotated[str, typer.Option(help="The account.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    start: Annotated[str, typer.Option("--from", help="First day.")],
    end: Annotated[str, typer.Option("--to", help="Day after the last.")],
    format: Annotated[str, typer.Option(help="csv.")] = "csv",  # noqa: A002
) -> None:
    """Writes an account's transactions to a file, whole or not at all."""
    from data.export_lines import export_csv

    if format != "csv":
        raise InputError("format", format, "use csv")
    with opened() as installation:
        count = export_csv(
            installation,
            account,
            parse_day(start, "from"),
            parse_day(end, "to"),
            output,
            transactions_csv,
        )
    console.print(f"{count:,} transactions written to {plain(str(output))}.")


@app.command()
def verify(
    account: Annotated[str | None, typer.Option(help="Only this account.")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="The demo's ledger.")] = False,
) -> None:
    """Proves that ledger, wallet, seals and analytics agree; exit code 1 if any broke."""
    from data.accounts import read_account
    from data.analytics.sync import sync_all
    from data.proof.verify import verify as prove

    with opened(is_demo=demo) as installation:
        if account:
            with installation.database.read() as connection:
                read_account(connection, account)  # a mistyped id would prove nothing
        sync_all(installation.database, installation.lake)
        report = prove(installation.database, installation.lake, account)
    print_proof(report)


@app.command()
def rebuild(
    demo: Annotated[bool, typer.Option("--demo", help="The demo's analytics.")] = False,
) -> None:
    """Drops the analytics and builds them again from the ledger."""
    from data.analytics.rebuild import rebuild as build_again

    with opened(is_demo=demo) as installation:
        result = build_again(
            installation.database, installation.settings.data_dir, clock=installation.clock
        )
    console.print(f"Analytics rebuilt from {result.rows:,} usage lines.")


if __name__ == "__main__":
    main()
