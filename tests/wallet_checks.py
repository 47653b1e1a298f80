"""What must hold of a stored wallet at any time, recomputed with plain sums over its rows."""

from collections import Counter

from data import tables as t
from tests.builders import Ledger


def check_wallet(ledger: Ledger, account_id: str = "acme") -> None:
    """Lines, entries, draws, lots and balance agree with each other."""
    lines = ledger.rows(t.usage_lines, account_id)
    entries = ledger.rows(t.wallet_entries, account_id)
    draws = ledger.rows(t.lot_draws, account_id)
    lots = {row.id: row for row in ledger.rows(t.credit_lots, account_id)}
    left = {row.lot_id: row.remaining_micros for row in ledger.rows(t.lot_balances, account_id)}
    (balance,) = ledger.rows(t.balances, account_id)

    charged = {row.id: row.cost_micros for row in lines if row.cost_micros and not row.is_sandbox}
    charges = {row.line_id: -row.amount_micros for row in entries if row.kind == "charge"}
    assert charges == charged
    by_line = {row.id: row for row in lines}
    for entry in entries:
        if entry.kind == "charge":
            line = by_line[entry.line_id]
            assert (entry.booked_on, entry.occurred_at, entry.corrects_period) == (
                line.booked_on, line.occurred_at, line.corrects_period,
            )  # fmt: skip

    running = 0
    for entry in entries:
        running += entry.amount_micros
        assert entry.balance_after_micros == running
    assert balance.posted_micros == running == sum(left.values())

    given, taken = Counter[str](), Counter[str]()
    for draw in draws:
        given[draw.entry_id] += draw.micros
        taken[draw.lot_id] += draw.micros
    for entry in entries:
        is_credit = entry.kind in {"top_up", "grant"}
        assert given[entry.id] == (0 if is_credit else -entry.amount_micros)
    assert left == {lot_id: lot.amount_micros - taken[lot_id] for lot_id, lot in lots.items()}
    for lot_id, lot in lots.items():
        if lot.kind == "overdraft":
            assert left[lot_id] <= 0
        else:
            assert 0 <= left[lot_id] <= lot.amount_micros
