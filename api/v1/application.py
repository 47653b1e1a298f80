"""The API as one application, mounted at ``/api/v1``: routers, errors as problems, description."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.problems import FieldsError, no_answer, problem, refusal, unavailable
from api.v1 import (
    alerts,
    balance,
    calls,
    events,
    holds,
    limits,
    notifications,
    rates,
    recharges,
    transactions,
    usage,
    wallet,
    webhooks,
)
from api.v1.description import describe
from api.v1.etags import BodyLimit, Etags
from api.v1.field_words import field_problems
from api.v1.parameters import only_known
from api.v1.services import Services
from billing.errors import ProductError
from billing.usage import UsageReader
from data.installation import Installation

TITLE = "Usage Dashboard API"
VERSION = "1.0.0"
ROUTERS = (
    events.router, usage.router, transactions.router, calls.router, rates.router, balance.router,
    wallet.router, recharges.router, holds.router, limits.router, alerts.router,
    notifications.router, webhooks.router,
)  # fmt: skip


def build_api(installation: Installation, reader: UsageReader | None = None) -> FastAPI:
    """The application; ``reader`` replaces the installation's own, for tests."""
    api = FastAPI(
        title=TITLE, version=VERSION, openapi_url="/openapi.json", docs_url=None, redoc_url=None,
        servers=[{"url": "/api/v1"}], root_path_in_servers=False, redirect_slashes=False,
        dependencies=[Depends(only_known)], generate_unique_id_function=_operation_id,
    )  # fmt: skip
    api.add_middleware(BodyLimit)
    api.add_middleware(Etags)
    api.state.services = Services(installation, reader or installation.reader)
    for router in ROUTERS:
        api.include_router(router)
    api.add_exception_handler(ProductError, _refused)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _http)
    api.add_exception_handler(SQLAlchemyError, unavailable)
    api.add_exception_handler(Exception, _failed)
    description = cache(lambda: describe(api))
    api.openapi = description  # type: ignore[method-assign]  # FastAPI's own way to extend it
    return api


def _operation_id(route: APIRoute) -> str:
    return route.name


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProductError), "registered for these alone"
    return refusal(request, error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Which field, what it was, how to mend it; all of them under ``errors``."""
    assert isinstance(error, RequestValidationError), "registered for these alone"
    return refusal(request, FieldsError(field_problems(error.errors())))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException), "registered for these alone"
    answer = no_answer(request, error)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        answer.headers["Allow"] = ", ".join(sorted(_methods_at(request)))
    return answer


def _methods_at(request: Request) -> set[str]:
    """Every method of an address: the framework names those of its first route alone."""
    found = [
        each
        for each in iter_route_contexts(request.app.routes)
        if each.original_route.matches(request.scope)[0] is not Match.NONE
    ]
    return {method for each in found if each.path == found[0].path for method in each.methods or ()}


async def _failed(request: Request, _: Exception) -> JSONResponse:
    """Only the answer: the server around it logs the fault, with the request's id."""
    return problem(request, 500, "internal", "Something failed here; it has been noted.")
