"""What the calls of webhooks take and answer with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from api.v1.shapes import Shape
from api.v1.wallet_shapes import Body
from billing.limits import limit
from billing.webhooks import LONGEST_URL, Attempt, Delivery, DeliveryState, Endpoint, Topic

Wanted = Literal[
    "outbound.paused", "outbound.resumed", "campaign.paused", "campaign.resumed",
    "call.limit_reached", "hold.expired", "alert.fired", "alert.recovered", "alert.test",
]  # fmt: skip
Url = Annotated[
    str,
    Field(
        min_length=1, max_length=LONGEST_URL, examples=["https://platform.example/hooks/usage"],
        description="https, to a public address; redirects aren't followed.",
    ),
]  # fmt: skip
Topics = Annotated[
    list[Wanted], Field(max_length=len(Topic), description="What to be told of; none: all.")
]
Described = Annotated[str, Field(max_length=limit("name"))]


class EndpointBody(Body):
    """Where messages are to go."""

    url: Url
    topics: Topics = Field(default_factory=list)
    description: Described = ""


class EndpointChangeBody(Body):
    """What is to be different; what is left out stays."""

    url: Url | None = None
    topics: Topics | None = None
    description: Described | None = None
    is_on: bool | None = None


class EndpointShape(Shape):
    """One endpoint. Its secret is shown when it is made, and never again."""

    id: str
    url: str
    topics: list[Topic] = Field(description="What it is told of; none: all.")
    description: str
    is_on: bool
    created_at: datetime


class EndpointsShape(Shape):
    """The account's endpoints, oldest first."""

    webhooks: list[EndpointShape]


class SecretShape(Shape):
    """An endpoint with its new secret, shown only now."""

    webhook: EndpointShape
    secret: str = Field(description="For Standard Webhooks libraries.", examples=["whsec_…"])


class TestedShape(Shape):
    """A message on its way."""

    message_id: str


class DeliveryShape(Shape):
    """One message for one endpoint, and how it went."""

    id: str
    message_id: str = Field(description="The `webhook-id` it is sent with, each time.")
    topic: Topic
    sequence: int = Field(description="Of the account's messages, in order.")
    state: DeliveryState
    attempts: int
    created_at: datetime
    next_at: datetime | None = Field(description="When it is tried next.")
    done_at: datetime | None
    last_status: int | None
    last_error: str | None


class DeliveriesShape(Shape):
    """The newest deliveries of an endpoint."""

    deliveries: list[DeliveryShape]


class AttemptShape(Shape):
    """One try, and what was answered."""

    number: int
    at: datetime
    status: int | None
    error: str | None
    answer: str = Field(description="Its first characters.")
    milliseconds: int


class AttemptsShape(Shape):
    """Every try of a delivery, oldest first."""

    attempts: list[AttemptShape]


def endpoint_shape(endpoint: Endpoint) -> EndpointShape:
    """An endpoint as the API says it."""
    return EndpointShape(
        id=endpoint.id, url=endpoint.url, topics=list(endpoint.topics),
        description=endpoint.description, is_on=endpoint.is_on, created_at=endpoint.created_at,
    )  # fmt: skip


def delivery_shape(delivery: Delivery) -> DeliveryShape:
    """A delivery as the API says it."""
    return DeliveryShape(
        id=delivery.id, message_id=delivery.message_id, topic=delivery.topic,
        sequence=delivery.sequence, state=delivery.state, attempts=delivery.attempt_count,
        created_at=delivery.created_at, next_at=delivery.next_at, done_at=delivery.done_at,
        last_status=delivery.last_status, last_error=delivery.last_error,
    )  # fmt: skip


def attempt_shape(attempt: Attempt) -> AttemptShape:
    """A try as the API says it."""
    return AttemptShape(
        number=attempt.number, at=attempt.at, status=attempt.status, error=attempt.error,
        answer=attempt.answer, milliseconds=attempt.milliseconds,
    )  # fmt: skip
