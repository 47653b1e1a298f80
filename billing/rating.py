"""From an event to its lines: which metrics it touches, how many units, at what cost.

Rated once, rounded once. A line here has no identity yet: the ledger gives it one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from billing.errors import InputError, ProductError
from billing.events import (
    CHARGED_STATUSES,
    AgentHoursEvent,
    CallEvent,
    MeteredEvent,
    RentalEvent,
    SmsEvent,
    UsageEvent,
    VoicemailEvent,
    WhatsAppEvent,
)
from billing.metrics import METRIC_BY_ID, Metric, find_metric
from billing.plans import Plan
from billing.rates import Rate, RateBook

LONGEST_CALL_SECONDS = 24 * 3600
MOST_SEGMENTS = 1_000
MOST_UNITS = 1_000_000
MOST_METERED_UNITS = 1_000_000_000  # base units of one event that was counted elsewhere
MOST_METERED_MICROS = 10**15
UNANSWERED = "not answered"
NOT_DELIVERED = "charged when delivered"
PRICED_BY_SENDER = "free by the sender"
# WhatsApp was billed by conversation before this day, and by delivered message since.
WHATSAPP_MESSAGES_SINCE = date(2025, 7, 1)


class PlanLacksError(ProductError):
    """The account's plan doesn't have the metric at that time."""

    code = "plan_lacks"


class LineDraft(NamedTuple):
    """One rated line. ``reason`` says why a line costs nothing; micros and base units exact.

    ``rated_prefix``: the prefix of the rate, which is all of a number that is kept in the clear.
    ``kind``: what the metric doesn't tell, such as a message's purpose or category.
    """

    metric: str
    service: str
    direction: str
    agent: str | None
    status: str
    base_units: int
    cost_micros: int
    reason: str | None = None
    pulses: int = 0
    talk_seconds: int = 0
    rate_id: str | None = None
    connect_fee_micros: int = 0
    rated_prefix: str = ""
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class RatingContext:
    """What rating needs to know of an account on one local day."""

    day: date
    plan: Plan
    rates: RateBook


def rate_event(event: UsageEvent, context: RatingContext) -> tuple[LineDraft, ...]:
    """The lines of one event, at least one, at the prices of its day.

    Errors: ``PlanLacksError``, ``NoRateError``, ``UnknownDestinationError``, ``InputError``.
    """
    rater = _RATERS.get(type(event))
    if rater is None:
        raise InputError("type", type(event).__name__, "use a known event type")
    return rater(event, context)


def _metric(metric_id: str, event: UsageEvent, context: RatingContext) -> Metric:
    metric = METRIC_BY_ID[metric_id]
    # Sandbox usage is rated for show on every plan: it tells what the usage would cost.
    if context.plan not in metric.plans and not event.is_sandbox:
        raise PlanLacksError(
            f"{metric.name} is not part of the {context.plan.label} plan on {context.day}: "
            "change the plan or leave the event out."
        )
    return metric


def _counted_line(
    metric_id: str,
    event: UsageEvent,
    context: RatingContext,
    *,
    units: int = 1,
    status: str,
    agent: str | None = None,
    kind: str | None = None,
) -> LineDraft:
    """A line whose units are simply counted."""
    if not 0 <= units <= MOST_UNITS:
        raise InputError("units", units, f"use a number from 0 to {MOST_UNITS:,}")
    metric = _metric(metric_id, event, context)
    rate = context.rates.find(metric_id, event.counterparty, context.day)
    cost = rate.cost_micros(units)
    return LineDraft(
        metric=metric_id,
        service=metric.service,
        direction=metric.direction,
        agent=agent,
        status=status,
        base_units=units,
        cost_micros=cost,
        reason=_zero_reason(rate, units) if cost == 0 else None,
        rate_id=rate.id,
        rated_prefix=rate.prefix,
        kind=kind,
    )


def _zero_reason(rate: Rate, units: int) -> str:
    if units == 0:
        return UNANSWERED
    return rate.note or "free by this price list"


def _talk_line(metric_id: str, event: CallEvent, context: RatingContext) -> LineDraft:
    """The connected line of a call: billed seconds by the rate's minimum and increment."""
    metric = _metric(metric_id, event, context)
    rate = context.rates.find(metric_id, event.counterparty, context.day)
    if not event.is_answered:
        return LineDraft(
            metric_id, metric.service, event.direction, event.agent, "unanswered", 0, 0,
            reason=event.outcome or UNANSWERED, rate_id=rate.id, rated_prefix=rate.prefix,
        )  # fmt: skip
    billed = rate.billed_seconds(event.duration_seconds)
    cost = rate.cost_micros(billed, rate.connect_fee_micros)
    return LineDraft(
        metric=metric_id,
        service=metric.service,
        direction=event.direction,
        agent=event.agent,
        status="answered",
        base_units=billed,
        cost_micros=cost,
        reason=_zero_reason(rate, billed) if cost == 0 else None,
        pulses=billed // rate.increment,
        talk_seconds=event.duration_seconds,
        rate_id=rate.id,
        rated_prefix=rate.prefix,
        connect_fee_micros=rate.connect_fee_micros,
    )


