"""All that is wrong with an event that can't be read, once the quick check has refused it.

Only refused events come here, so nothing of this costs an event that is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from api.problems import FieldProblem, FieldsError
from api.v1.event_shapes import (
    HOUR,
    AnyCloudEvent,
    CloudEventShape,
    base_units,
    cloud_event,
)
from api.v1.field_words import MOST_PROBLEMS, field_problems, shown
from billing.errors import InputError, ProductError, shorten
from billing.metrics import find_metric
from billing.rating import MOST_UNITS

HIDDEN_FIELDS = frozenset({"data", "text", "to", "from", "number"})
NAMES_FIX = "use names of CloudEvents 1.0: small letters and digits"
_NAME = re.compile(r"[a-z0-9]{1,40}")
SEGMENTS_FIX = "give either text or segments"
_UNKNOWN_TYPE = frozenset({"union_tag_invalid", "union_tag_not_found"})
Checks = Mapping[str, Callable[[Any], object]]


def refusal_of(
    error: ValidationError | ProductError, given: Mapping[str, Any], checks: Checks
) -> ProductError:
    """The refusal with every field that is wrong, at most ``MOST_PROBLEMS``.

    ``error``: what the quick check found. ``checks``: further ones of attributes, each raising
    ``InputError``. What isn't about fields stays as it is.
    """
    if isinstance(error, ProductError) and not isinstance(error, InputError):
        return error
    if isinstance(error, InputError) and error.field.startswith("data_base64"):
        return error
    found: dict[str, FieldProblem] = {}
    for each in _all_problems(error, given, checks):
        if each.field in checks:  # says more than its length
            found[each.field] = each
        else:
            found.setdefault(each.field, each)
    if isinstance(error, InputError):
        found.setdefault(error.field, FieldProblem(error.field, error.value, error.fix))
    return FieldsError(list(found.values())[:MOST_PROBLEMS], code=getattr(error, "code", None))


def _all_problems(
    error: ValidationError | ProductError, given: Mapping[str, Any], checks: Checks
) -> Iterator[FieldProblem]:
    for name, value in given.items():
        if not _NAME.fullmatch(name) and name != "data_base64":
            yield FieldProblem(shorten(name), shown(value), NAMES_FIX)
    if isinstance(error, ValidationError):
        yield from _shape_problems(error, given)
    elif "data_base64" not in given:
        try:
            cloud_event.validate_python(dict(given))
        except ValidationError as other:
            yield from _shape_problems(other, given)
    for name, check in checks.items():
        if isinstance(given.get(name), str):
            yield from _refused_by(check, given[name])
    yield from _meaning_problems(given)


def _shape_problems(error: ValidationError, given: Mapping[str, Any]) -> Iterator[FieldProblem]:
    errors = error.errors(include_url=False)
    if errors[0]["type"] not in _UNKNOWN_TYPE:
        yield from field_problems(errors, hidden=HIDDEN_FIELDS)
        return
    # Of an unknown type only the attributes can be checked: nobody knows what its data should be.
    kind = given.get("type")
    types = f"one of {', '.join(_types())}"
    missing = f"send type, {types}: it is missing"
    yield FieldProblem("type", shown(kind), missing if kind is None else f"use {types}")
    try:
        CloudEventShape.model_validate(dict(given))
    except ValidationError as other:
        yield from field_problems(other.errors(include_url=False), hidden=HIDDEN_FIELDS)


def _refused_by(check: Callable[[Any], object], value: Any) -> Iterator[FieldProblem]:
    try:
        check(value)
    except InputError as error:
        yield FieldProblem(error.field, error.value, error.fix)
    except ProductError:
        return  # not a matter of a field: it is refused as itself where it stands alone


def _meaning_problems(given: Mapping[str, Any]) -> Iterator[FieldProblem]:
    """What the shapes can't say, and an event's own reading says only when its shape is right."""
    data = given.get("data")
    if not isinstance(data, Mapping):
        return
    if (
        given.get("type") == "usage.sms"
        and data.get("text") is None
        and (data.get("segments") is None)
    ):
        yield FieldProblem("data.segments", "none", SEGMENTS_FIX)
    if given.get("type") == "usage.metered" and isinstance(data.get("metric"), str):
        for each in _refused_by(find_metric, data["metric"]):
            yield FieldProblem("data.metric", each.value, each.fix)
    if given.get("type") == "usage.agent_hours" and isinstance(data.get("hours"), str):
        yield from _refused_by(_check_hours, data["hours"])


def _check_hours(text: str) -> None:
    base_units(text, HOUR, "data.hours", MOST_UNITS)


def _types() -> list[str]:
    models: tuple[type[BaseModel], ...] = AnyCloudEvent.__origin__.__args__  # type: ignore[attr-defined]
    return [model.model_fields["type"].annotation.__args__[0] for model in models]  # type: ignore[union-attr]
