"""Credit lots: which credit pays which charge, and that nothing is ever lost or invented."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.lots import Lot, LotBook, LotKind
from tests.builders import NOON, at

EARLY = at("2026-01-01")


def overdraft(micros: int = 0) -> Lot:
    return Lot("debt", LotKind.OVERDRAFT, EARLY, micros)


def lot(text: str) -> Lot:
    """``"id paid|promotional micros [expires=DATE] [priority=N] [granted=DATE]"``."""
    lot_id, kind, micros, *rest = text.split()
    given = dict(part.split("=") for part in rest)
    return Lot(
        lot_id,
        LotKind(kind),
        at(given.get("granted", "2026-01-01")),
        int(micros),
        at(given["expires"]) if "expires" in given else None,
        int(given.get("priority", 100)),
    )


def drawn(book: LotBook, micros: int) -> list[tuple[str, int]]:
    return [(draw.lot_id, draw.micros) for draw in book.charge(micros, NOON)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("b paid 5 priority=1", "a promotional 5 expires=2026-12-01 priority=2"),
        ("b paid 5 expires=2026-12-01", "a promotional 5 expires=2026-12-02"),
        ("b promotional 5 expires=2026-12-01", "a promotional 5"),
        ("b promotional 5 expires=2026-12-01", "a paid 5 expires=2026-12-01 granted=2025-01-01"),
        ("b promotional 5 granted=2026-06-01", "a paid 5 granted=2025-01-01"),
        ("b paid 5 expires=2027-01-01", "a promotional 5"),
        ("b paid 5 granted=2026-01-01", "a paid 5 granted=2026-01-02"),
        ("a paid 5", "b paid 5"),
    ],
)
def test_the_order_in_which_lots_burn(first: str, second: str):
    for lots in ([first, second], [second, first]):
        book = LotBook([lot(text) for text in lots], overdraft())
        assert drawn(book, 7) == [(first[0], 5), (second[0], 2)]


@pytest.mark.parametrize(
    ("lots", "micros", "draws"),
    [
        (["a paid 10"], 0, []),
        (["a paid 10"], 10, [("a", 10)]),
        (["a paid 10"], 11, [("a", 10), ("debt", 1)]),
        ([], 3, [("debt", 3)]),
        (["a paid 0", "b paid 4"], 2, [("b", 2)]),
        (["a promotional 9 expires=2026-11-22T12:00", "b paid 4"], 2, [("b", 2)]),
        (["a promotional 9 expires=2026-11-22T12:01", "b paid 4"], 2, [("a", 2)]),
        (["a promotional 9 expires=2026-11-22T12:00"], 2, [("debt", 2)]),
    ],
)
def test_what_pays_a_charge(lots: list[str], micros: int, draws: list[tuple[str, int]]):
    assert drawn(LotBook([lot(text) for text in lots], overdraft()), micros) == draws


@pytest.mark.parametrize(
    ("debt", "credit", "left", "debt_left"),
    [(0, 5, 5, 0), (1, 5, 4, 0), (3, 5, 2, 0), (5, 5, 0, 0), (8, 5, 0, 3)],
)
def test_a_credit_repays_debt_first(debt: int, credit: int, left: int, debt_left: int):
    book = LotBook([], overdraft(-debt))
    new = lot(f"a paid {credit}")
    assert sum(draw.micros for draw in book.add(new)) == 0
    assert (new.remaining_micros, book.overdraft.remaining_micros) == (left, -debt_left)
    assert book.posted_micros == credit - debt
    assert "a" in book.changed


def test_an_expired_lot_gives_all_it_has_left_and_pays_nothing_more():
    book = LotBook([expired := lot("a promotional 5 expires=2026-11-22"), lot("b paid 5")],
                   overdraft())  # fmt: skip
    assert [(draw.lot_id, draw.micros) for draw in book.lapse(expired, 5)] == [("a", 5)]
    assert book.posted_micros == 5
    assert drawn(book, 6) == [("b", 5), ("debt", 1)]


CREDITS = st.tuples(
    st.just("credit"),
    st.integers(1, 10**9),
    st.sampled_from([LotKind.PAID, LotKind.PROMOTIONAL]),
    st.none() | st.integers(-5, 40),
    st.sampled_from([1, 100]),
)
CHARGES = st.tuples(st.just("charge"), st.integers(0, 10**9))
EXPIRIES = st.tuples(st.just("expire"))
REFUNDS = st.tuples(st.just("refund"), st.integers(0, 40))
STEPS = st.lists(CREDITS | CHARGES | CHARGES | EXPIRIES | REFUNDS, max_size=40)


class Wallet:
    """A book with its entries, checked after every step."""

    def __init__(self) -> None:
        self.book = LotBook([], overdraft())
        self.lots: list[Lot] = []
        self.entries: list[int] = []
        self.amounts: dict[str, int] = {}
        self.charged: list[list[tuple[Lot, int]]] = []
        self.repaid: dict[str, int] = {}  # of debt, by the lot that did
        self.now = NOON

    def credit(self, micros: int, kind: LotKind, days: int | None, priority: int) -> None:
        debt = -self.book.overdraft.remaining_micros
        expires = None if days is None else self.now + timedelta(days=days)
        new = Lot(f"{len(self.lots):03}", kind, self.now, micros, expires, priority)
        self.lots.append(new)
        draws = self.book.add(new)
        self.amounts[new.id] = micros
        self.repaid[new.id] = sum(draw.micros for draw in draws if draw.lot_id == new.id)
        self.entries.append(micros)
        assert sum(draw.micros for draw in draws) == 0
        assert new.remaining_micros == max(0, micros - debt)

    def charge(self, micros: int) -> None:
        before = {each.id: each.remaining_micros for each in self.lots}
        valid = [one for one in self.lots if one.expires_at is None or one.expires_at > self.now]
        spendable = sum(one.remaining_micros for one in valid)
        draws = self.book.charge(micros, self.now)
        self.entries.append(-micros)
        assert sum(draw.micros for draw in draws) == micros
        assert all(draw.micros > 0 for draw in draws)
        from_debt = sum(draw.micros for draw in draws if draw.lot_id == "debt")
        assert from_debt == max(0, micros - spendable)
        by_id = {one.id: one for one in [*self.lots, self.book.overdraft]}
        self.charged.append([(by_id[draw.lot_id], draw.micros) for draw in draws])
        burned = [draw.lot_id for draw in draws if draw.lot_id != "debt"]
        usable = [one for one in sorted(valid, key=lambda one: one.burn_key) if before[one.id]]
        assert burned == [one.id for one in usable[: len(burned)]]

    def refund(self, which: int) -> None:
        """One charge given back: to each lot what it gave, but for debt repaid meanwhile."""
        if not self.charged:
            return
        drawn = self.charged.pop(which % len(self.charged))
        before = {one.id: one.remaining_micros for one in [*self.lots, self.book.overdraft]}
        owed, debt = -before["debt"], sum(micros for lot, micros in drawn if lot.id == "debt")
        given = {lot.id: micros for lot, micros in drawn if lot.id != "debt"}
        draws, lapsed = self.book.unwind(
            drawn, self.now,
            lambda: [(one, self.repaid[one.id]) for one in self.lots if self.repaid[one.id]],
        )  # fmt: skip
        cost = sum(micros for _, micros in drawn)
        assert lapsed - sum(draw.micros for draw in draws) == cost
        back = {draw.lot_id: -draw.micros for draw in draws}
        assert back.get("debt", 0) == min(debt, owed)
        # What credits repaid of the debt since goes to the lots that did, the oldest first.
        left = debt - min(debt, owed)
        for one in self.lots:
            part = min(left, self.repaid[one.id])
            self.repaid[one.id] -= part
            left -= part
            given[one.id] = given.get(one.id, 0) + part
        for one in self.lots:
            is_over = one.expires_at is not None and one.expires_at <= self.now
            expected = 0 if is_over else given.get(one.id, 0)
            assert back.get(one.id, 0) == expected == one.remaining_micros - before[one.id]
        self.entries.append(cost - lapsed)
        if lapsed:
            self.credit(lapsed, LotKind.PROMOTIONAL, 30, 100)

    def expire(self) -> None:
        self.now += timedelta(days=3)
        for each in self.lots:
            if each.expires_at and each.expires_at <= self.now and each.remaining_micros:
                (draw,) = self.book.lapse(each, each.remaining_micros)
                self.entries.append(-draw.micros)
                assert each.remaining_micros == 0

    def check(self) -> None:
        total = sum(one.remaining_micros for one in [*self.lots, self.book.overdraft])
        assert total == sum(self.entries) == self.book.posted_micros
        assert all(0 <= one.remaining_micros <= self.amounts[one.id] for one in self.lots)
        assert self.book.overdraft.remaining_micros <= 0


@given(STEPS)
def test_lots_and_entries_agree_whatever_happens(steps: list[tuple]):
    wallet = Wallet()
    for name, *arguments in steps:
        getattr(wallet, name)(*arguments)
        wallet.check()


def test_a_refund_gives_each_lot_what_it_gave():
    lots = [
        lot("a promotional 5 expires=2026-12-01"),
        lot("b paid 4"),
        lot("c paid 9 granted=2026-02-01"),
    ]
    book = LotBook(lots, overdraft())
    drawn = [(next(one for one in lots if one.id == draw.lot_id), draw.micros)
             for draw in book.charge(11, NOON)]  # fmt: skip
    draws, lapsed = book.unwind(drawn, NOON, list)
    assert [(draw.lot_id, draw.micros) for draw in draws] == [("a", -5), ("b", -4), ("c", -2)]
    assert (lapsed, [one.remaining_micros for one in lots]) == (0, [5, 4, 9])
    assert [(draw.lot_id, draw.micros) for draw in book.charge(11, NOON)] == [
        ("a", 5),
        ("b", 4),
        ("c", 2),
    ], "and they burn as before"


def test_what_belongs_to_an_expired_lot_is_told_apart():
    book = LotBook([first := lot("a promotional 5 expires=2026-12-01"), second := lot("b paid 9")],
                   overdraft())  # fmt: skip
    book.charge(7, NOON)
    draws, lapsed = book.unwind([(first, 5), (second, 2)], at("2026-12-01"), list)
    assert ([(draw.lot_id, draw.micros) for draw in draws], lapsed) == ([("b", -2)], 5)
    assert (first.remaining_micros, second.remaining_micros) == (0, 9)


@pytest.mark.parametrize(
    ("repaid", "back"),
    [(0, [("debt", -6)]), (2, [("debt", -4), ("a", -2)]), (6, [("a", -6)]), (9, [("a", -6)])],
)
def test_debt_repaid_meanwhile_goes_back_to_the_lot_that_repaid_it(repaid: int, back: list):
    book = LotBook([], debt := overdraft())
    book.charge(6, NOON)
    repayers = []
    if repaid:
        book.add(new := lot(f"a paid {repaid}"))
        repayers.append((new, min(repaid, 6)))
    draws, lapsed = book.unwind([(debt, 6)], NOON, lambda: repayers)
    assert [(draw.lot_id, draw.micros) for draw in draws] == back
    assert (lapsed, debt.remaining_micros, book.posted_micros) == (0, 0, repaid)
