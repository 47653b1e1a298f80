"""The Spending limits page's address and its forms: text into a typed question or change.

Whatever can't be read in the address falls back; a form's field that can't be taken is refused by
name. The page's review and the post that follows it read the same fields by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import parse_qsl, urlencode

from billing.caps import Cap, CapKind, Inbound, Limits, check_caps
from billing.errors import InputError
from billing.money import parse_amount
from billing.periods import ZoneHistory, zone

PATH = "/billing/limits"
LONGEST_SEARCH = 4_000
HARD, SOFT, ON, OFF = "hard", "soft", "on", "off"
MOST_NAMED = 3  # pauses that an address names as paused or resumed by a change


class Edit(StrEnum):
    """What a form of the page does."""

    CAP = "cap"
    REMOVE = "remove"
    SWITCH = "switch"
    INBOUND = "inbound"
    OVERRIDE = "override"
    TAKE_BACK = "take_back"


# What a form of each kind sends, besides what it does and the version it was made from.
FIELDS = {
    Edit.CAP: ("kind", "campaign", "amount", "seconds", "mode", "state"),
    Edit.REMOVE: ("kind", "campaign"),
    Edit.SWITCH: ("state",),
    Edit.INBOUND: ("inbound",),
    Edit.OVERRIDE: ("pause", "reason", "until", "amount"),
    Edit.TAKE_BACK: ("pause",),
}
# What the page says when a form was refused, by the refusal's code; the address holds no sentence.
REFUSALS = {
    "other_account": "Nothing was changed: that page showed another account than you look at now.",
    "changed": "Nothing was changed yet: somebody else changed the limits meanwhile. This is how "
    "your change looks now; save it again if it is still right.",
    "pause_over": "Nothing was changed: this pause is over.",
    "not_found": "Nothing was changed: there is no such limit, pause or override any more.",
    "invalid": "Nothing was changed: see what is wrong below.",
    "busy": "Nothing was changed: too much is going on. Try again in a moment.",
    "unavailable": "Nothing was changed: the ledger can’t be written right now. Try again later.",
}


@dataclass(frozen=True, slots=True)
class LimitsQuery:
    """What the address says. ``fields`` are a form's, as typed.

    ``is_reviewing``: the form was sent and waits to be confirmed. ``done``: the form that was
    saved last, ``saved`` the version of the limits it came to; ``begun`` and ``ended`` name pauses
    that it began and ended. ``refused`` is a code of ``REFUSALS``.
    """

    edit: Edit | None = None
    is_reviewing: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)
    cursor: str | None = None
    saved: str | None = None
    done: Edit | None = None
    begun: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    refused: str | None = None

    @property
    def kind(self) -> CapKind | None:
        """The kind of cap that a form is about."""
        return _kind(self.fields.get("kind", ""))

    @property
    def campaign(self) -> str:
        """The campaign that a form is about; empty unless it is a budget's."""
        is_budget = self.kind is CapKind.CAMPAIGN
        return self.fields.get("campaign", "").strip() if is_budget else ""


def parse_limits_search(search: str) -> LimitsQuery:
    """The question of an address; what can't be read is left out."""
    given = dict(parse_qsl(search[:LONGEST_SEARCH].lstrip("?"), keep_blank_values=True))
    edit, done = _edit(given.get("do", "")), _edit(given.get("done", ""))
    about = edit or done
    return LimitsQuery(
        edit,
        edit is not None and given.get("step") == "review",
        {name: given[name] for name in FIELDS[about] if name in given} if about else {},
        given.get("cursor") or None,
        given.get("saved") or None,
        done,
        _ids(given.get("begun", "")),
        _ids(given.get("ended", "")),
        given["refused"] if given.get("refused") in REFUSALS else None,
    )


def limits_address(**given: str | None) -> str:
    """The page's address with what is given."""
    pairs = [(name, value) for name, value in given.items() if value]
    return f"{PATH}?{urlencode(pairs)}" if pairs else PATH


def edit_address(edit: Edit, **fields: str | None) -> str:
    """The address of a form, with what is filled in."""
    return limits_address(do=edit.value, **fields)


def cap_address(edit: Edit, cap: Cap) -> str:
    """The address of a form about one limit."""
    return edit_address(edit, kind=cap.kind.value, campaign=cap.campaign)


def parse_edit(text: str) -> Edit:
    """The form of that name; ``InputError`` otherwise."""
    found = _edit(text)
    if found is None:
        raise InputError("do", text, f"use one of {', '.join(Edit)}")
    return found


def parse_cap(fields: Mapping[str, str], plain: Callable[[str], str]) -> Cap:
    """The limit that a form's fields ask for.

    ``plain``: an amount as somebody typed it into one that ``parse_amount`` takes. Errors:
    ``InputError`` naming ``kind``, ``campaign``, ``amount``, ``seconds``, ``mode`` or ``state``.
    """
    kind, campaign = parse_key(fields)
    cap = Cap(
        kind, _amount(fields, plain), _seconds(fields) if kind is CapKind.PER_CALL else None,
        campaign, _one_of(fields, "mode", HARD, SOFT), _one_of(fields, "state", ON, OFF),
    )  # fmt: skip
    if cap.limit_micros is None and cap.limit_seconds is None:
        needed = "seconds, or both" if kind is CapKind.PER_CALL else "such as 5000"
        raise InputError("amount", "", f"write an amount, {needed}")
    if cap.limit_micros is not None and cap.limit_micros < 0:
        raise InputError("amount", fields.get("amount", ""), "use zero or more")
    (checked,) = check_caps([cap])
    return checked


