"""Reading: whatever was inserted, synced, grouped and filtered, figures equal plain sums."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from billing.access import Role
from billing.errors import InputError, NotAllowedError, NotFoundError
from billing.periods import Period
from billing.plans import Plan
from billing.queries import Filters, TransactionSort
from billing.usage import Dimension, UsageLine
from data import tables as t
from data.analytics.sync import sync_all
from tests.ledger_builder import NOW, SERVICES, Line, account, scope
from tests.reading import ALL, AUTUMN, Store, ledgers, passes, some_filters, some_periods, write

NEWEST, OLDEST, COST = TransactionSort.NEWEST, TransactionSort.OLDEST, TransactionSort.COST


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    store.builder.add_account()
    yield store
    store.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Store]:
    """For properties: each example has an account of its own in one growing ledger."""
    store = Store(tmp_path_factory.mktemp("shared"))
    yield store
    store.close()


def plain_sums(lines: list[Line], by: list[Dimension]) -> dict[tuple, tuple[int, ...]]:
    """What the reader must answer, added up without any database."""
    sums: dict[tuple, tuple[int, ...]] = {}
    for line in lines:
        of = {
            Dimension.DAY: line.day,
            Dimension.METRIC: line.metric,
            Dimension.SERVICE: SERVICES[line.metric],
            Dimension.DIRECTION: line.direction,
            Dimension.STATUS: line.status,
            Dimension.CAMPAIGN: line.campaign,
            Dimension.CONSUMER: line.consumer,
        }
        key = tuple(of[dimension] for dimension in by)
        one = (1, line.units, line.pulses, line.talk, line.cost)
        sums[key] = tuple(map(sum, zip(sums.get(key, (0,) * 5), one, strict=True)))
    return sums


any_read = given(
    ledger=ledgers,
    by=st.lists(st.sampled_from(list(Dimension)), unique=True, max_size=3),
    filters=some_filters,
    period=some_periods,
)


@settings(max_examples=15)
@any_read
def test_any_read_equals_plain_sums(shared: Store, ledger, by, filters, period):
    check_read(shared, ledger, by, filters, period)


@pytest.mark.long
@settings(max_examples=500)
@any_read
def test_many_more_reads_equal_plain_sums(shared: Store, ledger, by, filters, period):
    check_read(shared, ledger, by, filters, period)


def check_read(shared: Store, ledger, by, filters, period) -> None:
    account_id, written = write(shared, ledger)
    reading = shared.reader.usage(scope(account(account_id)), period, by, filters)
    found = {
        cell.keys: (
            cell.count, cell.base_units, cell.pulses, cell.talk_seconds, cell.cost_micros
        )
        for cell in reading.cells
    }  # fmt: skip
    expected = plain_sums([line for line in written if passes(line, period, filters)], by)
    assert found == expected
    ordered = sorted(expected, key=lambda key: [(value is None, value or "") for value in key])
    assert [cell.keys for cell in reading.cells] == ordered


def test_another_accounts_lines_are_nowhere(store: Store):
    store.builder.add_account("rival")
    line = Line(account_id="rival", cost=77, campaign="secret")
    store.add(line, Line(cost=1))
    for _ in range(2):
        who = scope(account())
        cells = store.reader.usage(who, AUTUMN, [Dimension.CAMPAIGN], ALL).cells
        assert [cell.keys for cell in cells] == [(None,)]
        for sort in TransactionSort:
            page = store.reader.transactions(who, AUTUMN, ALL, sort, None, 10)
            assert [found.cost_micros for found in page.lines] == [1]
        assert [n.cost_micros for n in store.reader.stream_lines(who, AUTUMN, ALL)] == [1]
        with pytest.raises(NotFoundError):
            store.reader.explain(who, line.id)
        sync_all(store.database, store.lake)


def test_history_before_the_paid_plan_is_hidden(store: Store):
    old, new = Line(day=date(2026, 9, 30)), Line(day=date(2026, 10, 1), metric="inbound_sms")
    store.add(old, new)
    for _ in range(2):
        who = scope(account(), visible_from=date(2026, 10, 1))
        (cell,) = store.reader.usage(who, AUTUMN, [], ALL).cells
        assert cell.count == 1
        page = store.reader.transactions(who, AUTUMN, ALL, COST, None, 10)
        assert [line.id for line in page.lines] == [new.id]
        assert store.reader.used_metrics(who) == {"inbound_sms"}
        with pytest.raises(NotFoundError):
            store.reader.explain(who, old.id)
        before = Period(date(2026, 9, 1), date(2026, 10, 1))
        assert store.reader.usage(who, before, [], ALL).cells == ()
        assert store.reader.transactions(who, before, ALL, NEWEST, None, 10).lines == ()
        assert list(store.reader.stream_lines(who, before, ALL)) == []
        assert store.reader.used_metrics(scope(account(), Role.SUPPORT)) == {
            "inbound_sms", "sms_credits",
        }  # fmt: skip
        sync_all(store.database, store.lake)


def test_a_paid_plan_never_shows_sandbox_lines(store: Store):
    sandbox = Line(is_sandbox=True, metric="inbound_sms", cost=99)
    store.add(sandbox, Line(cost=1))
    for _ in range(2):
        who = scope(account())
        (cell,) = store.reader.usage(who, AUTUMN, [], ALL).cells
        assert (cell.count, cell.cost_micros) == (1, 1)
        assert store.reader.used_metrics(who) == {"sms_credits"}
        for sort in TransactionSort:
            assert len(store.reader.transactions(who, AUTUMN, ALL, sort, None, 9).lines) == 1
        assert len(list(store.reader.stream_lines(who, AUTUMN, ALL))) == 1
        with pytest.raises(NotFoundError):
            store.reader.explain(who, sandbox.id)
        sync_all(store.database, store.lake)


def test_a_free_plan_shows_the_sandbox_of_this_session_only(store: Store):
    signed_in = NOW - timedelta(hours=1)
    store.add(
        Line(is_sandbox=True, cost=4, stored_at=signed_in),
        Line(is_sandbox=True, cost=50, stored_at=signed_in - timedelta(microseconds=1)),
        Line(is_sandbox=False, cost=600),
    )
    sync_all(store.database, store.lake)
    who = scope(account(plan=Plan.FREE), Role.SUPPORT, session_started_at=signed_in)
    (cell,) = store.reader.usage(who, AUTUMN, [Dimension.METRIC], ALL).cells
    assert (cell.keys, cell.count, cell.cost_micros) == (("sms_credits",), 1, 4)
    assert store.reader.used_metrics(who) == {"sms_credits"}


def test_a_free_plan_has_no_drill_down(store: Store):
    (line,) = [Line(is_sandbox=True)]
    store.add(line)
    who = scope(account(plan=Plan.FREE))
    refused = [
        lambda: store.reader.transactions(who, AUTUMN, ALL, NEWEST, None, 10),
        lambda: store.reader.explain(who, line.id),
        lambda: store.reader.stream_lines(who, AUTUMN, ALL),
        lambda: store.reader.usage(who, AUTUMN, [], Filters(statuses=("sent",))),
    ]
    for read in refused:
        with pytest.raises(NotAllowedError) as refusal:
            read()
        assert refusal.value.code == "plan_lacks"


def test_the_answer_is_complete_to_the_instant_it_was_read(store: Store):
    store.clock.at = datetime(2026, 11, 22, 18, 31, 7, tzinfo=UTC)
    assert store.reader.usage(scope(account()), AUTUMN, [], ALL).complete_to == store.clock.at
    page = store.reader.transactions(scope(account()), AUTUMN, ALL, NEWEST, None, 5)
    assert page.complete_to == store.clock.at


def name(store: Store) -> None:
    with store.database.write() as connection:
        connection.execute(
            insert(t.campaigns).values(account_id="acme", id="spring", name="Spring sale")
        )
        connection.execute(
            insert(t.consumers).values(account_id="acme", id="ana", kind="user", name="Ana P.")
        )


def test_lines_carry_names_for_people(store: Store):
    name(store)
    store.add(Line(campaign="spring", consumer="ana"), Line(campaign="unnamed"))
    who = scope(account())
    page = store.reader.transactions(who, AUTUMN, ALL, OLDEST, None, 5)
    assert [(line.campaign, line.consumer) for line in page.lines] == [
        ("Spring sale", "Ana P."),
        (None, None),
    ]
    assert store.reader.names(who, Dimension.CAMPAIGN) == {"spring": "Spring sale"}
    assert store.reader.names(who, Dimension.CONSUMER) == {"ana": "Ana P."}
    with pytest.raises(InputError):
        store.reader.names(who, Dimension.METRIC)


def rated(store: Store, line: Line) -> None:
    """Gives a line's metric a price list before the line is written."""
    with store.database.write() as connection:
        connection.execute(
            insert(t.rate_lists).values(
                id="list", name="Autumn prices", currency="USD", level="default",
                valid_from=date(2026, 9, 1), created_at=NOW,
            )
        )  # fmt: skip
        connection.execute(
            insert(t.rates).values(
                id="rate", rate_list_id="list", metric=line.metric, prefix="1",
                price_micros=6_500, size=60, minimum=30, increment=6, connect_fee_micros=0,
            )
        )  # fmt: skip


