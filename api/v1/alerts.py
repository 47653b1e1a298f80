"""``/alerts``: what people are warned of, how it stands, and what it would have done."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.v1.alert_shapes import (
    AlertBacktestShape,
    AlertBody,
    AlertChangeBody,
    AlertShape,
    AlertsShape,
    InstalledShape,
    RecommendedBody,
    TestedAlertShape,
    alert_backtest_shape,
    alert_shape,
    alerts_shape,
)
from api.v1.callers import Caller, caller
from api.v1.limit_shapes import LARGEST_VERSION
from api.v1.services import services_of
from data.installation import Installation

router = APIRouter(tags=["Alerts"])

Reader = Annotated[Caller, Depends(caller("usage:read", "alerts:write"))]
Changer = Annotated[Caller, Depends(caller("alerts:write"))]
AlertId = Annotated[str, Path(max_length=64, description="The id of an alert.")]
_CHANGED: dict[int | str, dict[str, Any]] = {
    409: {"description": "`changed`: somebody changed the alert since that version."}
}


@router.get("/alerts")
def list_alerts(request: Request, who: Reader) -> AlertsShape:
    """Every alert with its figure now beside its threshold, and the average that percents are of.

    The average is of the last complete calendar months, at most three; without one a percentage
    waits.
    """
    standing = _installation(request).alerts_reader.standing(who.scope)
    return alerts_shape(standing, who.account.currency)


@router.post("/alerts", status_code=201)
def add_alert(request: Request, who: Changer, body: AlertBody) -> AlertShape:
    """Adds an alert, in force with the answer; one whose figure is past it says so at once."""
    added = _installation(request).alerts.add(who.scope, who.actor, body.rule())
    return _shown(request, who, added.id)


@router.post("/alerts/recommended")
def install_recommended(request: Request, who: Changer, body: RecommendedBody) -> InstalledShape:
    """Adds Warning 30 %, Urgent 15 % and Critical 5 % of average monthly usage, as far as missing.

    They look at the balance, and tell on the dashboard and by e-mail to the recipients.
    """
    installation = _installation(request)
    added = installation.alerts.install_recommended(who.scope, who.actor, body.recipients)
    ids = {alert.id for alert in added}
    standing = installation.alerts_reader.standing(who.scope)
    shown = [each for each in standing.alerts if each.alert.id in ids]
    return InstalledShape(added=[alert_shape(each, who.account.currency) for each in shown])


@router.post("/alerts/backtest")
def backtest_alert(request: Request, who: Reader, body: AlertBody) -> AlertBacktestShape:
    """When an alert would have fired over the last 90 days, had it been there. Adds nothing.

    It reads charges as they were. A percentage is of the average as it was in each month.
    """
    found = _installation(request).alerts_reader.backtest(who.scope, body.rule())
    return alert_backtest_shape(found, who.account.currency)


@router.get("/alerts/{alert_id}")
def read_alert(request: Request, who: Reader, alert_id: AlertId) -> AlertShape:
    """One alert with its figure now."""
    return _shown(request, who, alert_id)


@router.patch("/alerts/{alert_id}", responses=_CHANGED)
def change_alert(
    request: Request, who: Changer, alert_id: AlertId, body: AlertChangeBody
) -> AlertShape:
    """Changes what is sent, in force with the answer. ``is_on`` false pauses it.

    An alarm that the new threshold doesn't have ends without a word; one that it has begins.
    """
    _installation(request).alerts.amend(who.scope, who.actor, alert_id, body.changed, body.version)
    return _shown(request, who, alert_id)


@router.delete("/alerts/{alert_id}", status_code=204, response_class=Response, responses=_CHANGED)
def remove_alert(
    request: Request,
    who: Changer,
    alert_id: AlertId,
    version: Annotated[
        int | None,
        Query(ge=1, le=LARGEST_VERSION, description="The one that was read, as in a change."),
    ] = None,
) -> Response:
    """Removes an alert; what it told stays known."""
    _installation(request).alerts.remove(who.scope, who.actor, alert_id, version)
    return Response(status_code=204)


@router.post("/alerts/{alert_id}/test", status_code=202)
def test_alert(request: Request, who: Changer, alert_id: AlertId) -> TestedAlertShape:
    """Tells everybody whom the alert tells, by every channel, with the figures of now.

    It is marked as a test. Once a minute.
    """
    sent = _installation(request).alerts.send_test(who.scope, who.actor, alert_id)
    return TestedAlertShape(notification_id=sent)


def _shown(request: Request, who: Caller, alert_id: str) -> AlertShape:
    view = _installation(request).alerts_reader.view(who.scope, alert_id)
    return alert_shape(view, who.account.currency)


def _installation(request: Request) -> Installation:
    return services_of(request).installation
