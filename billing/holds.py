"""Holds: whether work may begin, how much money is set aside for it, and for how long that lasts.

A decision is made before the work from what the account has and what its caps leave, in one
order, by rules that know neither databases nor time. A call gets as many seconds as the money
pays for, rounded down to the rate's increments; a message is held whole or not at all.
Amounts are micros of the account's currency.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum

from billing.caps import Counted, Inbound, Window
from billing.errors import InputError
from billing.limits import limit
from billing.metrics import METRIC_BY_ID
from billing.plans import Plan
from billing.rates import Rate, RateBook, UnknownDestinationError
from billing.rating import MOST_SEGMENTS, WHATSAPP_MESSAGES_SINCE
from billing.records import record

DEFAULT_SECONDS = 600
CALL_GRACE = timedelta(minutes=10)  # for which a hold outlives what it pays for
MESSAGE_LIFE = timedelta(minutes=15)


class HoldKind(StrEnum):
    """What work a hold is for."""

    CALL_AI = "call.ai"
    CALL_AI_PREMIUM = "call.ai_premium"
    CALL_HUMAN = "call.human"
    CALL_INBOUND = "call.inbound"
    SMS = "sms"
    SMS_AI_REPLY = "sms.ai_reply"
    WHATSAPP = "whatsapp"
    VOICEMAIL_DROP = "voicemail.drop"
    VOICEMAIL_RINGLESS = "voicemail.ringless"

    @property
    def is_call(self) -> bool:
        """Whether it lasts: then seconds are held, else units."""
        return self in _TALK

    @property
    def is_outbound(self) -> bool:
        """Whether pauses and caps keep it from happening."""
        return self is not HoldKind.CALL_INBOUND


# What is charged once, and by the second, for each kind of call.
_TALK = {
    HoldKind.CALL_AI: ("ai_dial_attempts", "ai_connected_minutes"),
    HoldKind.CALL_AI_PREMIUM: ("ai_dial_attempts", "ai_premium_connected_minutes"),
    HoldKind.CALL_HUMAN: ("human_dial_attempts", "human_connected_minutes"),
    HoldKind.CALL_INBOUND: (None, "inbound_minutes"),
}
_COUNTED = {
    HoldKind.SMS: "sms_credits",
    HoldKind.SMS_AI_REPLY: "ai_sms_replies",
    HoldKind.VOICEMAIL_DROP: "voicemail_drops",
    HoldKind.VOICEMAIL_RINGLESS: "ringless_voicemail",
}


def metrics_of(kind: HoldKind, day: date) -> tuple[str, ...]:
    """The metrics that work of a kind uses on a local day."""
    if kind.is_call:
        once, by_second = _TALK[kind]
        return (once, by_second) if once else (by_second,)
    if kind is HoldKind.WHATSAPP:
        unit = "messages" if day >= WHATSAPP_MESSAGES_SINCE else "conversations"
        return (f"whatsapp_{unit}",)
    return (_COUNTED[kind],)


class HoldState(StrEnum):
    """What became of a request for a hold."""

    DENIED = "denied"
    OPEN = "open"
    SETTLED = "settled"
    RELEASED = "released"
    EXPIRED = "expired"


class Rule(StrEnum):
    """Why a hold was denied, in the order in which the rules are asked."""

    PLAN = "plan"
    PAUSED = "paused"
    UNKNOWN_DESTINATION = "unknown_destination"
    BALANCE = "balance"
    PER_CALL = "per_call"
    CAMPAIGN = "campaign"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


@record()
class HoldRequest:
    """What somebody wants to do. ``to``: digits with country code, no sign.

    ``amount``: seconds of a call, units of anything else; none: ``DEFAULT_SECONDS`` or one.
    """

    request_id: str
    kind: HoldKind
    campaign: str | None = None
    consumer: str | None = None
    to: str | None = None
    amount: int | None = None

    @property
    def wanted(self) -> int:
        """Seconds or units asked for."""
        return self.amount or (DEFAULT_SECONDS if self.kind.is_call else 1)


def check_request(request: HoldRequest) -> HoldRequest:
    """The request itself. Errors: ``InputError`` for an id or an amount out of bounds."""
    for name in ("request_id", "campaign", "consumer"):
        value = getattr(request, name)
        if value is None and name != "request_id":
            continue
        if not value or len(value) > limit("name") or not value.isprintable():
            fix = f"use 1 to {limit('name')} printable characters"
            raise InputError(name, value or "", fix)
    check_amount(request.kind, request.amount)
    return request


def check_amount(kind: HoldKind, amount: int | None) -> None:
    """Refuses an estimate out of bounds: ``InputError``."""
    most = limit("call") if kind.is_call else MOST_SEGMENTS
    field = "estimate.seconds" if kind.is_call else "estimate.units"
    if amount is not None and not 1 <= amount <= most:
        raise InputError(field, amount, f"use a number from 1 to {most:,}")


@record()
class Quote:
    """What work of one kind costs. ``rate``: of its seconds or units; ``once_micros``: on top."""

    is_call: bool
    rate: Rate
    once_micros: int = 0

    def cost_micros(self, amount: int) -> int:
        """The cost of seconds of talk or of units, with everything that comes with it."""
        if self.is_call:
            fee = self.rate.connect_fee_micros
            return self.once_micros + self.rate.cost_micros(self.rate.billed_seconds(amount), fee)
        return self.once_micros + self.rate.cost_micros(amount)

    def whole(self, amount: int) -> int:
        """The amount that is billed for: seconds in whole increments, up to the longest call."""
        return min(self.rate.billed_seconds(amount), limit("call")) if self.is_call else amount

    def affords(self, micros: int, most: int) -> int:
        """The largest amount up to ``most`` that so much pays for; 0 if not even the least.

        Seconds are whole increments after the minimum, unless all of ``most`` is paid for. Units
        are all or nothing.
        """
        if self.cost_micros(most) <= micros:
            return most
        if not self.is_call or self.cost_micros(1) > micros:
            return 0
        minimum, increment = self.rate.minimum, self.rate.increment
        least, beyond = 0, max(0, most - minimum) // increment + 1
        while beyond - least > 1:  # increments after the minimum: the cost grows with them
            middle = (least + beyond) // 2
            if self.cost_micros(minimum + middle * increment) <= micros:
                least = middle
            else:
                beyond = middle
        return min(most, self.rate.billed_seconds(max(1, minimum + least * increment)))


def quote(kind: HoldKind, number: str | None, rates: RateBook, day: date) -> Quote:
    """What work of a kind to a number costs on a local day.

    Errors: ``UnknownDestinationError``, ``NoRateError``.
    """
    *once, metric = metrics_of(kind, day)
    fixed = sum(rates.find(each, number, day).cost_micros(1) for each in once)
    return Quote(kind.is_call, rates.find(metric, number, day), fixed)


def lacks_plan(kind: HoldKind, plan: Plan, day: date) -> bool:
    """Whether a plan lacks any of what the work uses."""
    return any(plan not in METRIC_BY_ID[each].plans for each in metrics_of(kind, day))


@record()
class Bound:
    """One cap as a decision sees it. ``ceiling_micros`` none: it only warns, or doesn't bind."""

    window: Window
    counted: Counted
    ceiling_micros: int | None
    soft_micros: int | None = None
    resets_at: datetime | None = None