def test_an_explanation_has_rate_draws_balance_and_siblings(store: Store, monkeypatch):
    line = Line(cost=400, event_id="event", metric="ai_connected_minutes")
    attempt = Line(cost=100, event_id="event", metric="ai_dial_attempts")
    hidden = Line(cost=0, event_id="event", is_sandbox=True)
    rated(store, line)
    row = line.row
    monkeypatch.setattr(line, "row", lambda: row() | {"rate_id": "rate", "flags": "late twin"})
    store.add(attempt, line, hidden)
    found = store.reader.explain(scope(account()), line.id)
    assert isinstance(found.line, UsageLine)
    assert found.line.flags == ("late", "twin")
    assert found.line.source_id == "event"
    assert (found.rate_list, found.rate_valid_from) == ("Autumn prices", date(2026, 9, 1))
    assert (found.rate_prefix, found.price_micros, found.price_size) == ("1", 6_500, 60)
    assert (found.minimum, found.increment) == (30, 6)
    assert found.counterparty == "+1…07"
    assert [(draw.lot_kind, draw.micros) for draw in found.draws] == [("paid", 400)]
    assert found.balance_before_micros == 1_000_000_000 - 100
    assert found.balance_after_micros == 1_000_000_000 - 500
    assert [sibling.id for sibling in found.siblings] == [attempt.id]


