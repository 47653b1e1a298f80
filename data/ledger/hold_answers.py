"""Requests about holds, and what each is answered, as it is kept and given again.

Must not know how anything is decided.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from billing.errors import ProductError
from billing.events import UsageEvent
from billing.holds import Decision, Denied, HoldRequest
from data.ledger.hold_book import Hold
from data.ledger.idempotency import MismatchError

Answer = dict[str, Any]  # plain JSON


class HoldClosedError(ProductError):
    """The hold is closed: it can't be given more, or given back."""

    code = "hold_closed"


@dataclass(frozen=True, slots=True)
class Extend:
    """A request for more seconds of an open hold."""

    hold_id: str
    request_id: str
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Settle:
    """The event by which a hold's work is charged; it names the hold."""

    event: UsageEvent
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Release:
    """The work didn't happen: what was set aside comes back.

    ``actor``: who does it for the account, and is noted in the audit log.
    """

    hold_id: str
    actor: str | None = None


Item = HoldRequest | Extend | Settle | Release


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_IN_ORDER = json.JSONEncoder(separators=(",", ":"))


def digest_of(request: Mapping[str, object]) -> str:
    """What is equal for equal requests."""
    return hashlib.sha256(_ENCODER.encode(request).encode()).hexdigest()


def encoded(answer: Answer) -> str:
    """An answer as it is kept."""
    return _IN_ORDER.encode(answer)


def first_answer(known: tuple[str, str], digest: str, field: str) -> Answer:
    """The first answer; ``MismatchError`` if it was to another request."""
    if known[0] != digest:
        raise MismatchError(f"This {field} was used for another request: use a new one.")
    answer: Answer = json.loads(known[1])
    return answer


def answer_of(
    hold_id: str, request: HoldRequest, decision: Decision, held: int, amount: int,
    expires_at: datetime | None,
) -> Answer:  # fmt: skip
    """A decision as it is answered, now and whenever it is asked again."""
    if isinstance(decision, Denied):
        return {
            "decision": "denied", "rule": decision.rule.value, "message": decision.because,
            "spent_micros": decision.spent_micros, "reserved_micros": decision.reserved_micros,
            "limit_micros": decision.limit_micros, "resets_at": _iso(decision.resets_at),
        }  # fmt: skip
    is_call = request.kind.is_call
    return {
        "decision": "allowed", "hold_id": hold_id, "held_micros": held,
        "max_seconds": amount if is_call else None, "units": None if is_call else amount,
        "expires_at": _iso(expires_at),
        "warnings": [asdict(each) for each in decision.warnings],
    }  # fmt: skip


def state_of(hold: Hold) -> Answer:
    """A hold as it stands, for an answer."""
    return {
        "hold_id": hold.id, "state": hold.state.value, "held_micros": hold.held_micros,
        "cost_micros": hold.cost_micros, "closed_at": _iso(hold.closed_at),
    }  # fmt: skip


def _iso(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None
