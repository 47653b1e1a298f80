"""Auto-recharge: when a wallet is topped up by itself, by how much, and what a gateway answers.

Pure rules and the port of a payment gateway. Must not know how a gateway is reached, where tries
are kept or who is told. Amounts are micros of the account's currency; a gateway takes only whole
smallest units of it (cents), so what is asked for is rounded up to those.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from billing.access import Role
from billing.errors import InputError, NotAllowedError, ProductError
from billing.money import MICRO_DECIMALS, currency_decimals
from billing.movements import LARGEST_MICROS

LONGEST_REASON = 255
# After the first, second, … decline one after another; the last goes on for ever.
DECLINE_DELAYS = (
    timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4), timedelta(hours=24),
)  # fmt: skip
# After the first, second, … time that nothing was answered.
ASK_AGAIN_DELAYS = (
    timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15),
    timedelta(hours=1),
)  # fmt: skip
UNANSWERED_AFTER = timedelta(minutes=15)  # of a charge; then the owner is told
QUIET_AFTER = timedelta(minutes=10)  # a charge that is unknown by then was never received
_MAY_CHANGE = frozenset({Role.OWNER, Role.ADMIN})
_MAY_SEE = _MAY_CHANGE | {Role.SUPPORT}


class RechargeMode(StrEnum):
    """How much is topped up."""

    FIXED = "fixed_amount"
    TARGET = "to_target"  # up to a balance


@dataclass(frozen=True, slots=True)
class RechargeSettings:
    """What an account has set. ``amount_micros``: to add, or the balance to reach.

    ``method``: a way to pay that the gateway knows. ``version`` grows with each change; 0: none
    was ever made.
    """

    is_on: bool = False
    threshold_micros: int = 0
    mode: RechargeMode = RechargeMode.FIXED
    amount_micros: int = 0
    daily_ceiling_micros: int = 0
    method: str = ""
    version: int = 0


class RechargeState(StrEnum):
    """How far a top-up came."""

    WAITING = "waiting"  # the gateway wasn't asked yet
    SENT = "sent"  # it was asked; what it did isn't known
    DONE = "done"  # paid, and in the wallet
    DECLINED = "declined"
    DROPPED = "dropped"  # not wanted any more before anything was paid


IN_FLIGHT = (RechargeState.WAITING, RechargeState.SENT)


@dataclass(frozen=True, slots=True)
class Recharge:
    """One try. Its ``id`` is the reference under which the gateway knows it.

    ``posted_micros``: the balance that made it due. ``counted_on``: the local day in whose ceiling
    it counts, that of the last time the gateway was asked to charge. ``next_at``: when it is taken
    on. ``reason``: why it was declined, dropped or isn't answered.
    """

    id: str
    account_id: str
    version: int
    state: RechargeState
    amount_micros: int
    method: str
    posted_micros: int
    threshold_micros: int
    asked_at: datetime
    attempt_count: int = 0
    sent_at: datetime | None = None
    next_at: datetime | None = None
    done_at: datetime | None = None
    entry_id: str | None = None
    payment_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Tries:
    """What was tried, as far as it decides about the next top-up.

    ``counted_micros``: of the local day, paid or in flight. ``decline_count``: one after another,
    since the last that was paid or the last change of the settings; after many within a day
    changes don't begin anew.
    """

    in_flight_micros: int = 0
    counted_micros: int = 0
    decline_count: int = 0
    declined_at: datetime | None = None


class Wait(StrEnum):
    """Why nothing is topped up now."""

    OFF = "off"
    IN_FLIGHT = "in_flight"
    ENOUGH = "enough"
    IMPORTING = "importing"
    DECLINED = "declined"  # until a while after a decline
    CEILING = "ceiling"  # as much as a day allows


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a top-up is due: then its amount and no ``wait``. ``next_at``: when a wait ends."""

    amount_micros: int = 0
    wait: Wait | None = None
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Now:
    """The moment that is decided about. ``day_ends_at``: of the account's local day."""

    posted_micros: int
    at: datetime
    day_ends_at: datetime
    is_importing: bool = False


