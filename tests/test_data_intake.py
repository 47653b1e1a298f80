"""Live events through the group-commit writer: order, batching and repetition change nothing."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, pairwise
from random import Random
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from billing.errors import NotFoundError
from billing.events import AnyEvent, StatusEvent
from billing.metrics import METRICS
from billing.rates import Rate
from data import tables as t
from data.identity import Pseudonyms, new_id
from data.ledger.intake import AccountClosedError, Intake
from data.ledger.posting import WHILE_PAUSED, Outcome
from data.ledger.price_books import add_rate_list, new_rate_list
from data.writer import Writer
from tests.builders import NOON, Ledger, call, sms
from tests.wallet_checks import check_wallet

PATIENCE_SECONDS = 30
KEPT = (
    "source", "metric", "service", "direction", "status", "reason", "campaign_id", "occurred_at",
    "received_at", "booked_on", "cap_on", "base_units", "pulses", "talk_seconds", "cost_micros",
    "is_sandbox", "flags", "kind",
)  # fmt: skip


class Noon:
    def now(self) -> datetime:
        return NOON


@dataclass
class Door:
    """A ledger and the way in."""

    ledger: Ledger
    writer: Writer
    intake: Intake
    numbers: Iterator[int]

    def account(self) -> str:
        """A new, funded account."""
        account_id = f"acme-{next(self.numbers)}"
        self.ledger.add(account_id)
        self.ledger.credit(300_000, account_id=account_id)
        return account_id

    def send(self, account_id: str, events: Sequence[AnyEvent]) -> list[Outcome]:
        futures = self.intake.submit(account_id, events, NOON)
        return [outcome for each in futures for outcome in each.result(PATIENCE_SECONDS)]

    def kept(self, account_id: str) -> list[tuple]:
        """The account's lines in an order of their own, without what each sending differs in.

        Whether outbound work was paused when a line arrived is one of those things.
        """
        lines = self.ledger.rows(t.usage_lines, account_id)
        return sorted(
            tuple(str(getattr(line, name)).replace(WHILE_PAUSED, "None") for name in KEPT)
            for line in lines
        )

    def moves(self, account_id: str) -> list[tuple]:
        """How receipts moved lines, and how many wait."""
        events = {line.id: line.event_id for line in self.ledger.rows(t.usage_lines, account_id)}
        ids = {event.event_id: event.id for event in self.ledger.rows(t.events, account_id)}
        moved = [
            (ids[events[row.line_id]], ids[row.event_id], row.previous_status, row.status)
            for row in self.ledger.rows(t.receipts, account_id)
        ]
        waiting = [(row.ref_id,) for row in self.ledger.rows(t.pending_receipts, account_id)]
        return sorted([*moved, *waiting], key=str)


@pytest.fixture(scope="module")
def door(tmp_path_factory) -> Iterator[Door]:
    ledger = Ledger(tmp_path_factory.mktemp("intake"))
    writer = Writer(ledger.database)
    yield Door(ledger, writer, Intake(writer, Noon(), Pseudonyms("secret")), count())
    writer.close()
    ledger.close()


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[AnyEvent], list[list[AnyEvent]]]:
    """Events of the last days, and the same in some order, some twice or more, in batches."""
    size = draw(st.integers(1, 25))
    minutes = st.integers(0, 34 * 24 * 60)
    events: list[AnyEvent] = []
    for number in range(size):
        at = NOON - timedelta(minutes=draw(minutes))
        source = draw(st.sampled_from(["a", "b"]))
        if draw(st.booleans()):
            events.append(call(f"e{number}", at, draw(st.integers(0, 200)), source=source))
        else:
            is_sandbox = draw(st.booleans())
            segments = draw(st.integers(1, 3))
            events.append(sms(f"e{number}", at, segments, source=source, is_sandbox=is_sandbox))
    again = draw(st.lists(st.sampled_from(events), max_size=10))
    sent = draw(st.permutations(events + again))
    cuts = sorted(draw(st.lists(st.integers(0, len(sent)), max_size=4)))
    bounds = [0, *cuts, len(sent)]
    batches = [list(sent[a:b]) for a, b in pairwise(bounds)]
    return events, [batch for batch in batches if batch]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(deliveries())
def test_order_batching_and_repetition_change_nothing(door: Door, given_deliveries):
    events, batches = given_deliveries
    plain, mixed = door.account(), door.account()
    assert {outcome.status for outcome in door.send(plain, events)} == {"accepted"}
    outcomes = [outcome for batch in batches for outcome in door.send(mixed, batch)]
    counted = [outcome.status for outcome in outcomes]
    assert counted.count("accepted") == len(events)
    assert counted.count("duplicate") == len(counted) - len(events)
    assert door.kept(mixed) == door.kept(plain)
    assert door.ledger.posted(mixed) == door.ledger.posted(plain)
    check_wallet(door.ledger, mixed)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(deliveries(), st.lists(st.tuples(st.integers(0, 24), st.integers(0, 3)), max_size=8))
def test_pieces_of_one_transaction_do_what_they_do_one_by_one(
    door: Door, given_deliveries, receipts
):
    """Usage, repetitions and receipts that come before or after their message."""
    _, batches = given_deliveries
    for number, (message, place) in enumerate(receipts):
        status = StatusEvent(
            source="r", id=f"r{number}", occurred_at=NOON + timedelta(seconds=number),
            ref_source="ab"[number % 2], ref_id=f"e{message}", status="delivered",
        )  # fmt: skip
        batches[place % len(batches)].insert(0, status)
    apart, together = door.account(), door.account()
    outcomes = [outcome for batch in batches for outcome in door.send(apart, batch)]
    opened = Event()
    held = door.writer.submit(lambda _: opened.wait(PATIENCE_SECONDS))
    waiting = [each for batch in batches for each in door.intake.submit(together, batch, NOON)]
    opened.set()
    held.result(PATIENCE_SECONDS)
    found = [outcome for each in waiting for outcome in each.result(PATIENCE_SECONDS)]
    assert [each.status for each in found] == [each.status for each in outcomes]
    assert door.kept(together) == door.kept(apart)
    assert door.moves(together) == door.moves(apart)
    check_wallet(door.ledger, together)


def test_the_same_identity_with_another_type_is_a_duplicate(door: Door):
    account_id = door.account()
    assert door.send(account_id, [sms("x", source="s")])[0].status == "accepted"
    before = door.kept(account_id)
    assert door.send(account_id, [call("x", source="s")])[0].status == "duplicate"
    assert door.kept(account_id) == before
    assert door.send(account_id, [call("x", source="other")])[0].status == "accepted"


def test_an_identity_is_the_accounts_own(door: Door):
    first, second = door.account(), door.account()
    for account_id in (first, second):
        assert door.send(account_id, [sms("same")])[0].status == "accepted"


def test_many_callers_at_once_lose_and_double_nothing(door: Door):
    """Sixteen callers send overlapping shares to three accounts."""
    accounts = [door.account() for _ in range(3)]
    events = [sms(f"m{n}", NOON - timedelta(minutes=n)) for n in range(400)]

    def send(number: int) -> int:
        rng = Random(number)
        share = rng.sample(events, 250)
        outcomes = door.send(accounts[number % 3], share)
        return sum(outcome.status == "accepted" for outcome in outcomes)

    with ThreadPoolExecutor(16) as pool:
        accepted = list(pool.map(send, range(24)))
    for place, account_id in enumerate(accounts):
        ids = {n for number in range(place, 24, 3)
               for n in (event.id for event in Random(number).sample(events, 250))}  # fmt: skip
        assert sum(accepted[place::3]) == len(ids)
        assert len(door.kept(account_id)) == len(ids)
        check_wallet(door.ledger, account_id)


@pytest.mark.parametrize(
    ("age", "code"),
    [(timedelta(days=35), None), (timedelta(days=35, microseconds=1), "too_late"),
     (timedelta(minutes=-5), None), (timedelta(minutes=-5, microseconds=-1), "in_future")],
)  # fmt: skip
def test_live_events_have_an_age(door: Door, age: timedelta, code: str | None):
    (outcome,) = door.send(door.account(), [sms("aged", NOON - age)])
    assert (outcome.error.code if outcome.error else None) == code


def test_a_closed_or_unknown_account_refuses_the_whole_piece(door: Door):
    account_id = door.account()
    with door.ledger.database.write() as connection:
        connection.execute(
            update(t.accounts).where(t.accounts.c.id == account_id).values(closed_at=NOON)
        )
    for wanted, error in ((account_id, AccountClosedError), ("nobody", NotFoundError)):
        (future,) = door.intake.submit(wanted, [sms("late")], NOON)
        assert isinstance(future.exception(PATIENCE_SECONDS), error)
    assert door.send(door.account(), [sms("fine")])[0].status == "accepted"
    assert door.kept(account_id) == []


def test_a_price_list_added_later_prices_what_comes_later(door: Door):
    """Rate books are remembered between transactions, and forgotten when there is another list."""
    account_id = door.account()
    first = door.send(account_id, [sms("before", NOON - timedelta(days=1))])[0].cost_micros
    prices = [Rate(new_id(), metric.id, 70_000) for metric in METRICS]
    listed = new_rate_list("own", "USD", NOON.date(), prices, "account")
    door.writer.write(lambda connection: add_rate_list(connection, listed, account_id, NOON))
    assert door.send(account_id, [sms("after", NOON)])[0].cost_micros == 70_000
    assert first == 10_000
