"""Sums of what analytics lack, remembered: as without memory, whatever comes in between."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.usage import Dimension, Question
from data.analytics.sync import sync_all
from data.database import Database
from data.reading import newer, usage_reader
from data.reading import sums as reading_sums
from data.reading.usage_reader import LedgerReader
from data.reading.visibility import view_of
from tests.ledger_builder import NOW, Line, account, new_id, scope
from tests.reading import ALL, AUTUMN, Store

BY_METRIC = Question(AUTUMN, (Dimension.METRIC,), ALL)
BY_STATUS = Question(AUTUMN, (Dimension.DAY, Dimension.STATUS), ALL)
STEPS = ("line", "line", "other account", "receipt", "sync", "ask", "ask by status")


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("newer"))
    yield store
    store.close()


class Counted:
    """Counts how often new lines are walked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        real = reading_sums.newer_sums

        def counting(*given: Any) -> Any:
            self.count += 1
            return real(*given)

        monkeypatch.setattr(usage_reader, "newer_sums", counting)


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def ask(store: Store, who: str, question: Question) -> Any:
    return store.reader.readings(scope(account(who)), [question])[0].cells


def test_new_lines_are_walked_once_until_there_are_more(shared: Store, walked: Counted):
    for each in ("busy", "quiet"):
        shared.builder.add_account(each)
        shared.add(Line(account_id=each, cost=5))
    for _ in range(3):
        assert [cell.cost_micros for cell in ask(shared, "busy", BY_METRIC)] == [5]
    assert walked.count == 1
    shared.add(Line(account_id="quiet", cost=6))
    ask(shared, "busy", BY_METRIC)
    assert walked.count == 1, "another account's lines change nothing"
    shared.add(Line(account_id="busy", cost=7))
    assert [cell.cost_micros for cell in ask(shared, "busy", BY_METRIC)] == [12]
    assert walked.count == 2


def test_a_receipt_counts_where_statuses_matter(shared: Store, walked: Counted):
    shared.builder.add_account("told")
    line = Line(account_id="told", cost=5)
    shared.add(line)
    assert [cell.keys[1] for cell in ask(shared, "told", BY_STATUS)] == ["sent"]
    shared.builder.add_receipts((line, "delivered"))
    assert [cell.keys[1] for cell in ask(shared, "told", BY_STATUS)] == ["delivered"]
    ask(shared, "told", BY_METRIC)
    before = walked.count
    shared.builder.add_receipts((line, "read"))
    ask(shared, "told", BY_METRIC)
    assert walked.count == before, "by metric a receipt changes nothing"


def test_what_commits_while_it_is_read_is_not_taken_for_older(shared: Store, monkeypatch):
    """A line comes between the look at the place and the walk."""
    shared.builder.add_account("between")
    shared.add(Line(account_id="between", cost=5))
    real = newer.remembered_sums

    def slowly(lately: Any, connection: Any, view: Any, asked: Any, read: Any) -> Any:
        def late() -> Any:
            shared.add(Line(account_id="between", cost=7))
            return read()

        return real(lately, connection, view, asked, late)

    monkeypatch.setattr(usage_reader, "remembered_sums", slowly)
    first = ask(shared, "between", BY_METRIC)[0].cost_micros
    monkeypatch.undo()
    assert first in {5, 12}, "as of either side of the commit"
    assert ask(shared, "between", BY_METRIC)[0].cost_micros == 12


@settings(max_examples=12)
@given(st.lists(st.sampled_from(STEPS), min_size=3, max_size=14))
def test_memory_never_shows(shared: Store, steps: list[str]):
    mine, other = new_id(), new_id()
    for each in (mine, other):
        shared.builder.add_account(each, funds=10**15)
    lines = [Line(account_id=mine, cost=3)]
    shared.add(*lines)
    statuses = iter(["delivered", "read", "failed"] * len(steps))
    for number, step in enumerate([*steps, "ask", "ask by status"]):
        if step in {"line", "other account"}:
            line = Line(account_id=mine if step == "line" else other, cost=10**number)
            shared.add(line)
            lines += [line] if step == "line" else []
        elif step == "receipt":
            shared.builder.add_receipts((lines[number % len(lines)], next(statuses)))
        elif step == "sync":
            sync_all(shared.database, shared.lake)
        else:
            question = BY_METRIC if step == "ask" else BY_STATUS
            fresh = LedgerReader(shared.database, shared.lake, shared.clock)
            plain = fresh.readings(scope(account(mine)), [question])[0].cells
            assert ask(shared, mine, question) == plain


def test_the_place_is_the_accounts_last_line(shared: Store):
    shared.builder.add_account("placed")
    view = view_of(scope(account("placed")), NOW)

    def place(database: Database) -> int:
        with database.read() as connection:
            return newer.newest(connection, view)

    assert place(shared.database) == 0
    seqs = shared.add(Line(account_id="placed"), Line(account_id="placed"))
    shared.builder.add_account("elsewhere")
    shared.add(Line(account_id="elsewhere"))
    assert place(shared.database) == max(seqs)
