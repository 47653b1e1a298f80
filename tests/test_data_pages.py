"""Lists of transactions: pages by keyset that neither skip nor repeat, and streams."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.errors import InputError
from billing.queries import Filters, TransactionSort
from data.reading.page_keys import PageCursor
from tests.ledger_builder import SERVICES, Line, account, scope
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


def in_order(lines: list[tuple[int, Line]], sort: TransactionSort) -> list[int]:
    if sort is COST:
        ordered = sorted(lines, key=lambda pair: (-pair[1].cost, pair[0]))
    else:
        ordered = sorted(
            lines,
            key=lambda pair: (pair[1].day, pair[1].occurred_at, pair[0]),
            reverse=sort is NEWEST,
        )
    return [seq for seq, _ in ordered]


any_list = given(
    ledger=ledgers,
    filters=some_filters,
    period=some_periods,
    sort=st.sampled_from([NEWEST, OLDEST, COST]),
    limit=st.integers(1, 7),
)


@settings(max_examples=20)
@any_list
def test_pages_forward_and_back_are_the_whole_list(
    shared: Store, ledger, filters, period, sort, limit
):
    check_pages(shared, ledger, filters, period, sort, limit)


@pytest.mark.long
@settings(max_examples=300)
@any_list
def test_many_more_lists_are_whole(shared: Store, ledger, filters, period, sort, limit):
    check_pages(shared, ledger, filters, period, sort, limit)


def check_pages(shared: Store, ledger, filters, period, sort, limit) -> None:
    account_id, written = write(shared, ledger)
    who = scope(account(account_id))
    by_id = {line.id: line for line in written}
    everything = list(shared.reader.stream_lines(who, AUTUMN.span(period), ALL))
    assert all(n.status == by_id[n.id].status for n in everything)
    kept = [(n.seq, by_id[n.id]) for n in everything if passes(by_id[n.id], period, filters)]
    expected = in_order(kept, sort)

    pages: list[list[int]] = []
    cursor: str | None = None
    while True:
        page = shared.reader.transactions(who, period, filters, sort, cursor, limit)
        pages.append([line.seq for line in page.lines])
        assert all(line.status == by_id[line.id].status for line in page.lines)
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    assert [seq for found in pages for seq in found] == expected
    assert all(len(found) == limit for found in pages[:-1])

    back = page
    for found in reversed(pages[:-1]):
        assert back.previous_cursor is not None
        back = shared.reader.transactions(who, period, filters, sort, back.previous_cursor, limit)
        assert [line.seq for line in back.lines] == found
    assert back.previous_cursor is None or len(pages) == 1
    streamed = [line.seq for line in shared.reader.stream_lines(who, period, filters)]
    assert streamed == in_order(kept, OLDEST)


def test_a_stream_is_the_ledger_as_it_was_at_its_start(store: Store, monkeypatch):
    monkeypatch.setattr("data.reading.lines.STREAM_ROWS", 3)
    seqs = store.add(*(Line(second=n) for n in range(10)))
    stream = store.reader.stream_lines(scope(account()), AUTUMN, ALL)
    first = next(stream)
    store.add(*(Line(second=50 + n) for n in range(10)))
    assert [first.seq, *(line.seq for line in stream)] == seqs


def test_a_page_after_new_lines_neither_skips_nor_repeats(store: Store):
    seqs = store.add(*(Line(second=n) for n in range(6)))
    who = scope(account())
    page = store.reader.transactions(who, AUTUMN, ALL, NEWEST, None, 3)
    (new,) = store.add(Line(second=100))
    following = store.reader.transactions(who, AUTUMN, ALL, NEWEST, page.next_cursor, 3)
    assert [line.seq for line in following.lines] == seqs[2::-1]
    first = store.reader.transactions(who, AUTUMN, ALL, NEWEST, following.previous_cursor, 3)
    assert [line.seq for line in first.lines] == seqs[:2:-1]
    assert first.previous_cursor is not None
    newest = store.reader.transactions(who, AUTUMN, ALL, NEWEST, first.previous_cursor, 3)
    assert [line.seq for line in newest.lines] == [new, *seqs[:3:-1]]


def encoded(values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


HOSTILE = [
    "x", "%00", "é", "A" * 10_000, encoded({}), encoded([]), encoded([1]), encoded("n"),
    encoded([2, "n", 0, 1, 2, 3]), encoded([1, "o", 0, -739_000, -1, -1]),
    encoded([1, "n", 0, -739_000, -1]), encoded([1, "n", True, -739_000, -1, -1]),
    encoded([1, "n", 0, -739_000.5, -1, -1]), encoded([1, "n", 0, 739_000, -1, -1]),
    encoded([1, "n", 0, -739_000, -(2**62), -1]), encoded([1, "n", 0, -739_000, -1, -(2**80)]),
    encoded([1, "n", 0, -(10**9), -1, -1]), encoded([1, "n", 3, -739_000, -1, -1]),
    encoded([1, "n", 0, "' OR 1=1", -1, -1]), encoded([1, ["n"], 0, 1, 1, 1]), "W" * 200, "=" * 9,
]  # fmt: skip


@pytest.mark.parametrize("cursor", HOSTILE)
def test_a_cursor_that_is_none_is_refused(shared: Store, cursor: str):
    if "hostile" not in shared.builder.posted:
        shared.builder.add_account("hostile")
    with pytest.raises(InputError):
        shared.reader.transactions(scope(account("hostile")), AUTUMN, ALL, NEWEST, cursor, 10)


@given(cursor=st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: encoded(raw.hex())))
def test_no_text_makes_a_page_fail_in_another_way(shared: Store, cursor: str):
    with suppress(InputError):
        shared.reader.transactions(scope(account("none")), AUTUMN, ALL, COST, cursor, 10)


def test_extreme_but_well_formed_cursors_give_an_empty_or_full_page(store: Store):
    (seq,) = store.add(Line())
    who = scope(account())
    for sort, key in ((NEWEST, (-1, 0, 0)), (OLDEST, (1, 0, 0)), (COST, (-(2**62), 0))):
        for is_backward in (False, True):
            cursor = PageCursor(sort, is_backward, key).encode()
            page = store.reader.transactions(who, AUTUMN, ALL, sort, cursor, 5)
            assert [line.seq for line in page.lines] in ([], [seq])


@pytest.mark.parametrize("limit", [0, -1, 1_001])
def test_a_page_has_a_bound(store: Store, limit: int):
    with pytest.raises(InputError, match="limit"):
        store.reader.transactions(scope(account()), AUTUMN, ALL, NEWEST, None, limit)


def test_a_service_looks_only_at_its_own_metrics_and_at_unknown_ones(store: Store, monkeypatch):
    monkeypatch.setitem(SERVICES, "fax_pages", "Voice")
    store.add(*(Line(metric=metric) for metric in sorted(SERVICES)))
    filters = Filters(services=("Voice",))
    expected = {metric for metric, service in SERVICES.items() if service == "Voice"}
    page = store.reader.transactions(scope(account()), AUTUMN, filters, NEWEST, None, 50)
    assert {line.metric for line in page.lines} == expected
    streamed = store.reader.stream_lines(scope(account()), AUTUMN, filters)
    assert {line.metric for line in streamed} == expected
