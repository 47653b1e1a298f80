"""The API as one application, mounted at ``/api/v1``: routers, errors as problems, description."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from api.problems import problem, refusal
from api.v1 import balance, events
from api.v1.services import Services
from billing.errors import ProductError, shorten
from billing.usage import UsageReader
from data.installation import Installation

TITLE = "Usage Dashboard API"
VERSION = "1.0.0"
ROUTERS = (balance.router, events.router)
_CODES = {404: "not_found", 405: "method_not_allowed"}
_log = logging.getLogger(__name__)


def build_api(installation: Installation, reader: UsageReader | None = None) -> FastAPI:
    """The application; ``reader`` replaces the installation's own, for tests."""
    api = FastAPI(
        title=TITLE, version=VERSION, openapi_url="/openapi.json", docs_url=None, redoc_url=None,
        servers=[{"url": "/api/v1"}], root_path_in_servers=False,
    )  # fmt: skip
    api.state.services = Services(installation, reader or installation.reader)
    for router in ROUTERS:
        api.include_router(router)
    api.add_exception_handler(ProductError, _refused)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _http)
    api.add_exception_handler(Exception, _failed)
    return api


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProductError), "registered for these alone"
    return refusal(request, error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Which field, what it was, how to mend it; all of them under ``errors``."""
    assert isinstance(error, RequestValidationError), "registered for these alone"
    errors = [_one_error(each) for each in error.errors()[:20]]
    first = errors[0]
    detail = f"{first['field']} {first['value']!r} is not valid: {first['fix']}"
    return problem(request, 422, "invalid", detail, more={**first, "errors": errors})


def _one_error(error: Any) -> dict[str, str]:
    place: Sequence[Any] = error["loc"]
    names = [str(part) for part in place if part not in {"body", "query", "path", "header"}]
    given = error.get("input")
    is_missing = error["type"] == "missing"
    return {
        "field": shorten(".".join(names) or str(place[0] if place else "body")),
        "value": "" if is_missing or given is None else shorten(str(given)),
        "fix": shorten(str(error["msg"]), 200),
    }


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException), "registered for these alone"
    code = _CODES.get(error.status_code, "refused")
    detail = f"There is no call {request.method} {shorten(request.url.path)}."
    if error.status_code not in _CODES:
        detail = str(error.detail)
    return problem(request, error.status_code, code, detail, headers=error.headers)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %r", request.method, request.url.path, exc_info=error)
    return problem(request, 500, "internal", "Something failed here; it has been noted.")
