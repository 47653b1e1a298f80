"""How ``POST /events`` is described in the OpenAPI: its bodies, headers and answers.

Written from the models that check the events, so that the description can't differ from the check;
the bodies only when the description is asked for, since their schemas take long to make.
"""

from __future__ import annotations

from typing import Any

from api.problems import MEDIA_TYPE
from api.v1.event_shapes import cloud_event
from api.v1.shapes import ProblemShape
from billing.limits import limit

EXAMPLE = {
    "specversion": "1.0", "id": "call-8471", "source": "dialler", "type": "usage.call",
    "subject": "acme", "time": "2026-11-22T09:30:00Z",
    "data": {
        "direction": "outbound", "agent": "ai", "answered": True, "duration_s": 83,
        "to": "+14155550142", "campaign": "renewals",
    },
}  # fmt: skip
REFUSALS = {
    400: "The body is not JSON.",
    401: "No API key, or one that is unknown or revoked.",
    403: "The key may not do this, or the event names another account.",
    408: "The body did not arrive in time.",
    413: "The body or the batch is too large.",
    415: "Not a type or charset that is read.",
    422: "The event can't be taken: which field, what it was, how to mend it.",
    429: "Too many requests, or too much is waiting: try again after Retry-After seconds.",
    503: "The ledger can't be written right now: send all of it again.",
}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema without references: those of a part don't reach the description's own parts."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inlined(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
        if "discriminator" in schema:
            schema = {key: value for key, value in schema.items() if key != "discriminator"}
        return {key: _inlined(value, definitions) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema]
    return schema


def _event_schema() -> dict[str, Any]:
    schema = cloud_event.json_schema()
    definitions = schema.pop("$defs", {})
    inlined: dict[str, Any] = _inlined(schema, definitions)
    return inlined


def request_body() -> dict[str, Any]:
    """What may be sent: one event or a batch of them, by content type."""
    event = _event_schema()
    batch = {"type": "array", "items": event, "maxItems": limit("batch")}
    content = {
        "application/cloudevents+json": {"schema": event, "example": EXAMPLE},
        "application/cloudevents-batch+json": {"schema": batch, "example": [EXAMPLE]},
        "application/json": {
            "schema": {
                "description": "The data of a binary CloudEvent, whose attributes are ce- headers; "
                "or, without them, the same as the other two.",
                "oneOf": [event, batch],
            },
            "example": EXAMPLE,
        },
    }
    return {"required": True, "content": content}


def _counts() -> dict[str, Any]:
    number = {"schema": {"type": "integer"}}
    return {
        "Usage-Accepted": {"description": "A batch: events that are new.", **number},
        "Usage-Duplicates": {"description": "A batch: events known already.", **number},
    }


_REJECTED = {
    "type": "object",
    "required": ["index", "id", "code", "message"],
    "properties": {
        "index": {"type": "integer", "description": "Its place in the batch, from 0."},
        "id": {"type": ["string", "null"]},
        "code": {"type": "string"},
        "message": {"type": "string"},
        "field": {"type": "string"},
        "value": {"type": "string"},
        "fix": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "Every field of the event that can't be taken, at most 20.",
            "items": {"$ref": "#/components/schemas/FieldProblem"},
        },
    },
}
_REPORT = {
    "type": "object",
    "required": ["accepted", "duplicates", "rejected"],
    "additionalProperties": False,
    "properties": {
        "accepted": {"type": "integer"},
        "duplicates": {"type": "integer"},
        "rejected": {"type": "array", "items": _REJECTED},
    },
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A batch of which some events were rejected, or whose sender prefers "
        "a representation.",
        "content": {"application/json": {"schema": _REPORT}},
        "headers": _counts(),
    },
    204: {
        "description": "Everything is in the ledger, now or before.",
        "headers": {
            **_counts(),
            "Usage-Duplicate": {
                "description": "A single event that was known already: true.",
                "schema": {"type": "string"},
            },
        },
    },
    **{
        status: {
            "description": description,
            "model": ProblemShape,
            "content": {MEDIA_TYPE: {}},
        }
        for status, description in REFUSALS.items()
    },
}
