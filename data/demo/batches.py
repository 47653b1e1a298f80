"""Batches: some whole days of one account's usage, written in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from billing.accounts import Account
from billing.events import AnyEvent
from billing.periods import start_of_day, zone
from data.accounts import read_account
from data.demo.funding import Funding
from data.demo.state import DemoState
from data.demo.traffic import Traffic, ready_at
from data.identity import Pseudonyms
from data.ledger.posting import Poster

BATCH_EVENTS = 2_000
PART_HOURS = (9, 12, 15, 18)  # between the parts of a day the balance is looked at


@dataclass(frozen=True, slots=True)
class Batch:
    """Usage that became known after the last batch and up to ``until`` (included)."""

    traffic: Traffic
    days: tuple[tuple[date, list[AnyEvent]], ...]
    until: datetime

    @property
    def event_count(self) -> int:
        """How many events it has."""
        return sum(len(events) for _, events in self.days)


def next_batch(traffic: Traffic, after: datetime, to: datetime) -> Batch:
    """The next days' usage: whole local days, about 2,000 events, never beyond ``to``."""
    zone_name = traffic.schedule.profile.account.timezone
    day = after.astimezone(zone(zone_name)).date()
    days: list[tuple[date, list[AnyEvent]]] = []
    count, until = 0, after
    while until < to and count < BATCH_EVENTS:
        until = min(to, start_of_day(day + timedelta(days=1), zone_name))
        events = [each for each in traffic.day(day) if after < ready_at(each) <= until]
        days.append((day, events))
        count += len(events)
        day += timedelta(days=1)
    return Batch(traffic, tuple(days), until)


def post_batch(
    connection: Connection,
    batch: Batch,
    state: DemoState,
    pseudonyms: Pseudonyms,
    stored_at: datetime,
) -> dict[str, int]:
    """Writes a batch with the credits it needs; gives events by outcome.

    Usage of a period that is closed by now counts as received now, like any late usage.
    """
    schedule = batch.traffic.schedule
    account = read_account(connection, schedule.profile.id)
    poster = Poster(connection, account, pseudonyms, stored_at, state.import_id)
    closed = poster.wallet.closed
    funding = Funding(schedule, state.accounts[account.id], poster, stored_at)
    counts: Counter[str] = Counter()
    for consumer in (*schedule.profile.users, *schedule.profile.apps):
        poster.name("consumers", consumer.id, consumer.name)
    for day, events in batch.days:
        for campaign, name in batch.traffic.campaign_names(day).items():
            poster.name("campaigns", campaign, name)
        is_late = closed is not None and day in closed
        # A day that can't empty the wallet is posted at once: fewer questions to the database.
        parts = [events] if funding.is_ample(day) else _parts(day, events, account, PART_HOURS)
        for part in filter(None, parts):
            funding.prepare(part[0].occurred_at, day)
            outcomes = poster.post(part, stored_at if is_late else None)
            counts.update(outcome.status for outcome in outcomes)
            funding.spend(sum(outcome.cost_micros for outcome in outcomes), day)
    poster.flush()
    return dict(counts)


def _parts(
    day: date, events: list[AnyEvent], account: Account, hours: tuple[int, ...]
) -> Iterator[list[AnyEvent]]:
    """A day's events cut at some hours; parts may be empty."""
    midnight = start_of_day(day, account.zones.name_on(day))
    ends = [midnight + timedelta(hours=hour) for hour in hours]
    start = 0
    for end in ends:
        stop = start
        while stop < len(events) and events[stop].occurred_at < end:
            stop += 1
        yield events[start:stop]
        start = stop
    yield events[start:]
