"""How often somebody may try to sign in, and how much of the machine trying may take.

Failures are counted by keyed hashes of e-mail and network address, so the table names nobody.
Must not know passwords, people or sessions.
"""

from __future__ import annotations

import ipaddress
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select

from billing.errors import ProductError
from data import tables as t
from data.identity import Pseudonyms

WINDOW = timedelta(minutes=15)
TICK = timedelta(microseconds=1)
FIRST_DELAY = timedelta(minutes=1)
LONGEST_DELAY = WINDOW
IPV6_NETWORK_BITS = 64  # one customer's: a single machine can use any address of it

# How many failures within WINDOW are free. One person from one place; one place, whoever it tries;
# one person from anywhere, high enough that a stranger can't easily lock somebody out.
FREE_FAILURES = {"email+address": 5, "address": 30, "email": 100}


class ThrottledError(ProductError):
    """Too many failures: ``retry_after_seconds`` says how long to wait."""

    code = "throttled"

    def __init__(self, retry_after_seconds: int) -> None:
        minutes = math.ceil(retry_after_seconds / 60)
        wait = "a minute" if minutes == 1 else f"{minutes} minutes"
        super().__init__(f"Too many failed sign-ins. Try again in {wait}.")
        self.retry_after_seconds = retry_after_seconds


class CrowdedError(ProductError):
    """So many are signing in at this moment that one more would slow everything down."""

    code = "busy"
    retry_after_seconds = 5

    def __init__(self) -> None:
        super().__init__("Many people are signing in right now. Try again in a few seconds.")


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who tries from where, as keyed hashes by the names of ``FREE_FAILURES``."""

    keys: dict[str, str]


def attempt(pseudonyms: Pseudonyms, email: str, address: str | None) -> Attempt:
    """The hashes of an attempt. ``address``: the connection's own, never what a header claims."""
    place = network_of(address)
    texts = {
        "email+address": f"sign-in\0both\0{email}\0{place}",
        "address": f"sign-in\0address\0{place}",
        "email": f"sign-in\0email\0{email}",
    }
    return Attempt({name: pseudonyms.token(text) for name, text in texts.items()})


def network_of(address: str | None) -> str:
    """What stands for one client: an IPv4 address, or the /64 network of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address((address or "").split("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, IPV6_NETWORK_BITS), strict=False))
    return str(parsed)


def check(connection: Connection, tried: Attempt, at: datetime) -> None:
    """Refuses an attempt that comes too soon after too many failures.

    Errors: ``ThrottledError``. The wait begins with the last failure and doubles with each more.
    """
    failures = t.sign_in_failures.c
    rows = connection.execute(
        select(failures.key, func.count(), func.max(failures.failed_at))
        .where(
            failures.key.in_(tried.keys.values()),
            # Those of a clock that has been put back since would keep people out for as long.
            failures.failed_at.between(at - WINDOW + TICK, at + WINDOW),
        )
        .group_by(failures.key)
        .order_by(failures.key)
    )
    free = {key: FREE_FAILURES[name] for name, key in tried.keys.items()}
    waits = [last_at + delay_after(count - free[key]) - at for key, count, last_at in rows]
    longest = min(max(waits, default=timedelta(0)), LONGEST_DELAY)
    if longest > timedelta(0):
        raise ThrottledError(math.ceil(longest.total_seconds()))


def delay_after(beyond_free: int) -> timedelta:
    """How long to wait after so many failures beyond the free ones: 1, 2, 4, 8, 15 minutes."""
    if beyond_free < 0:
        return timedelta(0)
    return min(LONGEST_DELAY, FIRST_DELAY * (1 << min(beyond_free, 10)))


def record_failure(connection: Connection, tried: Attempt, at: datetime) -> None:
    """Counts a failure, and forgets those too old to count."""
    connection.execute(
        delete(t.sign_in_failures).where(t.sign_in_failures.c.failed_at <= at - WINDOW)
    )
    connection.execute(
        insert(t.sign_in_failures),
        [{"key": key, "failed_at": at} for key in tried.keys.values()],
    )


def forget(connection: Connection, tried: Attempt) -> None:
    """After a success: this person's failures from this place count no more.

    The place's own count stays, or one known password would buy endless guesses at others.
    """
    connection.execute(
        delete(t.sign_in_failures).where(t.sign_in_failures.c.key == tried.keys["email+address"])
    )


class Slots:
    """A few places for costly work and a short queue for them; beyond it, no is said at once.

    So a flood of sign-ins can take neither all threads nor all memory.
    """

    def __init__(self, places: int, waiting: int) -> None:
        self._places = threading.BoundedSemaphore(places)
        self._admitted = threading.BoundedSemaphore(places + waiting)

    @contextmanager
    def take(self) -> Iterator[None]:
        """A place for the length of the block; ``CrowdedError`` when the queue is full."""
        if not self._admitted.acquire(blocking=False):
            raise CrowdedError
        try:
            with self._places:
                yield
        finally:
            self._admitted.release()
