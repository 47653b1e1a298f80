"""Money moved by hand: what a top-up, grant, adjustment or refund may be, and who may ask for it.

Must not know how a request came or where it is stored. Amounts are micros of the account's one
currency. A positive adjustment is goodwill, so it becomes promotional credit that never expires:
paid credit is only what somebody paid for. A negative one draws lots in burn order and may leave
debt. A refund gives one line's charge back to the lots that paid it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing.access import Role
from billing.errors import InputError, NotAllowedError, ProductError
from billing.limits import limit
from billing.lots import DEFAULT_PRIORITY

LARGEST_MICROS = 10**15
LOWEST_PRIORITY, HIGHEST_PRIORITY = 1, 1_000
RETURNED_FOR = timedelta(days=30)  # how long credit of an expired lot lives again
APPROVAL_FOR = timedelta(days=7)
LONGEST_GRANT = timedelta(days=3660)
TOP_UP_CAUSE = "Top-up"


class Action(StrEnum):
    """What a person may do to a wallet."""

    TOP_UP = "top_up"
    GRANT = "grant"
    ADJUSTMENT = "adjustment"
    REFUND = "refund"

    @property
    def route(self) -> str:
        """The last part of its address in the API."""
        return f"{self.value.replace('_', '-')}s"


_MAY = {
    Action.TOP_UP: frozenset({Role.OWNER, Role.ADMIN}),
    Action.GRANT: frozenset({Role.SUPPORT, Role.ADMIN}),
    Action.ADJUSTMENT: frozenset({Role.SUPPORT, Role.ADMIN}),
    Action.REFUND: frozenset({Role.SUPPORT, Role.ADMIN}),
}


class AlreadyRefundedError(ProductError):
    """The line's charge was given back before."""

    code = "already_refunded"


class DecisionError(ProductError):
    """An approval that can no longer be decided, or not by this person."""

    code = "already_decided"


@dataclass(frozen=True, slots=True)
class Movement:
    """One request to move money.

    ``amount_micros``: a refund's is 0, because its line says it; an adjustment's has either sign.
    ``line_id``: a refund's line. ``expires_at`` and ``priority``: a grant's.
    """

    action: Action
    amount_micros: int = 0
    reason: str = ""
    line_id: str | None = None
    expires_at: datetime | None = None
    priority: int = DEFAULT_PRIORITY

    def request(self) -> dict[str, str | int | None]:
        """What was asked for, as plain values: equal for equal requests."""
        return {
            "action": self.action.value, "amount_micros": self.amount_micros,
            "reason": self.reason, "line_id": self.line_id, "priority": self.priority,
            "expires_at": self.expires_at.isoformat() if self.expires_at else None,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Approval:
    """A movement above support's limit, waiting for another person.

    ``amount_micros``: what it moves, with its sign. ``decision``: ``approved``, ``rejected`` or
    none yet. ``entry_id``: what came of it.
    """

    id: str
    account_id: str
    movement: Movement
    amount_micros: int
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    decision: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    entry_id: str | None = None

    def state(self, now: datetime) -> str:
        """``waiting``, ``approved``, ``rejected`` or ``expired``."""
        return self.decision or ("waiting" if now < self.expires_at else "expired")


def may(role: Role, action: Action) -> bool:
    """Whether a role may ask for an action."""
    return role in _MAY[action]


def actions_of(role: Role) -> tuple[Action, ...]:
    """Every action a role may ask for."""
    return tuple(action for action in Action if may(role, action))


def require_action(role: Role, action: Action) -> None:
    """Refuses an action to a role that may not; ``NotAllowedError`` says who may."""
    if not may(role, action):
        who = " or ".join(sorted(each.value for each in _MAY[action]))
        name = action.value.replace("_", "-")
        raise NotAllowedError(f"The role {role.value} may not make a {name}: ask {who}.")


def check_movement(movement: Movement, now: datetime) -> Movement:
    """The movement with its reason trimmed, if it can be made at all.

    Errors: ``InputError`` naming the field: amount, reason, expiry, priority or line.
    """
    action, micros = movement.action, movement.amount_micros
    if action is Action.ADJUSTMENT:
        if micros == 0 or abs(micros) > LARGEST_MICROS:
            fix = f"use an amount from 1 to {LARGEST_MICROS:,} micros, or as much below zero"
            raise InputError("amount_micros", micros, fix)
    elif action is not Action.REFUND and not 0 < micros <= LARGEST_MICROS:
        raise InputError(
            "amount_micros", micros, f"use an amount above zero, at most {LARGEST_MICROS:,} micros"
        )
    if action is Action.REFUND and not movement.line_id:
        raise InputError("line_id", "", "name the line whose charge is given back")
    if not LOWEST_PRIORITY <= movement.priority <= HIGHEST_PRIORITY:
        fix = f"use a number from {LOWEST_PRIORITY} (used first) to {HIGHEST_PRIORITY}"
        raise InputError("priority", movement.priority, fix)
    _check_expiry(movement.expires_at, now)
    reason = movement.reason.strip()
    if not reason and action is Action.TOP_UP:
        reason = TOP_UP_CAUSE
    if not 1 <= len(reason) <= limit("name") or not reason.isprintable():
        raise InputError("reason", reason, f"say why in 1 to {limit('name')} printable characters")
    return Movement(
        action, micros, reason, movement.line_id, movement.expires_at, movement.priority
    )


def _check_expiry(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is None:
        return
    if expires_at.tzinfo is None:
        fix = "write the instant with its time zone"
        raise InputError("expires_at", expires_at.isoformat(), fix)
    if not now < expires_at <= now + LONGEST_GRANT:
        raise InputError(
            "expires_at", expires_at.isoformat(), "use an instant ahead, within ten years"
        )


def needs_approval(
    role: Role, action: Action, amount_micros: int, moved_today_micros: int, limit_micros: int
) -> bool:
    """Whether support has to ask: what they moved today, with this, is above the limit.

    Amounts are taken without their sign. A top-up is never support's; an administrator approves
    others, so needs nobody.
    """
    if role is not Role.SUPPORT or action is Action.TOP_UP:
        return False
    return moved_today_micros + abs(amount_micros) > limit_micros


def require_decision(approval: Approval, role: Role, actor: str, now: datetime) -> None:
    """Refuses a decision that is not this person's to take, or comes too late.

    Errors: ``NotAllowedError`` (code ``own_request`` for their own request), ``DecisionError``
    (``already_decided``, ``approval_expired``).
    """
    if role is not Role.ADMIN:
        raise NotAllowedError("Only an administrator may approve or reject a movement.")
    if approval.asked_by == actor:
        raise NotAllowedError(
            "Somebody else has to decide: you asked for this yourself.", code="own_request"
        )
    state = approval.state(now)
    if state == "expired":
        raise DecisionError(
            f"This request was open until {approval.expires_at.isoformat()}: ask for it again.",
            code="approval_expired",
        )
    if state != "waiting":
        raise DecisionError(f"This request was {state} before; nothing was done now.")
