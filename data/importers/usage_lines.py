"""The product's own CSV export read back: usage lines become the events that wrote them.

A call has two lines, an attempt and its talk time: the talk line stands for both, and an
attempt alone is an unanswered call. What a receipt moved is rated as it was and moved again.
Reversals are corrections of a ledger, not usage: refused. What a ledger gives a line itself (its
id, when it was received, the period it was booked into) is the new ledger's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from billing.events import (
    MESSAGE_STATUSES,
    AgentHoursEvent,
    CallEvent,
    MeteredEvent,
    RentalEvent,
    SmsEvent,
    StatusEvent,
    UsageEvent,
    VoicemailEvent,
    WhatsAppEvent,
)
from billing.metrics import METRIC_BY_ID, Service
from billing.rating import MOST_METERED_MICROS
from data.importers.errors import PrivateInputError
from data.importers.events import MappingContext
from data.importers.fields import (
    LONGEST_LABEL,
    LONGEST_STATUS,
    read_flag,
    read_label,
    read_number,
    read_seconds,
)

COLUMNS = (
    "time source id metric direction agent status reason campaign consumer base_units "
    "talk_seconds destination is_sandbox flags reverses_line_id"
).split()
# What exports of older versions lack, and files that were cut down may.
LATER_COLUMNS = (
    "currency cost_micros campaign_name consumer_name kind rated_status priced_by"
).split()
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
METERED = "metered"
RECEIPTS = "usage-csv"  # the source of receipts that say where an exported line stood
MOST_UNIT_DIGITS = 10
MOST_MICRO_DIGITS = len(str(MOST_METERED_MICROS))
Cells = dict[str, str]
Shared = dict[str, Any]


class UsageLineMapper:
    """Makes events of exported lines."""

    def __init__(self, header: Sequence[str], context: MappingContext) -> None:
        columns = list(header)
        self._places = [(name, columns.index(name)) for name in COLUMNS]
        self._places += [(name, columns.index(name)) for name in LATER_COLUMNS if name in columns]
        self._absent = dict.fromkeys(set(LATER_COLUMNS) - set(columns), "")
        self._currency = context.currency
        self._destination = (
            read_number(context.destination, "destination") if context.destination else None
        )
        self._names: dict[tuple[str, str], str] = {}
        self._receipt: StatusEvent | None = None

    def event(self, row: list[str], _position: int, _event_id: str) -> UsageEvent | None:
        """The event of a line; none for the attempt line of an answered call."""
        cells = {name: unguarded(row[place]) for name, place in self._places}
        cells.update(self._absent)
        self._receipt = None
        if cells["reverses_line_id"]:
            raise PrivateInputError(
                "reverses_line_id", "leave it out: a reversal is no usage, refund it again"
            )
        if self._currency and cells["currency"] not in ("", self._currency):
            raise PrivateInputError(
                "currency", f"import it into an account in this currency: this is {self._currency}"
            )
        make = _MAKERS.get(cells["metric"])
        if make is None:
            raise PrivateInputError("metric", f"use one of {', '.join(_MAKERS)}")
        shared = self._shared(cells)
        stands = cells["status"]
        cells["status"] = cells["rated_status"] or stands
        if cells["status"] == METERED and not cells["kind"]:
            event: UsageEvent | None = _metered(cells, shared)
        else:
            event = make(cells, shared)
        if stands != cells["status"]:
            self._receipt = _receipt(cells, shared, stands)
        self._remember_names(cells, shared)
        return event

    def take_receipt(self) -> StatusEvent | None:
        """What moved the last row's line after it was rated, if anything did."""
        return self._receipt

    def take_names(self) -> dict[tuple[str, str], str]:
        """What people call the campaigns and consumers of the rows since the last call."""
        names, self._names = self._names, {}
        return names

    def _remember_names(self, cells: Cells, shared: Shared) -> None:
        for table, item, column in (
            ("campaigns", shared["campaign"], "campaign_name"),
            ("consumers", shared["consumer"], "consumer_name"),
        ):
            name = cells[column]
            if item and name and name != item:
                self._names[table, item] = name[:LONGEST_LABEL]

    def _shared(self, cells: Cells) -> Shared:
        number = self._destination
        if cells["destination"]:
            number = read_number(f"+{cells['destination'].lstrip('+')}", "destination")
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


def unguarded(cell: str) -> str:
    """A cell without the apostrophe that keeps a spreadsheet from reading it as a formula."""
    return cell[1:] if cell[:1] == "'" and cell.lstrip("'").startswith(FORMULA_STARTS) else cell