def parse_key(fields: Mapping[str, str]) -> tuple[CapKind, str]:
    """Which limit a form is about. Errors: ``InputError`` naming ``kind`` or ``campaign``."""
    kind = _kind(fields.get("kind", ""))
    if kind is None:
        raise InputError("kind", fields.get("kind", ""), f"use one of {', '.join(CapKind)}")
    campaign = fields.get("campaign", "").strip() if kind is CapKind.CAMPAIGN else ""
    if kind is CapKind.CAMPAIGN and not campaign:
        raise InputError("campaign", "", "name the campaign")
    return kind, campaign


def changed_limits(
    edit: Edit, fields: Mapping[str, str], limits: Limits, plain: Callable[[str], str]
) -> Limits:
    """All limits with what a form changes of them: one cap, the switch, or the inbound setting.

    Errors: ``InputError``, as ``parse_cap``; for a cap to remove that isn't there too.
    """
    if edit is Edit.SWITCH:
        return replace(limits, is_on=_one_of(fields, "state", ON, OFF))
    if edit is Edit.INBOUND:
        return replace(limits, inbound=parse_inbound(fields.get("inbound", "")))
    if edit is Edit.REMOVE:
        key = parse_key(fields)
        if not any(cap.key == key for cap in limits.caps):
            raise InputError("kind", key[1] or key[0].value, "name a limit that is set")
        return replace(limits, caps=tuple(cap for cap in limits.caps if cap.key != key))
    cap = parse_cap(fields, plain)
    others = [each for each in limits.caps if each.key != cap.key]
    return replace(limits, caps=check_caps([*others, cap]))


def parse_inbound(text: str) -> Inbound:
    """What inbound calls do at a balance of zero; ``InputError`` otherwise."""
    try:
        return Inbound(text)
    except ValueError:
        raise InputError("inbound", text, f"use one of {', '.join(Inbound)}") from None


@dataclass(frozen=True, slots=True)
class OverrideForm:
    """An override as a form asks for it. ``limit_micros`` none: as much as it takes."""

    pause_id: str
    reason: str
    ends_at: datetime
    limit_micros: int | None


def parse_override(
    fields: Mapping[str, str], zones: ZoneHistory, plain: Callable[[str], str]
) -> OverrideForm:
    """The override that a form's fields ask for, not checked against its cap.

    Errors: ``InputError`` naming ``until`` or ``amount``.
    """
    return OverrideForm(
        fields.get("pause", ""), fields.get("reason", ""),
        local_instant(fields.get("until", ""), zones), _amount(fields, plain),
    )  # fmt: skip


def local_instant(text: str, zones: ZoneHistory) -> datetime:
    """The instant of a local date and time such as ``2026-11-23T18:00``, in UTC.

    Of a time that comes twice as clocks go back, the first. Errors: ``InputError``.
    """
    try:
        local = datetime.fromisoformat(text.strip())
    except ValueError:
        local = None
    if local is None or local.tzinfo is not None or not 2000 <= local.year <= 2100:
        raise InputError("until", text, "use a day and a time such as 2026-11-23 18:00")
    return local.replace(tzinfo=zone(zones.name_on(local.date()))).astimezone(UTC)


def form_field(name: str) -> str:
    """The form's field that a refusal's field belongs to."""
    return {"limit_micros": "amount", "limit_seconds": "seconds"}.get(name, name)


def named(ids: tuple[str, ...]) -> str | None:
    """Ids of pauses for an address; the first few stand for all that began or ended together."""
    return ",".join(ids[:MOST_NAMED]) or None


def _amount(fields: Mapping[str, str], plain: Callable[[str], str]) -> int | None:
    typed = fields.get("amount", "").strip()
    return parse_amount(plain(typed)) if typed else None


def _seconds(fields: Mapping[str, str]) -> int | None:
    typed = fields.get("seconds", "").strip()
    if not typed:
        return None
    if not (typed.isascii() and typed.isdigit() and len(typed) <= 6):
        raise InputError("seconds", typed, "use whole seconds such as 600")
    return int(typed)


def _one_of(fields: Mapping[str, str], name: str, yes: str, no: str) -> bool:
    given = fields.get(name, yes)
    if given not in {yes, no}:
        raise InputError(name, given, f"use {yes} or {no}")
    return given == yes


def _ids(text: str) -> tuple[str, ...]:
    return tuple(each for each in text.split(",") if each)[:MOST_NAMED]


def _edit(text: str) -> Edit | None:
    return Edit(text) if text in {edit.value for edit in Edit} else None


def _kind(text: str) -> CapKind | None:
    return CapKind(text) if text in {kind.value for kind in CapKind} else None