def _rate_call(event: CallEvent, context: RatingContext) -> tuple[LineDraft, ...]:
    if not 0 <= event.duration_seconds <= LONGEST_CALL_SECONDS:
        raise InputError(
            "duration", event.duration_seconds, "use seconds from 0 to 86,400 (24 hours)"
        )
    if event.direction == "inbound":
        return (_talk_line("inbound_minutes", event, context),)
    status = "answered" if event.is_answered else "unanswered"
    attempt = _counted_line(
        f"{event.agent}_dial_attempts", event, context, status=status, agent=event.agent
    )
    if not event.is_answered:
        return (attempt,)
    is_premium = event.agent == "ai" and event.is_premium
    minutes = "ai_premium" if is_premium else event.agent
    return (attempt, _talk_line(f"{minutes}_connected_minutes", event, context))


def _rate_sms(event: SmsEvent, context: RatingContext) -> tuple[LineDraft, ...]:
    if not 1 <= event.segments <= MOST_SEGMENTS:
        raise InputError("segments", event.segments, f"use a number from 1 to {MOST_SEGMENTS:,}")
    kind = None if event.direction == "inbound" else event.kind
    metric = {None: "inbound_sms", "ai_reply": "ai_sms_replies"}.get(kind, "sms_credits")
    return (
        _counted_line(metric, event, context, units=event.segments, status=event.status, kind=kind),
    )


def _rate_whatsapp(event: WhatsAppEvent, context: RatingContext) -> tuple[LineDraft, ...]:
    is_by_message = context.day >= WHATSAPP_MESSAGES_SINCE
    if (event.unit == "message") != is_by_message:
        unit = "message" if is_by_message else "conversation"
        raise InputError(
            "unit", event.unit,
            f"use {unit}: by conversation before {WHATSAPP_MESSAGES_SINCE}, by message since",
        )  # fmt: skip
    metric, kind = f"whatsapp_{event.unit}s", event.category
    line = _counted_line(metric, event, context, status=event.status, kind=kind)
    if event.unit == "message" and event.status not in CHARGED_STATUSES:
        return (line._replace(base_units=0, cost_micros=0, reason=NOT_DELIVERED),)
    return (line,)


def _rate_voicemail(event: VoicemailEvent, context: RatingContext) -> tuple[LineDraft, ...]:
    metric = "ringless_voicemail" if event.kind == "ringless" else "voicemail_drops"
    return (_counted_line(metric, event, context, status=event.status),)


def _rate_rental(event: RentalEvent, context: RatingContext) -> tuple[LineDraft, ...]:
    return (_counted_line(event.metric, event, context, units=event.units, status="active"),)


def _rate_agent_hours(event: AgentHoursEvent, context: RatingContext) -> tuple[LineDraft, ...]:
    seconds = event.duration_seconds
    return (_counted_line("agent_hours", event, context, units=seconds, status="worked"),)


def _rate_metered(event: MeteredEvent, context: RatingContext) -> tuple[LineDraft, ...]:
    """Units counted elsewhere: as they are, at the list's price or at the sender's own."""
    if not 0 <= event.units <= MOST_METERED_UNITS:
        raise InputError("units", event.units, f"use 0 to {MOST_METERED_UNITS:,} base units")
    metric = _metric(find_metric(event.metric).id, event, context)
    agent = metric.id.split("_")[0] if metric.id.startswith(("ai_", "human_")) else None
    draft = LineDraft(
        metric.id, metric.service, metric.direction, agent, "metered", event.units, 0
    )  # fmt: skip
    if event.cost_micros is not None:
        if not 0 <= event.cost_micros <= MOST_METERED_MICROS:
            raise InputError(
                "cost_micros", event.cost_micros, f"use 0 to {MOST_METERED_MICROS:,} micros"
            )
        reason = None if event.cost_micros else PRICED_BY_SENDER
        return (draft._replace(cost_micros=event.cost_micros, reason=reason),)
    rate = context.rates.find(metric.id, event.counterparty, context.day)
    cost = rate.cost_micros(event.units)
    return (
        draft._replace(
            cost_micros=cost, reason=None if cost else _zero_reason(rate, event.units),
            pulses=event.units // rate.increment if metric.unit.base == "second" else 0,
            rate_id=rate.id, rated_prefix=rate.prefix,
        ),
    )  # fmt: skip


_RATERS: dict[type[UsageEvent], Callable[[Any, RatingContext], tuple[LineDraft, ...]]] = {
    CallEvent: _rate_call,
    SmsEvent: _rate_sms,
    WhatsAppEvent: _rate_whatsapp,
    VoicemailEvent: _rate_voicemail,
    RentalEvent: _rate_rental,
    AgentHoursEvent: _rate_agent_hours,
    MeteredEvent: _rate_metered,
}
