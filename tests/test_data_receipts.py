"""Delivery receipts: where a message stands is the same in any order and batching; no money moves.

Posted through a real ledger; reading, syncing and proving receipts is tested beside lines, in
test_data_reader, test_data_pages, test_data_sync and test_data_verify.
"""

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event as listeners
from sqlalchemy import insert, select, text

from billing.errors import InputError
from billing.events import MESSAGE_STATUSES, SmsEvent, StatusEvent, VoicemailEvent, WhatsAppEvent
from data import tables as t
from data.analytics.views import view
from data.identity import new_id
from data.ledger.bulk import bulk_columns
from data.ledger.posting import Outcome
from data.ledger.standing import standing
from tests.builders import NOON, UNIT_PRICE_MICROS, Ledger, at, call, day, sms
from tests.wallet_checks import check_wallet

SECOND = timedelta(seconds=1)
CHECKS = ("verify_receipts", "verify_lost_receipts", "verify_receipt_moves")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path) as opened:
        opened.add()
        yield opened


def receipt(event_id: str, ref: str, status: str, after: int = 1, **rest) -> StatusEvent:
    """A carrier's word on message ``ref``, so many seconds after noon."""
    given = {"source": "carrier", "ref_source": "messenger", "occurred_at": NOON + after * SECOND}
    return StatusEvent(id=event_id, ref_id=ref, status=status, **{**given, **rest})


def codes(outcomes: list[Outcome]) -> list[str]:
    return [each.error.code if each.error else each.status for each in outcomes]


def broken_field(outcome: Outcome) -> str | None:
    """The field for which an event was refused."""
    assert isinstance(outcome.error, InputError)
    return outcome.error.field


def stands(ledger: Ledger, account_id: str = "acme") -> dict[str, str]:
    """Where each line stands, by its event's id; reversals beside as ``id-``."""
    lines, events = t.usage_lines.c, t.events.c
    with ledger.database.read() as connection:
        rows = connection.execute(
            select(events.id, lines.reverses_line_id, standing())
            .join(t.events, events.event_id == lines.event_id)
            .where(lines.account_id == account_id)
        )
        return {row.id + ("-" if row.reverses_line_id else ""): row.status for row in rows}


def check_receipts(ledger: Ledger) -> None:
    """The proof's own statements find nothing."""
    with ledger.database.read() as connection:
        for name in CHECKS:
            accounts = {"first": "", "last": "z" * 65}
            assert connection.scalars(text(view(name)), accounts).all() == [], name


def chain(ledger: Ledger) -> list[tuple[str | None, str]]:
    return [(row.previous_status, row.status) for row in ledger.rows(t.receipts)]


def test_a_receipt_is_recorded_and_moves_no_money(ledger: Ledger):
    ledger.post(sms("1"))
    before = [ledger.rows(table) for table in (t.wallet_entries, t.usage_lines, t.balances)]
    (outcome,) = ledger.post(receipt("r1", "1", "delivered"))
    assert (outcome.status, outcome.line_count, outcome.cost_micros) == ("accepted", 0, 0)
    assert [ledger.rows(each) for each in (t.wallet_entries, t.usage_lines, t.balances)] == before
    (row,) = ledger.rows(t.receipts)
    assert (row.previous_status, row.status, row.occurred_at) == (
        "sent",
        "delivered",
        NOON + SECOND,
    )
    assert row.line_id == before[1][0].id
    (stored,) = [each for each in ledger.rows(t.events) if each.type == "usage.status"]
    assert (stored.source, stored.id, stored.event_id) == ("carrier", "r1", row.event_id)
    assert stands(ledger) == {"1": "delivered"}
    check_receipts(ledger)


def test_a_receipt_is_accepted_once(ledger: Ledger):
    ledger.post(sms("1"))
    twice = ledger.post(receipt("r1", "1", "delivered"), receipt("r1", "1", "failed", 5))
    assert codes(twice) == ["accepted", "duplicate"]
    assert codes(ledger.post(receipt("r1", "1", "failed", 9))) == ["duplicate"]
    waiting = [receipt("r2", "later", "read"), receipt("r2", "later", "read")]
    assert codes(ledger.post(*waiting)) == ["accepted", "duplicate"]
    assert codes(ledger.post(*waiting)) == ["duplicate"] * 2
    assert chain(ledger) == [("sent", "delivered")]
    assert len(ledger.rows(t.pending_receipts)) == 1


def test_a_receipt_that_is_older_than_where_the_line_stands_changes_nothing(ledger: Ledger):
    ledger.post(sms("1"), receipt("r3", "1", "read", 30), receipt("r2", "1", "delivered", 20))
    ledger.post(receipt("r0", "1", "queued", -10), receipt("r4", "1", "failed", 40))
    assert chain(ledger) == [("sent", "read"), (None, "delivered"), (None, "queued"),
                             ("read", "failed")]  # fmt: skip
    assert stands(ledger) == {"1": "failed"}
    check_receipts(ledger)


