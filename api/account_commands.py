"""Commands that make accounts, people and keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from sqlalchemy import Connection

from api.console import console, opened, parse_day, plain
from billing.access import ALL_ACCOUNTS, parse_role
from billing.money import parse_amount, plain_amount
from billing.plans import parse_plan

account_app = typer.Typer(help="Accounts.", no_args_is_help=True)
user_app = typer.Typer(help="People who sign in.", no_args_is_help=True)
key_app = typer.Typer(help="API keys.", no_args_is_help=True)


@account_app.command("add")
def account_add(  # noqa: PLR0913, PLR0917
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
        environment, parse_day(paid_since, "paid-since") if paid_since else None,
    )  # fmt: skip
    with opened() as installation:
        at = installation.clock.now()
        account = installation.writer.write(lambda c: add_account(c, new, at))
    console.print(f"Account {account.id}: {plan} plan, {account.currency}, {timezone}.")


@account_app.command("plan")
def account_plan(
    account_id: Annotated[str, typer.Argument(metavar="ID", help="The account.")],
    plan: Annotated[str, typer.Option(help="free, launch, growth or scale.")],
    start: Annotated[str | None, typer.Option("--from", help="DATE; today when left out.")] = None,
) -> None:
    """Changes the plan from a day on; what was before stays as it was."""
    from data.accounts import change_plan, read_account

    chosen = parse_plan(plan)
    with opened() as installation:
        with installation.database.read() as connection:
            today = read_account(connection, account_id).today(installation.clock.now())
        day = parse_day(start, "from") if start else today
        installation.writer.write(lambda c: change_plan(c, account_id, chosen, day))
    console.print(f"{account_id}: {chosen.label} plan from {day}.")


@account_app.command("top-up")
def account_top_up(
    account_id: Annotated[str, typer.Argument(metavar="ID", help="The account.")],
    amount: Annotated[str, typer.Option(help="In the account's currency, such as 250.00.")],
    note: Annotated[str, typer.Option(help="What it is for; kept with the entry.")] = "top-up",
) -> None:
    """Adds paid credit to the wallet; debt is repaid from it first."""
    from data.accounts import read_account
    from data.ledger.top_ups import top_up

    with opened() as installation:
        at, micros = installation.clock.now(), parse_amount(amount)
        balance = installation.writer.write(
            lambda c: top_up(c, read_account(c, account_id), micros, note, at)
        )
    console.print(f"{account_id}: balance now {plain_amount(balance)}.")


@user_app.command("add")
def user_add(
    email: Annotated[str, typer.Argument(help="How they sign in.")],
    role: Annotated[str, typer.Option(help="owner, manager, support or admin.")],
    account: Annotated[str, typer.Option(help="Account; not for support and admin.")] = "*",
    name: Annotated[str, typer.Option(help="Their name.")] = "",
    password: Annotated[str | None, typer.Option(help="Made up when left out.")] = None,
) -> None:
    """Makes a person, or gives an existing one another account."""
    from data.access.people import add_membership, add_person, find_person

    with opened() as installation:
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
        console.print(f"Password (shown once): [bold]{plain(generated)}[/]")


@key_app.command("add")
def key_add(
    account: Annotated[str, typer.Option(help="Account, or * for all.")],
    scope: Annotated[list[str], typer.Option(help="What it may do; repeat for several.")],
) -> None:
    """Makes an API key; it is shown once."""
    from data.access.keys import add_key

    with opened() as installation:
        at = installation.clock.now()

        def work(connection: Connection) -> str:
            key, kept = add_key(connection, installation.pseudonyms, account, scope, at)
            _record(connection, at, account, "key_added", {"key": kept.id, "scopes": kept.scopes})
            return key

        key = installation.writer.write(work)
    console.print(f"Key (shown once): [bold]{key}[/]")


@key_app.command("list")
def key_list(
    account: Annotated[str, typer.Option(help="Account, or * for keys over all.")],
) -> None:
    """Lists an account's keys by id and first letters, the revoked ones too."""
    from data.access.keys import read_keys
    from data.accounts import read_account

    with opened() as installation, installation.database.read() as connection:
        if account != ALL_ACCOUNTS:
            read_account(connection, account)  # a mistyped id would look like one without keys
        keys = read_keys(connection, account)
    for key in keys:
        ended = f"  revoked {key.revoked_at:%Y-%m-%d %H:%M} UTC" if key.revoked_at else ""
        console.print(
            f"{key.id}  {plain(key.shown_prefix)}…  made {key.created_at:%Y-%m-%d %H:%M} UTC  "
            f"{' '.join(key.scopes)}{ended}",
            soft_wrap=True,
        )
    if not keys:
        console.print("No key yet: usage-dashboard key add --account … --scope …")


@key_app.command("revoke")
def key_revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, from key list.")],
    account: Annotated[str, typer.Option(help="Account, or * for a key over all.")],
) -> None:
    """Ends a key at once and for ever, for a server that is running too."""
    from data.access.keys import revoke_key

    with opened() as installation:
        at = installation.clock.now()

        def work(connection: Connection) -> None:
            revoke_key(connection, account, key_id, at)
            _record(connection, at, account, "key_revoked", {"key": key_id})

        installation.writer.write(work)
    console.print(f"Key {plain(key_id)} opens nothing any more.")


def _record(
    connection: Connection, at: datetime, account: str, action: str, detail: dict[str, object]
) -> None:
    """Notes a change of keys in the audit log, beside the change."""
    from data.access import audit

    account_id = None if account == ALL_ACCOUNTS else account
    audit.record(connection, at, audit.COMMAND, account_id, action, detail)
