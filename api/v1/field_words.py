"""What is wrong with a field, in our words: the framework's own are for programmers of Python.

A field is named as its sender wrote it (``data.duration_s``, ``kind``), with the value and a fix
that says what to write instead. Must not know which call a body or an event came with.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from api.problems import FieldProblem
from billing.errors import shorten

MOST_PROBLEMS = 20
PLACES = frozenset({"body", "query", "path", "header", "cookie"})
TRIED_TYPES = frozenset({"int", "decimal", "str", "float", "bool"})  # of a union, as pydantic says
INSTANT_FIX = "write RFC 3339 text with its zone, such as 2026-11-22T09:30:00Z"
NUMBER_FIX = "write the number with its country code, such as +14155550100"
DESCRIBED_FIX = "write it as /api/docs describes it"
QUANTITY_FIX = "use a number from 0 on, such as 1.5"
# By the start of pydantic's type of an error; the first that fits. {} is filled from its context.
_FIXES: tuple[tuple[str, str], ...] = (
    ("extra_forbidden", "leave it out: there is no such field"),
    ("greater_than_equal", "use {ge} or more"),
    ("greater_than", "use more than {gt}"),
    ("less_than_equal", "use {le} or less"),
    ("less_than", "use less than {lt}"),
    ("multiple_of", "use a multiple of {multiple_of}"),
    ("string_too_short", "use {min_length} characters or more"),
    ("string_too_long", "use at most {max_length} characters"),
    ("too_long", "give at most {max_length}"),
    ("too_short", "give at least {min_length}"),
    ("string_unicode", "use text of whole characters"),
    ("string_type", "use text in quotes"),
    ("int", "use a whole number"),
    ("decimal", QUANTITY_FIX),
    ("float", "use a number"),
    ("finite_number", "use a number"),
    ("bool", "use true or false"),
    ("date_", "use a day such as 2026-11-22"),
    ("datetime", INSTANT_FIX),
    ("timezone", INSTANT_FIX),
    ("instant", INSTANT_FIX),
    ("list", "send a list"),
    ("json_invalid", "send JSON"),
    ("model", "send a JSON object"),
    ("dict", "send a JSON object"),
)


def field_problems(
    errors: Iterable[Mapping[str, Any]], *, hidden: frozenset[str] = frozenset()
) -> list[FieldProblem]:
    """One problem a field, in the order found, at most ``MOST_PROBLEMS``.

    ``errors``: pydantic's. ``hidden``: last names of fields whose values aren't shown again.
    """
    found: dict[str, FieldProblem] = {}
    for error in errors:
        is_unread = error["type"] == "json_invalid"  # its place is one in the text, its input none
        place = [] if is_unread else _place(error["loc"])
        field = ".".join(place) or "body"
        if field not in found and len(found) < MOST_PROBLEMS:
            is_missing = is_unread or error["type"] == "missing"
            is_hidden = bool(place) and place[-1] in hidden
            value = "" if is_missing else "(hidden)" if is_hidden else shown(error.get("input"))
            found[field] = FieldProblem(field, value, _fix(error, field))
    return list(found.values())


def shown(value: Any) -> str:
    """A value as its sender wrote it, shortened; nothing for none."""
    if value is None:
        return ""
    if isinstance(value, str | Decimal):
        return shorten(str(value))
    try:
        return shorten(json.dumps(value, default=str, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):
        return shorten(type(value).__name__)


def _place(loc: Sequence[Any]) -> list[str]:
    """The field's path without where it was found, which models were tried, and list places."""
    parts = list(loc)
    is_listed = bool(parts) and parts[0] in {"query", "header", "path", "cookie"}
    if parts and (parts[0] in PLACES or str(parts[0]).startswith("usage.")):
        parts = parts[1:]
    if is_listed:
        parts = [part for part in parts if not isinstance(part, int)]
    return [str(part) for part in parts if part not in TRIED_TYPES]


def _fix(error: Mapping[str, Any], field: str) -> str:
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind == "missing":
        what = "a JSON object as the body" if field == "body" else field
        return f"send {what}: it is missing"
    if kind == "int_type" and isinstance(error.get("input"), str):
        return "use a whole number, without quotes"
    if any(part in TRIED_TYPES for part in error["loc"]):
        return QUANTITY_FIX
    if kind == "value_error":  # ours: the models' own checks raise them
        return shorten(str(error["msg"]).removeprefix("Value error, "), 200)
    if kind in {"literal_error", "enum"}:
        return _one_of(str(context.get("expected", "")))
    if kind == "string_pattern_mismatch":
        return NUMBER_FIX if str(context.get("pattern", "")).startswith(r"^\+") else DESCRIBED_FIX
    words = next((words for start, words in _FIXES if kind.startswith(start)), DESCRIBED_FIX)
    if kind == "string_too_short" and context.get("min_length") == 1:
        words = "write something: it is empty"
    return words.format_map(_Numbers(context))


def _one_of(expected: str) -> str:
    """``'a', 'b' or 'c'``, as pydantic lists them, as a sentence."""
    words = [each.strip(" '") for each in expected.replace("' or '", "', '").split("', '")]
    return f"use {words[0]}" if len(words) == 1 else f"use one of {', '.join(words)}"


class _Numbers(dict[str, Any]):
    """An error's numbers as people write them; one that isn't there stays a question."""

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        return f"{value:,}" if isinstance(value, int) else str(value)