def _receipt(cells: Cells, shared: Shared, status: str) -> StatusEvent:
    """A receipt at the line's own instant, so that any other one is later."""
    metric = METRIC_BY_ID[cells["metric"]]
    is_message = metric.service in _MESSAGES or cells["metric"] in _VOICEMAILS
    if not is_message or metric.direction != "outbound" or status not in MESSAGE_STATUSES:
        raise PrivateInputError(
            "status", "use the rated_status, or for a message that went out one of "
            f"{', '.join(MESSAGE_STATUSES)}",
        )  # fmt: skip
    identity = "\x1f".join((shared["source"], shared["id"], status)).encode()
    return StatusEvent(
        source=RECEIPTS, id=blake2b(identity, digest_size=16).hexdigest(),
        occurred_at=shared["occurred_at"], ref_source=shared["source"], ref_id=shared["id"],
        status=status,
    )  # fmt: skip


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


def _metered(cells: Cells, shared: Shared) -> UsageEvent:
    """Units that the sender had counted, at the sender's own price where it gave one."""
    cost = None
    if cells["priced_by"] == "sender":
        text = cells["cost_micros"]
        if not (text.isascii() and text.isdigit() and len(text) <= MOST_MICRO_DIGITS):
            raise PrivateInputError("cost_micros", "use whole micros from 0 on")
        cost = int(text)
    return MeteredEvent(**shared, metric=cells["metric"], units=_units(cells), cost_micros=cost)


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


def _kind(cells: Cells, default: str | None, allowed: tuple[str, ...]) -> str | None:
    """The line's kind; lines from before kinds were kept have none."""
    kind = cells["kind"] or default
    if kind is not None and kind not in allowed:
        raise PrivateInputError("kind", f"use one of {', '.join(allowed)}")
    return kind


def _status(cells: Cells) -> str:
    """A status as it was accepted: from outside it isn't always in lower case."""
    status = cells["status"]
    if not status or len(status) > LONGEST_STATUS or not status.isprintable():
        raise PrivateInputError("status", f"use 1 to {LONGEST_STATUS} printable characters")
    return status


def _sms(
    direction: str, kind: str, allowed: tuple[str, ...]
) -> Callable[[Cells, Shared], UsageEvent]:
    def make(cells: Cells, shared: Shared) -> UsageEvent:
        return SmsEvent(
            **shared, direction=direction, kind=_kind(cells, kind, allowed),  # type: ignore[arg-type]
            segments=_units(cells), status=_status(cells),
        )  # fmt: skip

    return make


def _whatsapp(unit: str) -> Callable[[Cells, Shared], UsageEvent]:
    def make(cells: Cells, shared: Shared) -> UsageEvent:
        return WhatsAppEvent(
            **shared, category=_kind(cells, None, CATEGORIES), unit=unit,  # type: ignore[arg-type]
            status=_status(cells),
        )  # fmt: skip

    return make


def _voicemail(kind: str) -> Callable[[Cells, Shared], UsageEvent]:
    def make(cells: Cells, shared: Shared) -> UsageEvent:
        return VoicemailEvent(**shared, kind=kind, status=_status(cells))  # type: ignore[arg-type]

    return make


def _rental(metric: str) -> Callable[[Cells, Shared], UsageEvent]:
    def make(cells: Cells, shared: Shared) -> UsageEvent:
        return RentalEvent(**shared, metric=metric, units=_units(cells))  # type: ignore[arg-type]

    return make


def _hours(cells: Cells, shared: Shared) -> UsageEvent:
    return AgentHoursEvent(**shared, duration_seconds=_units(cells))


_MESSAGES = (Service.SMS, Service.WHATSAPP)
_VOICEMAILS = ("voicemail_drops", "ringless_voicemail")
_SENT_KINDS = ("campaign", "transactional")
CATEGORIES = ("marketing", "utility", "authentication", "service")

_MAKERS: dict[str, Callable[[Cells, Shared], UsageEvent | None]] = {
    "ai_dial_attempts": _attempt("ai"),
    "human_dial_attempts": _attempt("human"),
    "ai_connected_minutes": _talk("outbound", "ai"),
    "ai_premium_connected_minutes": _talk("outbound", "ai", is_premium=True),
    "human_connected_minutes": _talk("outbound", "human"),
    "inbound_minutes": _talk("inbound"),
    "sms_credits": _sms("outbound", "campaign", _SENT_KINDS),
    "ai_sms_replies": _sms("outbound", "ai_reply", ("ai_reply",)),
    "inbound_sms": _sms("inbound", "campaign", _SENT_KINDS),
    "voicemail_drops": _voicemail("drop"),
    "ringless_voicemail": _voicemail("ringless"),
    "whatsapp_conversations": _whatsapp("conversation"),
    "whatsapp_messages": _whatsapp("message"),
    "number_rental": _rental("number_rental"),
    "seat_licences": _rental("seat_licences"),
    "agent_hours": _hours,
}
