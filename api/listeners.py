"""Who opens a stream: a signed-in person's browser, or a key. Asked again while it is open.

The account is always the session's or the key's own choice on the server. A listener's ``standing``
is read afresh each time, so a sign-out, an expiry, a revoked key or another chosen account takes
effect with the next thing there is to tell, or the next heartbeat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fastapi import Request
from fastapi.security.utils import get_authorization_scheme_param

from api.v1.callers import listen_as, open_key
from api.v1.services import Services
from billing.access import AccountScope, Viewer
from billing.errors import InputError, NotAllowedError, NotFoundError
from data.access import sessions
from data.access.keys import ApiKey, find_key
from data.access.sessions import SESSION_COOKIE, hash_token
from data.installation import Installation

SIGNED_OUT = "Sign in, or send an API key: Authorization: Bearer KEY."


@dataclass(frozen=True, slots=True)
class Standing:
    """What a listener may see now. ``viewer``: none for a key."""

    scope: AccountScope
    viewer: Viewer | None


class Listener(Protocol):
    """A session or a key that listens."""

    @property
    def owner(self) -> str:
        """What its streams are counted under; says nothing about the secret itself."""
        ...

    def standing(self) -> Standing | None:
        """What it may see now; none when it may see nothing any more."""
        ...


@dataclass(frozen=True, slots=True)
class SessionListener:
    """A browser with a session's cookie."""

    installation: Installation
    token: str

    @property
    def owner(self) -> str:
        """The session."""
        return f"session:{hash_token(self.installation.pseudonyms, self.token)}"

    def standing(self) -> Standing | None:
        """The account that the session has chosen; an open stream keeps no session alive."""
        viewer = sessions.resolve(self.installation, self.token, is_visit=False)
        if viewer is None:
            return None
        try:
            with self.installation.database.read() as connection:
                return Standing(sessions.scope_of(connection, viewer), viewer)
        except NotAllowedError:
            return None


@dataclass(frozen=True, slots=True)
class KeyListener:
    """A program with an API key; ``account``: the one that a key over all accounts names."""

    services: Services
    shown: str
    key: ApiKey
    account: str | None

    @property
    def owner(self) -> str:
        """The key."""
        return f"key:{self.key.id}"

    def standing(self) -> Standing | None:
        """The key's account, while the key and the account are open."""
        installation = self.services.installation
        with installation.database.read() as connection:
            key = find_key(connection, installation.pseudonyms, self.shown)
        if key is None:
            return None
        try:
            return Standing(listen_as(self.services, key, self.account), None)
        except (NotAllowedError, NotFoundError):
            return None


def listener_of(request: Request, services: Services) -> tuple[Listener, Standing]:
    """Who asks for a stream, and what they may see.

    Errors: ``NotAllowedError`` for strangers and unknown keys; ``InputError`` for an account that
    isn't theirs to name; ``TooOftenError``.
    """
    account = request.query_params.get("account")
    scheme, shown = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme:
        key = open_key(services, shown if scheme.lower() == "bearer" else None)
        listener: Listener = KeyListener(services, shown, key, account)
        return listener, Standing(listen_as(services, key, account), None)
    if account is not None:
        raise InputError("account", account, "leave it out: a session has chosen its account")
    listener = SessionListener(services.installation, request.cookies.get(SESSION_COOKIE, ""))
    standing = listener.standing()
    if standing is None:
        raise NotAllowedError(SIGNED_OUT, code="signed_out")
    return listener, standing