def test_a_free_line_is_explained_without_an_entry(store: Store):
    line = Line(cost=0)
    store.add(line)
    found = store.reader.explain(scope(account()), line.id)
    assert (found.entry_id, found.draws, found.balance_after_micros) == (None, (), None)
    assert found.rate_list is None


@pytest.mark.parametrize("line_id", ["", "nothing", "x" * 500, "' OR 1=1 --"])
def test_a_line_that_is_not_there(store: Store, line_id: str):
    with pytest.raises(NotFoundError):
        store.reader.explain(scope(account()), line_id)


def test_the_balance_tells_paid_from_promotional(store: Store):
    soon, later = NOW + timedelta(days=1), NOW + timedelta(days=9)
    lots = [("p1", "promotional", 30, later), ("p2", "promotional", 20, soon)]
    with store.database.write() as connection:
        for lot, kind, amount, expires_at in [*lots, ("debt", "overdraft", -7, None)]:
            connection.execute(
                insert(t.credit_lots).values(
                    id=lot, account_id="acme", kind=kind, amount_micros=max(amount, 0),
                    priority=100, granted_at=NOW, expires_at=expires_at,
                )
            )  # fmt: skip
            connection.execute(
                insert(t.lot_balances).values(
                    lot_id=lot, account_id="acme", remaining_micros=amount
                )
            )
    balance = store.reader.balance(scope(account()))
    assert (balance.paid_micros, balance.promotional_micros) == (1_000_000_000 - 7, 50)
    assert [(lot.remaining_micros, lot.expires_at) for lot in balance.promotional] == [
        (20, soon),
        (30, later),
    ]
    assert (balance.reserved_micros, balance.currency, balance.as_of) == (0, "USD", NOW)


def test_an_account_without_anything_reads_as_empty(store: Store):
    who = scope(account("nobody"))
    assert store.reader.usage(who, AUTUMN, [Dimension.DAY], ALL).cells == ()
    assert store.reader.transactions(who, AUTUMN, ALL, NEWEST, None, 5).lines == ()
    assert store.reader.balance(who).available_micros == 0
    assert store.reader.used_metrics(who) == frozenset()
