"""``/holds``: whether work may begin, and what became of it.

A decision is made in the writer with all others that wait, and answered after its commit.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from api.v1.callers import Caller, caller
from api.v1.cloud_events import Refused, read_event
from api.v1.hold_shapes import (
    AuthorizeBody,
    DecisionAnswer,
    ExtendBody,
    HoldShape,
    HoldsShape,
    ReleasedShape,
    SettleBody,
    SettledShape,
    hold_shape,
    holds_shape,
)
from api.v1.services import Services, services_of
from billing.errors import InputError, NotFoundError
from billing.events import UsageEvent, event_type
from billing.holds import HoldKind, HoldState
from billing.limits import limit
from data.ledger.hold_answers import Extend, Item, Release, Settle
from data.ledger.posting import Outcome
from data.reading.charged import lines_of_identity

NO_HOLD = "There is no such hold in this account."
router = APIRouter(tags=["Holds"])

Holder = Annotated[Caller, Depends(caller("holds:write"))]
Releaser = Annotated[Caller, Depends(caller("holds:write", "support"))]
Reader = Annotated[Caller, Depends(caller("holds:write", "wallet:read"))]
HoldId = Annotated[str, Path(max_length=64, description="The id of a hold.")]
_CLOSED: dict[int | str, dict[str, Any]] = {
    409: {"description": "The hold is closed: settled, released or expired."}
}
# What the kind of a hold says of its event: the event's type, and the data that may be left out.
_SAID: dict[HoldKind, tuple[str, dict[str, str]]] = {
    HoldKind.CALL_AI: ("usage.call", {"direction": "outbound", "agent": "ai"}),
    HoldKind.CALL_AI_PREMIUM: (
        "usage.call", {"direction": "outbound", "agent": "ai", "voice": "premium"},
    ),
    HoldKind.CALL_HUMAN: ("usage.call", {"direction": "outbound", "agent": "human"}),
    HoldKind.CALL_INBOUND: ("usage.call", {"direction": "inbound"}),
    HoldKind.SMS: ("usage.sms", {"direction": "outbound"}),
    HoldKind.SMS_AI_REPLY: ("usage.sms", {"direction": "outbound", "kind": "ai_reply"}),
    HoldKind.WHATSAPP: ("usage.whatsapp", {}),
    HoldKind.VOICEMAIL_DROP: ("usage.voicemail", {"kind": "drop"}),
    HoldKind.VOICEMAIL_RINGLESS: ("usage.voicemail", {"kind": "ringless"}),
}  # fmt: skip


async def allowed_kind(request: Request, who: Holder, hold_id: HoldId) -> HoldKind:
    """What the hold that a call is about is for, open or closed; ``NotFoundError`` for none."""
    services = services_of(request)
    kind = services.hold_kinds.find(who.account.id, hold_id)
    if kind is None:
        reader = services.installation.limits_reader
        hold = await run_in_threadpool(reader.hold, who.scope, hold_id)
        if hold.state is HoldState.DENIED:
            raise NotFoundError(NO_HOLD)
        kind = hold.kind
    return kind


@router.post("/holds", response_model=DecisionAnswer)
async def authorize(request: Request, who: Holder, body: AuthorizeBody) -> JSONResponse:
    """Asks before work begins; sets money aside for it, or says which rule denies it.

    Both decisions are answered 200, each `request_id` once: asked again, the first answer is
    given. A hold covers all lines of its event. A call may last `max_seconds`, which is what the
    balance, the limits and the estimate allow.
    """
    asked = body.request()
    services = services_of(request)
    answer = await asyncio.wrap_future(
        services.installation.decisions.submit(who.account.id, asked)
    )
    if answer["decision"] == "allowed":
        services.hold_kinds.keep(who.account.id, answer["hold_id"], asked.kind)
    return _answer(who, answer)


@router.post("/holds/{hold_id}/extend", response_model=DecisionAnswer, responses=_CLOSED)
async def extend(request: Request, who: Holder, hold_id: HoldId, body: ExtendBody) -> JSONResponse:
    """Asks for more seconds of a call that goes on; `max_seconds` is then that of the whole.

    Denied, the hold stays as it was.
    """
    return await _decide(request, who, Extend(hold_id, body.request_id, body.seconds))


@router.post("/holds/{hold_id}/settle", response_model=SettledShape)
async def settle(
    request: Request,
    who: Holder,
    hold_id: HoldId,
    body: SettleBody,
    kind: Annotated[HoldKind, Depends(allowed_kind)],
) -> JSONResponse:
    """Charges the work by its usage event, and gives back what was held and not used.

    It is that event: sent again here or to `POST /events` it changes nothing, and its lines are
    answered again. Usage is charged whatever became of the hold; more than was held, too late
    or after a release is flagged.
    """
    services = services_of(request)
    event = _event_of(who, hold_id, kind, body)
    item = Settle(event, services.installation.clock.now())
    answer = await asyncio.wrap_future(services.installation.decisions.submit(who.account.id, item))
    if answer["is_duplicate"]:
        answer |= await run_in_threadpool(_told_again, services, who, event)
    status = "duplicate" if answer["is_duplicate"] else "accepted"
    services.metrics.count_events([event_type(event)], [Outcome(status)])
    lines = [{**line, "flags": (line["flags"] or "").split()} for line in answer["lines"]]
    return _answer(who, {**answer, "lines": lines})


@router.post("/holds/{hold_id}/release", response_model=ReleasedShape, responses=_CLOSED)
async def release(request: Request, who: Releaser, hold_id: HoldId) -> JSONResponse:
    """Gives a hold back: the work didn't happen. Again, or once expired, it changes nothing."""
    actor = who.actor if who.scope.role.sees_all_accounts else None
    return await _decide(request, who, Release(hold_id, actor))


