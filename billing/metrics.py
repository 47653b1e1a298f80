"""The metric catalogue: what can be billed, in which unit, on which plan.

The ids appear in addresses, the API, rates and rollups and never change (RULES: metric
catalogue). Adding a metric means adding one row here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from billing.errors import InputError
from billing.plans import Plan


class Service(StrEnum):
    """The five services of a communications platform, in reading order."""

    VOICE = "Voice"
    SMS = "SMS"
    WHATSAPP = "WhatsApp"
    EXOPHONE = "ExoPhone"
    CONTACT_CENTER = "Contact Center"


@dataclass(frozen=True, slots=True)
class Unit:
    """How a metric is counted (``base``) and shown: shown = base units / ``size``."""

    base: str
    shown: str
    shown_plural: str
    size: int = 1


ATTEMPT = Unit("attempt", "attempt", "attempts")
MINUTE = Unit("second", "min", "min", 60)
CREDIT = Unit("segment", "credit", "credits")
SEGMENT = Unit("segment", "segment", "segments")
DROP = Unit("drop", "drop", "drops")
CONVERSATION = Unit("conversation", "conversation", "conversations")
MESSAGE = Unit("message", "message", "messages")
MONTH = Unit("month", "month", "months")
HOUR = Unit("second", "h", "h", 3600)


@dataclass(frozen=True, slots=True)
class Metric:
    """One billable metric.

    ``counted``: what one line is, singular and plural. ``meaning`` and ``calculation`` are the
    sentences of the Usage rates page. ``needs_use``: shown only once the account has used it.
    """

    id: str
    name: str
    service: Service
    unit: Unit
    plans: frozenset[Plan]
    counted: tuple[str, str]
    meaning: str
    calculation: str
    direction: str = "outbound"
    needs_use: bool = False


_LGS = frozenset({Plan.LAUNCH, Plan.GROWTH, Plan.SCALE})
_GS = frozenset({Plan.GROWTH, Plan.SCALE})
_S = frozenset({Plan.SCALE})
_CALLS = ("call", "calls")
_SENT = ("sent", "sent")
_TIMED = "Seconds of an answered call, rounded by the rate's minimum and increment, divided by 60."
_SEGMENTS = (
    "One per segment: 160 characters of the GSM alphabet (153 each when longer), "
    "or 70 when any character needs Unicode (67 each when longer)."
)

# fmt: off
METRICS: tuple[Metric, ...] = (
    Metric(
        "ai_dial_attempts", "AI Dial Attempts", Service.VOICE, ATTEMPT, _LGS, _CALLS,
        "Every outbound call an AI agent dials, answered or not, premium voice included.",
        "One per call.",
    ),
    Metric(
        "ai_connected_minutes", "AI Connected Minutes", Service.VOICE, MINUTE, _LGS, _CALLS,
        "Talk time of answered outbound AI calls with a standard voice.", _TIMED,
    ),
    Metric(
        "ai_premium_connected_minutes", "AI Connected Minutes, premium voice", Service.VOICE,
        MINUTE, _LGS, _CALLS,
        "Talk time of answered outbound AI calls with a premium voice.", _TIMED, needs_use=True,
    ),
    Metric(
        "human_dial_attempts", "Human Dial Attempts", Service.VOICE, ATTEMPT, _GS, _CALLS,
        "Every outbound call a person dials, answered or not.", "One per call.",
    ),
    Metric(
        "human_connected_minutes", "Human Connected Minutes", Service.VOICE, MINUTE, _GS, _CALLS,
        "Talk time of answered outbound calls made by people.", _TIMED,
    ),
    Metric(
        "inbound_minutes", "Inbound Minutes", Service.VOICE, MINUTE, _LGS, _CALLS,
        "Talk time of answered inbound calls.", _TIMED, direction="inbound",
    ),
    Metric(
        "sms_credits", "SMS Credits", Service.SMS, CREDIT, _LGS, _SENT,
        "Outbound campaign and transactional messages.", _SEGMENTS,
    ),
    Metric(
        "ai_sms_replies", "AI SMS Replies", Service.SMS, SEGMENT, _GS, _SENT,
        "Outbound messages an AI agent writes in answer to somebody.", _SEGMENTS,
    ),
    Metric(
        "inbound_sms", "Inbound SMS", Service.SMS, SEGMENT, _LGS, ("received", "received"),
        "Messages that people send to your numbers.", _SEGMENTS, direction="inbound",
    ),
    Metric(
        "voicemail_drops", "Voicemail Drops", Service.VOICE, DROP, _LGS, ("drop", "drops"),
        "Recorded messages left in a mailbox after the call reached it.", "One per drop.",
    ),
    Metric(
        "ringless_voicemail", "Ringless Voicemail", Service.VOICE, DROP, _S, ("drop", "drops"),
        "Recorded messages delivered to a mailbox without ringing the phone.", "One per drop.",
    ),
    Metric(
        "whatsapp_conversations", "WhatsApp conversations", Service.WHATSAPP, CONVERSATION, _LGS,
        ("conversation", "conversations"),
        "Conversations of 24 hours, by category, until 30 June 2025.", "One per conversation.",
        needs_use=True,
    ),
    Metric(
        "whatsapp_messages", "WhatsApp messages", Service.WHATSAPP, MESSAGE, _LGS,
        ("message", "messages"),
        "Delivered template messages, by category, since 1 July 2025.",
        "One per delivered message.", needs_use=True,
    ),
    Metric(
        "number_rental", "ExoPhone rental", Service.EXOPHONE, MONTH, _LGS, ("number", "numbers"),
        "Numbers you rent.", "One per number and month.", needs_use=True,
    ),
    Metric(
        "seat_licences", "Contact Center seats", Service.CONTACT_CENTER, MONTH, _LGS,
        ("agent", "agents"), "Seat licences of your agents.", "One per agent and month.",
        needs_use=True,
    ),
    Metric(
        "agent_hours", "Agent hours", Service.CONTACT_CENTER, HOUR, _LGS,
        ("session", "sessions"), "Time agents are signed in to the contact centre.",
        "Seconds divided by 3,600.", needs_use=True,
    ),
)

# fmt: on

METRIC_BY_ID = {metric.id: metric for metric in METRICS}


def find_metric(metric_id: str) -> Metric:
    """The metric of that id; ``InputError`` names the nearest way out."""
    try:
        return METRIC_BY_ID[metric_id]
    except KeyError:
        known = ", ".join(METRIC_BY_ID)
        raise InputError("metric", metric_id, f"use one of {known}") from None


def metrics_on_plans(plans: frozenset[Plan], used: frozenset[str]) -> tuple[Metric, ...]:
    """The metrics to show for an account that was on ``plans`` in the shown range.

    ``used`` are the ids with usage at any time: they decide metrics shown only once used.
    A metric that none of the plans has is never in it (seed: What You Can See).
    """
    return tuple(
        metric
        for metric in METRICS
        if metric.plans & plans and (not metric.needs_use or metric.id in used)
    )
