"""From one row of a log to one usage event, by a map compiled once for the whole file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from billing.errors import InputError
from billing.events import CallEvent, SmsEvent, UsageEvent, VoicemailEvent, WhatsAppEvent
from data.identity import Pseudonyms
from data.importers.errors import OtherServiceError, PrivateInputError
from data.importers.fields import (
    EVENT_FIELDS,
    FieldKind,
    check_constant,
    read_number,
    read_text_segments,
)
from data.importers.maps import AnsweredRule, ColumnMap, FieldRule
from data.importers.times import DERIVED, SHIFTED, PatternTimes, TimeReader, time_reader

ASSUMED = "assumed_destination"  # the log has no number, its map says what to price

PSEUDONYM_DIGITS = 8
MOST_PSEUDONYMS_KEPT = 10_000

Row = Sequence[str]
Getter = Callable[[Row, bool], Any]  # (row, whether it is inbound) → value or none


@dataclass(frozen=True, slots=True)
class MappingContext:
    """What a map needs besides itself: whose log it is and what was asked for."""

    account_id: str
    zone_name: str
    pseudonyms: Pseudonyms
    destination: str | None = None
    start: datetime | None = None
    currency: str | None = None
    region: str | None = None


class RowMapper:
    """Makes events of rows, in file order."""

    def __init__(self, column_map: ColumnMap, header: Sequence[str], context: MappingContext):
        self._source = column_map.event_source
        self._context = context
        self._index = {column: place for place, column in enumerate(header)}
        rule = column_map.time
        self._time: TimeReader = time_reader(rule, self._index, context.zone_name, context.start)
        self._flags = (
            *((DERIVED,) if rule.derivation else ()),
            *((ASSUMED,) if "to" not in column_map.fields and self._default(column_map) else ()),
        )
        self._shifted = (*self._flags, SHIFTED)
        self._patterns = self._time if isinstance(self._time, PatternTimes) else None
        self._build = _BUILDERS[column_map.type](self._getters(column_map))
        self._names: dict[str, str] = {}

    def event(self, row: Row, position: int, event_id: str) -> UsageEvent:
        """The event of a row; ``position`` counts the file's rows from 0.

        Errors: ``InputError`` naming the column.
        """
        at = self._time(row, position)
        is_shifted = self._patterns is not None and self._patterns.is_shifted
        flags = self._shifted if is_shifted else self._flags
        return self._build(row, self._source, event_id, at, flags)

    def _getters(self, column_map: ColumnMap) -> dict[str, Getter]:
        """A getter for every field the event type has; those not mapped give none."""
        getters: dict[str, Getter] = {}
        for name, kind in EVENT_FIELDS[column_map.type].items():
            rule = column_map.fields.get(name)
            if rule:
                getters[name] = self._column_getter(column_map, name, rule, kind)
            else:
                value = column_map.constants.get(name)
                constant = None if value is None else check_constant(column_map.type, name, value)
                getters[name] = _constant(constant)
        if column_map.answered:
            getters["duration"] = _only_answered(
                getters["duration"], self._index[column_map.answered.column], column_map.answered
            )
        getters["to"] = self._number_getter(column_map, getters["to"])
        return getters

    def _number_getter(self, column_map: ColumnMap, getter: Getter) -> Getter:
        """The other party's number, else the default destination."""
        if column_map.destination.callers == "any":
            getter = _any_caller(getter)
        default = self._default(column_map)
        if default is None:
            return getter
        digits = read_number(default, "destination")
        if "to" not in column_map.fields:
            return _constant(digits)
        return lambda row, inbound: getter(row, inbound) or digits

    def _default(self, column_map: ColumnMap) -> str | None:
        """What rows without a number are priced as."""
        return self._context.destination or column_map.destination.default

    def _column_getter(
        self, column_map: ColumnMap, name: str, rule: FieldRule, kind: FieldKind
    ) -> Getter:
        place = self._index[rule.column]
        inbound_place = self._index[rule.inbound] if rule.inbound else place
        read = kind.read
        if read is read_text_segments:  # its spaces count, and an empty message is one segment
            return lambda row, _inbound: read(row[place], rule.column)
        if read is read_number:
            destination = column_map.destination
            read = partial(
                read_number, region=self._context.region or destination.region,
                has_country_code=destination.has_country_code,
            )  # fmt: skip
        translate = self._translation(rule, kind)
        is_plain = not (rule.values or rule.pseudonym or kind.choices or rule.none or rule.refuse)
        nothing, refused = frozenset({"", *rule.none}), tuple(rule.refuse)

        def plain(row: Row, _inbound: bool) -> Any:
            cell = row[place].strip()
            return read(cell, rule.column) if cell else None

        def full(row: Row, inbound: bool) -> Any:
            cell = row[inbound_place if inbound else place].strip()
            if cell in nothing:
                return None
            if refused and cell.startswith(refused):
                raise OtherServiceError(rule.column, "leave it out: it is of another service")
            return read(translate(cell), rule.column)

        return plain if is_plain and not rule.inbound else full

    def _translation(self, rule: FieldRule, kind: FieldKind) -> Callable[[str], str]:
        values, otherwise = rule.values, rule.otherwise
        allowed = frozenset(kind.choices)

        def translate(cell: str) -> str:
            if values is not None:
                found = values.get(cell, otherwise)
                if found is None:
                    known = ", ".join(values)
                    raise PrivateInputError(rule.column, f"the map knows only {known}")
                cell = found
            if allowed and cell not in allowed:
                raise PrivateInputError(rule.column, f"use one of {', '.join(kind.choices)}")
            return self._pseudonym(rule.pseudonym, cell) if rule.pseudonym else cell

        return translate

    def _pseudonym(self, prefix: str, value: str) -> str:
        """A stable name for a person that only this installation's key could tie to them."""
        known = self._names.get(value)
        if known is None:
            digits = self._context.pseudonyms.number(self._context.account_id, value)
            known = f"{prefix}-{digits[:PSEUDONYM_DIGITS]}"
            if len(self._names) < MOST_PSEUDONYMS_KEPT:
                self._names[value] = known
        return known