@router.get("/holds")
def list_holds(
    request: Request,
    who: Reader,
    state: Annotated[
        Literal["open", "any"], Query(description="Those that are open, or all decisions.")
    ] = "open",
    cursor: Annotated[str | None, Query(max_length=limit("name"))] = None,
    most: Annotated[int, Query(alias="limit", ge=1, le=limit("page"))] = 100,
) -> HoldsShape:
    """Holds with what they set aside, newest first."""
    installation = services_of(request).installation
    page = installation.limits_reader.holds(who.scope, cursor, most, is_open=state == "open")
    return holds_shape(page, who.account.currency, installation.clock.now())


@router.get("/holds/{hold_id}")
def read_hold(request: Request, who: Reader, hold_id: HoldId) -> HoldShape:
    """One hold, or the decision that denied it."""
    installation = services_of(request).installation
    hold = installation.limits_reader.hold(who.scope, hold_id)
    return hold_shape(hold, who.account.currency, installation.clock.now())


async def _decide(request: Request, who: Caller, item: Item) -> JSONResponse:
    services: Services = services_of(request)
    return _answer(
        who,
        await asyncio.wrap_future(services.installation.decisions.submit(who.account.id, item)),
    )


def _answer(who: Caller, answer: dict[str, Any]) -> JSONResponse:
    return JSONResponse({**answer, "currency": who.account.currency})


def _told_again(services: Services, who: Caller, event: UsageEvent) -> dict[str, Any]:
    with services.installation.database.read() as connection:
        event_id, lines = lines_of_identity(connection, who.account.id, event.source, event.id)
    return {"event_id": event_id, "lines": lines}


def _event_of(who: Caller, hold_id: str, held_for: HoldKind, body: SettleBody) -> UsageEvent:
    """The event that settles a hold; ``InputError`` names what can't be taken."""
    kind, said = _SAID[held_for]
    if body.data.get("hold_id", hold_id) != hold_id:
        fix = "leave it out: the address names the hold"
        raise InputError("data.hold_id", body.data["hold_id"], fix)
    taken = read_event(
        {
            "specversion": "1.0", "type": kind, "subject": who.account.id, "source": body.source,
            "id": body.id, "time": body.time, "data": {**said, **body.data, "hold_id": hold_id},
        }
    )  # fmt: skip
    if isinstance(taken, Refused):
        raise taken.error
    assert isinstance(taken.event, UsageEvent), "a hold's kind is one of usage"
    return taken.event
