"""Many rows at once: whatever their number, all of them, in order, or none."""

from collections.abc import Iterator

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from data import tables as t
from data.ledger import bulk
from data.ledger.bulk import insert_rows
from tests.builders import Ledger

FULL = bulk._SQLITE_ROWS


@pytest.fixture
def ledger(tmp_path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path)
    yield opened
    opened.close()


def draws(count: int) -> list[tuple[str, str, str, int]]:
    return [(f"entry-{number:04d}", "lot", "acme", number) for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, FULL - 1, FULL, FULL + 1, 2 * FULL, 3 * FULL + 7])
def test_any_number_of_rows_is_stored(ledger: Ledger, count: int):
    with ledger.database.write() as connection:
        insert_rows(connection, t.lot_draws, draws(count))
    assert [tuple(row) for row in ledger.rows(t.lot_draws)] == draws(count)


def test_rows_are_counted_in_their_order(ledger: Ledger):
    columns = bulk.bulk_columns(t.receipts)
    rows = [
        tuple({"account_id": "acme", "status": "read", "occurred_at": 1, "stored_at": 1}
              .get(name, None if name == "previous_status" else f"{name}-{number}")
              for name in columns)
        for number in range(2 * FULL + 3)
    ]  # fmt: skip
    with ledger.database.write() as connection:
        insert_rows(connection, t.receipts, rows)
    assert [row.line_id for row in ledger.rows(t.receipts)] == [
        f"line_id-{number}" for number in range(len(rows))
    ]


@pytest.mark.parametrize("place", [0, FULL // 2, FULL + 1])
def test_one_that_is_there_already_undoes_the_savepoint(ledger: Ledger, place: int):
    rows = draws(FULL + 2)
    with ledger.database.write() as connection:
        taken = dict(zip(bulk.bulk_columns(t.lot_draws), rows[place], strict=True))
        connection.execute(insert(t.lot_draws).values(**taken))
        with (
            pytest.raises(IntegrityError, match=r"append-only|duplicate key"),
            connection.begin_nested(),
        ):
            insert_rows(connection, t.lot_draws, rows)
    assert [tuple(row) for row in ledger.rows(t.lot_draws)] == [rows[place]]
