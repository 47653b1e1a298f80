"""Whatever happens to a wallet, in whatever order, every micro is accounted for."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.accounts import Account
from billing.movements import Action, Movement
from data import tables as t
from data.accounts import NewAccount, add_account
from data.analytics.lake import Lake
from data.analytics.sync import sync_all
from data.ledger.movements import Moved
from data.proof.verify import verify
from tests.builders import NOON, UNIT_PRICE_MICROS, sms
from tests.wallet_ledger import REFUND, Wallet

MICROS = st.sampled_from([1, 9_999, UNIT_PRICE_MICROS, 7 * UNIT_PRICE_MICROS]) | st.integers(
    1, 50 * UNIT_PRICE_MICROS
)
STEPS = st.lists(
    st.tuples(st.just("top_up"), MICROS)
    | st.tuples(st.just("grant"), MICROS, st.sampled_from([None, 1, 2, 5, 20]))
    | st.tuples(st.just("adjust"), MICROS | MICROS.map(lambda micros: -micros))
    | st.tuples(st.just("charge"), st.integers(1, 12))
    | st.tuples(st.just("charge"), st.integers(1, 60))
    | st.tuples(st.just("lapse"), st.integers(1, 12))
    | st.tuples(st.just("refund"), st.integers(0, 5))
    | st.tuples(st.just("refund"), st.integers(0, 5))
    | st.tuples(st.just("pass"), st.sampled_from([1, 3, 10])),
    min_size=8, max_size=24,
)  # fmt: skip


class Story:
    """One account on which things happen, checked after each."""

    def __init__(self, wallet: Wallet, number: int) -> None:
        self.wallet, self.id = wallet, f"story-{number}"
        wallet.clock.at = NOON
        new = NewAccount(self.id, self.id, wallet.accounts["acme"].plan_on(NOON.date()), "USD",
                         "Asia/Kolkata")  # fmt: skip
        with wallet.database.write() as connection:
            wallet.accounts[self.id] = add_account(connection, new, NOON)
        self.sent = 0
        self.refunded: set[str] = set()

    @property
    def account(self) -> Account:
        return self.wallet.accounts[self.id]

    def move(self, movement: Movement) -> Moved:
        return self.wallet.move(movement, account_id=self.id)

    def top_up(self, micros: int) -> None:
        self.move(Movement(Action.TOP_UP, micros))

    def grant(self, micros: int, days: int | None) -> None:
        ends = self.wallet.clock.at + timedelta(days=days) if days else None
        self.move(Movement(Action.GRANT, micros, "why", expires_at=ends))

    def adjust(self, micros: int) -> None:
        self.move(Movement(Action.ADJUSTMENT, micros, "why"))

    def charge(self, segments: int) -> None:
        self.sent += 1
        now = self.wallet.clock.at
        self.wallet.post(
            sms(f"m{self.sent}", now, segments=segments), received_at=now, account_id=self.id
        )

    def refund(self, which: int) -> None:
        lines = [one for one in self.wallet.lines(self.id) if one.cost_micros > 0
                 and one.id not in self.refunded]  # fmt: skip
        if not lines:
            return
        line = lines[which % len(lines)]
        self.refunded.add(line.id)
        drawn, now = self.wallet.charge_of(line.id), self.wallet.clock.at
        moved = self.move(replace(REFUND, line_id=line.id))
        assert moved.entry is not None
        assert moved.entry.amount_micros == line.cost_micros
        lots = {lot.id: lot for lot in self.wallet.rows(t.credit_lots, self.id)}
        back = self.wallet.draws(moved.entry.id, self.id)
        lapsed = [lot for lot in lots.values() if lot.entry_id == moved.entry.id]
        had_debt = any(lots[lot].kind == "overdraft" for lot in drawn)
        for lot_id, micros in drawn.items():
            lot = lots[lot_id]
            if lot.kind == "overdraft":
                continue
            if lot.expires_at and lot.expires_at <= now:
                assert lapsed, "an expired lot's part came back as a new one"
                assert back.get(lot_id, 0) == 0
            elif had_debt:
                assert -back[lot_id] >= micros, "at least what it gave"
            else:
                assert -back[lot_id] == micros, "exactly what it gave"
        for lot in lapsed:
            assert (lot.kind, lot.expires_at) == ("promotional", now + timedelta(days=30))

    def lapse(self, segments: int) -> None:
        """A grant pays a charge, expires, and the charge is refunded."""
        self.grant(5 * UNIT_PRICE_MICROS, 1)
        self.charge(segments)
        self.wait(2)
        self.refund(-1)

    def wait(self, days: int) -> None:
        self.wallet.clock.at += timedelta(days=days)

    def check(self) -> None:
        lots = {lot.id: lot for lot in self.wallet.rows(t.credit_lots, self.id)}
        left = self.wallet.left(self.id)
        entries = self.wallet.rows(t.wallet_entries, self.id)
        posted = self.wallet.posted(self.id)
        assert posted == sum(left.values()) == sum(entry.amount_micros for entry in entries)
        for lot_id, micros in left.items():
            if lots[lot_id].kind == "overdraft":
                assert micros <= 0
            else:
                assert 0 <= micros <= lots[lot_id].amount_micros


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wallet]:
    """One ledger for every story; at the end all of ``verify`` holds on it, analytics too."""
    folder = tmp_path_factory.mktemp("stories")
    with Wallet(folder) as opened:
        opened.add()
        yield opened
        lake = Lake(folder / "lake", opened.database)
        sync_all(opened.database, lake)
        report = verify(opened.database, lake)
        lake.close()
        assert report.passed, [check for check in report.checks if not check.passed]


_stories = count(1)


@settings(
    max_examples=24, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(STEPS)
def test_whatever_happens_every_micro_is_accounted_for(stories: Wallet, steps: list[tuple]):
    story = Story(stories, next(_stories))
    for name, *arguments in steps:
        getattr(story, "wait" if name == "pass" else name)(*arguments)
        story.check()
    assert stories.broken(story.id) == []
