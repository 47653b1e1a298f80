"""The API's description (OpenAPI 3.1): what FastAPI knows, and what every call has in common.

Refusals are described here for all calls at once, so that a new one can't forget any.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.openapi.utils import get_openapi

from api.problems import MEDIA_TYPE, problem_body
from api.v1.event_docs import request_body
from api.v1.parameters import DESCRIBED
from api.v1.shapes import ProblemShape
from billing.limits import LIMITS

ABOUT = """Usage and spending of your account, by call, message, month or second.

Money travels as integer micros (millionths of the currency unit) beside `currency`; instants as
RFC 3339 with a zone; ranges include `from` and exclude `to`. Lists page by an opaque `cursor`.
Errors are problem documents (RFC 9457) whose `code` is stable. Every answer to GET has an `ETag`:
send it back as `If-None-Match` and an answer that hasn't changed is a 304.

A key belongs to one account, or to all; one over all names the account with `?account=`.
"""
TAGS = [
    {"name": "Events", "description": "Usage comes in."},
    {"name": "Usage", "description": "What was used, what it cost, and why."},
    {"name": "Wallet", "description": "The balance and what moves it."},
    {"name": "Holds", "description": "Asked before work begins, settled when it has happened."},
    {"name": "Limits", "description": "What may be spent, and what stands still."},
    {"name": "Alerts", "description": "What people are warned of, and what they were told."},
    {"name": "Webhooks", "description": "Where the platform is told of pauses and resumes."},
]
SUMMARIES = {  # what a call does, by its operation id
    "take_events": "Send usage events", "read_usage": "Sum usage and cost",
    "list_transactions": "List transactions", "read_transaction": "Read one transaction",
    "explain_transaction": "Explain what a transaction cost",
    "read_call": "Read one call with its lines", "read_message": "Read one message with its lines",
    "list_rates": "List the prices in force", "read_balance": "Read the balance",
    "read_entries": "List wallet entries", "top_up": "Top up", "grant": "Grant promotional credit",
    "adjust": "Adjust credit by hand", "refund": "Refund one charge",
    "read_auto_recharge": "Read auto-recharge", "set_auto_recharge": "Set auto-recharge",
    "list_recharges": "List automatic top-ups",
    "read_approvals": "List movements that wait for approval",
    "approve": "Approve a waiting movement", "reject": "Reject a waiting movement",
    "authorize": "Authorize work", "extend": "Extend a hold", "settle": "Settle a hold",
    "release": "Release a hold", "list_holds": "List holds", "read_hold": "Read one hold",
    "read_limits": "Read limits and how they stand", "set_limits": "Set all limits",
    "backtest_limit": "Try a limit on the last 90 days", "list_pauses": "List pauses",
    "override_pause": "Override a pause", "end_override": "Take an override back",
    "list_alerts": "List alerts and how they stand", "add_alert": "Add an alert",
    "install_recommended": "Add the recommended alerts",
    "backtest_alert": "Try an alert on the last 90 days", "read_alert": "Read one alert",
    "change_alert": "Change an alert", "remove_alert": "Remove an alert",
    "test_alert": "Send a test of an alert", "list_notifications": "List what people were told",
    "read_deliveries": "Read a notification's deliveries",
    "list_webhooks": "List webhooks", "add_webhook": "Add a webhook",
    "read_webhook": "Read one webhook", "change_webhook": "Change a webhook",
    "remove_webhook": "Remove a webhook", "rotate_secret": "Make a new secret",
    "test_webhook": "Send a test message", "list_deliveries": "List a webhook's deliveries",
    "list_attempts": "List every try of a delivery", "replay_delivery": "Send a delivery again",
}  # fmt: skip
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_RETRY = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
}
_ETAG = {
    "ETag": {"description": "A fingerprint of the content.", "schema": {"type": "string"}},
    "Cache-Control": {"schema": {"type": "string"}},
}
_EXAMPLES = {  # code and sentence, by status
    "400": ("malformed", "There was an error parsing the body"),
    "401": ("key_unknown", "This API key is unknown or was revoked."),
    "403": ("scope_lacks", "This key may not do that: it needs the scope usage:read."),
    "404": ("not_found", "There is no such transaction that you may see."),
    "408": ("too_slow", "The body did not arrive within 30 s."),
    "413": ("too_large", "The body is too large: send at most 5,000,000 bytes."),
    "422": ("invalid", "from 'yesterday' is not valid: use a day such as 2026-11-01"),
    "429": ("throttled", "This key has made too many requests: try again in 1 s."),
    "500": ("internal", "Something failed here; it has been noted."),
    "503": ("analytics_unusable", "Analytics can't be read."),
}
MEANINGS = {
    "400": "A body that can't be read at all.",
    "401": "No key, or one that is unknown or was revoked.",
    "403": "The key, its account or the plan may not do this.",
    "404": "There is no such thing that this key may see.",
    "408": "The body did not arrive in time.",
    "413": "The body is larger than the limit.",
    "422": "A value that can't be taken: which field, what it was, how to mend it.",
    "429": "Too many requests: wait as `Retry-After` says.",
    "500": "A fault of the server, noted under `request_id`.",
    "503": "For a moment this can't be answered: `unavailable` when the database can't be reached, "
    "`busy` when too much waits, `analytics_unusable` when sums can't be read. Try again as "
    "`Retry-After` says; events are accepted once.",
}


def describe(api: FastAPI) -> dict[str, Any]:
    """The whole description."""
    found = get_openapi(
        title=api.title, version=api.version, openapi_version=api.openapi_version,
        description=ABOUT + _limits(), routes=api.routes, tags=TAGS, servers=api.servers,
    )  # fmt: skip
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError", "ProblemShape"):
        schemas.pop(name, None)
    problem = ProblemShape.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {**problem.pop("$defs", {}), "Problem": problem}
    body = jsonable_encoder(request_body(), exclude_none=True)  # as FastAPI does with the rest
    found["paths"]["/events"]["post"]["requestBody"] = body
    for operations in found["paths"].values():
        for method, operation in operations.items():
            _complete(method, operation)
    return found


def _limits() -> str:
    rows = "\n".join(f"| {each.value:,} {each.unit} | {each.meaning} |" for each in LIMITS.values())
    return f"\n| at most | what |\n|---|---|\n{rows}\n"


def _complete(method: str, operation: dict[str, Any]) -> None:
    """Gives a call its name, its refusals, and a reading one its fingerprint."""
    operation["summary"] = SUMMARIES[operation["operationId"]]
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _without_null(parameter["schema"])
        if parameter["name"] in DESCRIBED:
            parameter.setdefault("description", DESCRIBED[parameter["name"]]["description"])
    responses = operation["responses"]
    for status, meaning in MEANINGS.items():
        if status in {"400", "408", "413"} and "requestBody" not in operation:
            continue
        described = responses.setdefault(status, {"description": meaning})
        if status == "422":  # FastAPI's own
            described["description"] = meaning
    for status, response in responses.items():
        if status >= "400":
            response["content"] = {MEDIA_TYPE: {"schema": _PROBLEM, **_example(status)}}
        if status in {"429", "503"}:
            response["headers"] = {**response.get("headers", {}), **_RETRY}
    if method == "get" and "200" in responses:
        responses["200"]["description"] = "What was asked for."
        responses["200"]["headers"] = {**responses["200"].get("headers", {}), **_ETAG}
        responses["304"] = {"description": "Unchanged: what was read before still holds.",
                            "headers": _ETAG}  # fmt: skip
    operation["responses"] = dict(sorted(responses.items()))


def _example(status: str) -> dict[str, Any]:
    if status not in _EXAMPLES:
        return {}
    code, detail = _EXAMPLES[status]
    example = problem_body(int(status), code, detail)
    if status == "422":
        wrong = {"field": "from", "value": "yesterday", "fix": "use a day such as 2026-11-01"}
        example |= {**wrong, "errors": [wrong]}
    return {"example": example}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that may be left out is never null: an address can't say so."""
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) != 1:
        return schema
    return {**{key: value for key, value in schema.items() if key != "anyOf"}, **choices[0]}
