"""Limits, pauses and holds in words: names, sentences, and the instants they are about.

Every page says them in the same words. What happens when a cap is hit is said as seed 003,
Spending Limits, says it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from billing.caps import Cap, CapKind, Window
from billing.holds import HoldKind
from billing.pauses import BALANCE, Due, Pause, ResumeCause
from components import format as fmt

CONSEQUENCES = {
    CapKind.DAILY: "Outbound services paused until next day",
    CapKind.WEEKLY: "Outbound services paused until next week",
    CapKind.MONTHLY: "Outbound services paused until next month",
    CapKind.PER_CALL: "Call disconnected at limit",
    CapKind.CAMPAIGN: "Campaign paused at limit",
}
MEANINGS = {
    CapKind.DAILY: "Maximum credits consumed per day",
    CapKind.WEEKLY: "Maximum credits consumed per week, from Monday",
    CapKind.MONTHLY: "Maximum credits consumed per calendar month",
    CapKind.PER_CALL: "Maximum duration or cost of one call",
    CapKind.CAMPAIGN: "Maximum budget of one campaign, for as long as it runs",
}
ONLY_WARNS = "Soft: warns, and pauses nothing"
HOLD_NAMES = {
    HoldKind.CALL_AI: "AI call", HoldKind.CALL_AI_PREMIUM: "AI call, premium voice",
    HoldKind.CALL_HUMAN: "Human call", HoldKind.CALL_INBOUND: "Inbound call",
    HoldKind.SMS: "SMS", HoldKind.SMS_AI_REPLY: "AI SMS reply",
    HoldKind.WHATSAPP: "WhatsApp message", HoldKind.VOICEMAIL_DROP: "Voicemail drop",
    HoldKind.VOICEMAIL_RINGLESS: "Ringless voicemail",
}  # fmt: skip
_SPANS = {CapKind.DAILY: "day", CapKind.WEEKLY: "week", CapKind.MONTHLY: "month"}
_LEFT = {
    CapKind.DAILY: "Left today", CapKind.WEEKLY: "Left this week",
    CapKind.MONTHLY: "Left this month",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Telling:
    """How an account's figures are told: currency, locale, zone, and names of its campaigns."""

    currency: str
    locale: str
    zone: str
    campaigns: Mapping[str, str] = field(default_factory=dict)

    def money(self, micros: int) -> str:
        """An amount: never fewer decimals than the currency's, and none of a limit's lost."""
        return fmt.exact_money(micros, self.currency, self.locale)

    def sum(self, micros: int) -> str:
        """An aggregate with the currency's decimals."""
        return fmt.money(micros, self.currency, self.locale)

    def campaign(self, campaign_id: str) -> str:
        """A campaign by its name, or its id where it has none."""
        return self.campaigns.get(campaign_id) or campaign_id

    def at(self, instant: datetime) -> str:
        """A local day and time with its zone: ``Mon 23 Nov, 00:00 IST``."""
        day = fmt.local_day(instant, self.zone)
        return f"{fmt.day(day)}, {fmt.clock_time(instant, self.zone, has_seconds=False)}"


def cap_name(kind: CapKind, campaign: str, telling: Telling) -> str:
    """A limit by name: ``Daily spending cap``, ``Budget of Diwali``."""
    return f"Budget of {telling.campaign(campaign)}" if kind is CapKind.CAMPAIGN else kind.label


def left_label(kind: CapKind) -> str:
    """How what is left under an account's cap is called: ``Left today``."""
    return _LEFT[kind]


def span_name(kind: CapKind) -> str | None:
    """What a cap's window is: ``day``, ``week``, ``month``; none where it has none."""
    return _SPANS.get(kind)


def bound_text(cap: Cap, telling: Telling) -> str:
    """How much a limit lets through: ``₹5,000.00``, ``₹50.00 or 10 min``."""
    parts = []
    if cap.limit_micros is not None:
        parts.append(telling.money(cap.limit_micros))
    if cap.limit_seconds is not None:
        parts.append(fmt.duration(cap.limit_seconds))
    return " or ".join(parts)


def cap_text(cap: Cap, telling: Telling) -> str:
    """A limit whole: ``₹5,000.00, hard`` or ``₹5,000.00, soft, switched off``."""
    words = [bound_text(cap, telling), "hard" if cap.is_hard else "soft"]
    return ", ".join([*words, *([] if cap.is_on else ["switched off"])])


def stands_still(pause: Pause | Due, telling: Telling) -> str:
    """What a pause keeps still: ``Outbound services``, or a campaign."""
    campaign = pause.reason.campaign
    return f"Campaign {telling.campaign(campaign)}" if campaign else "Outbound services"


def is_plural(pause: Pause | Due) -> bool:
    """Whether what stands still is told in the plural."""
    return not pause.reason.campaign


def why_text(pause: Pause | Due, telling: Telling) -> str:
    """Why, with the figures at that moment."""
    if pause.reason.rule == BALANCE:
        return "The balance is used up"
    kind = CapKind(pause.reason.rule)
    name = "its budget" if kind is CapKind.CAMPAIGN else f"the {kind.label.lower()}"
    spent, limit = telling.sum(pause.spent_micros), telling.money(pause.limit_micros)
    return f"{spent} spent of {name}, {limit}"


def until_text(pause: Pause | Due, telling: Telling) -> str:
    """Until when: an instant, or what has to happen."""
    if pause.until_at is not None:
        return f"until {telling.at(pause.until_at)}"
    if pause.reason.rule == BALANCE:
        return "until credit is added"
    return "until its budget is raised"


def end_text(pause: Pause) -> str:
    """Why a pause ended."""
    window: Window | None = pause.reason.window
    begun = _SPANS.get(window.kind, "window") if window else "window"
    return {
        None: "Goes on",
        ResumeCause.BOUNDARY: f"The next {begun} began",
        ResumeCause.CREDIT: "Credit was added",
        ResumeCause.OVERRIDE: "An override was given",
        ResumeCause.LIMIT: "The limit was changed",
        ResumeCause.REVERSAL: "A charge was given back",
    }[pause.end_cause]


def age_text(age: timedelta) -> str:
    """How long something has lasted: ``48 s``, ``2 min 05 s``, ``3 days 4 h``."""
    seconds = int(age.total_seconds())
    if seconds < 2 * 86_400:
        return fmt.duration(seconds)
    return f"{seconds // 86_400} days {seconds % 86_400 // 3600} h"
