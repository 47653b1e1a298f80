"""The post by which a page says up to when its person has seen the notices of an account."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import flask
from flask import Blueprint, Response, request

from api.forms import form_scope
from api.web_auth import current_viewer
from billing.errors import InputError
from data.installation import Installation
from data.reading.alerts_reader import seen_accounts

NOTICES = "usage_notices"
LONGEST_INSTANT = 40

notice_forms = Blueprint("notice_forms", __name__)


@notice_forms.post("/notices/seen")
def seen() -> Response:
    """Notes it; never back, and never ahead of now."""
    scope = form_scope()
    installation = cast("Installation", flask.current_app.extensions[NOTICES])
    until = min(_instant(request.form.get("until", "")), installation.clock.now())
    installation.alerts.mark_seen(seen_accounts(scope), current_viewer().person_id, until)
    return Response(status=204)


def _instant(text: str) -> datetime:
    """An instant with its offset. Errors: ``InputError``."""
    try:
        found = datetime.fromisoformat(text[:LONGEST_INSTANT])
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InputError("until", text, "use an instant such as 2026-11-22T12:30:00+00:00")
