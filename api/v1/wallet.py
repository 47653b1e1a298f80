"""``/wallet`` and ``/approvals``: entries, and money moved by hand, each movement once a key."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import JSONResponse

from api.v1.callers import Caller, caller
from api.v1.services import services_of
from api.v1.shapes import LocalDay
from api.v1.wallet_shapes import (
    AdjustmentBody,
    ApprovalsShape,
    DecisionShape,
    EntriesShape,
    EntryKind,
    GrantBody,
    MovedShape,
    RefundBody,
    TopUpBody,
    WaitingShape,
    approval_shape,
    balance_after_shape,
    entry_shape,
    moved_shape,
)
from billing.errors import InputError
from billing.limits import limit
from billing.movements import Action, Movement
from billing.periods import FIRST_DAY, LAST_DAY, Period
from billing.wallet import EntryQuery
from data.ledger.idempotency import HEADER

REPLAYED = "Idempotent-Replayed"
router = APIRouter(tags=["Wallet"])

Reader = Annotated[Caller, Depends(caller("wallet:read"))]
Payer = Annotated[Caller, Depends(caller("wallet:write"))]
Staff = Annotated[Caller, Depends(caller("support", "admin"))]
Key = Annotated[
    str,
    Header(
        alias=HEADER, min_length=1, max_length=limit("name"),
        description="Yours, unique for this account and call, for ever: sent again with the same "
        "body it gives the first answer.",
    ),
]  # fmt: skip
ApprovalId = Annotated[str, Path(max_length=64, description="The id of an approval.")]
_REPLAYED = {"description": "`true` when this is the first answer again.",
             "schema": {"type": "string"}}  # fmt: skip
_MOVED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {REPLAYED: _REPLAYED}},
    202: {"model": WaitingShape, "description": "Above support's limit: waits for a person."},
    409: {"description": "This key is being worked on now, or the charge was refunded before."},
}
_DECIDED: dict[int | str, dict[str, Any]] = {
    409: {"description": "Decided before, or open no longer."},
}


@router.get("/wallet/entries")
def read_entries(
    request: Request,
    who: Reader,
    kind: Annotated[list[EntryKind], Query(description="Only these; may repeat.")] = [],  # noqa: B006
    from_: Annotated[
        LocalDay | None, Query(alias="from", description="Booked from this day.")
    ] = None,
    to: Annotated[LocalDay | None, Query(description="Booked before this day.")] = None,
    cursor: Annotated[str | None, Query(max_length=limit("name"))] = None,
    most: Annotated[int, Query(alias="limit", ge=1, le=limit("page"))] = 100,
) -> EntriesShape:
    """Wallet entries, newest first, in posting order."""
    period = None
    if from_ or to:
        start, end = from_ or FIRST_DAY, to or LAST_DAY
        if end <= start:
            raise InputError("to", end, f"use a day after {start}: it is excluded")
        period = Period(start, end)
    page = services_of(request).installation.wallet_reader.entries(
        who.scope, EntryQuery(tuple(kind), period), cursor, most
    )
    return EntriesShape(
        entries=[entry_shape(entry) for entry in page.entries], next_cursor=page.older_cursor,
        currency=who.account.currency,
    )  # fmt: skip


@router.post("/wallet/top-ups", response_model=MovedShape, responses=_MOVED)
def top_up(request: Request, who: Payer, body: TopUpBody, key: Key) -> JSONResponse:
    """Adds paid credit, recorded by hand. For the account's own key, or an administrator's."""
    return _move(request, who, Movement(Action.TOP_UP, body.amount_micros, body.reason), key)


@router.post("/wallet/grants", response_model=MovedShape, responses=_MOVED)
def grant(request: Request, who: Staff, body: GrantBody, key: Key) -> JSONResponse:
    """Adds promotional credit."""
    movement = Movement(
        Action.GRANT, body.amount_micros, body.reason, expires_at=body.expires_at,
        priority=body.priority,
    )  # fmt: skip
    return _move(request, who, movement, key)


@router.post("/wallet/adjustments", response_model=MovedShape, responses=_MOVED)
def adjust(request: Request, who: Staff, body: AdjustmentBody, key: Key) -> JSONResponse:
    """Gives promotional credit that never expires, or takes credit, which may leave debt."""
    return _move(request, who, Movement(Action.ADJUSTMENT, body.amount_micros, body.reason), key)


@router.post("/wallet/refunds", response_model=MovedShape, responses=_MOVED)
def refund(request: Request, who: Staff, body: RefundBody, key: Key) -> JSONResponse:
    """Gives one line's charge back to the credit that paid it.

    Credit that has expired meanwhile comes back as promotional credit for 30 days.
    """
    movement = Movement(Action.REFUND, reason=body.reason, line_id=body.line_id)
    return _move(request, who, movement, key)


@router.get("/approvals")
def read_approvals(
    request: Request,
    who: Staff,
    state: Annotated[
        Literal["waiting", "any"], Query(description="Whatever became of them.")
    ] = "waiting",
) -> ApprovalsShape:
    """Movements above support's limit, newest first."""
    installation = services_of(request).installation
    found = installation.wallet_reader.approvals(who.scope, is_waiting=state == "waiting")
    now = installation.clock.now()
    return ApprovalsShape(
        approvals=[approval_shape(each, who.account.currency, now) for each in found]
    )


@router.post("/approvals/{approval_id}/approve", responses=_DECIDED)
def approve(request: Request, who: Staff, approval_id: ApprovalId) -> DecisionShape:
    """Carries a waiting movement out. Another administrator than the one who asked."""
    return _decide(request, who, approval_id, is_approved=True)


@router.post("/approvals/{approval_id}/reject", responses=_DECIDED)
def reject(request: Request, who: Staff, approval_id: ApprovalId) -> DecisionShape:
    """Turns a waiting movement down: nothing moves."""
    return _decide(request, who, approval_id, is_approved=False)


def _move(request: Request, who: Caller, movement: Movement, key: str) -> JSONResponse:
    installation = services_of(request).installation
    moved = installation.movements.move(who.scope, who.actor, movement, key)
    shape = moved_shape(moved, who.account.currency)
    headers = {REPLAYED: "true"} if moved.is_replay else None
    return JSONResponse(shape.model_dump(mode="json"), moved.status_code, headers)


def _decide(request: Request, who: Caller, approval_id: str, *, is_approved: bool) -> DecisionShape:
    installation = services_of(request).installation
    approval, moved = installation.movements.decide(
        who.scope, who.actor, approval_id, is_approved=is_approved
    )
    shown = approval_shape(approval, who.account.currency, installation.clock.now())
    entry = moved.entry if moved else None
    balance = moved.balance if moved else None
    return DecisionShape(
        approval=shown, entry=entry_shape(entry) if entry else None,
        balance=balance_after_shape(balance) if balance else None,
    )  # fmt: skip
