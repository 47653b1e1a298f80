"""``/webhooks``: where the platform is told of pauses, calls at their limit and lost holds."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from api.v1.callers import Caller, caller
from api.v1.services import services_of
from api.v1.webhook_shapes import (
    AttemptsShape,
    DeliveriesShape,
    EndpointBody,
    EndpointChangeBody,
    EndpointShape,
    EndpointsShape,
    SecretShape,
    TestedShape,
    attempt_shape,
    delivery_shape,
    endpoint_shape,
)
from data.installation import Installation
from data.webhooks.deliveries import read_attempts, read_deliveries, replay
from data.webhooks.endpoints import find_endpoint, read_endpoints

router = APIRouter(tags=["Webhooks"])
Keeper = Annotated[Caller, Depends(caller("account:write"))]
EndpointId = Annotated[str, Path(max_length=64, description="The id of a webhook.")]
DeliveryId = Annotated[str, Path(max_length=64, description="The id of a delivery.")]


@router.get("/webhooks")
def list_webhooks(request: Request, who: Keeper) -> EndpointsShape:
    """The account's webhooks."""
    with _installation(request).database.read() as connection:
        found = read_endpoints(connection, who.account.id)
    return EndpointsShape(webhooks=[endpoint_shape(each) for each in found])


@router.post("/webhooks", status_code=201)
def add_webhook(request: Request, who: Keeper, body: EndpointBody) -> SecretShape:
    """Adds one. Messages are signed as Standard Webhooks says, with the secret shown here once."""
    installation = _installation(request)
    endpoint, secret = installation.writer.write(
        lambda c: installation.endpoints.add(
            c, who.account.id, body.model_dump(), who.actor, installation.clock.now()
        )
    )
    return SecretShape(webhook=endpoint_shape(endpoint), secret=secret)


@router.get("/webhooks/{webhook_id}")
def read_webhook(request: Request, who: Keeper, webhook_id: EndpointId) -> EndpointShape:
    """One webhook."""
    with _installation(request).database.read() as connection:
        return endpoint_shape(find_endpoint(connection, who.account.id, webhook_id))


@router.patch("/webhooks/{webhook_id}")
def change_webhook(
    request: Request, who: Keeper, webhook_id: EndpointId, body: EndpointChangeBody
) -> EndpointShape:
    """Changes what is given. Switched off, messages wait; switched on, they follow in order."""
    installation = _installation(request)
    given: dict[str, Any] = body.model_dump(exclude_none=True)
    return endpoint_shape(
        installation.writer.write(
            lambda c: installation.endpoints.change(
                c, who.account.id, webhook_id, given, who.actor, installation.clock.now()
            )
        )
    )


@router.delete("/webhooks/{webhook_id}", status_code=204, response_class=Response)
def remove_webhook(request: Request, who: Keeper, webhook_id: EndpointId) -> Response:
    """Removes one: nothing is sent there any more."""
    installation = _installation(request)
    installation.writer.write(
        lambda c: installation.endpoints.remove(
            c, who.account.id, webhook_id, who.actor, installation.clock.now()
        )
    )
    return Response(status_code=204)


@router.post("/webhooks/{webhook_id}/rotate")
def rotate_secret(request: Request, who: Keeper, webhook_id: EndpointId) -> SecretShape:
    """Makes a new secret; for a day the old one signs beside it."""
    installation = _installation(request)

    def work(connection: Any) -> SecretShape:
        now = installation.clock.now()
        secret = installation.endpoints.rotate(
            connection, who.account.id, webhook_id, who.actor, now
        )
        endpoint = find_endpoint(connection, who.account.id, webhook_id)
        return SecretShape(webhook=endpoint_shape(endpoint), secret=secret)

    return installation.writer.write(work)


@router.post("/webhooks/{webhook_id}/test", status_code=202)
def test_webhook(request: Request, who: Keeper, webhook_id: EndpointId) -> TestedShape:
    """Sends a real message that says it is a test, after those that wait."""
    installation = _installation(request)
    message_id = installation.writer.write(
        lambda c: installation.endpoints.test(
            c, who.account.id, webhook_id, who.actor, installation.clock.now()
        )
    )
    return TestedShape(message_id=message_id)


@router.get("/webhooks/{webhook_id}/deliveries")
def list_deliveries(request: Request, who: Keeper, webhook_id: EndpointId) -> DeliveriesShape:
    """The newest 200 deliveries, newest first."""
    with _installation(request).database.read() as connection:
        find_endpoint(connection, who.account.id, webhook_id)
        found = read_deliveries(connection, who.account.id, webhook_id)
    return DeliveriesShape(deliveries=[delivery_shape(each) for each in found])


@router.get("/webhooks/deliveries/{delivery_id}/attempts")
def list_attempts(request: Request, who: Keeper, delivery_id: DeliveryId) -> AttemptsShape:
    """Every try of a delivery, with what was answered."""
    with _installation(request).database.read() as connection:
        found = read_attempts(connection, who.account.id, delivery_id)
    return AttemptsShape(attempts=[attempt_shape(each) for each in found])


@router.post("/webhooks/deliveries/{delivery_id}/replay", status_code=202, response_class=Response)
def replay_delivery(request: Request, who: Keeper, delivery_id: DeliveryId) -> Response:
    """Sends a delivery again, whatever became of it, under the same id."""
    installation = _installation(request)
    installation.writer.write(
        lambda c: replay(c, who.account.id, delivery_id, who.actor, installation.clock.now())
    )
    return Response(status_code=202)


def _installation(request: Request) -> Installation:
    return services_of(request).installation
