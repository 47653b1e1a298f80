"""People and their memberships: who may sign in, with which password, in which role.

Passwords are kept as argon2 hashes. Must not know cookies or requests.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Row, delete, insert, select, update

from billing.access import ALL_ACCOUNTS, Membership, Role, Viewer
from billing.errors import InputError, NotFoundError
from data import tables as t
from data.access.throttle import Slots
from data.accounts import read_account
from data.identity import new_id

if TYPE_CHECKING:
    from data.access.sessions import Session

LONGEST_EMAIL = 255
LONGEST_NAME = 255
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1024
GENERATED_PASSWORD_BYTES = 18  # 24 characters
EMAIL = re.compile(r"""[^\s@<>()\[\]\\,;:"]{1,64}@[^\s@<>()\[\]\\,;:"]+""")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in unless ``disabled_at`` is set."""

    id: str
    email: str
    name: str
    created_at: datetime
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AddedPerson:
    """A new person, and the password that was made for them when none was given."""

    person: Person
    generated_password: str | None


class Passwords:
    """Hashes and checks passwords; ``slots`` bounds how many are checked at once.

    The costs are what OWASP recommends: 19 MiB, two passes, one thread; about 35 ms of a core.
    """

    def __init__(
        self,
        time_cost: int = 2,
        memory_kib: int = 19_456,
        parallelism: int = 1,
        *,
        slots: int = 2,
        waiting: int = 4,
    ) -> None:
        self._hasher = PasswordHasher(time_cost, memory_kib, parallelism)
        self.slots = Slots(slots, waiting)

    @cached_property
    def _nobody(self) -> str:
        """The hash of a password that nobody knows."""
        return self._hasher.hash(secrets.token_bytes(32))

    def hash(self, password: str) -> str:
        """What is stored for a password."""
        return self._hasher.hash(_encoded(password))

    def matches(self, stored: str | None, password: str) -> bool:
        """Whether a password is the stored one; takes as long for nobody (``None``)."""
        if len(password) > LONGEST_PASSWORD:
            stored, password = None, ""
        try:
            return self._hasher.verify(stored or self._nobody, _encoded(password))
        except (VerificationError, InvalidHashError):
            return False

    def needs_rehash(self, stored: str) -> bool:
        """Whether the stored hash was made with other costs than today's."""
        return self._hasher.check_needs_rehash(stored)


def add_person(
    connection: Connection,
    email: str,
    name: str,
    password: str | None,
    at: datetime,
    *,
    passwords: Passwords | None = None,
) -> AddedPerson:
    """A new person without memberships; a password is made when none is given.

    Errors: ``InputError`` for an e-mail that is malformed or taken, a name or a password.
    """
    email = check_email(email)
    name = _check_name(name)
    chosen = generate_password() if password is None else check_password(password)
    if find_person(connection, email) is not None:
        raise InputError("email", email, "there is a person with this address already")
    person = Person(new_id(), email, name, at)
    connection.execute(
        insert(t.people).values(
            id=person.id, email=email, name=name, created_at=at,
            password_hash=(passwords or Passwords()).hash(chosen),
        )
    )  # fmt: skip
    return AddedPerson(person, chosen if password is None else None)


def add_membership(connection: Connection, person_id: str, account_id: str, role: Role) -> None:
    """A role in one account (owner, manager) or over all, ``"*"`` (support, admin).

    Errors: ``InputError`` when role and account don't go together or the person has a role there;
    ``NotFoundError`` for a person or an account that isn't there.
    """
    role = _check_role(role)
    if role.sees_all_accounts != (account_id == ALL_ACCOUNTS):
        fix = "support and admin work over all accounts (*), owner and manager in one"
        raise InputError("role", role.value, fix)
    if account_id != ALL_ACCOUNTS:
        read_account(connection, account_id)
    _require_person(connection, person_id)
    held = connection.scalar(
        select(t.memberships.c.role).where(
            t.memberships.c.person_id == person_id, t.memberships.c.account_id == account_id
        )
    )
    if held is not None:
        raise InputError("account", account_id, f"the person is {held} there: remove that first")
    connection.execute(
        insert(t.memberships).values(person_id=person_id, account_id=account_id, role=role.value)
    )


