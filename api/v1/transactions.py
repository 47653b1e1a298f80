"""``GET /transactions``: lines of the ledger by pages, one of them, and why it cost so much."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from api.v1.callers import Caller, caller
from api.v1.line_shapes import (
    ExplanationShape,
    TransactionShape,
    TransactionsShape,
    explanation_shape,
    transaction_shape,
    transactions_shape,
)
from api.v1.parameters import given, takes_query
from api.v1.services import services_of
from billing.access import require_metric
from billing.metrics import METRIC_BY_ID
from billing.parameters import parse_parameters

router = APIRouter(tags=["Usage"])
Reader = Annotated[Caller, Depends(caller("usage:read"))]
LineId = Annotated[str, Path(description="The id of a transaction.")]


@router.get("/transactions", openapi_extra=takes_query("transactions"))
def list_transactions(request: Request, who: Reader) -> TransactionsShape:
    """Lines of a range of days, newest first: by default of the current billing period."""
    services = services_of(request)
    account = who.account
    today = account.today(services.installation.clock.now())
    query = parse_parameters("transactions", given(request), account, today)
    for metric in query.filters.metrics:
        require_metric(who.scope, METRIC_BY_ID[metric], query.period)
    page = services.reader.transactions(
        who.scope, query.period, query.filters, query.sort, query.cursor, query.limit
    )
    return transactions_shape(page, account.currency)


@router.get("/transactions/{id}")
def read_transaction(request: Request, who: Reader, id: LineId) -> TransactionShape:  # noqa: A002
    """One line."""
    return transaction_shape(services_of(request).reader.explain(who.scope, id).line)


@router.get("/transactions/{id}/explanation")
def explain_transaction(request: Request, who: Reader, id: LineId) -> ExplanationShape:  # noqa: A002
    """Why one line cost what it cost, step by step."""
    return explanation_shape(services_of(request).reader.explain(who.scope, id))
