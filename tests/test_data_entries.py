"""Wallet entries as people read them: pages, what is hidden, the index of the rare ones."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from billing.access import Role
from billing.errors import InputError, NotFoundError
from billing.movements import Action, Movement
from billing.wallet import EntryQuery
from data import tables as t
from tests.builders import NOON
from tests.databases import of_sqlite
from tests.wallet_ledger import Wallet, proved_wallet


@pytest.fixture
def wallet(tmp_path: Path) -> Iterator[Wallet]:
    yield from proved_wallet(tmp_path)


# --- reading ---------------------------------------------------------------------------------
def test_entries_are_paged_both_ways_and_newest_first(wallet: Wallet):
    for n in range(25):
        wallet.move(Movement(Action.GRANT, n + 1, "why"))
    scope, seen, cursor = wallet.scope(), [], None
    while True:
        page = wallet.reader.entries(scope, EntryQuery(("grant",)), cursor, 10)
        seen.append([entry.amount_micros for entry in page.entries])
        if page.older_cursor is None:
            break
        cursor = page.older_cursor
    assert seen == [list(range(25, 15, -1)), list(range(15, 5, -1)), list(range(5, 0, -1))]
    back = wallet.reader.entries(scope, EntryQuery(("grant",)), page.newer_cursor, 10)
    assert [entry.amount_micros for entry in back.entries] == seen[1]
    first = wallet.reader.entries(scope, EntryQuery(("grant",)), back.newer_cursor, 10)
    assert [entry.amount_micros for entry in first.entries] == seen[0]
    assert first.newer_cursor is None


@pytest.mark.parametrize("cursor", ["x", "W10", "WzAsMV0x", "é", "WzIsMV0", "a" * 500, "WzAsLTFd"])
def test_a_cursor_that_is_none_is_refused(wallet: Wallet, cursor: str):
    with pytest.raises(InputError) as refused:
        wallet.reader.entries(wallet.scope(), EntryQuery(), cursor, 10)
    assert refused.value.field == "cursor"


def test_history_before_the_paid_plan_is_hidden_from_the_owner(wallet: Wallet):
    owner = replace(wallet.scope(Role.OWNER), visible_from=(NOON + timedelta(days=1)).date())
    assert wallet.reader.entries(owner, EntryQuery(), None, 10).entries == ()
    entry = wallet.rows(t.wallet_entries)[0]
    with pytest.raises(NotFoundError):
        wallet.reader.entry(owner, entry.id)


@of_sqlite
def test_rare_entries_are_found_by_an_index_of_their_own(wallet: Wallet):
    with wallet.database.read() as connection:
        plan = connection.execute(text(
            "EXPLAIN QUERY PLAN SELECT seq FROM wallet_entries WHERE account_id = 'acme' "
            "AND kind IN ('grant') AND wallet_entries.kind <> 'charge' ORDER BY seq DESC LIMIT 9"
        )).all()  # fmt: skip
    assert any("ix_wallet_entries_rare" in row[-1] for row in plan), plan
