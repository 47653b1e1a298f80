"""Posting through a real ledger: accepted once, refused alone, all or nothing, sums agree."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event as listeners

from billing.lots import LotKind
from data import tables as t
from tests.builders import NOON, UNIT_PRICE_MICROS, Ledger, at, call, day, sms
from tests.wallet_checks import check_wallet

PRICE = UNIT_PRICE_MICROS
LEDGER_TABLES = [t.events, t.usage_lines, t.wallet_entries, t.lot_draws, t.campaigns, t.consumers]


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger(tmp_path) as opened:
        opened.add()
        yield opened


def statuses(outcomes) -> list[str]:
    return [each.error.code if each.error else each.status for each in outcomes]


def test_an_answered_call_writes_two_lines_charges_and_names(ledger: Ledger):
    (outcome,) = ledger.post(call("1", seconds=90, consumer="app:crm", counterparty="14155550123"))
    assert (outcome.status, outcome.line_count, outcome.cost_micros) == ("accepted", 2, 91 * PRICE)
    attempt, talk = ledger.rows(t.usage_lines)
    assert (attempt.metric, talk.metric) == ("ai_dial_attempts", "ai_connected_minutes")
    assert attempt.event_id == talk.event_id
    assert [entry.line_id for entry in ledger.rows(t.wallet_entries)] == [attempt.id, talk.id]
    (stored,) = ledger.rows(t.events)
    assert (stored.counterparty_prefix, stored.counterparty_suffix) == (None, "23")
    assert "4155550" not in str(ledger.rows(t.events)) + str(ledger.rows(t.usage_lines))
    assert [row.name for row in ledger.rows(t.campaigns)] == ["spring"]
    assert [(row.id, row.kind) for row in ledger.rows(t.consumers)] == [("app:crm", "application")]


def test_an_unanswered_call_writes_the_attempt_alone(ledger: Ledger):
    (outcome,) = ledger.post(call("1", seconds=0))
    assert outcome.line_count == 1
    assert [row.metric for row in ledger.rows(t.usage_lines)] == ["ai_dial_attempts"]


def test_a_line_that_costs_nothing_has_no_entry(ledger: Ledger):
    (outcome,) = ledger.post(call("1", seconds=0, direction="inbound", outcome="busy"))
    (line,) = ledger.rows(t.usage_lines)
    assert (outcome.cost_micros, line.cost_micros, line.reason) == (0, 0, "busy")
    assert ledger.rows(t.wallet_entries) == []


def test_an_id_is_accepted_once_for_ever(ledger: Ledger):
    within = ledger.post(sms("1"), sms("2"), sms("1", segments=9))
    assert statuses(within) == ["accepted", "accepted", "duplicate"]
    assert statuses(ledger.post(sms("2"), sms("3"))) == ["duplicate", "accepted"]
    assert ledger.posted() == -3 * PRICE


def test_an_id_is_its_sources_own(ledger: Ledger):
    assert statuses(ledger.post(sms("1"), call("1"), sms("1", source="other"))) == ["accepted"] * 3
    assert statuses(ledger.post(call("1"), sms("01"), sms("1 "))) == [
        "duplicate", "accepted", "accepted",
    ]  # fmt: skip


def test_duplicates_are_found_within_a_transaction_before_it_is_written(ledger: Ledger):
    with ledger.database.write() as connection:
        poster = ledger.poster(connection)
        assert statuses(poster.post([sms("1")], NOON)) == ["accepted"]
        assert statuses(poster.post([sms("1"), sms("2")], NOON)) == ["duplicate", "accepted"]
        poster.flush()
        assert statuses(poster.post([sms("2"), sms("3")], NOON)) == ["duplicate", "accepted"]
        poster.flush()
    assert len(ledger.rows(t.events)) == 3


def test_another_tenants_ids_are_not_visible(ledger: Ledger):
    ledger.add("globex")
    assert statuses(ledger.post(sms("1"))) == ["accepted"]
    assert statuses(ledger.post(sms("1"), account_id="globex")) == ["accepted"]
    assert (ledger.posted("acme"), ledger.posted("globex")) == (-PRICE, -PRICE)
    check_wallet(ledger)
    check_wallet(ledger, "globex")


def test_a_large_batch_of_known_ids_is_all_duplicates(ledger: Ledger):
    events = [sms(str(n)) for n in range(1_000)]
    assert statuses(ledger.post(*events)) == ["accepted"] * 1_000
    assert statuses(ledger.post(*events)) == ["duplicate"] * 1_000
    assert ledger.posted() == -1_000 * PRICE


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (sms("x", NOON + timedelta(minutes=6)), "in_future"),
        (sms("x", segments=0), "invalid"),
        (sms("x", segments=10**9), "invalid"),
        (sms("", segments=1), "invalid"),
        (sms("x" * 256), "invalid"),
        (sms("x\n"), "invalid"),
        (sms("x", source=""), "invalid"),
        (sms("x", campaign=""), "invalid"),
        (sms("x", consumer="a\0"), "invalid"),
        (call("x", seconds=-1, is_answered=True), "invalid"),
        (call("x", seconds=86_401), "invalid"),
        (sms("x", NOON.replace(tzinfo=None)), "invalid"),
        (sms("x", datetime(1, 1, 1, tzinfo=UTC)), "invalid"),
    ],
)
def test_a_broken_event_is_refused_alone(ledger: Ledger, broken, code: str):
    assert statuses(ledger.post(sms("1"), broken, sms("2"))) == ["accepted", code, "accepted"]
    assert len(ledger.rows(t.events)) == 2
    assert ledger.posted() == -2 * PRICE


def test_what_the_plan_lacks_or_nobody_prices_is_refused_alone(ledger: Ledger):
    ledger.add("small", plan="launch")
    ledger.add("euro", currency="EUR")
    human = call("1", agent="human")
    assert statuses(ledger.post(human, sms("2"), account_id="small")) == ["plan_lacks", "accepted"]
    assert statuses(ledger.post(sms("1"), account_id="euro")) == ["no_rate"]


def test_a_refused_id_may_be_sent_again_mended(ledger: Ledger):
    assert statuses(ledger.post(sms("1", segments=0), sms("1"))) == ["invalid", "accepted"]


def test_undoing_leaves_nothing(ledger: Ledger):
    ledger.credit(5 * PRICE)
    before = [ledger.rows(table) for table in [*LEDGER_TABLES, t.lot_balances, t.balances]]

    def post_and_fail() -> None:
        with ledger.database.write() as connection:
            poster = ledger.poster(connection)
            poster.post([call("1", seconds=900, consumer="u1")], NOON)
            poster.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        post_and_fail()
    assert before == [ledger.rows(table) for table in [*LEDGER_TABLES, t.lot_balances, t.balances]]
    assert statuses(ledger.post(call("1"))) == ["accepted"]


def test_a_power_cut_before_the_commit_leaves_nothing(ledger: Ledger):
    def refuse(_connection: object) -> None:
        raise OSError("power cut")

    listeners.listen(ledger.database.writer_engine, "commit", refuse)
    with pytest.raises(OSError, match="power"):
        ledger.post(sms("1"))
    listeners.remove(ledger.database.writer_engine, "commit", refuse)
    assert [ledger.rows(table) for table in LEDGER_TABLES] == [[]] * len(LEDGER_TABLES)


def test_sandbox_usage_is_rated_for_show_and_never_charged(ledger: Ledger):
    ledger.credit(PRICE)
    (outcome,) = ledger.post(call("1", seconds=60, is_sandbox=True))
    assert (outcome.status, outcome.cost_micros) == ("accepted", 0)
    assert sum(row.cost_micros for row in ledger.rows(t.usage_lines)) == 61 * PRICE
    assert {row.is_sandbox for row in ledger.rows(t.usage_lines)} == {True}
    assert [entry.kind for entry in ledger.rows(t.wallet_entries)] == ["top_up"]
    assert ledger.posted() == PRICE


def test_a_free_account_takes_sandbox_usage_only(ledger: Ledger):
    ledger.add("trial", plan="free")
    found = ledger.post(sms("1", is_sandbox=True), sms("2"), account_id="trial")
    assert statuses(found) == ["accepted", "plan_lacks"]


@pytest.mark.parametrize(
    ("occurred", "booked", "corrects"),
    [
        ("2026-11-21 23:30", "2026-11-21", None),
        ("2026-11-01 00:00", "2026-11-01", None),
        ("2026-10-31 23:59", "2026-11-22", "2026-10-01"),
        ("2026-09-15 12:00", "2026-11-22", "2026-09-01"),
        ("2026-08-31 12:00", "2026-08-31", None),  # from before the first statement
    ],
)
def test_a_late_event_counts_in_the_open_period(
    ledger: Ledger, occurred: str, booked: str, corrects: str | None
):
    ledger.close_period("2026-09-01", "2026-10-01")
    ledger.close_period("2026-10-01", "2026-11-01")
    assert statuses(ledger.post(sms("1", occurred))) == ["accepted"]
    (line,) = ledger.rows(t.usage_lines)
    (entry,) = ledger.rows(t.wallet_entries)
    for row in (line, entry):
        assert row.booked_on == day(booked)
        assert row.corrects_period == (day(corrects) if corrects else None)
        assert row.occurred_at == at(occurred)
        assert row.received_at == row.stored_at == NOON


def test_an_import_never_books_into_a_closed_period(ledger: Ledger):
    ledger.close_period("2026-10-01", "2026-11-01")
    rows = [sms("1", "2026-10-31 23:59"), sms("2", "2026-11-01 00:00")]
    found = ledger.post(*rows, received_at=None, refuses_closed_periods=True)
    assert statuses(found) == ["period_closed", "accepted"]


def test_history_without_a_received_time_leaves_closed_periods_alone(ledger: Ledger):
    ledger.close_period("2026-10-01", "2026-11-01")
    ledger.post(sms("1", "2026-10-31 12:00"), received_at=None)
    assert [row.booked_on for row in ledger.rows(t.usage_lines)] == [day("2026-11-01")]


EVENTS = st.builds(
    lambda number, hours, units, is_call, is_sandbox: (call if is_call else sms)(
        str(number), NOON - timedelta(hours=hours), units, is_sandbox=is_sandbox
    ),
    st.integers(0, 12),
    st.integers(-1, 24 * 60),
    st.integers(0, 40),
    st.booleans(),
    st.sampled_from([False, False, False, True]),
)
BATCHES = st.lists(EVENTS, max_size=12)
TOP_UPS = st.tuples(st.integers(1, 60 * PRICE), st.booleans(), st.integers(-3, 30))


@settings(max_examples=30)
@given(st.lists(BATCHES | TOP_UPS, max_size=8), st.booleans())
def test_lines_charges_lots_and_balance_agree_with_plain_sums(steps, has_statement: bool):
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder)) as ledger:
        ledger.add()
        if has_statement:
            ledger.close_period("2026-10-01", "2026-11-01")
        for step in steps:
            if isinstance(step, list):
                ledger.post(*step)
            else:
                micros, is_paid, days = step
                expires = None if is_paid else (NOON + timedelta(days=days)).date().isoformat()
                kind = LotKind.PAID if is_paid else LotKind.PROMOTIONAL
                ledger.credit(micros, NOON, expires, kind)
            check_wallet(ledger)
        if has_statement:
            closed = [row for row in ledger.rows(t.usage_lines) if row.booked_on.month == 10]
            assert closed == []
