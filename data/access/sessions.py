"""Sign-ins: how one is won, the random token that stands for it, and the account it looks at.

Only a keyed hash of a token is stored. One resolver, ``resolve``, serves screens, downloads and
streams alike. Must not know cookies or requests.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, Row, and_, bindparam, delete, insert, select, update

from billing.access import AccountScope, Membership, Role, Viewer, open_account
from billing.accounts import ACCOUNT_ID, Account
from billing.clock import Clock
from billing.errors import NotAllowedError, NotFoundError, ProductError
from data import tables as t
from data.access import throttle
from data.access.audit import person_actor, record
from data.access.people import LONGEST_EMAIL, Passwords, normalize_email, viewer
from data.accounts import read_account, read_accounts
from data.database import Database
from data.identity import Pseudonyms
from data.savepoints import BusyError
from data.settings import Settings
from data.writer import Writer

SESSION_COOKIE = "usage_session"
TOKEN_BYTES = 32
LONGEST_TOKEN = 100
LONGEST_IDLE = timedelta(hours=4)
SEEN_EVERY = timedelta(minutes=1)
KEPT_AFTER_EXPIRY = timedelta(days=30)
DOMAIN = "session"  # a hash made for another purpose never matches one of these

_own, _people, _memberships = t.sessions.c, t.people.c, t.memberships.c
_IS_IN_FORCE = and_(
    _own.token_hash == bindparam("token"),
    _own.ended_at.is_(None),
    _own.expires_at > bindparam("at"),
    _own.last_seen_at > bindparam("idle_since"),
)
_SIGNED_IN = (  # made once: every request asks it
    select(
        t.sessions, _people.email, _people.name,
        _memberships.account_id.label("member_of"), _memberships.role,
    )
    .join(t.people, _people.id == _own.person_id)
    .outerjoin(t.memberships, _memberships.person_id == _people.id)
    .where(_IS_IN_FORCE, _people.disabled_at.is_(None))
    .order_by(_memberships.account_id)
)  # fmt: skip


class Opened(Protocol):
    """What is needed of an installation."""

    @property
    def settings(self) -> Settings: ...  # noqa: D102
    @property
    def clock(self) -> Clock: ...  # noqa: D102
    @property
    def database(self) -> Database: ...  # noqa: D102
    @property
    def pseudonyms(self) -> Pseudonyms: ...  # noqa: D102
    @property
    def writer(self) -> Writer: ...  # noqa: D102


class SignInError(ProductError):
    """A sign-in that failed; which part was wrong stays unsaid."""

    code = "sign_in_failed"

    def __init__(self) -> None:
        super().__init__("This e-mail and password don't go together. Check both and try again.")


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in in force. ``account_id``: the account chosen in it, if any was."""

    token_hash: str
    person_id: str
    account_id: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


def sign_in(
    installation: Opened,
    passwords: Passwords,
    email: str,
    password: str,
    address: str | None,
    *,
    old_token: str | None = None,
) -> str:
    """The token of a new session; the session that ``old_token`` stood for, if any, ends.

    Errors: ``SignInError`` for a wrong pair, an unknown or a disabled person alike;
    ``ThrottledError`` after too many of them; ``CrowdedError`` when too many try at once.
    """
    email = normalize_email(email)
    if len(email) > LONGEST_EMAIL or not email.isprintable():
        email = ""  # nobody's; it still costs as much and counts as much
    tried = throttle.attempt(installation.pseudonyms, email, address)
    _check_throttle(installation, tried)  # before queueing, so that a refused flood costs little
    with passwords.slots.take():
        at = _check_throttle(installation, tried)  # again: others may have failed meanwhile
        with installation.database.read() as connection:
            row = connection.execute(
                select(t.people.c.id, t.people.c.password_hash, t.people.c.disabled_at).where(
                    t.people.c.email == email
                )
            ).one_or_none()
        is_right = passwords.matches(row.password_hash if row else None, password)
        if row is None or not is_right or row.disabled_at is not None:
            installation.writer.write(lambda c: throttle.record_failure(c, tried, at))
            raise SignInError
        newer = passwords.hash(password) if passwords.needs_rehash(row.password_hash) else None

    def begin(connection: Connection) -> str:
        throttle.forget(connection, tried)
        if old_token:
            end_session(connection, installation.pseudonyms, old_token, at)
        if newer:
            connection.execute(
                update(t.people)
                .where(t.people.c.id == row.id, t.people.c.password_hash == row.password_hash)
                .values(password_hash=newer)
            )
        hours = installation.settings.session_hours
        token = start_session(connection, installation.pseudonyms, row.id, at, hours)
        record(connection, at, person_actor(row.id), None, "sign_in", {})
        return token

    return installation.writer.write(begin)


def start_session(
    connection: Connection, pseudonyms: Pseudonyms, person_id: str, at: datetime, hours: int
) -> str:
    """A new session's token, to be handed to the person and kept nowhere.

    Errors: ``SignInError`` for a person who is disabled or isn't there.
    """
    may = select(t.people.c.id).where(t.people.c.id == person_id, t.people.c.disabled_at.is_(None))
    if connection.scalar(may) is None:
        raise SignInError
    own = t.sessions.c.person_id == person_id
    connection.execute(
        delete(t.sessions).where(own, t.sessions.c.expires_at < at - KEPT_AFTER_EXPIRY)
    )
    token = secrets.token_urlsafe(TOKEN_BYTES)
    connection.execute(
        insert(t.sessions).values(
            token_hash=hash_token(pseudonyms, token), person_id=person_id, created_at=at,
            last_seen_at=at, expires_at=at + timedelta(hours=hours),
        )
    )  # fmt: skip
    return token


