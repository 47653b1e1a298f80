"""Spending limits: what each bounds, over which local days, and how much room it leaves.

An account has at most one cap of each kind, and one budget for each campaign. A window is a day,
a week from Monday, a calendar month, or the whole life of a campaign, always in the account's
own days. Must not know holds, pauses or where anything is stored. Amounts are micros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from billing.errors import InputError
from billing.limits import limit
from billing.periods import FIRST_DAY, Period, day_period, month_of, week_of
from billing.records import record

LARGEST_CAP_MICROS = 10**15
MOST_BUDGETS = 1_000
REST_SHARE = 20  # a rest is less than one part in so many
LONGEST_OVERRIDE = timedelta(days=31)
SUGGESTED_DAILY_UNITS = 5  # of the currency: what a development account is offered as a daily cap


class CapKind(StrEnum):
    """What a cap bounds; in the order in which a request is held against them."""

    PER_CALL = "per_call"
    CAMPAIGN = "campaign"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"

    @property
    def label(self) -> str:
        """The name people see (second seed: Spending Limits)."""
        return _LABELS[self]


_LABELS = {
    CapKind.PER_CALL: "Per-call cap",
    CapKind.CAMPAIGN: "Campaign budget",
    CapKind.DAILY: "Daily spending cap",
    CapKind.WEEKLY: "Weekly spending cap",
    CapKind.MONTHLY: "Monthly spending cap",
}
ACCOUNT_KINDS = (CapKind.DAILY, CapKind.WEEKLY, CapKind.MONTHLY)  # of which each has a window


class Inbound(StrEnum):
    """What happens to inbound calls when the balance is exhausted."""

    CONTINUE = "continue"
    STOP = "stop"


class Window(NamedTuple):
    """What a counter counts: one kind of span, its first local day, and a campaign if it has one.

    ``kind``: the kind of cap that bounds it. A campaign's span has no end and starts on
    ``FIRST_DAY``.
    """

    kind: CapKind
    start_on: date
    campaign: str = ""

    @property
    def ends_on(self) -> date | None:
        """The local day on which the next one begins; none for a campaign."""
        find = _SPANS.get(self.kind)
        return find(self.start_on).end if find else None


_SPANS = {CapKind.DAILY: day_period, CapKind.WEEKLY: week_of, CapKind.MONTHLY: month_of}


def span_of(window: Window) -> Period | None:
    """The local days of a window; none for a campaign, which has no end."""
    find = _SPANS.get(window.kind)
    return find(window.start_on) if find else None


@lru_cache(maxsize=4_096)  # asked several times for each decision and charge
def windows_of(day: date, campaign: str | None) -> tuple[Window, ...]:
    """Every window in which something on a local day counts, in the order of ``CapKind``."""
    spans = tuple(Window(kind, find(day).start) for kind, find in _SPANS.items())
    return (Window(CapKind.CAMPAIGN, FIRST_DAY, campaign), *spans) if campaign else spans


@dataclass(frozen=True, slots=True)
class Cap:
    """One spending limit. ``is_hard``: it denies and pauses; a soft one only warns.

    ``limit_micros``: of a per-call cap it may be none if ``limit_seconds`` is given. ``campaign``:
    a budget's. A limit of 0 lets nothing through.
    """

    kind: CapKind
    limit_micros: int | None
    limit_seconds: int | None = None
    campaign: str = ""
    is_hard: bool = True
    is_on: bool = True

    @property
    def key(self) -> tuple[CapKind, str]:
        """Which limit of an account it is."""
        return self.kind, self.campaign


@dataclass(frozen=True, slots=True)
class Override:
    """Leave to go over one cap, with a reason, until an instant.

    ``limit_micros``: up to how much in the cap's window; none: as much as it takes.
    ``ended_at``: when somebody took it back.
    """

    id: str
    kind: CapKind
    campaign: str
    reason: str
    actor: str
    starts_at: datetime
    ends_at: datetime
    limit_micros: int | None = None
    ended_at: datetime | None = None

    def holds_at(self, at: datetime) -> bool:
        """Whether it is in force at an instant."""
        return self.starts_at <= at < (self.ended_at or self.ends_at)


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything that is set for one account. ``version`` grows with each change.

    ``is_on``: the master switch; off, nothing is denied and nothing paused, counters go on.
    """

    caps: tuple[Cap, ...] = ()
    overrides: tuple[Override, ...] = ()
    is_on: bool = True
    inbound: Inbound = Inbound.CONTINUE
    version: int = 0
    # Those that are in force: a decision asks for several, and there may be a thousand budgets.
    _in_force: Mapping[tuple[CapKind, str], Cap] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        in_force = {cap.key: cap for cap in self.caps if cap.is_on and self.is_on}
        object.__setattr__(self, "_in_force", in_force)

    def cap(self, kind: CapKind, campaign: str = "") -> Cap | None:
        """A cap that is switched on, while limits are."""
        return self._in_force.get((kind, campaign))

    def ceiling(self, window: Window, at: datetime) -> int | None:
        """Up to how much a window may be filled at an instant; none: as much as it takes."""
        cap = self.cap(window.kind, window.campaign)
        if cap is None or not cap.is_hard or cap.limit_micros is None:
            return None
        override = self.override(window, at)
        if override is None:
            return cap.limit_micros
        if override.limit_micros is None:
            return None
        return max(cap.limit_micros, override.limit_micros)

    def override(self, window: Window, at: datetime) -> Override | None:
        """What is in force over a window's cap; the newest of several."""
        if not self.overrides:
            return None
        valid = [
            each for each in self.overrides
            if (each.kind, each.campaign) == (window.kind, window.campaign) and each.holds_at(at)
        ]  # fmt: skip
        return max(valid, key=lambda each: (each.starts_at, each.id), default=None)

    def soft_limit(self, window: Window) -> int | None:
        """From how much on a window only warns; none without such a cap."""
        cap = self.cap(window.kind, window.campaign)
        return cap.limit_micros if cap is not None and not cap.is_hard else None

    @property
    def budgets(self) -> tuple[Cap, ...]:
        """The campaigns' caps, switched on or off."""
        return tuple(cap for cap in self.caps if cap.kind is CapKind.CAMPAIGN)


