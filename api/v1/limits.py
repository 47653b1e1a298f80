"""``/limits`` and ``/pauses``: what may be spent, what stands still, and leave to go on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request

from api.v1.callers import Caller, caller
from api.v1.limit_shapes import (
    BacktestShape,
    CapBody,
    LimitsBody,
    LimitsShape,
    OverriddenShape,
    OverrideBody,
    PausesShape,
    backtest_shape,
    limits_shape,
    override_shape,
    pause_shapes,
)
from api.v1.services import services_of
from billing.limits import limit
from data.ledger.limiting import Given

router = APIRouter(tags=["Limits"])

Reader = Annotated[Caller, Depends(caller("usage:read", "limits:write"))]
Changer = Annotated[Caller, Depends(caller("limits:write"))]
PauseId = Annotated[str, Path(max_length=64, description="The id of a pause.")]
_CHANGED: dict[int | str, dict[str, Any]] = {
    409: {"description": "`changed`: somebody changed the limits since that version."}
}
_OVER: dict[int | str, dict[str, Any]] = {409: {"description": "`pause_over`: it has ended."}}


@router.get("/limits")
def read_limits(request: Request, who: Reader) -> LimitsShape:
    """Every limit with what its present window has spent, reserved and left; and what is paused."""
    reader = services_of(request).installation.limits_reader
    return limits_shape(reader.standing(who.scope), who.account.currency)


@router.put("/limits", responses=_CHANGED)
def set_limits(request: Request, who: Changer, body: LimitsBody) -> LimitsShape:
    """Replaces everything that is set; in force with the answer, which says what is paused now.

    A limit below what is spent pauses at once, a higher one resumes. Overrides stay.
    """
    installation = services_of(request).installation
    installation.limits.save(who.scope, who.actor, body.limits(), body.version)
    return limits_shape(installation.limits_reader.standing(who.scope), who.account.currency)


@router.post("/limits/backtest")
def backtest_limit(request: Request, who: Reader, body: CapBody) -> BacktestShape:
    """When a limit would have been reached over the last 90 days, had it been set. Sets nothing.

    It reads charges as they were: that a pause would have kept some from happening is left out.
    """
    reader = services_of(request).installation.limits_reader
    return backtest_shape(reader.backtest(who.scope, body.cap()), who.account.currency)


@router.get("/pauses")
def list_pauses(
    request: Request,
    who: Reader,
    state: Annotated[
        Literal["open", "any"], Query(description="Those that are open, or all.")
    ] = "open",
    cursor: Annotated[str | None, Query(max_length=limit("name"))] = None,
    most: Annotated[int, Query(alias="limit", ge=1, le=limit("page"))] = 100,
) -> PausesShape:
    """What stands still, or stood still: why, since when, until when."""
    reader = services_of(request).installation.limits_reader
    page = reader.pauses(who.scope, cursor, most, is_open=state == "open")
    return PausesShape(
        pauses=pause_shapes(page.pauses), next_cursor=page.next_cursor,
        currency=who.account.currency,
    )  # fmt: skip


@router.post("/pauses/{pause_id}/override", responses=_OVER)
def override_pause(
    request: Request, who: Changer, pause_id: PauseId, body: OverrideBody
) -> OverriddenShape:
    """Gives leave to go over the limit that paused, until an instant; what it kept goes on at once.

    The limit goes on counting. A balance that has run out can't be overridden.
    """
    installation = services_of(request).installation
    given = installation.limits.override(
        who.scope, who.actor, pause_id, body.reason, body.until, body.limit_micros
    )
    return _overridden(who, given)


@router.delete("/pauses/{pause_id}/override")
def end_override(request: Request, who: Changer, pause_id: PauseId) -> OverriddenShape:
    """Takes back the override that is in force over a pause's limit; what is full pauses again."""
    installation = services_of(request).installation
    return _overridden(who, installation.limits.take_back(who.scope, who.actor, pause_id))


def _overridden(who: Caller, given: Given) -> OverriddenShape:
    return OverriddenShape(
        override=override_shape(given.override), resumed=pause_shapes(given.turned.ended),
        paused=pause_shapes(given.turned.begun), currency=who.account.currency,
    )  # fmt: skip
