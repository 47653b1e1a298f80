"""What a post leaves for the page that it leads to: shown once, and never in an address.

A secret that is shown only once, or a form with what is wrong in it, goes with the browser in a
sealed cookie that no script can read: any process can open it, nothing is stored, and it is taken
away by the answer that shows it. Must not know what is left.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from flask import Flask, Response, current_app, g, request
from werkzeug.wrappers import Response as AnyResponse

from api.callbacks import ENDPOINT
from billing.access import AccountScope, Viewer
from billing.clock import Clock
from data.sealed import SealError, Seals

COOKIE = "usage_left"
PURPOSE = "left for a page"
GOOD_FOR = timedelta(minutes=5)
LONGEST_COOKIE = 3_800  # browsers drop one of more than 4,096 bytes
_EXTENSION, _TAKEN = "usage_left", "left_was_taken"


class _Left:
    def __init__(self, secret: str, clock: Clock, *, is_secure: bool) -> None:
        self.seals = Seals(secret, PURPOSE)
        self.clock = clock
        self.is_secure = is_secure


def install_left(server: Flask, secret: str, clock: Clock, *, is_secure: bool) -> None:
    """Lets the posts of a server leave something for its pages."""
    server.extensions[_EXTENSION] = _Left(secret, clock, is_secure=is_secure)
    server.after_request(_take_away)


def leave_for(
    answer: AnyResponse, path: str, viewer: Viewer, scope: AccountScope, what: Mapping[str, Any]
) -> bool:
    """Leaves plain JSON values for the next look of a person at a page, within five minutes.

    Whether there was room for it: what is too long is not left.
    """
    left = _left()
    packed = json.dumps(
        {
            "path": path, "person": viewer.person_id, "account": scope.account_id,
            "until": (left.clock.now() + GOOD_FOR).timestamp(), "what": dict(what),
        }
    )  # fmt: skip
    sealed = left.seals.seal(packed)
    if len(sealed) > LONGEST_COOKIE:
        return False
    answer.set_cookie(
        COOKIE, sealed, max_age=int(GOOD_FOR.total_seconds()), httponly=True,
        secure=left.is_secure, samesite="Strict",
    )  # fmt: skip
    return True


def take(path: str, viewer: Viewer, scope: AccountScope) -> Mapping[str, Any]:
    """What was left for a page and this person; empty when nothing was, or it was shown before."""
    sealed = request.cookies.get(COOKIE)
    if not sealed or request.endpoint != ENDPOINT:
        return {}
    left = _left()
    try:
        found = json.loads(left.seals.open(sealed))
    except SealError:  # of an earlier secret, or forged
        setattr(g, _TAKEN, True)
        return {}
    until = datetime.fromtimestamp(found["until"], UTC)
    is_theirs = (found["person"], found["account"]) == (viewer.person_id, scope.account_id)
    if found["path"] != path and is_theirs and until > left.clock.now():
        return {}  # another page's
    setattr(g, _TAKEN, True)
    if not is_theirs or until <= left.clock.now():
        return {}
    return cast("Mapping[str, Any]", found["what"])


def _take_away(response: Response) -> Response:
    if g.get(_TAKEN):
        response.delete_cookie(COOKIE, httponly=True, samesite="Strict", secure=_left().is_secure)
    return response


def _left() -> _Left:
    return cast("_Left", current_app.extensions[_EXTENSION])