def test_of_two_at_one_instant_the_status_that_sorts_last_stands(ledger: Ledger):
    both = [receipt("a", "1", "undelivered"), receipt("b", "1", "delivered")]
    ledger.post(sms("1"), *both)
    ledger.add("globex")
    ledger.post(sms("1"), *both[::-1], account_id="globex")
    assert stands(ledger) == stands(ledger, "globex") == {"1": "undelivered"}
    check_receipts(ledger)


def test_a_receipt_waits_for_its_message(ledger: Ledger):
    ledger.post(receipt("r1", "1", "delivered"), receipt("r2", "1", "read", 2))
    ledger.post(receipt("r3", "2", "failed"))
    assert ledger.rows(t.receipts) == []
    assert len(ledger.rows(t.pending_receipts)) == 3
    ledger.post(sms("1"), sms("0"))
    assert [row.ref_id for row in ledger.rows(t.pending_receipts)] == ["2"]
    assert chain(ledger) == [("sent", "delivered"), ("delivered", "read")]
    ledger.post(sms("2"))
    assert ledger.rows(t.pending_receipts) == []
    assert stands(ledger) == {"0": "sent", "1": "read", "2": "failed"}
    check_receipts(ledger)


def test_within_one_transaction_order_and_flushes_do_not_matter(ledger: Ledger):
    with ledger.database.write() as connection:
        poster = ledger.poster(connection)
        poster.post(
            [receipt("r1", "1", "delivered"), sms("1"), receipt("r2", "1", "read", 2)], NOON
        )
        poster.post([sms("2"), receipt("r3", "3", "delivered")], NOON)
        poster.post([receipt("r4", "2", "failed"), receipt("r5", "1", "failed", 3)], NOON)
        poster.flush()
        poster.post([sms("3"), receipt("r6", "1", "delivered", 4)], NOON)
        poster.flush()
    assert stands(ledger) == {"1": "delivered", "2": "failed", "3": "delivered"}
    assert ledger.rows(t.pending_receipts) == []
    check_receipts(ledger)


def test_messages_have_receipts_and_nothing_else_has(ledger: Ledger):
    ledger.add("scale", plan="scale")
    given: dict[str, Any] = {"source": "messenger", "occurred_at": NOON}
    ledger.post(
        sms("reply", kind="ai_reply"),
        WhatsAppEvent(id="wa", category="utility", unit="message", status="sent", **given),
        VoicemailEvent(id="vm", kind="drop", **given),
        call("call", source="messenger"),
        SmsEvent(id="in", direction="inbound", segments=1, status="received", **given),
        account_id="scale",
    )
    ids = ("reply", "wa", "vm", "call", "in")
    found = ledger.post(*(receipt(f"r-{n}", n, "read") for n in ids), account_id="scale")
    assert codes(found) == ["accepted"] * 3 + ["invalid"] * 2
    assert {broken_field(each) for each in found[3:]} == {"ref"}
    # A WhatsApp message that was sent costs nothing, whatever becomes of it later.
    (line,) = [row for row in ledger.rows(t.usage_lines, "scale") if row.service == "WhatsApp"]
    assert (line.cost_micros, stands(ledger, "scale")["wa"]) == (0, "read")
    assert codes(ledger.post(receipt("r", "r-wa", "read", ref_source="carrier"),
                             account_id="scale")) == ["invalid"]  # fmt: skip
    assert codes(ledger.post(receipt("r-call", "call", "read"), account_id="scale")) == ["invalid"]
    check_wallet(ledger, "scale")
    check_receipts(ledger)


def test_a_receipt_whose_reference_turns_out_to_be_a_call_waits_for_ever(ledger: Ledger):
    assert codes(ledger.post(receipt("r", "1", "read"))) == ["accepted"]
    assert codes(ledger.post(call("1", source="messenger"))) == ["accepted"]
    assert len(ledger.rows(t.pending_receipts)) == 1
    check_receipts(ledger)


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        (receipt("r", "1", "answered"), "status"),
        (receipt("r", "1", ""), "status"),
        (receipt("", "1", "read"), "id"),
        (receipt("r", "1", "read", source="a\0"), "source"),
        (receipt("r", "", "read"), "ref"),
        (receipt("r", "x" * 256, "read"), "ref"),
        (receipt("r", "1", "read", ref_source=""), "ref"),
        (receipt("r", "1", "read", 301), "time"),
        (receipt("r", "1", "read", occurred_at=NOON.replace(tzinfo=None)), "time"),
        (receipt("r", "1", "read", occurred_at=NOON - timedelta(days=36)), "time"),
    ],
)
def test_a_broken_receipt_is_refused_alone(ledger: Ledger, broken: StatusEvent, field: str):
    found = ledger.post(sms("1"), broken, receipt("r2", "1", "read"), is_live=True)
    assert [each.status for each in found] == ["accepted", "refused", "accepted"]
    assert broken_field(found[1]) == field
    assert len(ledger.rows(t.events)) == 2


