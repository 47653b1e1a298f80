"""Limits changed by people and keys: the one use case behind the API's calls and the page's forms.

Who may is asked here, so that no way leads around it. One transaction holds a change with its
audit entry and what it pauses or resumes. Must not know who shows the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from billing.access import AccountScope
from billing.accounts import Account
from billing.caps import CapKind, Limits, Override
from billing.clock import Clock
from billing.errors import InputError, NotFoundError, ProductError
from billing.limit_standing import require_change
from billing.pauses import BALANCE, Pause
from data import tables as t
from data.accounts import read_account
from data.identity import new_id
from data.ledger.limit_book import read_limits
from data.ledger.limits import override, set_limits, take_back
from data.ledger.pausing import Turned, pause_of
from data.ledger.wallet import OpenWallet
from data.writer import Writer

_LONGEST_ID = 36


class LimitsChangedError(ProductError):
    """Somebody changed the limits since they were read."""

    code = "changed"


class PauseOverError(ProductError):
    """The pause is over: there is nothing to override."""

    code = "pause_over"


@dataclass(frozen=True, slots=True)
class Saved:
    """Limits as they are in force now, and what the change paused and resumed."""

    limits: Limits
    turned: Turned


@dataclass(frozen=True, slots=True)
class Given:
    """An override that is in force now, and what it resumed; or that was, and what it paused."""

    override: Override
    turned: Turned


class Limiting:
    """Changes limits in the writer."""

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock

    def save(
        self, scope: AccountScope, actor: str, limits: Limits, version: int | None = None
    ) -> Saved:
        """Replaces all that is set for an account; overrides stay.

        ``version``: the one that was read, so that nobody's change is lost unseen; none: whatever
        it is. Errors: ``NotAllowedError``; ``InputError`` for limits that can't be;
        ``LimitsChangedError`` for another version; ``BusyError``.
        """
        require_change(scope.role)
        return self._writer.write(lambda c: self._save(c, scope.account_id, actor, limits, version))

    def override(
        self, scope: AccountScope, actor: str, pause_id: str, reason: str, until: datetime,
        limit_micros: int | None = None,
    ) -> Given:  # fmt: skip
        """Lets what a pause keeps still go on until an instant.

        ``limit_micros``: up to how much in the limit's window; none: as much as it takes. Errors:
        ``NotAllowedError``; ``NotFoundError`` without the pause or its limit; ``PauseOverError``;
        ``InputError`` naming reason, instant or amount, or a balance that has run out;
        ``BusyError``.
        """
        require_change(scope.role)

        def work(connection: Connection) -> Given:
            now = self._clock.now()
            account = read_account(connection, scope.account_id)
            pause = _pause(connection, account, pause_id)
            if pause.reason.rule == BALANCE:
                fix = "add credit: a balance that has run out can't be overridden"
                raise InputError("pause", BALANCE, fix)
            if pause.ended_at is not None:
                raise PauseOverError("This pause is over: there is nothing to override.")
            kind, campaign = CapKind(pause.reason.rule), pause.reason.campaign
            given = Override(new_id(), kind, campaign, reason, actor, now, until, limit_micros)
            turned = override(connection, account, given, now)
            return Given(_kept(connection, account.id, given.id, now), turned)

        return self._writer.write(work)

    def take_back(self, scope: AccountScope, actor: str, pause_id: str) -> Given:
        """Ends the override that is in force over a pause's limit, before its time.

        Errors: ``NotAllowedError``; ``NotFoundError`` without the pause, or an override in force;
        ``BusyError``.
        """
        require_change(scope.role)

        def work(connection: Connection) -> Given:
            now = self._clock.now()
            account = read_account(connection, scope.account_id)
            reason = _pause(connection, account, pause_id).reason
            limits = read_limits(connection, account.id, now)
            valid = limits.override(reason.window, now) if reason.window else None
            if valid is None:
                raise NotFoundError("No override of this pause is in force.")
            return Given(valid, take_back(connection, account, valid.id, actor, now))

        return self._writer.write(work)

    def _save(
        self, connection: Connection, account_id: str, actor: str, limits: Limits,
        version: int | None,
    ) -> Saved:  # fmt: skip
        now = self._clock.now()
        account = read_account(connection, account_id)
        OpenWallet.open(connection, account)  # its lock keeps every other change out meanwhile
        found = read_limits(connection, account.id, now).version
        if version not in {None, found}:
            raise LimitsChangedError(
                f"The limits were changed meanwhile (version {found}): read them and try again."
            )
        kept, turned = set_limits(connection, account, limits, actor, now)
        return Saved(kept, turned)


def _pause(connection: Connection, account: Account, pause_id: str) -> Pause:
    row = None
    if len(pause_id) <= _LONGEST_ID and pause_id.isprintable():
        row = connection.execute(
            select(t.pauses).where(t.pauses.c.id == pause_id, t.pauses.c.account_id == account.id)
        ).first()
    if row is None:
        raise NotFoundError("There is no such pause in this account.")
    return pause_of(row)


def _kept(connection: Connection, account_id: str, override_id: str, now: datetime) -> Override:
    """The override as it was kept, its reason trimmed."""
    limits = read_limits(connection, account_id, now)
    return next(each for each in limits.overrides if each.id == override_id)
