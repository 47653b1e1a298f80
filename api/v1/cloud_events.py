"""CloudEvents over HTTP: structured, binary and batch, in any charset, into the product's events.

Says of each event alone whether it can be taken. Must not know accounts, keys or the ledger.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.message import Message
from typing import Any
from urllib.parse import unquote

from pydantic import ValidationError

from api.v1.event_problems import refusal_of
from api.v1.event_shapes import MeteredData, cloud_event
from billing.errors import InputError, ProductError, shorten
from billing.events import AnyEvent
from billing.limits import limit
from billing.records import record

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
JSON = "application/json"
CHARSETS = ("utf-8", "us-ascii", "iso-8859-1", "utf-16", "utf-16le", "utf-16be")
LONGEST_TYPE = 200
_ATTRIBUTE = re.compile(r"[a-z0-9]{1,40}")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_USUAL = frozenset({"specversion", "id", "source", "subject", "time", "type", "data"})


class MalformedError(ProductError):
    """The body can't be read at all."""

    code = "malformed"


class WrongTypeError(ProductError):
    """The body is of a type or charset that isn't taken."""

    code = "wrong_type"


class TooLargeError(ProductError):
    """The batch or body is too large."""

    code = "too_large"


@record()
class Taken:
    """One event that could be read: the account it names and what happened."""

    account_id: str
    event: AnyEvent
    is_priced: bool = False  # brings its own cost


@dataclass(frozen=True, slots=True)
class Refused:
    """One event that could not be read. ``id``: its own, where it has one."""

    id: str | None
    error: ProductError


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request's events, in order; ``is_batch`` decides how it is answered."""

    items: tuple[Taken | Refused, ...]
    is_batch: bool


def read_delivery(headers: Mapping[str, str], body: bytes) -> Delivery:
    """The events of one request. ``headers`` by lower-case name.

    Errors: ``WrongTypeError``, ``MalformedError``, ``TooLargeError`` for the request as a whole.
    """
    media_type, charset = _content_type(headers.get("content-type", ""))
    is_binary = "ce-specversion" in headers or "ce-id" in headers
    is_known = media_type in {STRUCTURED, BATCH, JSON} or media_type.endswith("+json")
    if not is_known or headers.get("content-encoding", "identity") != "identity":
        raise WrongTypeError(f"Send {STRUCTURED}, {BATCH}, or {JSON} with ce- headers.")
    content = _parse(body, charset)
    if media_type == BATCH or (media_type == JSON and isinstance(content, list)):
        return _batch(content)
    if media_type == JSON and is_binary:
        return Delivery((read_event({**_attributes(headers), "data": content}),), is_batch=False)
    return Delivery((read_event(content),), is_batch=False)


def read_event(given: Any) -> Taken | Refused:
    """One structured CloudEvent, or what is wrong with it."""
    if not isinstance(given, dict):
        error = InputError("event", type(given).__name__, "send a CloudEvent: a JSON object")
        return Refused(None, error)
    event_id = given["id"] if isinstance(given.get("id"), str) else None
    try:
        return _read(given)
    except (ValidationError, ProductError) as error:
        checks = {"time": _instant, "datacontenttype": _check_data_type}
        return Refused(event_id, refusal_of(error, given, checks))


def _read(given: dict[str, Any]) -> Taken:
    if not given.keys() <= _USUAL:
        _check_names(given)
    if given.get("data_base64") is not None:
        given = {**given, "data": _decoded(given)}
    given.pop("data_base64", None)
    checked = cloud_event.validate_python(given)
    _check_data_type(checked.datacontenttype)
    event = checked.data.event(checked.source, checked.id, _instant(checked.time))
    is_priced = isinstance(checked.data, MeteredData) and checked.data.cost_micros is not None
    return Taken(checked.subject, event, is_priced)


def _check_names(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if not (_ATTRIBUTE.fullmatch(name) or name == "data_base64"):
            raise InputError(shorten(name), str(value), "use names of CloudEvents 1.0")


def _batch(content: Any) -> Delivery:
    if not isinstance(content, list):
        raise InputError("body", type(content).__name__, "send a JSON array of CloudEvents")
    if len(content) > limit("batch"):
        raise TooLargeError(
            f"The batch has {len(content):,} events: send at most {limit('batch'):,} at a time."
        )
    return Delivery(tuple(read_event(each) for each in content), is_batch=True)


def _content_type(header: str) -> tuple[str, str]:
    if len(header) > LONGEST_TYPE:  # reading its parameters takes ever longer
        raise WrongTypeError(f"Send a Content-Type of at most {LONGEST_TYPE} characters.")
    message = Message()
    message["content-type"] = header
    charset = str(message.get_param("charset", "utf-8")).lower()
    if charset in {"utf8", "ascii", "latin1"}:
        charset = {"utf8": "utf-8", "ascii": "us-ascii", "latin1": "iso-8859-1"}[charset]
    if charset not in CHARSETS:
        raise WrongTypeError(f"The charset {shorten(charset)!r} isn't read: send UTF-8.")
    return (message.get_content_type() if header else JSON), charset


def _parse(body: bytes, charset: str) -> Any:
    """The body as JSON, numbers with a point exact; NaN and infinity are none."""
    try:
        text = body.decode(charset).removeprefix("\ufeff")
        content = json.loads(text, parse_constant=_refuse_constant, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        reason = shorten(str(error)) or "it is nested too deeply"
        raise MalformedError(f"The body is not JSON: {reason}.") from None
    return content


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number of JSON")


def _attributes(headers: Mapping[str, str]) -> dict[str, Any]:
    """The attributes that a binary event carries in its headers, percent-decoded."""
    found = {}
    for name, value in headers.items():
        if name.startswith("ce-"):
            try:
                found[name.removeprefix("ce-")] = unquote(value, errors="strict")
            except UnicodeDecodeError:
                raise InputError(name, value, "percent-encode it as UTF-8") from None
    return found


def _decoded(given: Mapping[str, Any]) -> Any:
    text = given["data_base64"]
    if given.get("data") is not None:
        raise InputError("data_base64", shorten(str(text)), "give either data or data_base64")
    try:
        content = base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        raise InputError("data_base64", shorten(str(text)), "use base64") from None
    try:
        return _parse(content, "utf-8")
    except MalformedError:
        raise InputError("data_base64", shorten(str(text)), "encode a JSON object") from None


def _check_data_type(given: str | None) -> None:
    if given is None:
        return
    media_type, _ = _content_type(given)
    if media_type != JSON and not media_type.endswith("+json"):
        raise InputError("datacontenttype", given, f"use {JSON}")


def _instant(text: str) -> datetime:
    """An RFC 3339 instant in UTC; parts of a microsecond are cut."""
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError(
            "time", text, "use RFC 3339 with a zone, such as 2026-11-22T09:30:00Z"
        ) from None