class SettingsChangedError(ProductError):
    """Somebody changed the settings since they were read."""

    code = "changed"


def may_change(role: Role) -> bool:
    """Whether a role may set auto-recharge (RULES: who may)."""
    return role in _MAY_CHANGE


def may_see(role: Role) -> bool:
    """Whether a role is shown what is set and what was tried."""
    return role in _MAY_SEE


def require_change(role: Role) -> None:
    """Refuses a change to a role that may not; ``NotAllowedError`` says who may."""
    if not may_change(role):
        raise NotAllowedError(
            f"The role {role.value} may not set auto-recharge: ask the owner or an administrator."
        )


def require_sight(role: Role) -> None:
    """Refuses sight to a role that may not; ``NotAllowedError`` says who may."""
    if not may_see(role):
        raise NotAllowedError(
            f"The role {role.value} may not see auto-recharge: ask the owner or an administrator."
        )


def check_settings(
    settings: RechargeSettings, currency: str, methods: Iterable[PaymentMethod]
) -> RechargeSettings:
    """The settings with the gateway's first method where none is named, if they can be.

    What is off may be empty. Errors: ``InputError`` names ``threshold_micros``, ``amount_micros``,
    ``daily_ceiling_micros`` or ``method``.
    """
    known = tuple(each.id for each in methods)
    if settings.method and settings.method not in known:
        raise InputError("method", settings.method, f"use one of {', '.join(known)}")
    settings = replace(settings, method=settings.method or known[0])
    threshold, amount = settings.threshold_micros, settings.amount_micros
    given = (
        ("threshold_micros", threshold), ("amount_micros", amount),
        ("daily_ceiling_micros", settings.daily_ceiling_micros),
    )  # fmt: skip
    step = step_of(currency)
    for field, micros in given:
        least = step if settings.is_on else 0
        if not least <= micros <= LARGEST_MICROS:
            raise InputError(field, micros, "use an amount above zero, at most 1,000,000,000")
        if micros % step and field != "threshold_micros":
            decimals = currency_decimals(currency)
            fix = f"use at most {decimals} decimals: a payment is of whole {currency} units"
            raise InputError(field, micros, fix if decimals else f"use whole {currency}")
    if settings.is_on:
        _check_sizes(settings, step)
    return settings


def _check_sizes(settings: RechargeSettings, step: int) -> None:
    """Whether the amounts fit each other: a top-up must be possible at all."""
    amount, needed = settings.amount_micros, settings.amount_micros
    if settings.mode is RechargeMode.TARGET:
        if amount <= settings.threshold_micros:
            raise InputError("amount_micros", amount, "use a target above the threshold")
        needed = _up(amount - settings.threshold_micros, step)
    if settings.daily_ceiling_micros < needed:
        raise InputError(
            "daily_ceiling_micros", settings.daily_ceiling_micros,
            "use at least what one top-up takes: the amount, or from the threshold to the target",
        )  # fmt: skip


def step_of(currency: str) -> int:
    """The smallest unit of a currency that a payment can be of, in micros."""
    step: int = 10 ** (MICRO_DECIMALS - currency_decimals(currency))
    return step


def due(settings: RechargeSettings, now: Now, tries: Tries, currency: str) -> Verdict:
    """Whether a top-up is due, of how much, or what it waits for.

    To a target the last one of a day may be less than it takes, so that the ceiling is kept.
    """
    if not settings.is_on:
        return Verdict(wait=Wait.OFF)
    if tries.in_flight_micros:
        return Verdict(wait=Wait.IN_FLIGHT)
    if now.posted_micros >= settings.threshold_micros:
        return Verdict(wait=Wait.ENOUGH)
    if now.is_importing:
        return Verdict(wait=Wait.IMPORTING)
    again_at = next_try_at(tries)
    if again_at is not None and again_at > now.at:
        return Verdict(wait=Wait.DECLINED, next_at=again_at)
    step = step_of(currency)
    left = settings.daily_ceiling_micros - tries.counted_micros
    amount = settings.amount_micros
    if settings.mode is RechargeMode.TARGET:
        amount = min(_up(amount - now.posted_micros, step), left - left % step)
    if not 0 < amount <= left:
        return Verdict(wait=Wait.CEILING, next_at=now.day_ends_at)
    return Verdict(amount)


