"""A dialler that plays calls against a running server: asks before each, settles after it.

It shows what a platform does with holds: every request has an id of its own and is sent again
after a broken connection, a call ends at its last second unless more is granted, and nobody dials
while outbound is paused. Must not know the ledger: it has the API alone.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from billing.errors import InputError, ProductError

MOST_CALLS = 1_000
LONGEST_SECONDS = 3_600
MEAN_TALK_SECONDS = 90
ANSWER_RATE = 0.7
FAILED_RATE = 0.03  # of what was allowed and never dialled: its hold is released
EXTENSION_SECONDS = 60
PAUSE_SECONDS = 1.0  # before somebody who was denied asks again
TRIES = 8
SOURCE = "simulated-dialler"


class DiallerError(ProductError):
    """The server doesn't take the calls: nothing to do but stop."""

    code = "dialler"


@dataclass(frozen=True, slots=True)
class Campaigns:
    """What is dialled: calls at once, for how long (seconds of this clock), how much faster.

    ``speed``: seconds of talk that pass in one of this clock. ``to``: a number to rate by.
    """

    calls: int = 20
    seconds: float = 60.0
    speed: float = 30.0
    names: tuple[str, ...] = ("spring", "summer", "autumn")
    kind: str = "call.ai"
    to: str = "+14155550142"
    seed: int | None = None

    def __post_init__(self) -> None:
        bounds = (
            ("calls", self.calls, 1, MOST_CALLS), ("seconds", self.seconds, 1, LONGEST_SECONDS),
            ("speed", self.speed, 1, LONGEST_SECONDS),
        )  # fmt: skip
        for name, value, least, most in bounds:
            if not least <= value <= most:
                raise InputError(name, value, f"use a number from {least} to {most:,}")
        if not self.names or not all(self.names):
            raise InputError("campaigns", ",".join(self.names), "name at least one")


@dataclass(slots=True)
class Tally:
    """What became of the calls so far. ``available_micros``: as the last settlement said."""

    in_progress: int = 0
    settled: int = 0
    released: int = 0
    extended: int = 0
    cut: int = 0
    spent_micros: int = 0
    available_micros: int | None = None
    currency: str = ""
    denied: Counter[str] = field(default_factory=Counter)


class Dialler:
    """Plays campaigns; ``tally`` may be read while it runs."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        campaigns: Campaigns,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.tally = Tally()
        self._now = now
        self._client = client
        self._campaigns = campaigns
        self._random = random.Random(campaigns.seed)  # noqa: S311 - for a play, not a secret
        self._ends_at = 0.0

    async def run(self, on_change: Callable[[Tally], None] = lambda _: None) -> Tally:
        """Dials until the time is over and every call has ended; gives what became of them.

        Errors: ``DiallerError`` when the server refuses the key or can't be reached.
        """
        self._ends_at = time.monotonic() + self._campaigns.seconds
        async with asyncio.TaskGroup() as group:
            for number in range(self._campaigns.calls):
                group.create_task(self._agent(number, on_change))
        return self.tally

    async def _agent(self, number: int, on_change: Callable[[Tally], None]) -> None:
        names = self._campaigns.names
        await asyncio.sleep(number / max(1, self._campaigns.calls))
        while time.monotonic() < self._ends_at:
            campaign = names[self._random.randrange(len(names))]
            if not await self._call(campaign, f"agent-{number + 1}"):
                await asyncio.sleep(PAUSE_SECONDS)
            on_change(self.tally)

    async def _call(self, campaign: str, consumer: str) -> bool:
        """One call from its hold to its end; whether it was allowed."""
        begun_at = self._now()
        answer = await self._post(
            "/holds",
            {
                "request_id": str(uuid.uuid4()), "kind": self._campaigns.kind,
                "campaign": campaign, "consumer": consumer, "to": self._campaigns.to,
                "estimate": {"seconds": 2 * MEAN_TALK_SECONDS},
            },
        )  # fmt: skip
        if answer["decision"] != "allowed":
            self.tally.denied[answer["rule"]] += 1
            return False
        self.tally.in_progress += 1
        try:
            await self._talk(answer, begun_at)
        finally:
            self.tally.in_progress -= 1
        return True

    async def _talk(self, hold: dict[str, Any], begun_at: datetime) -> None:
        path = f"/holds/{hold['hold_id']}"
        if self._random.random() < FAILED_RATE:
            await self._post(f"{path}/release", {})
            self.tally.released += 1
            return
        is_answered = self._random.random() < ANSWER_RATE
        seconds = round(self._random.expovariate(1 / MEAN_TALK_SECONDS)) + 1 if is_answered else 0
        allowed = int(hold["max_seconds"])
        while seconds > allowed:
            more = {"request_id": str(uuid.uuid4()), "seconds": EXTENSION_SECONDS}
            answer = await self._post(f"{path}/extend", more)
            if answer["decision"] != "allowed":
                self.tally.cut += 1
                seconds = allowed  # the platform hangs up at the last second that is paid for
                break
            self.tally.extended += 1
            allowed = int(answer["max_seconds"])
        await asyncio.sleep(seconds / self._campaigns.speed)
        event = {
            "source": SOURCE, "id": str(uuid.uuid4()), "time": begun_at.isoformat(),
            "data": {
                "answered": is_answered, "duration_s": seconds, "to": self._campaigns.to,
                **({} if is_answered else {"outcome": "no answer"}),
            },
        }  # fmt: skip
        settled = await self._post(f"{path}/settle", event)
        self.tally.settled += 1
        self.tally.spent_micros += settled["cost_micros"] or 0
        self.tally.available_micros = settled["balance"]["available_micros"]
        self.tally.currency = settled["balance"]["currency"]

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a call, which is sent again while the server is busy or away."""
        for attempt in range(TRIES):
            try:
                answer = await self._client.post(path, json=body)
            except httpx.TransportError as error:
                if attempt == TRIES - 1:
                    raise DiallerError(f"The server can't be reached: {error}.") from error
                await asyncio.sleep(min(2**attempt / 4, 5))
                continue
            if answer.status_code in {429, 503}:
                await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
                continue
            if answer.is_success:
                found: dict[str, Any] = answer.json()
                return found
            raise DiallerError(f"The server refuses {path}: {_detail(answer)}")
        raise DiallerError("The server is too busy: nothing was answered.")


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"