@record()
class Standing:
    """What a decision is made from: everything of the account that bears on one request.

    ``paused_by``: what keeps this request from happening, such as ``daily``; none: nothing.
    ``available_micros``: posted less reserved. ``bounds``: in the order of ``CapKind``.
    """

    posted_micros: int
    reserved_micros: int
    bounds: Sequence[Bound] = ()
    paused_by: str | None = None
    call_micros: int | None = None
    call_seconds: int | None = None
    inbound: Inbound = Inbound.CONTINUE

    @property
    def available_micros(self) -> int:
        """What a hold may take."""
        return self.posted_micros - self.reserved_micros


@record()
class Warning_:  # noqa: N801 - ``Warning`` is Python's own
    """A soft cap that this hold goes over."""

    rule: str
    spent_micros: int
    reserved_micros: int
    limit_micros: int


@record()
class Allowed:
    """The work may begin. ``amount``: seconds it may last, or the units it was asked for."""

    held_micros: int
    amount: int
    warnings: tuple[Warning_, ...] = ()


@record()
class Denied:
    """The work may not begin. The figures are of the rule; ``because`` is for people."""

    rule: Rule
    because: str
    spent_micros: int = 0
    reserved_micros: int = 0
    limit_micros: int | None = None
    resets_at: datetime | None = None


