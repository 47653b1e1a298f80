"""A little sandbox usage now and then, so that a Free session of the demo shows something."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from sqlalchemy import Connection

from billing.accounts import Account
from billing.clock import Clock
from billing.events import AnyEvent, CallEvent, SmsEvent
from data.demo.contacts import FLAGS, SOURCE
from data.demo.small_accounts import TINKER
from data.identity import Pseudonyms
from data.ledger.posting import Poster

MOST_EVENTS = 3


def sandbox_tick(
    connection: Connection, account: Account, pseudonyms: Pseudonyms, clock: Clock
) -> int:
    """Posts one to three sandbox events that have just happened; gives how many.

    Runs in the caller's write transaction. A second call at the same instant adds nothing.
    """
    now = clock.now()
    rng = Random(f"tick {now.isoformat()}")
    poster = Poster(connection, account, pseudonyms, now)
    for consumer in (*TINKER.users, *TINKER.apps):
        poster.name("consumers", consumer.id, consumer.name)
    for stream in TINKER.streams:
        if stream.slug and not stream.windows:
            poster.name("campaigns", stream.slug, stream.name)
    events: list[AnyEvent] = []
    for index in range(rng.randint(1, MOST_EVENTS)):
        number = f"{TINKER.numbers[0].prefix}{rng.randrange(10_000):04d}"
        at = now - timedelta(seconds=rng.randint(0, 15))
        name = f"tick-{now:%Y%m%dT%H%M%S%f}-{index}"
        if rng.random() < 0.5:
            is_answered = rng.random() < 0.6
            events.append(
                CallEvent(
                    source=SOURCE, id=name, occurred_at=at, campaign="voice-prototype",
                    consumer="app:prototype", counterparty=number, is_sandbox=True, flags=FLAGS,
                    direction="outbound", agent="ai", is_answered=is_answered,
                    duration_seconds=rng.randint(8, 140) if is_answered else 0,
                    outcome=None if is_answered else "no answer",
                )
            )  # fmt: skip
        else:
            events.append(
                SmsEvent(
                    source=SOURCE, id=name, occurred_at=at, campaign="sms-bot",
                    consumer="app:sms-bot", counterparty=number, is_sandbox=True, flags=FLAGS,
                    direction="outbound", segments=rng.randint(1, 2), status="delivered",
                )
            )  # fmt: skip
    outcomes = poster.post(events)
    poster.flush()
    return sum(outcome.status == "accepted" for outcome in outcomes)
