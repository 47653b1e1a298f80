"""Who calls the API: a key, what it may do, and the one account of the call.

A route asks for ``caller("usage:read")``; without such a dependency it answers nobody, which
tests/test_api_tenancy.py checks for every route there is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from api.v1.known import Known
from api.v1.services import Services, services_of
from billing.access import ALL_ACCOUNTS, AccountScope, Role
from billing.accounts import Account
from billing.errors import InputError, NotAllowedError, NotFoundError
from data.access.keys import SCOPES, ApiKey
from data.accounts import read_account
from data.logs import note

# What a key over all accounts may do without naming it: support sees, an administrator does all.
_IMPLIED = {
    "support": frozenset({"usage:read", "wallet:read", "exports:write", "support"}),
    "admin": frozenset(SCOPES),
}
NO_KEY = "Send an API key: Authorization: Bearer KEY."
_HEARD_WITH = {
    "balance": ("wallet:read",), "transactions": ("usage:read",),
    "pauses": ("usage:read", "limits:write"),
    "notifications": ("usage:read", "alerts:write"),
}  # fmt: skip
bearer = HTTPBearer(
    auto_error=False, description="An API key: `usage-dashboard key add --account ID --scope …`"
)


@dataclass(frozen=True, slots=True)
class Caller:
    """A key at work on one account."""

    key: ApiKey
    scope: AccountScope

    @property
    def account(self) -> Account:
        """The account of this call."""
        return self.scope.account

    @property
    def actor(self) -> str:
        """How the audit log and wallet entries name who did it."""
        return f"key:{self.key.id}"

    @property
    def scopes(self) -> frozenset[str]:
        """Everything the key may do."""
        return scopes_of(self.key)


def scopes_of(key: ApiKey) -> frozenset[str]:
    """A key's scopes with what they imply."""
    given = frozenset(key.scopes)
    return given.union(*(_IMPLIED.get(scope, frozenset()) for scope in given))


def caller(*needed: str) -> Callable[..., Awaitable[Caller]]:
    """A dependency: the caller, whose key has one of the scopes, or a refusal."""

    async def find(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
        account: Annotated[
            str | None,
            Query(max_length=64, description="The account; only for a key over all accounts."),
        ] = None,
    ) -> Caller:
        services = services_of(request)
        known = await know(services, credentials.credentials if credentials else None)
        if not scopes_of(known.key) & set(needed):
            raise NotAllowedError(
                f"This key may not do that: it needs the scope {' or '.join(needed)}.",
                code="scope_lacks",
            )
        if known.account is not None:  # no need of the ledger, so none of a thread
            return Caller(known.key, _scope(services, known, account))
        return Caller(known.key, await run_in_threadpool(_scope, services, known, account))

    return find


async def know(services: Services, shown: str | None) -> Known:
    """The key that a caller shows with its account, counted against its limit.

    Errors: ``NotAllowedError`` without one or with one that is unknown or revoked;
    ``TooOftenError``.
    """
    known = services.known.find(shown) if shown else None
    if known is None:
        known = await run_in_threadpool(_read_known, services, shown)
    return _counted(services, known)


def open_key(services: Services, shown: str | None) -> ApiKey:
    """The key alone, as the ledger knows it now; off the loop. Errors: as of ``know``."""
    return _counted(services, _read_known(services, shown)).key


def _read_known(services: Services, shown: str | None) -> Known:
    if not shown:
        raise NotAllowedError(NO_KEY, code="no_key")
    known = services.known.read(shown)
    if known is None:
        raise NotAllowedError("This API key is unknown or was revoked.", code="key_unknown")
    return known


def _counted(services: Services, known: Known) -> Known:
    if not known.key.is_over_all:
        note(account=known.key.account_id)
    services.throttle.take(known.key.id)
    return known


def listen_as(services: Services, key: ApiKey, account: str | None) -> AccountScope:
    """What a key that opens a stream sees: the same account as in a call.

    Errors: ``NotAllowedError``, ``InputError`` and ``NotFoundError`` as for a call.
    """
    return _scope(services, Known(key, None), account)


def heard_kinds(key: ApiKey, wanted: frozenset[str], *, is_named: bool) -> frozenset[str]:
    """What of a stream a key may hear: what the same scopes let it read.

    ``is_named``: the caller named the kinds; then each must be allowed, else what isn't is left
    out. Errors: ``NotAllowedError`` when a named kind, or all of them, needs another scope.
    """
    scopes = scopes_of(key)
    lacking = {
        kind: needed
        for kind, needed in _HEARD_WITH.items()
        if kind in wanted and not scopes & set(needed)
    }
    allowed = (wanted & _HEARD_WITH.keys()) - lacking.keys()
    if (is_named and lacking) or not allowed:
        needed = " or ".join(sorted({scope for each in lacking.values() for scope in each}))
        raise NotAllowedError(
            f"This key may not hear that: it needs the scope {needed}.", code="scope_lacks"
        )
    return frozenset(allowed)


def _scope(services: Services, known: Known, wanted: str | None) -> AccountScope:
    """The account of the call: the key's own, or for a key over all the one it names."""
    key = known.key
    if key.account_id == ALL_ACCOUNTS:
        if not wanted:
            raise InputError("account", wanted or "", "name one: ?account=ID, for a key over all")
        account_id = wanted
    else:
        if wanted not in {None, key.account_id}:
            fix = "leave it out, or use a key of that account: this one belongs to another"
            raise InputError("account", wanted, fix, code="other_account")
        account_id = key.account_id
    installation = services.installation
    account = known.account or _read_account(services, account_id)
    if account.is_closed and key.account_id != ALL_ACCOUNTS:
        raise NotAllowedError(f"The account {account_id!r} is closed.", code="account_closed")
    note(account=account_id)
    role = role_of(key)
    hidden_before = None if role.sees_all_accounts else account.paid_since
    now = installation.clock.now()
    return AccountScope(account, role, _local_midnight(account, now), hidden_before)


def _read_account(services: Services, account_id: str) -> Account:
    with services.installation.database.read() as connection:
        try:
            return read_account(connection, account_id)
        except NotFoundError:
            raise NotFoundError(f"There is no account {account_id[:64]!r}.") from None


def role_of(key: ApiKey) -> Role:
    """The role a key acts in."""
    if key.account_id != ALL_ACCOUNTS:
        return Role.OWNER
    return Role.ADMIN if "admin" in key.scopes else Role.SUPPORT


def _local_midnight(account: Account, now: datetime) -> datetime:
    """What "this session" means for a key: since the account's day began."""
    return account.zones.start_of(account.today(now))