Decision = Allowed | Denied


def decide(
    request: HoldRequest, cost: Quote, standing: Standing, held: int = 0, had: int = 0
) -> Decision:
    """Whether the work may begin, and how much of it; plan and destination were asked before.

    For an extension ``had`` (seconds) and ``held`` (micros) are what the hold has already. The
    request's amount is then the whole of what is wanted, as is the amount that is allowed, and
    the micros are what comes on top.
    """
    if standing.paused_by is not None:
        return Denied(Rule.PAUSED, f"Paused: {standing.paused_by}.")
    amount = cost.whole(request.wanted)
    for rule, most, room, bound in _rooms(request, standing, held, amount):
        amount = cost.affords(room, min(amount, most)) if room is not None else min(amount, most)
        if amount <= had:
            return _denial(rule, standing, held, bound)
    micros = max(0, cost.cost_micros(amount) - held)
    if _comes_anyway(request, standing):
        micros = min(micros, max(0, standing.available_micros))
    return Allowed(micros, amount, tuple(_warnings(standing.bounds, micros)))


def _comes_anyway(request: HoldRequest, standing: Standing) -> bool:
    """Whether it is inbound where nothing keeps that from coming: then it holds what there is."""
    return not request.kind.is_outbound and standing.inbound is Inbound.CONTINUE


def _rooms(
    request: HoldRequest, standing: Standing, held: int, wanted: int
) -> Iterator[tuple[Rule, int, int | None, Bound | None]]:
    """Each rule in order: the most seconds or units, and the money for the whole."""
    if not _comes_anyway(request, standing):
        yield Rule.BALANCE, wanted, held + standing.available_micros, None
    if request.kind.is_call:
        most = min(wanted, standing.call_seconds or wanted)
        yield Rule.PER_CALL, most, standing.call_micros, None
    if not request.kind.is_outbound:
        return
    for bound in standing.bounds:
        if bound.ceiling_micros is not None:
            room = held + bound.ceiling_micros - bound.counted.used_micros
            yield Rule(bound.window.kind.value), wanted, room, bound


def _denial(rule: Rule, standing: Standing, held: int, bound: Bound | None) -> Denied:
    """The answer of the rule that leaves no room, with its figures."""
    if bound is not None:
        counted = bound.counted
        return Denied(
            rule, f"The {bound.window.kind.label.lower()} has no room for it.",
            counted.spent_micros, counted.reserved_micros, bound.ceiling_micros, bound.resets_at,
        )  # fmt: skip
    if rule is Rule.BALANCE:
        return Denied(
            rule, "The available balance doesn't cover it: add credit.",
            reserved_micros=standing.reserved_micros, limit_micros=standing.posted_micros,
        )  # fmt: skip
    return Denied(
        rule, "One call may not cost as much, or last as long.",
        reserved_micros=held, limit_micros=standing.call_micros,
    )  # fmt: skip


def _warnings(bounds: Sequence[Bound], micros: int) -> Iterator[Warning_]:
    for bound in bounds:
        counted = bound.counted
        if bound.soft_micros is not None and counted.used_micros + micros > bound.soft_micros:
            yield Warning_(
                bound.window.kind.value, counted.spent_micros, counted.reserved_micros + micros,
                bound.soft_micros,
            )  # fmt: skip


def hold_ends_at(kind: HoldKind, amount: int, held_at: datetime) -> datetime:
    """When a hold that nobody settles is released."""
    if kind.is_call:
        return held_at + timedelta(seconds=amount) + CALL_GRACE
    return held_at + MESSAGE_LIFE


def unknown_destination(error: UnknownDestinationError) -> Denied:
    """The denial of a number that no price covers."""
    return Denied(Rule.UNKNOWN_DESTINATION, error.message)


def plan_denial(kind: HoldKind, plan: Plan) -> Denied:
    """The denial of work that the account's plan lacks."""
    return Denied(Rule.PLAN, f"{kind.value} is not part of the {plan.label} plan.")
