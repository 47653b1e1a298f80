"""Query parameters: what each call takes and means, and the refusal of those it doesn't take.

They are described here and read by ``billing.parameters``, the parser that screens and files share;
the framework would check them a second time, in other words.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute

from billing.errors import InputError
from billing.limits import limit
from billing.metrics import METRIC_BY_ID, Service
from billing.parameters import PARAMETERS
from billing.queries import DEFAULT_PAGE, GROUPS, STATUSES, Cut, TransactionSort
from billing.query_values import MOST_FILTER_VALUES

OF_THE_FRAME = "account"  # names the account of a key over all; see callers
Given = dict[str, list[str]]

_NAME = {"type": "string", "minLength": 1, "maxLength": limit("name")}
_BOUND = {
    "type": "string",
    "anyOf": [{"format": "date"}, {"format": "date-time"}],
}


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": 1, "maxItems": MOST_FILTER_VALUES}


def _words(words: Any) -> dict[str, Any]:
    return {"type": "string", "enum": [str(word) for word in words]}


def _described(name: str, schema: dict[str, Any], text: str, example: Any = None) -> dict[str, Any]:
    found = {"name": name, "in": "query", "required": False, "schema": schema, "description": text}
    if schema.get("type") == "array":
        found |= {"style": "form", "explode": True}
    return found if example is None else {**found, "example": example}


_RANGE_NOTE = (
    "A local day of the account, or an instant with its zone at which a local day begins (with "
    "granularity `hour`: a local hour). "
)
DESCRIBED = {
    each["name"]: each
    for each in (
        _described("from", _BOUND, _RANGE_NOTE + "Included. Without it the current billing "
                   f"period is meant; at most {limit('range')} months before `to`.", "2026-11-01"),
        _described("to", _BOUND, _RANGE_NOTE + "Excluded. Without it: the end of today.",
                   "2026-12-01"),
        _described("granularity", {**_words(Cut), "default": "total"},
                   f"How sums are cut by time; by the hour at most {limit('hours')} days."),
        _described("group_by", _list(_words(GROUPS)),
                   "What sums are grouped by, repeated or separated by commas.", ["metric"]),
        _described("metric", _list(_words(METRIC_BY_ID)), "Only these metrics; may repeat."),
        _described("service", _list(_words(Service)), "Only these services; may repeat."),
        _described("campaign", _list(_NAME), "Only these campaigns, by id; may repeat."),
        _described("consumer", _list(_NAME), "Only these consumers, by id; may repeat."),
        _described("status", _list(_words(STATUSES)), "Only these statuses; may repeat."),
        _described("sort", {**_words(TransactionSort), "default": "newest"},
                   "By time, or the dearest first."),
        _described("cursor", _NAME, "A page, as an answer named it."),
        _described("limit", {"type": "integer", "minimum": 1, "maximum": limit("page"),
                             "default": DEFAULT_PAGE}, "How many at most."),
        _described("on", {"type": "string", "format": "date"},
                   "The local day whose prices are asked for. Without it: today.", "2026-11-22"),
        _described("source", _NAME, "Which sender's, where several use the same id."),
    )
}  # fmt: skip


def takes(*names: str) -> dict[str, Any]:
    """``openapi_extra`` of a route that reads these parameters itself."""
    return {"parameters": [DESCRIBED[name] for name in names]}


def takes_query(call: str) -> dict[str, Any]:
    """The same for a call that ``billing.parameters.parse_parameters`` reads."""
    return takes(*(name for name in DESCRIBED if name in PARAMETERS[call]))


def given(request: Request) -> Given:
    """What a request sent, without what ``callers`` reads."""
    sent = request.query_params
    return {name: sent.getlist(name) for name in sent if name != OF_THE_FRAME}


async def only_known(request: Request) -> None:
    """A dependency of every route: ``InputError`` for a parameter that it doesn't take.

    Async although it waits for nothing: anything else is run on a thread, which takes longer.
    """
    route = request.scope.get("route")
    if not request.query_params or not isinstance(route, APIRoute):
        return
    known = {field.alias for field in get_flat_params(route.dependant)}
    known |= {each["name"] for each in (route.openapi_extra or {}).get("parameters", ())}
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise InputError(name, value, f"leave it out, or use {_listed(known)}")


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "no parameters"
