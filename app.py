"""The command line: wires the parts together; nothing imports this file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy.exc import OperationalError

from billing.access import parse_role
from billing.errors import InputError, ProductError
from billing.plans import parse_plan
from data.installation import Installation, open_installation, refuse_own_secret
from data.settings import Settings, configure_logging, load_settings
from exports.csv_files import transactions_csv

if TYPE_CHECKING:
    from sqlalchemy import Connection


app = typer.Typer(
    help="Usage and spending of a communications platform: screens, ledger, proof.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
account_app = typer.Typer(help="Accounts.", no_args_is_help=True)
user_app = typer.Typer(help="People who sign in.", no_args_is_help=True)
key_app = typer.Typer(help="API keys.", no_args_is_help=True)
rates_app = typer.Typer(help="Price lists.", no_args_is_help=True)
for name, group in (
    ("account", account_app), ("user", user_app), ("key", key_app), ("rates", rates_app),
):  # fmt: skip
    app.add_typer(group, name=name)

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)
DEMO_FOLDER = "demo"


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
    errors.print(f"[bold red]✗[/] {_plain(message)}", soft_wrap=True)
    sys.exit(2)


def _plain(text: str) -> str:
    """Text as it is: brackets in a message are not markup."""
    return text.replace("[", "\\[")


def _demo_settings() -> Settings:
    """A demo lives beside real data, never in it."""
    settings = load_settings()
    if settings.database_url:
        raise InputError(
            "USAGE_DATABASE_URL", "(set)", "unset it: a demo keeps to a folder of its own"
        )
    return load_settings(data_dir=settings.data_dir / DEMO_FOLDER)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8050,
    demo: Annotated[bool, typer.Option("--demo", help="Serve the seeded demo.")] = False,
) -> None:
    """Serves the whole product: screens and background jobs."""
    from api.server import build_server
    from api.server import serve as run
    from data.importing import stop_stale_imports

    settings = _demo_settings() if demo else load_settings()
    configure_logging(settings.log_level)
    if not demo:
        refuse_own_secret(settings)
    installation = open_installation(settings, is_demo=demo)
    _print_settings(settings)
    loader = _load_demo_beside(installation) if demo else None
    if not demo:
        stop_stale_imports(installation.database, settings.data_dir, installation.clock.now())
    application = build_server(
        installation,
        is_demo=demo,
        demo_people=_demo_people() if demo else (),
        on_stop=loader.terminate if loader else None,
    )
    console.print(f"\nUsage Dashboard: [bold]http://{host}:{port}[/]  (Ctrl-C stops it)\n")
    run(application, host, port, settings.log_level)


def _load_demo_beside(installation: Installation) -> subprocess.Popen[bytes]:
    from data.demo.loader_process import start_loader

    return start_loader(installation, [sys.executable, str(Path(__file__).resolve()), "demo"])


def _print_settings(settings: Settings) -> None:
    for name, value in settings.shown():
        console.print(f"  {name:<22} {_plain(value)}")


@app.command()
def demo(
    days: Annotated[int, typer.Option(min=30, max=1100, help="Days of history.")] = 400,
    lines: Annotated[int, typer.Option(min=1000, help="About how many usage lines.")] = 200_000,
) -> None:
    """Fills the demo: four accounts, one per plan. Running it again adds nothing."""
    from data.demo import extend_demo, load_demo
    from data.demo.sign_ins import DemoSignIns
    from data.sync import sync_all

    installation = open_installation(_demo_settings(), is_demo=True)
    try:
        with _progress() as progress:
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


@account_app.command("add")
def account_add(  # noqa: PLR0917
    account_id: Annotated[str, typer.Argument(metavar="ID", help="a-z, 0-9 and -; for ever.")],
    name: Annotated[str, typer.Option(help="The name people see.")],
    plan: Annotated[str, typer.Option(help="free, launch, growth or scale.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code, such as USD.")],
    timezone: Annotated[str, typer.Option(help="IANA zone, such as Europe/Lisbon.")],
    anchor_day: Annotated[int, typer.Option(help="Day of month a billing period begins.")] = 1,
    paid_since: Annotated[str | None, typer.Option(help="DATE; hides what was before.")] = None,
    locale: Annotated[str, typer.Option(help="How figures are written.")] = "en_US",
    environment: Annotated[str, typer.Option(help="production or development.")] = "production",
) -> None:
    """Makes an account with an empty wallet."""
    from data.accounts import NewAccount, add_account

    new = NewAccount(
        account_id, name, parse_plan(plan), currency.upper(), timezone, anchor_day, locale,
        environment, _day(paid_since, "paid-since") if paid_since else None,
    )  # fmt: skip
    with _opened() as installation:
        at = installation.clock.now()
        account = installation.writer.write(lambda c: add_account(c, new, at))
    console.print(f"Account {account.id}: {plan} plan, {account.currency}, {timezone}.")


@user_app.command("add")
def user_add(
    email: Annotated[str, typer.Argument(help="How they sign in.")],
    role: Annotated[str, typer.Option(help="owner, manager, support or admin.")],
    account: Annotated[str, typer.Option(help="Account; not for support and admin.")] = "*",
    name: Annotated[str, typer.Option(help="Their name.")] = "",
    password: Annotated[str | None, typer.Option(help="Made up when left out.")] = None,
) -> None:
    """Makes a person, or gives an existing one another account."""
    from data.people import add_membership, add_person, find_person

    with _opened() as installation:
        at = installation.clock.now()

        def work(connection: Connection) -> str | None:
            known = find_person(connection, email)
            made = None
            if known is None:
                made = add_person(connection, email, name or email, password, at)
                known = made.person
            add_membership(connection, known.id, account, parse_role(role))
            return made.generated_password if made else None

        generated = installation.writer.write(work)
    console.print(f"{email}: {role} of {'all accounts' if account == '*' else account}.")
    if generated:
        console.print(f"Password (shown once): [bold]{_plain(generated)}[/]")


@key_app.command("add")
def key_add(
    account: Annotated[str, typer.Option(help="Account, or * for all.")],
    scope: Annotated[list[str], typer.Option(help="What it may do; repeat for several.")],
) -> None:
    """Makes an API key; it is shown once."""
    from data.keys import add_key

    with _opened() as installation:
        at = installation.clock.now()
        key, _ = installation.writer.write(
            lambda c: add_key(c, installation.pseudonyms, account, scope, at)
        )
    console.print(f"Key (shown once): [bold]{key}[/]")


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
    from data.console_reports import price_rows
    from data.price_lists import import_rates, read_price_list

    chosen = [(level, found) for level, found in (("account", account), ("plan", plan)) if found]
    if len(chosen) + default > 1:
        raise InputError("level", "several", "use one of --account, --plan and --default")
    level, level_id = chosen[0] if chosen else ("default", None)
    price_list = read_price_list(
        file, currency=currency, valid_from=valid_from, increment=increment
    )
    rows, zero = price_rows(price_list)
    table = Table(*price_list.HEADINGS[:-1], title=f"{price_list.name} · {price_list.currency}")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if zero:
        console.print(f"Not charged by this price list: {', '.join(zero)}.")
    if dry_run:
        return
    with _opened() as installation:
        at = installation.clock.now()
        installation.writer.write(
            lambda c: import_rates(c, price_list, level=level, level_id=level_id, at=at)
        )
    console.print(f"{len(price_list.rates)} prices taken, valid from {valid_from}.")


@app.command("import")
def import_log(
    file: Annotated[Path, typer.Argument(help="A call or message log.")],
    account: Annotated[str, typer.Option(help="The account it belongs to.")],
    map: Annotated[str, typer.Option(help="A built-in map, or a TOML file of your own.")],  # noqa: A002
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report.")] = False,
    fund: Annotated[bool, typer.Option("--fund", help="Add one top-up that covers it.")] = False,
    destination: Annotated[str | None, typer.Option(help="For logs without numbers.")] = None,
    start: Annotated[str | None, typer.Option(help="For logs without times.")] = None,
) -> None:
    """Brings a real log into usage lines; a second run adds nothing."""
    from data.console_reports import import_lines
    from data.importing import ImportOptions, ImportTarget, import_file
    from data.importing import Progress as Step
    from data.sync import sync_all

    options = ImportOptions(
        file=file, account_id=account, map=map, is_dry_run=dry_run, is_funded=fund,
        destination=destination, start=start,
    )  # fmt: skip
    with _opened() as installation:
        target = ImportTarget(
            installation.database, installation.clock, installation.pseudonyms,
            installation.settings.data_dir,
        )  # fmt: skip
        with _progress() as progress:
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
        console.print(_plain(line), soft_wrap=True)
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
    with _opened() as installation:
        count = export_csv(
            installation, account, _day(start, "from"), _day(end, "to"), output, transactions_csv
        )
    console.print(f"{count:,} transactions written to {_plain(str(output))}.")


@app.command()
def verify(
    account: Annotated[str | None, typer.Option(help="Only this account.")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="The demo's ledger.")] = False,
) -> None:
    """Proves that ledger, wallet, seals and analytics agree; exit code 1 if any broke."""
    from data.accounts import read_account
    from data.console_reports import proof_lines
    from data.sync import sync_all
    from data.verify import verify as prove

    with _opened(is_demo=demo) as installation:
        if account:
            with installation.database.read() as connection:
                read_account(connection, account)  # a mistyped id would prove nothing
        sync_all(installation.database, installation.lake)
        report = prove(installation.database, installation.lake, account)
    for passed, text, broken in proof_lines(report):
        console.print(f"{'[green]✓[/]' if passed else '[bold red]✗[/]'} {_plain(text)}")
        for row in broken:
            console.print(f"    {_plain(row)}", soft_wrap=True)
    if not report.passed:
        raise typer.Exit(1)


@app.command()
def rebuild(
    demo: Annotated[bool, typer.Option("--demo", help="The demo's analytics.")] = False,
) -> None:
    """Drops the analytics and builds them again from the ledger."""
    from data.rebuild import rebuild as build_again

    with _opened(is_demo=demo) as installation:
        result = build_again(
            installation.database, installation.settings.data_dir, clock=installation.clock
        )
    console.print(f"Analytics rebuilt from {result.rows:,} usage lines.")


@contextmanager
def _opened(*, is_demo: bool = False) -> Iterator[Installation]:
    settings = _demo_settings() if is_demo else load_settings()
    configure_logging(settings.log_level)
    installation = open_installation(settings, is_demo=is_demo)
    try:
        yield installation
    finally:
        installation.close()


def _day(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(field, text, "use a day such as 2026-11-22") from None


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(), console=errors, transient=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
