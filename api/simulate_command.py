"""``usage-dashboard simulate``: calls for people to watch limits, pauses and the live balance."""

from __future__ import annotations

import asyncio
from typing import Annotated

import httpx
import typer
from rich.live import Live
from rich.table import Table

from api.console import console, opened
from api.dialler import Campaigns, Dialler, DiallerError, Tally
from billing.errors import InputError
from billing.money import plain_amount

USUAL_URL = "http://127.0.0.1:8050"
DEMO_ACCOUNT, DEMO_NUMBER = "acme-outreach", "+919845550142"
KEY_VARIABLE = "USAGE_API_KEY"
_usual = Campaigns()


def simulate(  # noqa: PLR0913, PLR0917
    url: Annotated[str, typer.Option(help="Where the server is.")] = USUAL_URL,
    key: Annotated[
        str, typer.Option(envvar=KEY_VARIABLE, help="An API key with holds:write.")
    ] = "",
    demo: Annotated[
        bool, typer.Option("--demo", help="Make a key for an account of the demo beside it.")
    ] = False,
    account: Annotated[str, typer.Option(help="The demo's account.")] = "",
    calls: Annotated[int, typer.Option(help="Calls at once.")] = _usual.calls,
    seconds: Annotated[float, typer.Option(help="For how long new ones begin.")] = _usual.seconds,
    speed: Annotated[float, typer.Option(help="Seconds of talk in one.")] = _usual.speed,
    campaigns: Annotated[str, typer.Option(help="Their ids, with commas.")] = ",".join(
        _usual.names
    ),
    to: Annotated[
        str, typer.Option(help="A number to price the calls by; one that the demo's list covers.")
    ] = "",
    seed: Annotated[int | None, typer.Option(help="The same calls each time.")] = None,
) -> None:
    """Plays a dialler against a running server: asks before each call, settles after it."""
    names = tuple(each.strip() for each in campaigns.split(","))
    number = to or (DEMO_NUMBER if demo and not account else _usual.to)
    wanted = Campaigns(calls, seconds, speed, names, to=number, seed=seed)
    if demo:
        key = _demo_key(account)
    if not key:
        made_by = "usage-dashboard key add --account ID --scope holds:write"
        raise InputError("key", "", f"give --key or {KEY_VARIABLE}; one is made by: {made_by}")
    tally = asyncio.run(_play(url.rstrip("/"), key, wanted))
    console.print(_summary(tally))


async def _play(url: str, key: str, campaigns: Campaigns) -> Tally:
    limits = httpx.Limits(max_connections=campaigns.calls)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        base_url=f"{url}/api/v1", headers=headers, timeout=30, limits=limits
    ) as client:
        dialler = Dialler(client, campaigns)
        with Live(_summary(dialler.tally), console=console, refresh_per_second=4) as screen:
            try:
                return await dialler.run(lambda tally: screen.update(_summary(tally)))
            except* DiallerError as errors:
                raise errors.exceptions[0] from None


def _demo_key(account: str) -> str:
    from data.access.keys import add_key

    with opened(is_demo=True) as installation:
        at = installation.clock.now()
        shown, _ = installation.writer.write(
            lambda c: add_key(
                c, installation.pseudonyms, account or DEMO_ACCOUNT, ("holds:write",), at
            )
        )
    return shown


def _summary(tally: Tally) -> Table:
    table = Table(show_header=False, box=None)
    rows = [
        ("In progress", f"{tally.in_progress:,}"), ("Settled", f"{tally.settled:,}"),
        ("Released", f"{tally.released:,}"), ("Extended", f"{tally.extended:,}"),
        ("Ended at their limit", f"{tally.cut:,}"),
        ("Spent", f"{plain_amount(tally.spent_micros)} {tally.currency}"),
    ]  # fmt: skip
    if tally.available_micros is not None:
        rows.append(("Available", f"{plain_amount(tally.available_micros)} {tally.currency}"))
    rows += [(f"Denied: {rule}", f"{count:,}") for rule, count in sorted(tally.denied.items())]
    for row in rows:
        table.add_row(*row)
    return table
