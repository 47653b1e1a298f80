"""Who may see what: roles, and the one scope through which every read goes.

An ``AccountScope`` is made only here, from a signed-in person or a key and the account they
chose; a repository method that reads an account's data takes one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from billing.accounts import Account
from billing.errors import InputError, NotAllowedError, NotFoundError
from billing.metrics import Metric
from billing.periods import Period


class Role(StrEnum):
    """The four roles (RULES: who may)."""

    OWNER = "owner"
    MANAGER = "manager"
    SUPPORT = "support"
    ADMIN = "admin"

    @property
    def sees_all_accounts(self) -> bool:
        """Support and admin work across accounts."""
        return self in {Role.SUPPORT, Role.ADMIN}


def parse_role(text: str) -> Role:
    """The role of that name; ``InputError`` otherwise."""
    try:
        return Role(text.strip().lower())
    except ValueError:
        raise InputError("role", text, f"use one of {', '.join(Role)}") from None


ALL_ACCOUNTS = "*"


@dataclass(frozen=True, slots=True)
class Membership:
    """A person's role in one account, or in all (``account_id`` is ``"*"``)."""

    account_id: str
    role: Role


@dataclass(frozen=True, slots=True)
class Viewer:
    """A signed-in person, when they signed in, and the account they have chosen to look at."""

    person_id: str
    email: str
    name: str
    memberships: tuple[Membership, ...]
    session_started_at: datetime
    chosen_account_id: str | None = None

    def role_in(self, account_id: str) -> Role | None:
        """The role that opens an account: one over all if they have it, else their own there."""
        own = [m.role for m in self.memberships if m.account_id == account_id]
        over_all = [m.role for m in self.memberships if m.account_id == ALL_ACCOUNTS]
        return next(iter(over_all + own), None)

    @property
    def sees_all_accounts(self) -> bool:
        """Whether every account is open to the person."""
        return any(m.account_id == ALL_ACCOUNTS for m in self.memberships)


@dataclass(frozen=True, slots=True)
class AccountScope:
    """The right to read one account: which, as whom, and from which day on.

    ``visible_from``: booking days before it are hidden (owner and manager see history from the
    day the paid plan was activated). ``session_started_at`` bounds what a Free account sees.
    """

    account: Account
    role: Role
    session_started_at: datetime
    visible_from: date | None = None

    @property
    def account_id(self) -> str:
        """The account's id, first key of every read."""
        return self.account.id


def open_account(viewer: Viewer, account: Account) -> AccountScope:
    """The scope of one account for one person.

    Errors: ``NotFoundError`` when they have no role there: whether it exists stays unsaid.
    """
    role = viewer.role_in(account.id)
    if role is None:
        raise NotFoundError(f"There is no account {account.id!r} that you may see.")
    hidden_before = None if role.sees_all_accounts else account.paid_since
    return AccountScope(account, role, viewer.session_started_at, hidden_before)


def require_drill_down(scope: AccountScope, today: date) -> None:
    """Refuses metric detail where the plan has none (seed: Limits & Availability)."""
    if not scope.account.gates_on(today).has_drill_down:
        raise NotAllowedError(
            "Metric detail comes with the Launch, Growth and Scale plans.", code="plan_lacks"
        )


def require_metric(scope: AccountScope, metric: Metric, period: Period) -> None:
    """Refuses a metric that no plan of the period had (seed: What You Can See)."""
    if not metric.plans & scope.account.plans_in(period):
        raise NotAllowedError(f"{metric.name} is not on your plan.", code="plan_lacks")
