"""The form of auto-recharge on the Balance page: its address, and its text into settings.

The page's review and the post that follows it read the same fields by the same code. Whatever
can't be read in the address falls back; a field that can't be taken is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from billing.balance_queries import LONGEST_SEARCH, balance_address
from billing.errors import InputError
from billing.money import parse_amount
from billing.recharges import RechargeMode, RechargeSettings

DO = "auto-recharge"
ON, OFF = "on", "off"
FIELDS = ("state", "threshold", "mode", "amount", "ceiling", "method")
# What the page says when a form was refused, by the refusal's code.
REFUSALS = {
    "other_account": "Nothing was changed: that page showed another account than you look at now.",
    "changed": "Nothing was changed yet: somebody else changed auto-recharge meanwhile. This is "
    "how your change looks now; save it again if it is still right.",
    "invalid": "Nothing was changed: see what is wrong below.",
    "busy": "Nothing was changed: too much is going on. Try again in a moment.",
    "unavailable": "Nothing was changed: the ledger can’t be written right now. Try again later.",
}
_FORM_FIELDS = {
    "threshold_micros": "threshold", "amount_micros": "amount", "daily_ceiling_micros": "ceiling",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RechargeQuery:
    """What the address says. ``fields`` are the form's, as typed.

    ``is_open``: the form is asked for; ``is_reviewing``: it was sent and waits to be confirmed.
    ``saved``: the version that a form came to; ``refused`` is a code of ``REFUSALS``.
    """

    is_open: bool = False
    is_reviewing: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)
    saved: str | None = None
    refused: str | None = None


def parse_recharge_search(search: str) -> RechargeQuery:
    """The question of an address; what can't be read, or is another form's, is left out."""
    given = dict(parse_qsl(search[:LONGEST_SEARCH].lstrip("?"), keep_blank_values=True))
    refused = given.get("recharge", "")
    is_open = given.get("do") == DO
    return RechargeQuery(
        is_open, is_open and given.get("step") == "review",
        {name: given[name] for name in FIELDS if name in given} if is_open else {},
        given.get("saved") or None, refused if refused in REFUSALS else None,
    )  # fmt: skip


def form_address(**given: str | None) -> str:
    """The address of the form, with what is filled in."""
    return balance_address(do=DO, **given)


def parse_settings(
    fields: Mapping[str, str], found: RechargeSettings, plain: Callable[[str], str]
) -> RechargeSettings:
    """The settings that the form's fields ask for, not checked further.

    ``found``: those in force; a field that wasn't sent is as it is there. ``plain``: an amount as
    somebody typed it, as ``parse_amount`` takes it. Errors: ``InputError`` naming a field.
    """
    state = fields.get("state", ON if found.is_on else OFF)
    if state not in {ON, OFF}:
        raise InputError("state", state, f"use {ON} or {OFF}")
    mode = fields.get("mode", found.mode.value)
    if mode not in {each.value for each in RechargeMode}:
        raise InputError("mode", mode, f"use one of {', '.join(RechargeMode)}")

    def amount(name: str, known: int) -> int:
        text = fields.get(name)
        if text is None:
            return known
        if not text.strip() and state == OFF:
            return 0
        try:
            return parse_amount(plain(text), name)
        except InputError as error:
            raise InputError(name, text, error.fix) from None

    return RechargeSettings(
        state == ON, amount("threshold", found.threshold_micros), RechargeMode(mode),
        amount("amount", found.amount_micros), amount("ceiling", found.daily_ceiling_micros),
        fields.get("method", found.method), found.version,
    )  # fmt: skip


def form_field(name: str) -> str:
    """The form's field that a refusal's field belongs to."""
    return _FORM_FIELDS.get(name, name)
