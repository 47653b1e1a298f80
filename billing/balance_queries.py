"""The Balance page's address and its forms: text into a typed question or movement.

Whatever can't be read in the address falls back; a form's field that can't be taken is refused by
name. The page's confirmation and the post that follows it read the same fields by the same code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from urllib.parse import parse_qsl, urlencode

from billing.accounts import Account
from billing.errors import InputError
from billing.lots import DEFAULT_PRIORITY
from billing.money import parse_amount
from billing.movements import Action, Movement
from billing.wallet import ENTRY_KINDS

PATH = "/billing/balance"
LONGEST_SEARCH = 4_000
ADD, TAKE = "add", "take"
# What a form of each action sends, besides the action and its key.
FIELDS = {
    Action.TOP_UP: ("amount", "reason"),
    Action.GRANT: ("amount", "expires", "reason"),
    Action.ADJUSTMENT: ("sign", "amount", "reason"),
    Action.REFUND: ("line", "reason"),
}
# The views of the history: id, label, kinds.
VIEWS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("all", "All", ()),
    ("charges", "Charges", ("charge",)),
    ("credit", "Credit added", ("top_up", "grant")),
    ("corrections", "Refunds, adjustments", ("refund", "adjustment")),
    ("expired", "Expired", ("expiry",)),
)
# What the page says when a form was refused, by the refusal's code; the address holds no sentence.
REFUSALS = {
    "other_account": "Nothing has moved: that page showed another account than you look at now.",
    "already_refunded": "Nothing has moved: this charge was refunded before.",
    "not_refundable": "Nothing has moved: this line can’t be refunded.",
    "not_found": "Nothing has moved: there is no such transaction or request in this account.",
    "own_request": "Nothing has moved: somebody else has to decide what you asked for yourself.",
    "already_decided": "Nothing has moved: this request was decided before.",
    "approval_expired": "Nothing has moved: this request was open for 7 days. Ask for it again.",
    "idempotency_mismatch": "Nothing has moved: this form was sent before, with other values.",
    "in_progress": "This form is being worked on: look at the history in a moment.",
    "busy": "Nothing has moved: too much is going on. Try again in a moment.",
    "unavailable": "Nothing has moved: the ledger can’t be written right now. Try again later.",
}
_VIEW_IDS = tuple(view for view, _, _ in VIEWS)


@dataclass(frozen=True, slots=True)
class BalanceQuery:
    """What the address says. ``fields`` are a form's, as typed.

    ``is_confirming``: the form was sent and waits to be confirmed. ``done`` and ``asked`` name the
    entry or request that a form came to; ``refused`` is a code of ``REFUSALS``.
    """

    view: str = "all"
    cursor: str | None = None
    action: Action | None = None
    is_confirming: bool = False
    key: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    done: str | None = None
    asked: str | None = None
    is_rejected: bool = False
    refused: str | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of entries shown; none named: all."""
        return next((kinds for view, _, kinds in VIEWS if view == self.view), ())


def parse_balance_search(search: str) -> BalanceQuery:
    """The question of an address; what can't be read is left out."""
    given = dict(parse_qsl(search[:LONGEST_SEARCH].lstrip("?"), keep_blank_values=True))
    view = given.get("show", "all")
    action = _action(given.get("do", ""))
    return BalanceQuery(
        view if view in _VIEW_IDS else "all",
        given.get("cursor") or None,
        action,
        action is not None and given.get("step") == "confirm",
        given.get("key") or None,
        {name: given[name] for name in FIELDS[action] if name in given} if action else {},
        given.get("done") or None,
        given.get("asked") or None,
        given.get("rejected") == "yes",
        given["refused"] if given.get("refused") in REFUSALS else None,
    )


def balance_address(**given: str | None) -> str:
    """The page's address with what is given."""
    pairs = [(name, value) for name, value in given.items() if value]
    return f"{PATH}?{urlencode(pairs)}" if pairs else PATH


def parse_action(text: str) -> Action:
    """The action of that name; ``InputError`` otherwise."""
    found = _action(text)
    if found is None:
        raise InputError("do", text, f"use one of {', '.join(Action)}")
    return found


def parse_movement(action: Action, fields: Mapping[str, str], account: Account) -> Movement:
    """The movement that a form's fields ask for, not checked further.

    Errors: ``InputError`` naming ``amount``, ``sign``, ``expires`` or ``line``.
    """
    reason = fields.get("reason", "")
    if action is Action.REFUND:
        line = fields.get("line", "").strip()
        if not line:
            raise InputError("line", line, "name the transaction by its id")
        return Movement(action, reason=reason, line_id=line)
    micros = parse_amount(fields.get("amount", ""))
    if micros <= 0:
        raise InputError("amount", fields.get("amount", ""), "use an amount above zero")
    if action is Action.ADJUSTMENT:
        sign = fields.get("sign", ADD)
        if sign not in {ADD, TAKE}:
            raise InputError("sign", sign, f"use {ADD} or {TAKE}")
        return Movement(action, micros if sign == ADD else -micros, reason)
    expires_on = _day(fields.get("expires", ""))
    ends = account.zones.start_of(expires_on + timedelta(days=1)) if expires_on else None
    return Movement(action, micros, reason, expires_at=ends, priority=DEFAULT_PRIORITY)


def form_field(name: str) -> str:
    """The form's field that a refusal's field belongs to."""
    return {"amount_micros": "amount", "line_id": "line", "expires_at": "expires"}.get(name, name)


def _action(text: str) -> Action | None:
    return Action(text) if text in {action.value for action in Action} else None


def _day(text: str) -> date | None:
    """The last day a grant is valid; none: it never expires."""
    if not text.strip():
        return None
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise InputError("expires", text, "use a day such as 2026-12-31") from None
    if not 2000 <= day.year <= 2100:
        raise InputError("expires", text, "use a day within ten years")
    return day


assert {kind for _, _, kinds in VIEWS for kind in kinds} == set(ENTRY_KINDS), "a view for each"
