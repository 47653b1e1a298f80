"""``GET /calls/{event}`` and ``GET /messages/{event}``: all that one call or message came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from api.v1.callers import Caller, caller
from api.v1.line_shapes import EventShape, event_shape
from api.v1.parameters import given, takes
from api.v1.services import services_of
from billing.metrics import Service
from billing.query_values import Values, refuse

CALLS = (Service.VOICE,)
MESSAGES = (Service.SMS, Service.WHATSAPP)

router = APIRouter(tags=["Usage"])
Reader = Annotated[Caller, Depends(caller("usage:read"))]
EventId = Annotated[str, Path(description="The sender's own id, or the `event_id` of a line.")]


@router.get("/calls/{event:path}", openapi_extra=takes("source"))
def read_call(request: Request, who: Reader, event: EventId) -> EventShape:
    """All lines, units, cost and status of one call, or of one voicemail."""
    return _read(request, who, event, CALLS)


@router.get("/messages/{event:path}", openapi_extra=takes("source"))
def read_message(request: Request, who: Reader, event: EventId) -> EventShape:
    """All lines, units, cost and status of one message or WhatsApp conversation."""
    return _read(request, who, event, MESSAGES)


def _read(request: Request, who: Caller, event: str, services: Sequence[str]) -> EventShape:
    source = Values(given(request), refuse, is_strict=True).text("source")
    found = services_of(request).reader.event_lines(who.scope, event, source, services)
    return event_shape(found)