def end_session(
    connection: Connection, pseudonyms: Pseudonyms, token: str, at: datetime
) -> str | None:
    """Ends a session for ever; gives the id of its person, none when it wasn't in force."""
    session = find_session(connection, pseudonyms, token, at)
    if session is None:
        return None
    connection.execute(
        update(t.sessions).where(t.sessions.c.token_hash == session.token_hash).values(ended_at=at)
    )
    return session.person_id


def find_session(
    connection: Connection, pseudonyms: Pseudonyms, token: str | None, at: datetime
) -> Session | None:
    """The session of a token; none when it is unknown, ended, expired or was idle too long."""
    if not token or len(token) > LONGEST_TOKEN:
        return None
    wanted = select(t.sessions).where(_IS_IN_FORCE)
    row = connection.execute(wanted, _given(pseudonyms, token, at)).one_or_none()
    return None if row is None else _session(row)


def _signed_in(
    connection: Connection, pseudonyms: Pseudonyms, token: str, at: datetime
) -> tuple[Session, Viewer] | None:
    """The session of a token and its person as they are now, in one statement.

    None for what ``find_session`` doesn't find, and once the person is disabled.
    """
    if len(token) > LONGEST_TOKEN:
        return None
    rows = connection.execute(_SIGNED_IN, _given(pseudonyms, token, at)).all()
    if not rows:
        return None
    session, person = _session(rows[0]), rows[0]
    own = tuple(Membership(row.member_of, Role(row.role)) for row in rows if row.member_of)
    return session, Viewer(
        session.person_id, person.email, person.name, own, session.created_at, session.account_id
    )


def _given(pseudonyms: Pseudonyms, token: str, at: datetime) -> dict[str, Any]:
    return {"token": hash_token(pseudonyms, token), "at": at, "idle_since": at - LONGEST_IDLE}


def _session(row: Row[Any]) -> Session:
    return Session(
        row.token_hash, row.person_id, row.account_id, row.created_at, row.last_seen_at,
        row.expires_at,
    )  # fmt: skip


def resolve(installation: Opened, token: str | None, *, is_visit: bool = True) -> Viewer | None:
    """Who a token stands for, or nobody. Notes at most once a minute that they were here.

    ``is_visit``: whether a person asked for something; an open stream alone keeps no session alive.
    """
    if not token:
        return None
    at = installation.clock.now()
    with installation.database.read() as connection:
        found = _signed_in(connection, installation.pseudonyms, token, at)
    if found is None:
        return None
    session, seen_by = found
    if is_visit and session.last_seen_at <= at - SEEN_EVERY:
        with suppress(BusyError):  # a page must not fail because this note was not written
            installation.writer.write(lambda connection: _note_seen(connection, session, at))
    return seen_by


def choose_account(
    connection: Connection, pseudonyms: Pseudonyms, token: str, account_id: str, at: datetime
) -> None:
    """Turns a session to another account.

    Errors: ``NotFoundError`` when it isn't open to the person: whether it exists stays unsaid.
    """
    session = find_session(connection, pseudonyms, token, at)
    seen_by = viewer(connection, session) if session else None
    if session is None or seen_by is None:
        raise NotAllowedError("Your session has ended: sign in again.", code="signed_out")
    named = t.accounts.c.id == account_id
    is_open = ACCOUNT_ID.fullmatch(account_id) and seen_by.role_in(account_id)
    if not is_open or not connection.scalar(select(t.accounts.c.id).where(named)):
        raise NotFoundError(f"There is no account {account_id[:64]!r} that you may see.")
    connection.execute(
        update(t.sessions)
        .where(t.sessions.c.token_hash == session.token_hash)
        .values(account_id=account_id)
    )
    actor = person_actor(session.person_id)
    record(connection, at, actor, account_id, "account_chosen", {})


def accounts_of(connection: Connection, seen_by: Viewer) -> list[Account]:
    """Every account open to a person, by name."""
    if seen_by.sees_all_accounts:
        return read_accounts(connection)
    return read_accounts(connection, [m.account_id for m in seen_by.memberships])


def scope_of(connection: Connection, seen_by: Viewer) -> AccountScope:
    """The one account a person looks at: the one they chose, else their first open one by name.

    A choice they have lost the right to counts as none.
    Errors: ``NotAllowedError`` when no account is open to them.
    """
    chosen = seen_by.chosen_account_id
    if seen_by.sees_all_accounts and chosen is not None:  # which may be one of thousands
        return open_account(seen_by, read_account(connection, chosen))
    return scope_among(seen_by, accounts_of(connection, seen_by))


def scope_among(seen_by: Viewer, accounts: Sequence[Account]) -> AccountScope:
    """The same of accounts that were read before: all that are open to the person."""
    if not accounts:
        raise NotAllowedError("No account is open to you yet: ask its owner to add you.")
    chosen = [account for account in accounts if account.id == seen_by.chosen_account_id]
    return open_account(seen_by, min(chosen or accounts, key=lambda account: account.is_closed))


def hash_token(pseudonyms: Pseudonyms, token: str) -> str:
    """What is stored in a token's place."""
    return pseudonyms.token(f"{DOMAIN}\0{token}")


def _check_throttle(installation: Opened, tried: throttle.Attempt) -> datetime:
    at = installation.clock.now()
    with installation.database.read() as connection:
        throttle.check(connection, tried, at)
    return at


def _note_seen(connection: Connection, session: Session, at: datetime) -> None:
    connection.execute(
        update(t.sessions)
        .where(
            t.sessions.c.token_hash == session.token_hash,
            t.sessions.c.last_seen_at <= at - SEEN_EVERY,
        )
        .values(last_seen_at=at)
    )
