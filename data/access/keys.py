"""API keys: made once and shown once, stored as keyed hashes, revoked for ever."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, insert, select, update

from billing.access import ALL_ACCOUNTS
from billing.errors import InputError, NotFoundError
from data import tables as t
from data.accounts import read_account
from data.changes import mark_changed
from data.identity import Pseudonyms, new_id

SCOPES = (
    "events:write", "events:priced", "holds:write", "usage:read", "wallet:read", "wallet:write",
    "limits:write", "alerts:write", "exports:write", "account:write", "support", "admin",
)  # fmt: skip
SCOPES_OVER_ALL = ("support", "admin")
KEY_START = "usage_"  # lets a scanner of leaked secrets know one
KEY_BYTES = 32
SHOWN_LENGTH = len(KEY_START) + 6
LONGEST_KEY = 100
KEYS_CHANGED = "api_keys"  # among the changes of a commit, where no account has such a name
DOMAIN = "api key"  # a hash made for another purpose never matches one of these


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key: ``shown_prefix`` tells people which one it is, and is not secret."""

    id: str
    shown_prefix: str
    account_id: str
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None = None

    @property
    def is_over_all(self) -> bool:
        """Whether it opens every account and a call has to name one."""
        return self.account_id == ALL_ACCOUNTS


def add_key(
    connection: Connection,
    pseudonyms: Pseudonyms,
    account_id: str,
    scopes: Collection[str],
    at: datetime,
) -> tuple[str, ApiKey]:
    """A new key of one account, or of all (``"*"``): the key, shown only now, and what is kept.

    Errors: ``InputError`` for scopes that are unknown, none, or don't go with the account;
    ``NotFoundError`` for an account that isn't there.
    """
    checked = _check_scopes(account_id, scopes)
    if account_id != ALL_ACCOUNTS:
        read_account(connection, account_id)
    key = KEY_START + secrets.token_urlsafe(KEY_BYTES)
    kept = ApiKey(new_id(), key[:SHOWN_LENGTH], account_id, checked, at)
    connection.execute(
        insert(t.api_keys).values(
            id=kept.id, key_hash=_hash(pseudonyms, key), shown_prefix=kept.shown_prefix,
            account_id=account_id, scopes=" ".join(checked), created_at=at,
        )
    )  # fmt: skip
    return key, kept


def find_key(connection: Connection, pseudonyms: Pseudonyms, key: str) -> ApiKey | None:
    """The key somebody shows; none when it is unknown or revoked."""
    if not key.startswith(KEY_START) or len(key) > LONGEST_KEY:
        return None
    row = connection.execute(
        select(t.api_keys).where(
            t.api_keys.c.key_hash == _hash(pseudonyms, key), t.api_keys.c.revoked_at.is_(None)
        )
    ).one_or_none()
    return None if row is None else _from_row(row)


def read_keys(connection: Connection, account_id: str) -> list[ApiKey]:
    """Every key an account ever had (or ``"*"``: those over all), oldest first."""
    rows = connection.execute(
        select(t.api_keys)
        .where(t.api_keys.c.account_id == account_id)
        .order_by(t.api_keys.c.created_at, t.api_keys.c.id)
    )
    return [_from_row(row) for row in rows]


def revoke_key(connection: Connection, account_id: str, key_id: str, at: datetime) -> None:
    """Ends a key of this account at once; a second time changes nothing.

    Errors: ``NotFoundError`` when the account has no such key.
    """
    own = (t.api_keys.c.account_id == account_id, t.api_keys.c.id == key_id)
    if connection.scalar(select(t.api_keys.c.id).where(*own)) is None:
        raise NotFoundError(f"There is no key {key_id[:36]!r} in this account.")
    connection.execute(
        update(t.api_keys).where(*own, t.api_keys.c.revoked_at.is_(None)).values(revoked_at=at)
    )
    mark_changed(connection, KEYS_CHANGED)


def _check_scopes(account_id: str, scopes: Collection[str]) -> tuple[str, ...]:
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise InputError("scope", " ".join(unknown), f"use one or more of {', '.join(SCOPES)}")
    is_over_all = bool(set(scopes) & set(SCOPES_OVER_ALL))
    if is_over_all and account_id != ALL_ACCOUNTS:
        raise InputError("scope", " ".join(scopes), "support and admin go with the account *")
    if account_id == ALL_ACCOUNTS and not is_over_all:
        raise InputError("scope", " ".join(scopes), "a key over * needs support or admin")
    return tuple(scope for scope in SCOPES if scope in scopes)


def _hash(pseudonyms: Pseudonyms, key: str) -> str:
    return pseudonyms.token(f"{DOMAIN}\0{key}")


def _from_row(row: Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        id=row.id,
        shown_prefix=row.shown_prefix,
        account_id=row.account_id,
        scopes=tuple(row.scopes.split()),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