def test_another_tenants_message_is_not_visible(ledger: Ledger):
    ledger.add("globex")
    ledger.post(sms("1"))
    assert codes(ledger.post(receipt("r", "1", "failed"), account_id="globex")) == ["accepted"]
    assert stands(ledger) == {"1": "sent"}
    ledger.post(sms("1"), account_id="globex")
    assert (stands(ledger), stands(ledger, "globex")) == ({"1": "sent"}, {"1": "failed"})
    check_receipts(ledger)


def test_a_closed_period_takes_receipts(ledger: Ledger):
    ledger.post(sms("1", "2026-10-31 12:00"))
    ledger.close_period("2026-10-01", "2026-11-01")
    late = receipt("r", "1", "delivered", occurred_at=at("2026-11-01 09:00"))
    assert codes(ledger.post(late, refuses_closed_periods=True)) == ["accepted"]
    (line,) = ledger.rows(t.usage_lines)
    assert (line.booked_on, stands(ledger)) == (day("2026-10-31"), {"1": "delivered"})


def test_a_reversal_stands_where_its_line_stands(ledger: Ledger):
    ledger.post(sms("1"))
    (line,) = ledger.rows(t.usage_lines)
    values = {name: line._mapping[name] for name in bulk_columns(t.usage_lines)}
    values |= {
        "id": new_id(), "reverses_line_id": line.id, "base_units": -1,
        "cost_micros": -UNIT_PRICE_MICROS, "occurred_at": NOON + timedelta(hours=1),
    }  # fmt: skip
    with ledger.database.write() as connection:
        connection.execute(insert(t.usage_lines).values(**values))
    ledger.post(receipt("r2", "1", "read", 20), receipt("r1", "1", "delivered", 10))
    assert stands(ledger) == {"1": "read", "1-": "read"}
    ledger.post(receipt("r3", "1", "failed", 30))
    assert stands(ledger) == {"1": "failed", "1-": "failed"}
    check_receipts(ledger)


def count_statements(ledger: Ledger, *events) -> int:
    """How many statements posting takes, without those that store rows, some in each."""
    found: list[str] = []

    def seen(_connection, _cursor, statement, *_):
        if not statement.startswith("INSERT"):
            found.append(statement)

    listeners.listen(ledger.database.writer_engine, "before_cursor_execute", seen)
    ledger.post(*events)
    listeners.remove(ledger.database.writer_engine, "before_cursor_execute", seen)
    return len(found)


def test_lookups_are_one_a_batch(ledger: Ledger):
    ledger.post(*(sms(str(n)) for n in range(400)))
    few = count_statements(ledger, *(receipt(f"a{n}", str(n), "read") for n in range(2)))
    many = count_statements(ledger, *(receipt(f"b{n}", str(n), "failed", 2) for n in range(400)))
    assert many == few
    usage = count_statements(ledger, *(sms(f"u{n}") for n in range(400)))
    ledger.post(receipt("w", "later", "read"))
    assert count_statements(ledger, *(sms(f"v{n}") for n in range(400))) == usage + 1


IDS = st.sampled_from(["1", "2", "3"])
MESSAGES = st.builds(
    lambda message, seconds, status: sms(message, NOON + seconds * SECOND, status=status),
    IDS, st.integers(-2, 2), st.sampled_from(["sent", "queued"]),
)  # fmt: skip
RECEIPTS = st.builds(
    receipt,
    st.integers(0, 9).map(str), IDS, st.sampled_from(MESSAGE_STATUSES), st.integers(-3, 5),
)  # fmt: skip


def unique(events: list) -> list:
    """One event an identity: of two that differ, whichever comes first is the one that counts."""
    return list({(event.source, event.id): event for event in events}.values())


def expected(events: list) -> dict[str, str]:
    """Where messages stand, told from the events alone."""
    found = {}
    for message in events:
        if isinstance(message, SmsEvent):
            said = [(NOON - timedelta(days=1_000), "", message.status)] + [
                (each.occurred_at, each.status, each.status)
                for each in events
                if isinstance(each, StatusEvent) and each.ref_id == message.id
            ]
            found[message.id] = max(said)[2]
    return found


@settings(max_examples=60)
@given(
    st.lists(MESSAGES, max_size=3).map(unique),
    st.lists(RECEIPTS, max_size=10).map(unique),
    st.data(),
)
def test_order_and_batching_never_matter(messages, receipts, data):
    events = [*messages, *receipts]
    repeated = data.draw(st.lists(st.sampled_from(events), max_size=4)) if events else []
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder)) as ledger:
        for account_id in ("one", "other"):
            ledger.add(account_id)
            left = data.draw(st.permutations(events + repeated))
            while left:
                size = data.draw(st.integers(1, len(left)))
                ledger.post(*left[:size], account_id=account_id)
                left = left[size:]
            check_wallet(ledger, account_id)
        assert stands(ledger, "one") == stands(ledger, "other") == expected(events)
        for table in (t.events, t.receipts, t.pending_receipts, t.usage_lines):
            assert len(ledger.rows(table, "one")) == len(ledger.rows(table, "other"))
        check_receipts(ledger)
