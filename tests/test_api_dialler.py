"""The simulated dialler against a live server: what it dials is held, settled and bounded."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from api.dialler import Campaigns, Dialler, DiallerError, Tally
from app import app
from billing.caps import Cap, CapKind, Limits
from billing.errors import InputError
from data import tables as t
from data.accounts import read_account
from data.ledger.limits import set_limits
from data.ledger.top_ups import top_up
from tests.api_client import ApiClient
from tests.live import NOW, Live

QUICK = Campaigns(calls=6, seconds=1.5, speed=600, seed=3)


def dial(
    url: str, key: str, campaigns: Campaigns = QUICK, watch: Callable[[Tally], None] | None = None
) -> Tally:
    async def play() -> Tally:
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers) as client:
            dialler = Dialler(client, campaigns, lambda: NOW - timedelta(seconds=1))
            return await dialler.run(watch or (lambda _: None))

    return asyncio.run(play())


@pytest.fixture
def key(live: Live) -> str:
    client = ApiClient(live, "acme", "holds:write")
    client.close()
    live.installation.writer.write(
        lambda c: top_up(c, read_account(c, "acme"), 10**12, "for calls", NOW)
    )
    return str(client.key)


def limit(live: Live, *caps: Cap) -> None:
    live.installation.writer.write(
        lambda c: set_limits(c, read_account(c, "acme"), Limits(caps), "person:ada", NOW)
    )


def holds(live: Live) -> list[Any]:
    with live.installation.database.read() as connection:
        return list(connection.execute(select(t.holds)))


def test_calls_are_held_and_settled(live: Live, key: str):
    seen: list[int] = []
    tally = dial(live.url, key, watch=lambda now: seen.append(now.in_progress))
    assert tally.settled > QUICK.calls
    assert tally.in_progress == 0
    assert max(seen) > 0
    rows = holds(live)
    assert {row.state for row in rows} <= {"settled", "released"}
    assert sum(row.state == "settled" for row in rows) == tally.settled
    assert sum(row.cost_micros or 0 for row in rows) == tally.spent_micros > 0
    assert {row.campaign_id for row in rows} <= set(QUICK.names)


def test_a_cap_ends_the_dialling_and_is_never_overrun(live: Live, key: str):
    spent = next(
        row.spent_micros for row in counters(live) if (row.kind, row.start_on) == ("daily", TODAY)
    )
    ceiling = spent + 30_000_000
    limit(live, Cap(CapKind.DAILY, ceiling))
    tally = dial(live.url, key)
    assert tally.denied["daily"] + tally.denied["paused"] > 0
    today = next(row for row in counters(live) if (row.kind, row.start_on) == ("daily", TODAY))
    assert today.spent_micros <= ceiling
    assert today.reserved_micros == 0


TODAY = NOW.date()


def counters(live: Live) -> list[Any]:
    with live.installation.database.read() as connection:
        own = t.cap_counters.c.account_id == "acme"
        return list(connection.execute(select(t.cap_counters).where(own)))


def test_a_key_that_is_refused_ends_it_with_the_reason(live: Live):
    with pytest.raises(ExceptionGroup) as errors:
        dial(live.url, "usage_nobody")
    assert isinstance(errors.value.exceptions[0], DiallerError)
    assert "unknown" in str(errors.value.exceptions[0])


@pytest.mark.parametrize(
    "given", [{"calls": 0}, {"calls": 1_001}, {"seconds": 0}, {"speed": 0}, {"names": ("a", "")}]
)
def test_what_is_out_of_bounds_is_named(given: dict[str, Any]):
    with pytest.raises(InputError):
        Campaigns(**given)


def test_the_command_needs_a_key():
    answer = CliRunner().invoke(app, ["simulate"], env={"USAGE_API_KEY": ""})
    assert isinstance(answer.exception, InputError)
    assert "key add" in answer.exception.message


def test_the_command_says_why_nothing_was_dialled(live: Live):
    answer = CliRunner().invoke(app, ["simulate", "--url", live.url, "--key", "nonsense"])
    assert isinstance(answer.exception, DiallerError)
    assert "unknown" in answer.exception.message