def remove_membership(connection: Connection, person_id: str, account_id: str) -> None:
    """Takes a role away, from the next request on; ``NotFoundError`` when there is none."""
    result = connection.execute(
        delete(t.memberships).where(
            t.memberships.c.person_id == person_id, t.memberships.c.account_id == account_id
        )
    )
    if result.rowcount == 0:
        raise NotFoundError(f"The person has no role in {account_id[:64]!r}.")


def find_person(connection: Connection, email: str) -> Person | None:
    """The person with an e-mail address, disabled or not."""
    row = connection.execute(
        select(t.people).where(t.people.c.email == normalize_email(email))
    ).one_or_none()
    return None if row is None else _from_row(row)


def disable_person(connection: Connection, person_id: str, at: datetime) -> None:
    """Nobody signs in as them any more, and their sessions end now.

    Errors: ``NotFoundError``.
    """
    _require_person(connection, person_id)
    connection.execute(
        update(t.people)
        .where(t.people.c.id == person_id, t.people.c.disabled_at.is_(None))
        .values(disabled_at=at)
    )
    _end_sessions(connection, person_id, at)


def set_password(
    connection: Connection,
    person_id: str,
    password: str | None,
    at: datetime,
    *,
    passwords: Passwords | None = None,
) -> str | None:
    """Another password; gives the one that was made when none was given. Ends their sessions.

    Errors: ``InputError`` for the password, ``NotFoundError`` for the person.
    """
    chosen = generate_password() if password is None else check_password(password)
    _require_person(connection, person_id)
    connection.execute(
        update(t.people)
        .where(t.people.c.id == person_id)
        .values(password_hash=(passwords or Passwords()).hash(chosen))
    )
    _end_sessions(connection, person_id, at)
    return chosen if password is None else None


def viewer(connection: Connection, session: Session) -> Viewer | None:
    """The person of a session with their roles as they are now; none once disabled."""
    person = connection.execute(
        select(t.people).where(t.people.c.id == session.person_id)
    ).one_or_none()
    if person is None or person.disabled_at is not None:
        return None
    rows = connection.execute(
        select(t.memberships.c.account_id, t.memberships.c.role)
        .where(t.memberships.c.person_id == person.id)
        .order_by(t.memberships.c.account_id)
    )
    return Viewer(
        person_id=person.id,
        email=person.email,
        name=person.name,
        memberships=tuple(Membership(account_id, Role(role)) for account_id, role in rows),
        session_started_at=session.created_at,
        chosen_account_id=session.account_id,
    )


def normalize_email(email: str) -> str:
    """The form in which addresses are compared."""
    return unicodedata.normalize("NFKC", email).strip().lower()


def check_email(email: str) -> str:
    """The address in its normal form; ``InputError`` when it can't be one."""
    normal = normalize_email(email)
    if len(normal) > LONGEST_EMAIL or not normal.isprintable() or not EMAIL.fullmatch(normal):
        fix = f"write it as name@example.com, at most {LONGEST_EMAIL} characters"
        raise InputError("email", email, fix)
    return normal


def check_password(password: str) -> str:
    """The password itself; ``InputError``, which never repeats it, when it can't be taken."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        fix = f"use {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters"
        raise InputError("password", "••••", fix)
    return password


def generate_password() -> str:
    """A random password of 24 characters."""
    return secrets.token_urlsafe(GENERATED_PASSWORD_BYTES)


def _encoded(password: str) -> bytes:
    """The bytes that are hashed, the same on every keyboard and system (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def _check_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise InputError("name", name, f"use 1 to {LONGEST_NAME} printable characters")
    return name


def _check_role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise InputError("role", role, f"use one of {', '.join(Role)}") from None


def _require_person(connection: Connection, person_id: str) -> None:
    if connection.scalar(select(t.people.c.id).where(t.people.c.id == person_id)) is None:
        raise NotFoundError(f"There is no person {person_id[:36]!r}.")


def _end_sessions(connection: Connection, person_id: str, at: datetime) -> None:
    connection.execute(
        update(t.sessions)
        .where(t.sessions.c.person_id == person_id, t.sessions.c.ended_at.is_(None))
        .values(ended_at=at)
    )


def _from_row(row: Row[tuple[object, ...]]) -> Person:
    return Person(row.id, row.email, row.name, row.created_at, row.disabled_at)
