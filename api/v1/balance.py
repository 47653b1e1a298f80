"""``GET /balance``: what can be spent, of what it consists, and what was used lately."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.v1.callers import Caller, caller
from api.v1.services import services_of
from api.v1.shapes import BalanceShape, balance_shape
from billing.overview import wallet_now

router = APIRouter(tags=["Wallet"])


@router.get("/balance")
def read_balance(
    request: Request, who: Annotated[Caller, Depends(caller("wallet:read"))]
) -> BalanceShape:
    """The wallet now, beside today's and this billing period's usage."""
    services = services_of(request)
    now = services.installation.clock.now()
    return balance_shape(wallet_now(services.reader, who.scope, now))
