"""``/wallet/auto-recharge`` and ``/wallet/recharges``: a wallet that tops itself up."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from api.v1.callers import Caller, caller
from api.v1.recharge_shapes import (
    RechargeBody,
    RechargeSettingsShape,
    RechargesShape,
    recharges_shape,
    settings_shape,
)
from api.v1.services import services_of
from billing.limits import limit

router = APIRouter(tags=["Wallet"])

Reader = Annotated[Caller, Depends(caller("wallet:read", "wallet:write"))]
Payer = Annotated[Caller, Depends(caller("wallet:write"))]
_CHANGED: dict[int | str, dict[str, Any]] = {
    409: {"description": "`changed`: somebody changed the settings since that version."}
}


@router.get("/wallet/auto-recharge")
def read_auto_recharge(request: Request, who: Reader) -> RechargeSettingsShape:
    """What is set, and whether a top-up is due, in flight or waits."""
    reader = services_of(request).installation.recharges_reader
    return settings_shape(reader.standing(who.scope), who.account.currency)


@router.put("/wallet/auto-recharge", responses=_CHANGED)
def set_auto_recharge(request: Request, who: Payer, body: RechargeBody) -> RechargeSettingsShape:
    """Replaces what is set; a top-up that is due by it is begun at once.

    Declines before keep nothing from being tried after a change. Needs no `Idempotency-Key`: sent
    again it sets the same, and one top-up is in flight at most.
    """
    installation = services_of(request).installation
    installation.recharging.save(who.scope, who.actor, body.settings(), body.version)
    standing = installation.recharges_reader.standing(who.scope)
    return settings_shape(standing, who.account.currency)


@router.get("/wallet/recharges")
def list_recharges(
    request: Request,
    who: Reader,
    cursor: Annotated[str | None, Query(max_length=limit("name"))] = None,
    most: Annotated[int, Query(alias="limit", ge=1, le=limit("page"))] = 100,
) -> RechargesShape:
    """Every top-up that was begun by itself, and what came of it, newest first."""
    reader = services_of(request).installation.recharges_reader
    return recharges_shape(reader.recharges(who.scope, cursor, most), who.account.currency)
