"""The sweep: what time alone changes, and what charges that never asked have filled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, update

from billing.caps import CapKind, Override
from data import tables as t
from data.identity import new_id
from data.ledger import sweeping
from data.ledger.limits import override
from data.ledger.sweeping import Swept, sweep
from tests.builders import NOON, at, call, sms
from tests.hold_ledger import Holding, cap, proved_holding

PRICE = 10_000
TZ = "America/New_York"  # clocks go back on Sunday, 1 November 2026


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Holding]:
    yield from proved_holding(tmp_path)


def swept(ledger: Holding, now: datetime | None = None) -> Swept:
    """What a sweep does; the next one has nothing left to do."""
    ledger.clock.at = now or ledger.clock.at
    done = sweep(ledger.database, ledger.writer, ledger.clock.at)
    assert sweep(ledger.database, ledger.writer, ledger.clock.at) == Swept()
    return done


# --- boundaries ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "zone", "now", "resumes"),
    [
        ("daily", "Europe/Lisbon", "2026-11-22 12:00", "2026-11-23 00:00"),
        ("weekly", "Europe/Lisbon", "2026-11-18 12:00", "2026-11-23 00:00"),
        ("monthly", "Europe/Lisbon", "2026-11-18 12:00", "2026-12-01 00:00"),
        ("daily", TZ, "2026-11-01 12:00", "2026-11-02 05:00"),  # a day of 25 hours
        ("weekly", TZ, "2026-10-30 12:00", "2026-11-02 05:00"),
        ("daily", "America/Havana", "2026-10-31 12:00", "2026-11-01 04:00"),
        ("daily", "Asia/Kolkata", "2026-11-22 12:00", "2026-11-22 18:30"),
    ],
)
def test_what_is_paused_goes_on_at_the_next_local_day_week_or_month(
    ledger: Holding, kind: str, zone: str, now: str, resumes: str
):
    ledger.clock.at = at(now)
    ledger.add("far", timezone=zone)
    ledger.credit(10**6, when=at(now), account_id="far")
    ledger.limit(cap(kind, 2 * PRICE), account_id="far")
    ledger.post(sms("a", ledger.clock.at, 2), received_at=ledger.clock.at, account_id="far")
    assert swept(ledger) == Swept(begun=1)
    (pause,) = ledger.rows(t.pauses, "far")
    assert pause.until_at == at(resumes)
    assert swept(ledger, at(resumes) - timedelta(microseconds=1)) == Swept()
    assert swept(ledger, at(resumes)) == Swept(ended=1)
    assert ledger.pauses("far") == [(kind, "", "boundary")]
    assert ledger.ask("sms", account_id="far")["decision"] == "allowed"


def test_a_campaign_never_goes_on_by_itself(ledger: Holding):
    ledger.limit(cap("campaign", PRICE, campaign="spring"))
    ledger.post(call("c", ledger.clock.at, 30))
    assert swept(ledger) == Swept(begun=1)
    assert swept(ledger, NOON + timedelta(days=400)) == Swept()
    ledger.limit(cap("campaign", 10**6, campaign="spring"))
    assert ledger.pauses() == [("campaign", "spring", "limit")]


# --- charges that never asked --------------------------------------------------------------------
def test_charges_that_never_asked_pause_what_they_fill(ledger: Holding):
    ledger.limit(cap("daily", 5 * PRICE), cap("weekly", 5 * PRICE), cap("monthly", 10**6))
    ledger.post(sms("a", ledger.clock.at, 4))
    assert swept(ledger) == Swept()
    ledger.post(sms("b", ledger.clock.at, 4))
    assert swept(ledger) == Swept(begun=2)
    daily, weekly = sorted(ledger.rows(t.pauses), key=lambda row: str(row.rule))
    assert (daily.spent_micros, daily.limit_micros) == (8 * PRICE, 5 * PRICE)
    assert weekly.until_at == at("2026-11-23 00:00")
    assert ledger.ask("sms")["rule"] == "paused"


def test_a_balance_that_ran_out_is_a_pause_and_credit_ends_it(ledger: Holding):
    ledger.post(sms("a", ledger.clock.at, 100))
    assert ledger.posted() == 0
    assert swept(ledger) == Swept(begun=1)
    ledger.credit(PRICE)
    assert swept(ledger) == Swept(ended=1)
    assert ledger.pauses() == [("balance", "", "credit")]


def test_a_balance_that_never_held_anything_has_not_run_out(ledger: Holding):
    ledger.add("empty")
    assert swept(ledger) == Swept()
    assert ledger.pauses("empty") == []


def test_an_override_that_ends_pauses_again(ledger: Holding):
    ledger.limit(cap("daily", PRICE))
    ledger.post(sms("a", ledger.clock.at, 2))
    assert swept(ledger) == Swept(begun=1)
    given = Override(
        new_id(), CapKind.DAILY, "", "a fair", "person:ada", NOON, NOON + timedelta(hours=1)
    )
    account = ledger.accounts["acme"]
    ledger.writer.write(lambda c: override(c, account, given, ledger.clock.at))
    assert ledger.pauses() == [("daily", "", "override")]
    assert swept(ledger, given.ends_at - timedelta(microseconds=1)) == Swept()
    assert swept(ledger, given.ends_at) == Swept(begun=1)


# --- holds ---------------------------------------------------------------------------------------
def test_holds_that_outlived_their_time_give_back_what_they_held(ledger: Holding):
    short, long = ledger.ask("sms", 3)["hold_id"], ledger.ask("call.ai", 60)["hold_id"]
    assert swept(ledger, NOON + timedelta(minutes=10)) == Swept()
    assert swept(ledger, NOON + timedelta(minutes=11)) == Swept(expired=1)
    assert swept(ledger, NOON + timedelta(minutes=15)) == Swept(expired=1)
    states = {row.id: (row.state, row.closed_at) for row in ledger.rows(t.holds, "acme")}
    assert states == {
        short: ("expired", NOON + timedelta(minutes=15)),
        long: ("expired", NOON + timedelta(minutes=11)),
    }
    (balance,) = ledger.rows(t.balances)
    assert balance.reserved_micros == 0


# --- imports, and what goes wrong ----------------------------------------------------------------
def importing(ledger: Holding, account_id: str) -> str:
    with ledger.database.write() as connection:
        connection.execute(
            insert(t.imports).values(
                id="i" * 36, account_id=account_id, map="calls.toml", file_name="calls.csv",
                status="running", rows_read=0, rows_accepted=0, rows_duplicate=0, rows_rejected=0,
                started_at=NOON,
            )
        )  # fmt: skip
    return "i" * 36


@pytest.mark.parametrize("whose", ["acme", "*"])
def test_an_account_that_is_being_filled_is_left_alone_and_looked_at_once_afterwards(
    ledger: Holding, whose: str
):
    ledger.limit(cap("daily", PRICE))
    import_id = importing(ledger, whose)
    for number in range(3):
        ledger.post(sms(f"a{number}", ledger.clock.at))
        assert swept(ledger) == Swept()
    ledger.add("other")
    ledger.credit(10**6, account_id="other")
    ledger.limit(cap("daily", PRICE), account_id="other")
    ledger.post(sms("b", ledger.clock.at), account_id="other")
    assert swept(ledger) == (Swept() if whose == "*" else Swept(begun=1))
    with ledger.database.write() as connection:
        done = update(t.imports).where(t.imports.c.id == import_id).values(status="done")
        connection.execute(done)
    assert swept(ledger) == (Swept(begun=2) if whose == "*" else Swept(begun=1))
    (pause,) = ledger.rows(t.pauses)
    assert pause.spent_micros == 3 * PRICE


def test_an_account_that_fails_keeps_no_other_waiting(
    ledger: Holding, monkeypatch: pytest.MonkeyPatch
):
    for account_id in ("aa", "zz"):
        ledger.add(account_id)
        ledger.credit(10**6, account_id=account_id)
        ledger.ask("sms", account_id=account_id)
    ledger.ask("sms")
    real = sweeping.sweep_account

    def broken(connection: Connection, account_id: str, now: datetime) -> Swept:
        if account_id == "acme":
            raise ValueError("a row that can't be read")
        return real(connection, account_id, now)

    monkeypatch.setattr(sweeping, "sweep_account", broken)
    ledger.clock.at += timedelta(hours=1)
    with pytest.raises(ValueError, match="can't be read"):
        sweep(ledger.database, ledger.writer, ledger.clock.at)
    states: dict[str, str] = {row.account_id: row.state for row in ledger.rows(t.holds, None)}
    assert states == {"aa": "expired", "acme": "open", "zz": "expired"}
    monkeypatch.undo()
    assert swept(ledger) == Swept(expired=1)


def test_a_sweep_ends_between_two_accounts_when_it_must(ledger: Holding):
    ledger.add("other")
    ledger.credit(10**6, account_id="other")
    for account_id in ("acme", "other"):
        ledger.ask("sms", account_id=account_id)
    ledger.clock.at += timedelta(hours=1)
    left = [1]

    def go_on() -> None:
        if not left[0]:
            raise InterruptedError
        left[0] -= 1

    with pytest.raises(InterruptedError):
        sweep(ledger.database, ledger.writer, ledger.clock.at, go_on)
    states: list[Any] = sorted(row.state for row in ledger.rows(t.holds, None))
    assert states == ["expired", "open"]
    assert swept(ledger) == Swept(expired=1)
