"""What the wallet's calls take and answer with, and how each is made of the product's values."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.v1.shapes import Currency, Micros, PromotionalShape, Shape
from billing.errors import ProductError
from billing.limits import limit
from billing.lots import DEFAULT_PRIORITY
from billing.movements import (
    HIGHEST_PRIORITY,
    LARGEST_MICROS,
    LOWEST_PRIORITY,
    Approval,
)
from billing.usage import Balance
from billing.wallet import WalletEntry
from data.ledger.movements import Moved

EntryKind = Literal["charge", "top_up", "grant", "refund", "adjustment", "expiry"]


def _text(value: object) -> object:
    """An instant is written as text: a bare number would be a guess."""
    if not isinstance(value, str):
        raise PydanticCustomError("instant", "write the instant as RFC 3339 text with its zone")
    return value


Above = Annotated[
    int, Field(strict=True, ge=1, le=LARGEST_MICROS, description="Micros, above zero.")
]
Signed = Annotated[
    int,
    Field(
        strict=True, ge=-LARGEST_MICROS, le=LARGEST_MICROS,
        description="Micros with a sign: above zero adds promotional credit that never expires, "
        "below zero draws credit in the order of use and may leave debt. Not zero.",
    ),
]  # fmt: skip
Reason = Annotated[
    str, Field(min_length=1, max_length=limit("name"), description="Why; the account reads it.")
]
Instant = Annotated[AwareDatetime, BeforeValidator(_text)]


class Body(BaseModel):
    """What a call takes; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TopUpBody(Body):
    """Paid credit."""

    amount_micros: Above
    reason: str = Field("", max_length=limit("name"), description="None: “Top-up”.")


class GrantBody(Body):
    """Promotional credit."""

    amount_micros: Above
    reason: Reason
    expires_at: Instant | None = Field(None, description="None: it never expires.")
    priority: int = Field(
        DEFAULT_PRIORITY, strict=True, ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY,
        description="Lower is used first.",
    )  # fmt: skip


class AdjustmentBody(Body):
    """Credit given or taken by hand, without a line."""

    amount_micros: Signed
    reason: Reason


class RefundBody(Body):
    """A line whose whole charge goes back to the credit that paid it. Once."""

    line_id: str = Field(min_length=1, max_length=64)
    reason: Reason


class EntryShape(Shape):
    """One wallet entry. ``balance_after_micros`` follows posting order."""

    id: str
    kind: EntryKind
    amount_micros: Micros
    balance_after_micros: Micros
    currency: Currency
    cause: str
    line_id: str | None = Field(description="The line charged; of a refund, the reversing line.")
    metric: str | None
    reverses_line_id: str | None = Field(description="Of a refund: the line that was charged.")
    actor: str | None = Field(
        description="Who moved the money by hand, person:… or key:…; or `auto-recharge`."
    )
    occurred_at: datetime
    received_at: datetime
    stored_at: datetime
    booked_on: date
    corrects_period: date | None


class EntriesShape(Shape):
    """A page of entries, newest first."""

    entries: list[EntryShape]
    next_cursor: str | None
    currency: Currency


class BalanceAfterShape(Shape):
    """The wallet right after a movement. available = paid + promotional − reserved."""

    available_micros: Micros
    paid_micros: Micros
    promotional: list[PromotionalShape]
    reserved_micros: Micros
    currency: Currency
    as_of: datetime


class ApprovalShape(Shape):
    """A movement above support's limit, which another person approves or rejects."""

    id: str
    account: str
    action: Literal["grant", "adjustment", "refund"]
    state: Literal["waiting", "approved", "rejected", "expired"]
    amount_micros: Micros
    currency: Currency
    reason: str
    line_id: str | None
    grant_expires_at: datetime | None
    asked_by: str
    asked_at: datetime
    expires_at: datetime = Field(description="Until when somebody may decide.")
    decided_by: str | None
    decided_at: datetime | None
    entry_id: str | None


class MovedShape(Shape):
    """A movement: its entry and the balance after it."""

    entry: EntryShape
    balance: BalanceAfterShape


class WaitingShape(Shape):
    """Nothing has moved yet: this waits for another person."""

    approval: ApprovalShape


class DecisionShape(Shape):
    """What became of a request; entry and balance when it was carried out."""

    approval: ApprovalShape
    entry: EntryShape | None
    balance: BalanceAfterShape | None


class ApprovalsShape(Shape):
    """Requests of one account, newest first, at most 100."""

    approvals: list[ApprovalShape]


def entry_shape(entry: WalletEntry) -> EntryShape:
    """One entry as the API says it."""
    return EntryShape(
        id=entry.id, kind=entry.kind, amount_micros=entry.amount_micros,
        balance_after_micros=entry.balance_after_micros, currency=entry.currency,
        cause=entry.cause, line_id=entry.line_id, metric=entry.metric,
        reverses_line_id=entry.reverses_line_id, actor=entry.actor,
        occurred_at=entry.occurred_at, received_at=entry.received_at, stored_at=entry.stored_at,
        booked_on=entry.booked_on, corrects_period=entry.corrects_period,
    )  # fmt: skip


def balance_after_shape(balance: Balance) -> BalanceAfterShape:
    """The balance after a movement."""
    return BalanceAfterShape(
        available_micros=balance.available_micros, paid_micros=balance.paid_micros,
        promotional=[
            PromotionalShape(micros=lot.remaining_micros, expires_at=lot.expires_at)
            for lot in balance.promotional
        ],
        reserved_micros=balance.reserved_micros, currency=balance.currency, as_of=balance.as_of,
    )  # fmt: skip


def approval_shape(approval: Approval, currency: str, now: datetime) -> ApprovalShape:
    """A request as the API says it."""
    movement = approval.movement
    return ApprovalShape(
        id=approval.id, account=approval.account_id,
        action=movement.action.value,
        state=approval.state(now),
        amount_micros=approval.amount_micros, currency=currency, reason=movement.reason,
        line_id=movement.line_id, grant_expires_at=movement.expires_at,
        asked_by=approval.asked_by, asked_at=approval.asked_at, expires_at=approval.expires_at,
        decided_by=approval.decided_by, decided_at=approval.decided_at,
        entry_id=approval.entry_id,
    )  # fmt: skip


def moved_shape(moved: Moved, currency: str) -> MovedShape | WaitingShape:
    """The answer to a movement: as it was given first, however often it is asked for."""
    if moved.entry is not None and moved.balance is not None:
        return MovedShape(
            entry=entry_shape(moved.entry), balance=balance_after_shape(moved.balance)
        )
    if moved.approval is None:
        raise ProductError("The kept answer can't be read.", code="internal")
    approval = moved.approval
    return WaitingShape(approval=approval_shape(approval, currency, approval.asked_at))
