"""``POST /events``: usage comes in, one CloudEvent or a batch, each event decided alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials
from starlette.concurrency import run_in_threadpool

from api.problems import named, refusal
from api.v1.bodies import read_body
from api.v1.callers import bearer, know, scopes_of
from api.v1.cloud_events import Delivery, Refused, Taken, read_delivery
from api.v1.event_docs import RESPONSES
from api.v1.services import Services, services_of
from billing.access import ALL_ACCOUNTS
from billing.errors import InputError, NotAllowedError, ProductError, shorten
from billing.events import AnyEvent, event_type
from billing.limits import limit
from data.access.keys import ApiKey
from data.ledger.intake import pieces_of
from data.ledger.posting import Outcome

INLINE_BYTES = 4_000  # a body as small as one event is read at once; more goes to a thread
WHOLE_REQUEST = ("busy", "unavailable")  # not the event's fault: the sender sends all again
FAILED = "This event could not be taken. It has been noted; the others are not affected."
_log = logging.getLogger(__name__)

router = APIRouter(tags=["Events"])


@dataclass(frozen=True, slots=True)
class Sender:
    """A key that may send events."""

    key: ApiKey
    scopes: frozenset[str]

    def refuse(self, item: Taken) -> ProductError | None:
        """Why this event may not come with this key; none if it may."""
        if self.key.account_id not in {ALL_ACCOUNTS, item.account_id}:
            fix = f"use {self.key.account_id}, the key's own account"
            return InputError("subject", item.account_id, fix, code="other_account")
        if item.is_priced and "events:priced" not in self.scopes:
            return NotAllowedError(
                "data.cost_micros needs a key with the scope events:priced: leave it out, or use "
                "such a key.",
                code="scope_lacks",
            )
        return None


async def sender(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    account: Annotated[
        str | None, Query(max_length=64, description="Not needed: each event names its account.")
    ] = None,
) -> Sender:
    """The key of a request for events."""
    shown = credentials.credentials if credentials else None
    key = (await know(services_of(request), shown)).key
    scopes = scopes_of(key)
    if not scopes & {"events:write", "events:priced"}:
        raise NotAllowedError(
            "This key may not send events: it needs the scope events:write.", code="scope_lacks"
        )
    if account not in {None, key.account_id} and key.account_id != ALL_ACCOUNTS:
        fix = "leave it out: each event names its account, and this key belongs to another"
        raise InputError("account", account, fix, code="other_account")
    return Sender(key, scopes)


@router.post("/events", status_code=204, responses=RESPONSES, response_class=Response)
async def take_events(request: Request, who: Annotated[Sender, Depends(sender)]) -> Response:
    """Takes one CloudEvent (structured or binary) or a batch of at most 1,000.

    An event is accepted once for its source and id, for ever: sending it again changes nothing.
    Of a batch, what is right is taken and what is wrong is named.
    """
    services = services_of(request)
    body = await read_body(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    if len(body) <= INLINE_BYTES:
        delivery = read_delivery(headers, body)
    else:
        delivery = await run_in_threadpool(read_delivery, headers, body)
    outcomes = await _post(services, who, delivery, services.installation.clock.now())
    services.metrics.count_events([_type_of(item) for item in delivery.items], outcomes)
    if delivery.is_batch:
        is_wordy = "return=representation" in headers.get("prefer", "")
        return _batch_answer(delivery, outcomes, is_wordy=is_wordy)
    return _single_answer(request, delivery.items[0], outcomes[0])


async def _post(
    services: Services, who: Sender, delivery: Delivery, received_at: datetime
) -> list[Outcome]:
    """What became of each event, in order. ``BusyError`` when the ledger can't take them now."""
    outcomes: dict[int, Outcome] = {}
    by_account: dict[str, list[int]] = {}
    for index, item in enumerate(delivery.items):
        error = item.error if isinstance(item, Refused) else who.refuse(item)
        if error is not None:
            outcomes[index] = Outcome("refused", error=error)
        elif isinstance(item, Taken):
            by_account.setdefault(item.account_id, []).append(index)
    posted = [
        _post_account(services, account_id, [delivery.items[i] for i in indexes], received_at)
        for account_id, indexes in by_account.items()
    ]
    for indexes, found in zip(by_account.values(), await asyncio.gather(*posted), strict=True):
        outcomes.update(zip(indexes, found, strict=True))
    return [outcomes[index] for index in range(len(delivery.items))]


async def _post_account(
    services: Services, account_id: str, items: Sequence[Taken | Refused], received_at: datetime
) -> list[Outcome]:
    events = [item.event for item in items if isinstance(item, Taken)]
    futures = services.installation.intake.submit(account_id, events, received_at)
    found = await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
    outcomes: list[Outcome] = []
    for piece, result in zip(pieces_of(events), found, strict=True):
        if isinstance(result, list):
            outcomes += result
        elif isinstance(result, ProductError):
            if result.code in WHOLE_REQUEST:
                raise result
            # The account itself refuses: it is closed, or there is none.
            outcomes += [Outcome("refused", error=result)] * len(piece)
        elif len(piece) == 1:
            _log.error("an event could not be taken", exc_info=result)
            outcomes.append(Outcome("refused", error=ProductError(FAILED, code="internal")))
        else:  # one of them is our fault: the others must not suffer for it
            for event in piece:
                alone = Taken(account_id, event)
                outcomes += await _post_account(services, account_id, [alone], received_at)
    return outcomes


def _single_answer(request: Request, item: Taken | Refused, outcome: Outcome) -> Response:
    if outcome.error is not None:
        return refusal(request, outcome.error, _event_of(item))
    headers = {"Usage-Duplicate": "true"} if outcome.status == "duplicate" else {}
    return Response(status_code=204, headers=headers)


def _batch_answer(delivery: Delivery, outcomes: Sequence[Outcome], *, is_wordy: bool) -> Response:
    """204 when everything is in the ledger now; else what was rejected, and why."""
    accepted = sum(outcome.status == "accepted" for outcome in outcomes)
    duplicates = sum(outcome.status == "duplicate" for outcome in outcomes)
    headers = {"Usage-Accepted": str(accepted), "Usage-Duplicates": str(duplicates)}
    rejected = [
        {
            "index": index, "id": _id_of(item), "code": outcome.error.code,
            "message": outcome.error.message, **named(outcome.error, _event_of(item)),
        }
        for index, (item, outcome) in enumerate(zip(delivery.items, outcomes, strict=True))
        if outcome.error is not None
    ]  # fmt: skip
    if not rejected and not is_wordy:
        return Response(status_code=204, headers=headers)
    if is_wordy:
        headers["Preference-Applied"] = "return=representation"
    answer: dict[str, Any] = {
        "accepted": accepted, "duplicates": duplicates, "rejected": rejected,
    }  # fmt: skip
    return JSONResponse(answer, 200, headers)


def _event_of(item: Taken | Refused) -> AnyEvent | None:
    return item.event if isinstance(item, Taken) else None


def _type_of(item: Taken | Refused) -> str | None:
    return None if isinstance(item, Refused) else event_type(item.event)


def _id_of(item: Taken | Refused) -> str | None:
    """The sender's id, as far as an answer can hold it."""
    given = item.id if isinstance(item, Refused) else item.event.id
    return None if given is None else shorten(given, limit("name"))