def next_try_at(tries: Tries) -> datetime | None:
    """When declines let another try through; none: they don't keep it."""
    if not tries.decline_count or tries.declined_at is None:
        return None
    place = min(tries.decline_count, len(DECLINE_DELAYS)) - 1
    return tries.declined_at + DECLINE_DELAYS[place]


def ask_again_at(attempt_count: int, now: datetime) -> datetime:
    """When the gateway is asked again what became of a charge, after so many times."""
    place = min(max(attempt_count, 1), len(ASK_AGAIN_DELAYS)) - 1
    return now + ASK_AGAIN_DELAYS[place]


def keeps_from(
    recharge: Recharge, settings: RechargeSettings, now: Now, others: Tries, currency: str
) -> Wait | None:
    """What keeps a top-up in flight from being charged now; none: the gateway may be asked.

    ``others``: without this one. One of other settings is ``OFF``: what they say now decides.
    """
    if settings.version != recharge.version:
        return Wait.OFF
    verdict = due(settings, now, others, currency)
    if verdict.wait is not None:
        return verdict.wait
    left = settings.daily_ceiling_micros - others.counted_micros
    return None if recharge.amount_micros <= left else Wait.CEILING


def has_arrived_or_never(recharge: Recharge, at: datetime) -> bool:
    """Whether a charge that the gateway doesn't know can't reach it any more."""
    return recharge.sent_at is None or at - recharge.sent_at >= QUIET_AFTER


def _up(micros: int, step: int) -> int:
    return -(-micros // step) * step


# --- the gateway -----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """A way to pay. ``label``: as people read it. ``is_test``: no money is moved by it."""

    id: str
    label: str
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Charge:
    """What a gateway is asked to take from whom. ``reference``: ours, unique for ever."""

    reference: str
    account_id: str
    method: str
    amount_micros: int
    currency: str


@dataclass(frozen=True, slots=True)
class Charged:
    """The whole amount was taken. ``payment_id``: the gateway's own."""

    payment_id: str


@dataclass(frozen=True, slots=True)
class Declined:
    """Nothing was taken, for good: this reference is declined for ever."""

    reason: str


class UnansweredError(ProductError):
    """The gateway didn't answer in time: whether it took the amount isn't known."""

    code = "unanswered"


class Gateway(Protocol):
    """Takes payments. Asked again with the same reference it gives the first answer."""

    @property
    def methods(self) -> tuple[PaymentMethod, ...]:
        """The ways to pay, the usual one first."""
        ...

    def charge(self, charge: Charge) -> Charged | Declined:
        """Takes the amount once for each reference; ``UnansweredError`` when that isn't known."""
        ...

    def find(self, reference: str) -> Charged | Declined | None:
        """What became of a charge; none: it isn't known. ``UnansweredError``."""
        ...


# --- what people see -------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class RechargeStanding:
    """What is set, what it does now, and the newest tries first.

    ``charged_today_micros``: of the local day, paid or in flight.
    """

    settings: RechargeSettings
    verdict: Verdict
    charged_today_micros: int
    recent: tuple[Recharge, ...]
    methods: tuple[PaymentMethod, ...]
    as_of: datetime


@dataclass(frozen=True, slots=True)
class RechargePage:
    """Tries, newest first; ``next_cursor`` is opaque, none at the end."""

    recharges: tuple[Recharge, ...]
    next_cursor: str | None
