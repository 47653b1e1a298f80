"""Refusals as problem documents (RFC 9457), with a stable ``code`` and the request's id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from billing.errors import InputError, NotAllowedError, ProductError, shorten
from billing.events import AnyEvent, CallEvent, RentalEvent, SmsEvent
from billing.rates import UnknownDestinationError
from data.outage import refusal_of, say

MEDIA_TYPE = "application/problem+json"
STATUS_BY_CODE = {
    "malformed": 400, "too_slow": 408,
    "no_key": 401, "key_unknown": 401, "signed_out": 401, "sign_in_failed": 401,
    "not_allowed": 403, "scope_lacks": 403, "account_closed": 403, "other_account": 403,
    "own_request": 403, "not_found": 404, "in_progress": 409, "already_refunded": 409,
    "already_decided": 409, "approval_expired": 409, "hold_closed": 409, "changed": 409,
    "pause_over": 409, "too_large": 413, "wrong_type": 415,
    "internal": 500, "throttled": 429, "busy": 429, "too_many": 429, "unavailable": 503,
    "analytics_unusable": 503,
}  # fmt: skip
_CODES = {
    408: "too_slow",
    400: "malformed",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
}
ANALYTICS_OUT = (
    "Analytics can't be read right now. The ledger is not affected: nothing that was sent is lost. "
    "Whoever runs this server has been told."
)
REFUSED = 422  # what isn't listed is a value that can't be taken


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field that can't be taken: its path as the sender wrote it, its value, what to do."""

    field: str
    value: str
    fix: str


class FieldsError(InputError):
    """Fields that can't be taken; field, value and fix are the first one's."""

    def __init__(self, errors: Sequence[FieldProblem], *, code: str | None = None) -> None:
        first, more = errors[0], [each.field for each in errors[1:]]
        super().__init__(first.field, first.value, first.fix, code=code)
        if first.fix.startswith("send ") and first.fix.endswith(": it is missing"):
            self.message = f"{first.fix[:1].upper()}{first.fix[1:]}"
        if more:
            self.message += f" (also wrong: {shorten(', '.join(more), 200)})"
        self.errors = tuple(errors)


def status_of(error: ProductError) -> int:
    """The status that a refusal is answered with."""
    otherwise = 403 if isinstance(error, NotAllowedError) else REFUSED
    return STATUS_BY_CODE.get(error.code, otherwise)


def problem_body(
    status: int, code: str, detail: str = "", more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The document itself; ``more`` such as ``field``, ``value`` and ``fix``."""
    title = HTTPStatus(status).phrase
    return {
        "type": "about:blank", "title": title, "status": status, "code": code,
        "detail": detail or title, **(more or {}),
    }  # fmt: skip


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """An answer that says what was wrong and how to mend it."""
    body = problem_body(status, code, detail, more)
    request_id = getattr(request.state, "request_id", None)
    if request_id:
        body["request_id"] = request_id
    return JSONResponse(body, status, dict(headers or {}), media_type=MEDIA_TYPE)


def no_answer(request: Request, error: HTTPException) -> JSONResponse:
    """What the framework itself refuses: an unknown address or method, an unreadable body."""
    detail = str(error.detail)
    if error.status_code in {404, 405}:
        detail = f"There is no call {request.method} {shorten(request.url.path)}."
    code = _CODES.get(error.status_code, "refused")
    return problem(request, error.status_code, code, detail, headers=error.headers)


def refusal(request: Request, error: ProductError, event: AnyEvent | None = None) -> JSONResponse:
    """A refusal of the product as an answer; ``event``: the one that is refused, if one is."""
    status = status_of(error)
    headers = {}
    seconds = getattr(error, "retry_after_seconds", None)
    if seconds is not None or status in {429, 503}:
        headers["Retry-After"] = str(seconds or 1)
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="usage"'
    more = named(error, event)
    return problem(request, status, error.code, told(error), headers=headers, more=more)


def told(error: ProductError) -> str:
    """What the caller is told: of broken analytics not which file, and not how to mend them."""
    if error.code != "analytics_unusable":
        return error.message
    say("a caller was refused", error)
    return ANALYTICS_OUT


async def unavailable(request: Request, error: Exception) -> JSONResponse:
    """An outage of the database as an answer; any other fault of it goes on to who logs faults."""
    assert isinstance(error, SQLAlchemyError), "registered for these alone"
    outage = refusal_of(error)
    if outage is None:
        raise error
    return refusal(request, outage)


def named(error: ProductError, event: AnyEvent | None = None) -> dict[str, Any]:
    """Field, value and fix of a refusal that names them; all that is wrong under ``errors``."""
    if isinstance(error, FieldsError):
        found = list(error.errors)
    elif isinstance(error, InputError):
        found = [FieldProblem(error.field, error.value, error.fix)]
    elif isinstance(error, UnknownDestinationError):
        found = [FieldProblem(_destination_field(event), error.destination, error.fix)]
    else:
        return {}
    errors = [asdict(each) for each in found]
    return {**errors[0], "errors": errors}


def _destination_field(event: AnyEvent | None) -> str:
    """Where an event's sender wrote the number that prices are searched by."""
    if isinstance(event, RentalEvent):
        return "data.number"
    is_inbound = isinstance(event, CallEvent | SmsEvent) and event.direction == "inbound"
    return "data.from" if is_inbound else "data.to"