@record()
class Counted:
    """What a window has: spent, and reserved by open holds.

    ``least_micros``: the least that was asked for in vain when the window was nearly full.
    """

    spent_micros: int = 0
    reserved_micros: int = 0
    least_micros: int | None = None

    @property
    def used_micros(self) -> int:
        """What no further hold may use."""
        return self.spent_micros + self.reserved_micros

    def plus(self, spent: int, reserved: int) -> Counted:
        """The same after so much more was spent and reserved."""
        return Counted(self.spent_micros + spent, self.reserved_micros + reserved,
                       self.least_micros)  # fmt: skip

    def is_full(self, ceiling_micros: int) -> bool:
        """Whether it is spent, but for a rest that has been too small for a request.

        Who asks before the work never spends a limit to its last micro. A rest of a twentieth or
        more isn't one: then a single request was too large, and others go on. Holds that are
        open may yet come back, so they don't count.
        """
        left = ceiling_micros - self.spent_micros
        is_rest = self.least_micros is not None and left < self.least_micros
        return left <= 0 or (is_rest and left * REST_SHARE < ceiling_micros)


Counts = Mapping[Window, Counted]
NOTHING = Counted()


def check_caps(caps: Sequence[Cap]) -> tuple[Cap, ...]:
    """Caps as somebody sets them, in a steady order.

    Errors: ``InputError`` for a limit that is missing, out of bounds, named twice, or of a kind
    that takes none of it.
    """
    seen: set[tuple[CapKind, str]] = set()
    for cap in caps:
        if cap.key in seen:
            raise InputError("caps", cap.campaign or cap.kind.value, "set each limit once")
        seen.add(cap.key)
        _check_shape(cap)
        if cap.limit_micros is not None and not 0 <= cap.limit_micros <= LARGEST_CAP_MICROS:
            fix = f"use an amount from 0 to {LARGEST_CAP_MICROS:,} micros"
            raise InputError("limit_micros", cap.limit_micros, fix)
    if sum(cap.kind is CapKind.CAMPAIGN for cap in caps) > MOST_BUDGETS:
        raise InputError("campaigns", len(caps), f"set at most {MOST_BUDGETS:,} campaign budgets")
    order = list(CapKind)
    return tuple(sorted(caps, key=lambda cap: (order.index(cap.kind), cap.campaign)))


def _check_shape(cap: Cap) -> None:
    is_call, is_budget = cap.kind is CapKind.PER_CALL, cap.kind is CapKind.CAMPAIGN
    if is_budget != bool(cap.campaign):
        fix = "name the campaign of a budget" if is_budget else "name a campaign only for a budget"
        raise InputError("campaign", cap.campaign, fix)
    if len(cap.campaign) > limit("name") or not (cap.campaign or "-").isprintable():
        raise InputError("campaign", cap.campaign, "use 1 to 255 printable characters")
    if cap.limit_seconds is not None:
        if not is_call:
            raise InputError("limit_seconds", cap.limit_seconds, "only calls last: leave it out")
        if not 1 <= cap.limit_seconds <= limit("call"):
            raise InputError(
                "limit_seconds", cap.limit_seconds, f"use 1 to {limit('call'):,} seconds"
            )
    if cap.limit_micros is None and cap.limit_seconds is None:
        needed = "an amount, seconds or both" if is_call else "an amount"
        raise InputError("limit_micros", "", f"give the {cap.kind.label.lower()} {needed}")


def check_override(override: Override, caps: Limits, now: datetime, longest: datetime) -> Override:
    """An override as somebody asks for it, its reason trimmed.

    ``longest``: until when it may hold at most. Errors: ``InputError``.
    """
    reason = override.reason.strip()
    if not reason or len(reason) > limit("name") or not reason.isprintable():
        raise InputError("reason", override.reason, "say why in 1 to 255 printable characters")
    if not now < override.ends_at <= longest:
        fix = f"use an instant after now and up to {longest.isoformat()}"
        raise InputError("until", override.ends_at.isoformat(), fix)
    cap = caps.cap(override.kind, override.campaign)
    least = cap.limit_micros if cap else None
    if override.limit_micros is not None and not (
        (least or 0) < override.limit_micros <= LARGEST_CAP_MICROS
    ):
        fix = f"use more than the cap, {least or 0:,} micros, or leave it out for no bound"
        raise InputError("limit_micros", override.limit_micros, fix)
    return replace(override, reason=reason)
