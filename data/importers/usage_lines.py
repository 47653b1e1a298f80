"""The product's own CSV export read back: usage lines become the events that wrote them.

A call has two lines, an attempt and its talk time: the talk line stands for both, and an
attempt alone is an unanswered call. Reversals are corrections of a ledger, not usage: refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from billing.events import (
    AgentHoursEvent,
    CallEvent,
    RentalEvent,
    SmsEvent,
    UsageEvent,
    VoicemailEvent,
    WhatsAppEvent,
)
from data.importers.errors import PrivateInputError
from data.importers.events import MappingContext
from data.importers.fields import read_flag, read_label, read_number, read_seconds, read_status

COLUMNS = (
    "time source id metric direction agent status reason campaign consumer base_units "
    "talk_seconds destination is_sandbox flags reverses_line_id"
).split()
MOST_UNIT_DIGITS = 9
Cells = dict[str, str]
Shared = dict[str, Any]


class UsageLineMapper:
    """Makes events of exported lines."""

    def __init__(self, header: Sequence[str], context: MappingContext) -> None:
        self._places = [(name, list(header).index(name)) for name in COLUMNS]
        self._destination = (
            read_number(context.destination, "destination") if context.destination else None
        )

    def event(self, row: list[str], _position: int, _event_id: str) -> UsageEvent | None:
        """The event of a line; none for the attempt line of an answered call."""
        cells = {name: _unguarded(row[place]) for name, place in self._places}
        if cells["reverses_line_id"]:
            raise PrivateInputError(
                "reverses_line_id", "leave it out: a reversal is no usage, refund it again"
            )
        make = _MAKERS.get(cells["metric"])
        if make is None:
            raise PrivateInputError("metric", f"use one of {', '.join(_MAKERS)}")
        return make(cells, self._shared(cells))

    def _shared(self, cells: Cells) -> Shared:
        number = self._destination or (
            read_number(f"+{cells['destination'].lstrip('+')}", "destination")
            if cells["destination"]
            else None
        )
        return {
            "source": read_label(cells["source"], "source"),
            "id": read_label(cells["id"], "id"),
            "occurred_at": _instant(cells["time"]),
            "campaign": read_label(cells["campaign"], "campaign") or None,
            "consumer": read_label(cells["consumer"], "consumer") or None,
            "counterparty": number,
            "is_sandbox": read_flag(cells["is_sandbox"], "is_sandbox"),
            "flags": tuple(read_label(cells["flags"], "flags").split()),
        }


def _unguarded(cell: str) -> str:
    """A cell without the apostrophe that keeps a spreadsheet from reading it as a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "-", "@") else cell


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise PrivateInputError("time", "use an instant with its zone, 2026-01-31T09:00:00+00:00")
    return at.astimezone(UTC)


def _units(cells: Cells) -> int:
    text = cells["base_units"]
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_UNIT_DIGITS):
        raise PrivateInputError("base_units", "use a whole number from 0 on")
    return int(text)


def _attempt(agent: str) -> Callable[[Cells, Shared], UsageEvent | None]:
    def make(cells: Cells, shared: Shared) -> UsageEvent | None:
        if cells["status"] == "answered":
            return None
        return CallEvent(
            **shared, direction="outbound", agent=agent, is_answered=False,  # type: ignore[arg-type]
            duration_seconds=0,
        )  # fmt: skip

    return make


def _talk(
    direction: str, agent: str | None = None, is_premium: bool = False
) -> Callable[[Cells, Shared], UsageEvent]:
    def make(cells: Cells, shared: Shared) -> UsageEvent:
        is_answered = cells["status"] == "answered"
        spoken_by = agent or cells["agent"]
        if spoken_by not in ("ai", "human"):
            raise PrivateInputError("agent", "use ai or human")
        return CallEvent(
            **shared, direction=direction, agent=spoken_by, is_premium=is_premium,  # type: ignore[arg-type]
            is_answered=is_answered,
            duration_seconds=read_seconds(cells["talk_seconds"] or "0", "talk_seconds"),
            outcome=None if is_answered else read_label(cells["reason"], "reason") or None,
        )  # fmt: skip

    return make


def _sms(direction: str, kind: str) -> Callable[[Cells, Shared], UsageEvent]:
    def make(cells: Cells, shared: Shared) -> UsageEvent:
        return SmsEvent(
            **shared, direction=direction, kind=kind, segments=_units(cells),  # type: ignore[arg-type]
            status=read_status(cells["status"], "status"),
        )  # fmt: skip

    return make


def _whatsapp(unit: str) -> Callable[[Cells, Shared], UsageEvent]:
    def make(cells: Cells, shared: Shared) -> UsageEvent:
        return WhatsAppEvent(
            **shared, category="utility", unit=unit,  # type: ignore[arg-type]
            status=read_status(cells["status"], "status"),
        )  # fmt: skip

    return make


def _voicemail(kind: str) -> Callable[[Cells, Shared], UsageEvent]:
    def make(cells: Cells, shared: Shared) -> UsageEvent:
        status = read_status(cells["status"], "status")
        return VoicemailEvent(**shared, kind=kind, status=status)  # type: ignore[arg-type]

    return make


def _rental(metric: str) -> Callable[[Cells, Shared], UsageEvent]:
    def make(cells: Cells, shared: Shared) -> UsageEvent:
        return RentalEvent(**shared, metric=metric, units=_units(cells))  # type: ignore[arg-type]

    return make


def _hours(cells: Cells, shared: Shared) -> UsageEvent:
    return AgentHoursEvent(**shared, duration_seconds=_units(cells))


_MAKERS: dict[str, Callable[[Cells, Shared], UsageEvent | None]] = {
    "ai_dial_attempts": _attempt("ai"),
    "human_dial_attempts": _attempt("human"),
    "ai_connected_minutes": _talk("outbound", "ai"),
    "ai_premium_connected_minutes": _talk("outbound", "ai", is_premium=True),
    "human_connected_minutes": _talk("outbound", "human"),
    "inbound_minutes": _talk("inbound"),
    "sms_credits": _sms("outbound", "campaign"),
    "ai_sms_replies": _sms("outbound", "ai_reply"),
    "inbound_sms": _sms("inbound", "campaign"),
    "voicemail_drops": _voicemail("drop"),
    "ringless_voicemail": _voicemail("ringless"),
    "whatsapp_conversations": _whatsapp("conversation"),
    "whatsapp_messages": _whatsapp("message"),
    "number_rental": _rental("number_rental"),
    "seat_licences": _rental("seat_licences"),
    "agent_hours": _hours,
}
