"""What a callback's request must look like before Dash sees it.

Dash takes what it is sent for what its own page sent, and fails on anything else. A request that
no page can have made is the sender's mistake: it is refused, and logged as no fault of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import Dash
from dash.exceptions import DependencyException
from flask import Flask, abort, request
from werkzeug.exceptions import NotFound

ENDPOINT = "/_dash-update-component"
LOCATION = "_pages_location"


def install_callback_check(server: Flask, app: Dash) -> None:
    """Refuses forged callbacks with 400, and unknown front-end files with 404."""

    def check() -> None:
        if request.endpoint == ENDPOINT and not is_possible(_body(), app.callback_map):
            abort(400)

    server.before_request(check)
    server.register_error_handler(
        DependencyException, lambda _: server.handle_http_exception(NotFound())
    )


def is_possible(body: Any, callbacks: Mapping[str, Any]) -> bool:
    """Whether a page can have sent this: a known callback, its own inputs, its own outputs."""
    if not isinstance(body, dict) or not isinstance(body.get("output"), str):
        return False
    known = callbacks.get(body["output"])
    if known is None or "callback" not in known:
        return False
    sent = all(_are_sent(body.get(part) or [], known[part]) for part in ("inputs", "state"))
    changed = body.get("changedPropIds", [])
    return sent and isinstance(changed, list) and _outputs(body.get("outputs")) == body["output"]


def _body() -> Any:
    try:
        return request.get_json()
    except RecursionError:
        abort(400)


def _are_sent(sent: Any, wanted: list[Mapping[str, Any]]) -> bool:
    if not isinstance(sent, list) or len(sent) != len(wanted):
        return False
    return all(_is_sent(*pair) for pair in zip(sent, wanted, strict=True))


def _is_sent(item: Any, wanted: Mapping[str, Any]) -> bool:
    if str(wanted["id"]).startswith("{"):  # a pattern: one item for each component it fits
        return isinstance(item, list | dict)
    if not isinstance(item, dict):
        return False
    if (item.get("id"), item.get("property")) != (wanted["id"], wanted["property"]):
        return False
    value = item.get("value")
    if wanted["id"] != LOCATION:
        return True
    return isinstance(value, str) and (wanted["property"] != "pathname" or value.startswith("/"))


def _outputs(outputs: Any) -> str | None:
    """The name that Dash gives these outputs; none for what aren't any."""
    several = outputs if isinstance(outputs, list) else [outputs]
    if not all(isinstance(one, dict) for one in several):
        return None
    names = [f"{one.get('id')}.{one.get('property')}" for one in several]
    return f"..{'...'.join(names)}.." if isinstance(outputs, list) else names[0]
