"""What lines and stored requests say of holds and pauses, and what they must not keep."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from data import tables as t
from data.identity import Pseudonyms
from data.ledger.hold_answers import digest_of
from data.ledger.idempotency import MismatchError
from data.ledger.intake import Intake
from tests.builders import sms
from tests.hold_ledger import Holding, cap, proved_holding


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Holding]:
    yield from proved_holding(tmp_path)


def flags(ledger: Holding) -> list[str | None]:
    return [line.flags for line in ledger.lines()]


def test_what_happens_while_it_is_paused_is_charged_and_flagged(ledger: Holding):
    held = ledger.ask("sms", 1, campaign="spring")["hold_id"]
    ledger.limit(cap("campaign", 0, campaign="spring"))
    intake = Intake(ledger.writer, ledger.clock, Pseudonyms("test-secret"))
    events = [
        sms("a", ledger.clock.at, campaign="spring"),
        sms("b", ledger.clock.at, campaign="autumn"),
        sms("c", ledger.clock.at, campaign="spring", direction="inbound"),
        sms("d", ledger.clock.at, campaign="spring", hold_id=held),
    ]
    (answer,) = intake.submit("acme", events, ledger.clock.at)
    assert [each.status for each in answer.result(30)] == ["accepted"] * 4
    assert flags(ledger) == ["while_paused", None, None, None]


def test_a_number_is_kept_only_as_a_keyed_hash(ledger: Holding):
    """Of a request too: a plain one would be guessed in minutes."""
    request = {"request_id": "r", "kind": "sms", "amount": 1, "campaign": None, "consumer": None}
    ledger.ask("sms", 1, request_id="r", to="14155550142")
    (row,) = ledger.rows(t.holds, "acme")
    assert row.request_hash != digest_of({**request, "to": "14155550142"})
    assert "14155550142" not in str(row)
    with pytest.raises(MismatchError):
        ledger.ask("sms", 1, request_id="r", to="14155550143")
