"""Webhooks in words: what a message is about, what became of it, and when."""

from __future__ import annotations

from datetime import datetime, timedelta

from billing.webhooks import Attempt, Delivery, DeliveryState, Endpoint, Topic
from components import format as fmt

TOPIC_NAMES = {
    Topic.OUTBOUND_PAUSED: "Outbound paused", Topic.OUTBOUND_RESUMED: "Outbound resumed",
    Topic.CAMPAIGN_PAUSED: "Campaign paused", Topic.CAMPAIGN_RESUMED: "Campaign resumed",
    Topic.CALL_LIMIT_REACHED: "Call at its limit", Topic.HOLD_EXPIRED: "Hold expired",
    Topic.ALERT_FIRED: "Alert fired", Topic.ALERT_RECOVERED: "Alert recovered",
    Topic.ALERT_TEST: "Test of an alert", Topic.TEST: "Test",
}  # fmt: skip
STATE_NAMES = {
    DeliveryState.WAITING: "Waiting", DeliveryState.DELIVERED: "Delivered",
    DeliveryState.PARKED: "Given up",
}  # fmt: skip
EVERYTHING = "All messages"


def topics_text(endpoint: Endpoint) -> str:
    """What an endpoint is told of: ``All messages``, ``Outbound paused, Outbound resumed``."""
    return ", ".join(TOPIC_NAMES[each] for each in endpoint.topics) or EVERYTHING


def instant_text(instant: datetime, zone: str) -> str:
    """A local day and time with its zone: ``Mon 23 Nov, 00:00:05 IST``."""
    return f"{fmt.day(fmt.local_day(instant, zone))}, {fmt.clock_time(instant, zone)}"


def answer_text(status: int | None, error: str | None) -> str:
    """What came back: ``204``, ``500``, or why there was no answer."""
    if status is None:
        return error or "no answer"
    return f"{status}: {error}" if error else str(status)


def outcome_text(delivery: Delivery, zone: str, now: datetime, *, is_on: bool) -> str:
    """What became of a delivery, as one sentence."""
    said = answer_text(delivery.last_status, delivery.last_error)
    if delivery.state is DeliveryState.DELIVERED and delivery.done_at is not None:
        return f"Answered {said}, {instant_text(delivery.done_at, zone)}"
    if delivery.state is DeliveryState.PARKED:
        return f"Tried for a day, last answer {said}"
    if not is_on:
        then = "waits until the webhook is switched on"
    elif delivery.next_at is None or delivery.next_at <= now + timedelta(seconds=1):
        then = "is tried now, in its turn"
    else:
        then = f"tried again from {fmt.clock_time(delivery.next_at, zone)}"
    if delivery.attempt_count:
        return f"Last answer {said}; {then}"
    return f"{then[0].upper()}{then[1:]}"


def tries_text(count: int, locale: str) -> str:
    """How often it was tried: ``1 try``, ``12 tries``."""
    return "1 try" if count == 1 else f"{fmt.number(count, locale)} tries"


def attempt_text(attempt: Attempt) -> str:
    """What a try was answered, and how long that took: ``500 in 12 ms``."""
    return f"{answer_text(attempt.status, attempt.error)} in {attempt.milliseconds} ms"
