"""What holds, caps and pauses must come to, in plain dicts, written from the rules alone.

It never imports the product: a mistake of the product can't be repeated here. Amounts are micros,
windows are ``(kind, first day, campaign)``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Window = tuple[str, date, str]
PERIODS = ("daily", "weekly", "monthly")
ALWAYS = date(1990, 1, 1)
LONGEST_CALL = 86_400
MESSAGE_MINUTES, GRACE_MINUTES = 15, 10
FLAGS = {"expired": "late_settle", "released": "after_release", "settled": "second_settle"}


@dataclass(frozen=True)
class Price:
    """What work of one kind costs: ``once``, and ``price`` for ``size`` units or seconds."""

    price: int
    once: int = 0
    size: int = 1
    minimum: int = 1
    increment: int = 1
    fee: int = 0
    is_call: bool = False

    def billed(self, seconds: int) -> int:
        found = self.minimum
        while found < seconds:
            found += self.increment
        return found

    def cost(self, amount: int) -> int:
        units = self.billed(amount) if self.is_call else amount
        return self.once + self.fee + (2 * units * self.price + self.size) // (2 * self.size)

    def most_for(self, money: int, wanted: int) -> int:
        """The longest call, or all of the units, that the money pays for."""
        if self.cost(wanted) <= money:
            return wanted
        if not self.is_call:
            return 0
        found, seconds = 0, self.minimum
        while seconds < wanted and self.cost(seconds) <= money:
            found, seconds = seconds, seconds + self.increment
        return found


@dataclass
class Held:
    """One hold that was allowed."""

    kind: str
    campaign: str
    price: Price
    held: int
    amount: int
    decided_at: datetime
    cap_on: date
    state: str = "open"

    @property
    def expires_at(self) -> datetime:
        if self.price.is_call:
            return self.decided_at + timedelta(seconds=self.amount, minutes=GRACE_MINUTES)
        return self.decided_at + timedelta(minutes=MESSAGE_MINUTES)


@dataclass
class Oracle:
    """One account. ``caps`` by (kind, campaign): limit, seconds, hard, on."""

    zone: str
    now: datetime
    prices: dict[str, Price]
    posted: int = 0
    had_entry: bool = False
    caps: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    overrides: list[dict[str, Any]] = field(default_factory=list)
    is_on: bool = True
    inbound: str = "continue"
    holds: dict[str, Held] = field(default_factory=dict)
    spent: dict[Window, int] = field(default_factory=lambda: defaultdict(int))
    vain: dict[Window, int] = field(default_factory=dict)  # the least that didn't fit

    # --- days and windows ------------------------------------------------------------------
    @property
    def today(self) -> date:
        return self.now.astimezone(ZoneInfo(self.zone)).date()

    @staticmethod
    def windows(day: date, campaign: str) -> list[Window]:
        """In the order in which a request is held against them."""
        monday = day - timedelta(days=day.weekday())
        found = [("daily", day, ""), ("weekly", monday, ""), ("monthly", day.replace(day=1), "")]
        return [("campaign", ALWAYS, campaign), *found] if campaign else found

    def ends(self, window: Window) -> datetime | None:
        kind, start, _ = window
        if kind == "campaign":
            return None
        end = start + timedelta(days=1 if kind == "daily" else 7)
        if kind == "monthly":
            end = (start + timedelta(days=31)).replace(day=1)
        midnight = datetime.combine(end, time(), tzinfo=ZoneInfo(self.zone))
        return midnight.astimezone(UTC)  # of two midnights the first

    def reserved(self, window: Window) -> int:
        return sum(
            each.held for each in self.holds.values()
            if each.state == "open" and window in self.windows(each.cap_on, each.campaign)
        )  # fmt: skip

    @property
    def all_reserved(self) -> int:
        return sum(each.held for each in self.holds.values() if each.state == "open")

    # --- limits ------------------------------------------------------------------------------
    def cap(self, kind: str, campaign: str = "") -> dict[str, Any] | None:
        found = self.caps.get((kind, campaign))
        return found if found and found["on"] and self.is_on else None

    def ceiling(self, window: Window) -> int | None:
        kind, _, campaign = window
        cap = self.cap(kind, campaign)
        if cap is None or not cap["hard"] or cap["limit"] is None:
            return None
        valid = [
            each for each in self.overrides
            if each["key"] == (kind, campaign) and each["from"] <= self.now < each["to"]
        ]  # fmt: skip
        if not valid:
            return int(cap["limit"])
        newest = max(valid, key=lambda each: each["from"])  # of one instant, the last one
        newest = [each for each in valid if each["from"] == newest["from"]][-1]
        return None if newest["limit"] is None else max(cap["limit"], newest["limit"])

    def due(self) -> dict[tuple[str, str], tuple[date | None, int]]:
        """What is to stand still now, by rule and campaign: the window's day and the limit."""
        found: dict[tuple[str, str], tuple[date | None, int]] = {}
        if self.posted < 0 or (self.posted == 0 and self.had_entry):
            found["balance", ""] = (None, self.posted)
        campaigns = [campaign for kind, campaign in self.caps if kind == "campaign"]
        present = self.windows(self.today, "")
        for window in present + [("campaign", ALWAYS, campaign) for campaign in campaigns]:
            ceiling = self.ceiling(window)
            if ceiling is not None and self.is_full(window, ceiling):
                found[window[0], window[2]] = (window[1], ceiling)
        return found

    def is_full(self, window: Window, ceiling: int) -> bool:
        left = ceiling - self.spent[window]
        return left <= 0 or (left * 20 < ceiling and left < self.vain.get(window, 0))

    def is_paused(self, kind: str, campaign: str) -> bool:
        due = self.due()
        if kind == "call.inbound":
            return ("balance", "") in due and self.inbound == "stop"
        return any(named in {"", campaign} for _, named in due)

    # --- decisions ---------------------------------------------------------------------------
    def expire(self) -> None:
        """Gives back what outlived its time."""
        for each in self.holds.values():
            if each.state == "open" and each.expires_at <= self.now:
                each.state = "expired"

    def authorize(
        self, kind: str, wanted: int | None, campaign: str, to: str | None
    ) -> dict[str, Any]:
        """The decision, its figures, and a hold to keep under the answer's id."""
        if kind == "voicemail.ringless":
            return denied("plan")
        if self.is_paused(kind, campaign):
            return denied("paused")
        if kind == "call.human" and not (to or "").startswith("1"):
            return denied("unknown_destination")
        price = self.prices[kind]
        answer = self._decide(kind, wanted or (600 if price.is_call else 1), campaign, price,
                              self.windows(self.today, campaign), 0, 0)  # fmt: skip
        if answer["decision"] == "allowed":
            answer["hold"] = Held(
                kind, campaign, price, answer["held"], answer["amount"], self.now, self.today
            )
        for window in self.windows(self.today, campaign):
            if answer.get("rule") == window[0]:
                left, least = answer["limit"] - self.spent[window], price.cost(1)
                if left < least and left * 20 < answer["limit"]:
                    self.vain[window] = least
        return answer

    def extend(self, hold: Held, seconds: int) -> dict[str, Any]:
        """The decision about more seconds; an allowed one is in the hold."""
        if self.is_paused(hold.kind, hold.campaign):
            return denied("paused")
        answer = self._decide(
            hold.kind, min(hold.amount + seconds, LONGEST_CALL), hold.campaign, hold.price,
            self.windows(hold.cap_on, hold.campaign), hold.held, hold.amount,
        )  # fmt: skip
        if answer["decision"] == "allowed":
            hold.held, hold.amount = hold.held + answer["held"], answer["amount"]
            answer["held"] = hold.held
        return answer

    def _decide(
        self, kind: str, wanted: int, campaign: str, price: Price, windows: list[Window],
        held: int, had: int,
    ) -> dict[str, Any]:  # fmt: skip
        amount = min(price.billed(wanted), LONGEST_CALL) if price.is_call else wanted
        available = self.posted - self.all_reserved
        is_bound = kind != "call.inbound"
        is_free_to_come = not is_bound and self.inbound == "continue"
        if not is_free_to_come:
            amount = price.most_for(held + available, amount)
            if amount <= had:
                return denied("balance", 0, self.all_reserved, self.posted)
        cap = self.cap("per_call")
        if price.is_call and cap is not None and cap["hard"]:
            amount = min(amount, cap["seconds"] or amount)
            if cap["limit"] is not None:
                amount = price.most_for(cap["limit"], amount)
            if amount <= had:
                return denied("per_call", 0, held, cap["limit"])
        for window in windows if is_bound else []:
            ceiling, spent, reserved = self.ceiling(window), self.spent[window], 0
            if ceiling is not None:
                reserved = self.reserved(window)
                amount = price.most_for(held + ceiling - spent - reserved, amount)
                if amount <= had:
                    return denied(window[0], spent, reserved, ceiling, self.ends(window))
        micros = max(0, price.cost(amount) - held)
        if is_free_to_come:
            micros = min(micros, max(0, available))
        return {
            "decision": "allowed", "held": micros, "amount": amount,
            "warned": [
                window[0] for window in windows
                if (soft := self.cap(window[0], window[2])) and not soft["hard"]
                and self.spent[window] + self.reserved(window) + micros > soft["limit"]
            ],
        }  # fmt: skip

    # --- what happened -----------------------------------------------------------------------
    def charge(self, hold: Held | None, cost: int, campaign: str) -> str | None:
        """An event's cost, settling its hold if that is open; gives the flag of its lines."""
        flag, day, named = None, self.today, campaign
        if hold is not None:
            if hold.state == "open" and hold.expires_at <= self.now:
                hold.state = "expired"
            flag = FLAGS.get(hold.state)
            if hold.state == "open":
                hold.state, flag = "settled", "over_hold" if cost > hold.held else None
            day, named = hold.cap_on, campaign or hold.campaign
        self.spend(day, named, cost)
        return flag

    def spend(self, day: date, campaign: str, micros: int) -> None:
        """A charge, or below zero a reversal, on the day on which it counts for caps."""
        for window in self.windows(day, campaign):
            self.spent[window] += micros
        self.posted -= micros
        self.had_entry = self.had_entry or micros != 0

    def credit(self, micros: int) -> None:
        self.posted += micros
        self.had_entry = True


def denied(
    rule: str, spent: int = 0, reserved: int = 0, limit: int | None = None,
    resets_at: datetime | None = None,
) -> dict[str, Any]:  # fmt: skip
    return {
        "decision": "denied", "rule": rule, "spent": spent, "reserved": reserved, "limit": limit,
        "resets_at": resets_at,
    }  # fmt: skip
