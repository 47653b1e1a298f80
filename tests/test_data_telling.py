"""What webhooks tell of holds and pauses: once each, in order, with the change or not at all."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from billing.caps import Limits
from billing.movements import Action, Movement
from data import tables as t
from data.identity import Pseudonyms, new_id
from data.ledger.intake import Intake
from data.ledger.limits import set_limits
from data.ledger.sweeping import sweep
from data.ledger.telling import tell_limits_reached
from data.webhooks.endpoints import Endpoints
from tests.builders import NOON, sms
from tests.hold_ledger import Holding, cap, proved_holding


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Holding]:
    for opened in proved_holding(tmp_path):
        opened.writer.write(add_endpoint)
        yield opened


def add_endpoint(connection: Connection) -> None:
    endpoints = Endpoints("a secret of tests, long enough", may_be_plain=False)
    given = {"url": f"https://hooks.example/{new_id()}"}
    endpoints.add(connection, "acme", given, "person:ada", NOON)


def told(ledger: Holding) -> list[tuple[str, dict[str, Any]]]:
    """Every message: what about, and its data."""
    rows = sorted(ledger.rows(t.webhook_messages, "acme"), key=lambda row: row.sequence)
    payloads = [json.loads(row.payload) for row in rows]
    assert [each["sequence"] for each in payloads] == list(range(1, len(rows) + 1))
    return [(each["type"], each["data"]) for each in payloads]


def topics(ledger: Holding) -> list[str]:
    return [topic for topic, _ in told(ledger)]


def test_a_pause_and_its_end_are_told_with_their_cause(ledger: Holding):
    ledger.limit(cap("daily", 20_000))
    ledger.post(sms("a", ledger.clock.at, 2))
    sweep(ledger.database, ledger.writer, ledger.clock.at)
    sweep(ledger.database, ledger.writer, ledger.clock.at)
    ledger.limit(cap("daily", 30_000))
    (paused, resumed) = told(ledger)
    assert paused[0] == "outbound.paused"
    assert {name: paused[1][name] for name in ("rule", "spent_micros", "limit_micros")} == {
        "rule": "daily", "spent_micros": 20_000, "limit_micros": 20_000,
    }  # fmt: skip
    assert paused[1]["until_at"] == "2026-11-23T00:00:00Z"
    assert resumed[0] == "outbound.resumed"
    assert (resumed[1]["cause"], resumed[1]["pause_id"]) == ("limit", paused[1]["pause_id"])


def test_a_campaign_and_the_balance_are_told_by_name(ledger: Holding):
    ledger.limit(cap("campaign", 10_000, campaign="spring"))
    hold_id = ledger.ask("sms", 1, campaign="spring")["hold_id"]
    ledger.settle(hold_id)
    ledger.move(Movement(Action.ADJUSTMENT, -990_000, "all of it"))
    ledger.move(Movement(Action.TOP_UP, 5_000_000))
    assert topics(ledger) == ["campaign.paused", "outbound.paused", "outbound.resumed"]
    assert told(ledger)[0][1]["campaign"] == "spring"
    assert told(ledger)[2][1]["cause"] == "credit"


def test_a_call_at_its_last_second_is_told_of_once_and_again_after_more(ledger: Holding):
    hold_id = ledger.ask("call.ai", 30)["hold_id"]
    tell = lambda: tell_limits_reached(ledger.database, ledger.writer, ledger.clock.at)  # noqa: E731
    ledger.clock.at += timedelta(seconds=29)
    assert tell() == 0
    ledger.clock.at += timedelta(seconds=1)
    assert [tell(), tell()] == [1, 0]
    ledger.extend(hold_id, 10)
    assert tell() == 0
    ledger.clock.at += timedelta(seconds=10)
    assert tell() == 1
    assert [each["max_seconds"] for _, each in told(ledger)] == [30, 40]
    assert set(topics(ledger)) == {"call.limit_reached"}


def test_a_call_that_has_ended_is_not_told_of(ledger: Holding):
    hold_id = ledger.ask("call.ai", 30)["hold_id"]
    ledger.settle(hold_id, seconds=10)
    ledger.clock.at += timedelta(minutes=1)
    assert tell_limits_reached(ledger.database, ledger.writer, ledger.clock.at) == 0


@pytest.mark.parametrize("by", ["sweep", "another request", "its own event"])
def test_a_hold_that_expires_is_told_of_whoever_notices(ledger: Holding, by: str):
    hold_id = ledger.ask("sms")["hold_id"]
    ledger.clock.at += timedelta(minutes=16)
    if by == "sweep":
        sweep(ledger.database, ledger.writer, ledger.clock.at)
    elif by == "another request":
        ledger.ask("sms")
    else:
        intake = Intake(ledger.writer, ledger.clock, Pseudonyms("test-secret"))
        late = sms("late", ledger.clock.at, hold_id=hold_id)
        (answer,) = intake.submit("acme", [late], ledger.clock.at)
        assert answer.result(30)[0].status == "accepted"
    assert [(topic, data["hold_id"]) for topic, data in told(ledger)] == [("hold.expired", hold_id)]


def test_what_is_undone_is_not_told(ledger: Holding):
    """The change and its message are one transaction."""

    def undone(connection: Connection) -> None:
        limits = Limits((cap("daily", 0),))
        set_limits(connection, ledger.accounts["acme"], limits, "person:ada", ledger.clock.at)
        raise LookupError

    with pytest.raises(LookupError):
        ledger.writer.write(undone)
    assert told(ledger) == []
    assert ledger.pauses() == []
