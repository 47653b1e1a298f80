"""Refusals as problem documents (RFC 9457), with a stable ``code`` and the request's id."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from billing.errors import InputError, ProductError

MEDIA_TYPE = "application/problem+json"
STATUS_BY_CODE = {
    "malformed": 400, "too_slow": 408,
    "no_key": 401, "key_unknown": 401, "signed_out": 401, "sign_in_failed": 401,
    "not_allowed": 403, "scope_lacks": 403, "account_closed": 403, "other_account": 403,
    "not_found": 404, "in_progress": 409, "too_large": 413, "wrong_type": 415,
    "throttled": 429, "busy": 429, "unavailable": 503, "analytics_unusable": 503,
}  # fmt: skip
REFUSED = 422  # what isn't listed is a value that can't be taken


def status_of(error: ProductError) -> int:
    """The status that a refusal is answered with."""
    return STATUS_BY_CODE.get(error.code, REFUSED)


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


def refusal(request: Request, error: ProductError) -> JSONResponse:
    """A refusal of the product as an answer."""
    status = status_of(error)
    headers = {}
    seconds = getattr(error, "retry_after_seconds", None)
    if seconds is not None or status in {429, 503}:
        headers["Retry-After"] = str(seconds or 1)
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="usage"'
    return problem(request, status, error.code, error.message, headers=headers, more=named(error))


def named(error: ProductError) -> dict[str, str]:
    """Field, value and fix of a refusal that names them."""
    if not isinstance(error, InputError):
        return {}
    return {"field": error.field, "value": error.value, "fix": error.fix}