def _constant(value: Any) -> Getter:
    return lambda _row, _inbound: value


def _any_caller(getter: Getter) -> Getter:
    """Who calls may withhold the number or have none: such a row has no counterparty."""

    def number(row: Row, inbound: bool) -> Any:
        try:
            return getter(row, inbound)
        except OtherServiceError:
            raise
        except InputError:
            if inbound:
                return None
            raise

    return number


def _only_answered(getter: Getter, place: int, rule: AnsweredRule) -> Getter:
    values, others = frozenset(rule.values), frozenset(rule.others)
    known = ", ".join([*rule.values, *rule.others])

    def seconds(row: Row, inbound: bool) -> Any:
        cell = row[place].strip()
        if cell in values:
            return getter(row, inbound)
        if others and values and cell not in others:
            raise PrivateInputError(
                rule.column, f"the map knows only {known}: export it again when it is over"
            )
        if values or not cell or cell in others:
            return 0
        return getter(row, inbound)

    return seconds


def _required(value: Any, field: str) -> Any:
    if value is None:
        raise InputError(field, "", "this column may not be empty")
    return value


Builder = Callable[[Row, str, str, datetime, tuple[str, ...]], UsageEvent]


def _call_builder(get: dict[str, Getter]) -> Builder:
    direction_of, agent_of, premium_of = get["direction"], get["agent"], get["premium"]
    duration_of, outcome_of, campaign_of = get["duration"], get["outcome"], get["campaign"]
    consumer_of, to_of, sandbox_of = get["consumer"], get["to"], get["sandbox"]

    def build(
        row: Row, source: str, event_id: str, at: datetime, flags: tuple[str, ...]
    ) -> UsageEvent:
        direction = _required(direction_of(row, False), "direction")
        inbound = direction == "inbound"
        seconds = _required(duration_of(row, inbound), "duration")
        return CallEvent(
            source=source,
            id=event_id,
            occurred_at=at,
            campaign=campaign_of(row, inbound),
            consumer=consumer_of(row, inbound),
            counterparty=to_of(row, inbound),
            is_sandbox=bool(sandbox_of(row, inbound)),
            flags=flags,
            direction=direction,
            agent=_required(agent_of(row, inbound), "agent"),
            is_premium=bool(premium_of(row, inbound)),
            # In a log, answered means that somebody talked (RULES: event, line, charge).
            is_answered=seconds > 0,
            duration_seconds=seconds,
            outcome=None if seconds else outcome_of(row, inbound),
        )

    return build


def _shared(
    get: dict[str, Getter], row: Row, inbound: bool, source: str, event_id: str, at: datetime,
    flags: tuple[str, ...],
) -> dict[str, Any]:  # fmt: skip
    """What every event has."""
    return {
        "source": source,
        "id": event_id,
        "occurred_at": at,
        "campaign": get["campaign"](row, inbound),
        "consumer": get["consumer"](row, inbound),
        "counterparty": get["to"](row, inbound),
        "is_sandbox": bool(get["sandbox"](row, inbound)),
        "flags": flags,
    }


def _sms_builder(get: dict[str, Getter]) -> Builder:
    def build(
        row: Row, source: str, event_id: str, at: datetime, flags: tuple[str, ...]
    ) -> UsageEvent:
        direction = _required(get["direction"](row, False), "direction")
        inbound = direction == "inbound"
        segments = get["segments"](row, inbound) or get["text"](row, inbound)
        return SmsEvent(
            direction=direction,
            kind=get["kind"](row, inbound) or "campaign",
            segments=_required(segments, "segments"),
            status=get["status"](row, inbound) or ("received" if inbound else "sent"),
            **_shared(get, row, inbound, source, event_id, at, flags),
        )

    return build


def _whatsapp_builder(get: dict[str, Getter]) -> Builder:
    def build(
        row: Row, source: str, event_id: str, at: datetime, flags: tuple[str, ...]
    ) -> UsageEvent:
        return WhatsAppEvent(
            category=_required(get["category"](row, False), "category"),
            unit=_required(get["unit"](row, False), "unit"),
            status=get["status"](row, False) or "delivered",
            **_shared(get, row, False, source, event_id, at, flags),
        )

    return build


def _voicemail_builder(get: dict[str, Getter]) -> Builder:
    def build(
        row: Row, source: str, event_id: str, at: datetime, flags: tuple[str, ...]
    ) -> UsageEvent:
        return VoicemailEvent(
            kind=_required(get["kind"](row, False), "kind"),
            status=get["status"](row, False) or "delivered",
            **_shared(get, row, False, source, event_id, at, flags),
        )

    return build


_BUILDERS: dict[str, Callable[[dict[str, Getter]], Builder]] = {
    "call": _call_builder,
    "sms": _sms_builder,
    "whatsapp": _whatsapp_builder,
    "voicemail": _voicemail_builder,
}
