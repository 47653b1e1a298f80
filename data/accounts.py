"""Accounts in the truth: made once, read as the rules see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    CompoundSelect,
    Connection,
    String,
    bindparam,
    cast,
    insert,
    literal,
    select,
    true,
    union_all,
    update,
)

from billing.accounts import ENVIRONMENTS, Account, check_account_id
from billing.errors import InputError, NotFoundError
from billing.lots import LotKind
from billing.money import check_currency
from billing.periods import BillingCalendar, ZoneHistory, check_anchor_day, zone
from billing.plans import Plan
from data import tables as t
from data.identity import new_id

ALWAYS = date(1970, 1, 1)
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What an account starts with; dated values hold from the beginning of time."""

    id: str
    name: str
    plan: Plan
    currency: str
    timezone: str
    anchor_day: int = 1
    locale: str = "en_US"
    environment: str = "production"
    paid_since: date | None = None
    is_demo: bool = False


def add_account(connection: Connection, new: NewAccount, at: datetime) -> Account:
    """Writes a new account with an empty wallet.

    Errors: ``InputError`` naming the field, also for an id that was ever used.
    """
    check_account_id(new.id)
    check_currency(new.currency)
    check_anchor_day(new.anchor_day)
    zone(new.timezone)
    if not 1 <= len(new.name.strip()) <= LONGEST_NAME:
        raise InputError("name", new.name, f"use 1 to {LONGEST_NAME} characters")
    if new.environment not in ENVIRONMENTS:
        raise InputError("environment", new.environment, f"use one of {', '.join(ENVIRONMENTS)}")
    if connection.scalar(select(t.accounts.c.id).where(t.accounts.c.id == new.id)):
        raise InputError("account", new.id, "choose an id that was never used")
    connection.execute(
        insert(t.accounts).values(
            id=new.id, name=new.name.strip(), currency=new.currency, locale=new.locale,
            environment=new.environment, paid_since=new.paid_since, is_demo=new.is_demo,
            created_at=at,
        )
    )  # fmt: skip
    for table, column, value in (
        (t.account_plans, "plan", new.plan.value),
        (t.account_zones, "timezone", new.timezone),
        (t.account_anchors, "anchor_day", new.anchor_day),
    ):
        connection.execute(
            insert(table).values(account_id=new.id, valid_from=ALWAYS, **{column: value})
        )
    connection.execute(
        insert(t.balances).values(
            account_id=new.id, posted_micros=0, reserved_micros=0, updated_at=at
        )
    )
    _add_overdraft_lot(connection, new.id, at)
    return read_account(connection, new.id)


def change_plan(connection: Connection, account_id: str, plan: Plan, valid_from: date) -> None:
    """A plan from a local day on; what was before stays as it was.

    The first paid plan after Free sets the day from which the account's people see history
    (seed: the date you activated your paid plan). Errors: ``InputError`` when a plan starts on
    that day already, or the account has it anyway.
    """
    account = read_account(connection, account_id)
    before = account.plan_on(valid_from)
    if any(start == valid_from for start, _ in account.plans):
        raise InputError("from", valid_from, "choose another day: a plan starts there already")
    if plan is before:
        raise InputError("plan", plan.value, f"it is the plan on {valid_from} already")
    if before is Plan.FREE and account.paid_since is None:
        connection.execute(
            update(t.accounts).where(t.accounts.c.id == account_id).values(paid_since=valid_from)
        )
    connection.execute(
        insert(t.account_plans).values(
            account_id=account_id, valid_from=valid_from, plan=plan.value
        )
    )


def read_account(connection: Connection, account_id: str) -> Account:
    """One account; ``NotFoundError`` when there is none."""
    found = read_accounts(connection, [account_id])
    if not found:
        raise NotFoundError(
            f"There is no account {account_id[:64]!r}: make it with `usage-dashboard account add`."
        )
    return found[0]


def read_accounts(connection: Connection, ids: Sequence[str] | None = None) -> list[Account]:
    """All accounts, or those with the given ids, by name."""
    if ids is None:
        rows = connection.execute(_ALL_ACCOUNTS).all()
    else:
        rows = connection.execute(_OWN_ACCOUNTS, {"ids": list(ids)}).all()
    plans, zones, anchors = _dated(connection, ids)
    return [
        Account(
            id=row.id,
            name=row.name,
            currency=row.currency,
            locale=row.locale,
            environment=row.environment,
            plans=tuple((day, Plan(plan)) for day, plan in plans[row.id]),
            zones=ZoneHistory(tuple(zones[row.id])),
            billing=BillingCalendar(
                tuple((day, int(anchor_day)) for day, anchor_day in anchors[row.id])
            ),
            paid_since=row.paid_since,
            is_demo=row.is_demo,
            is_closed=row.closed_at is not None,
        )
        for row in rows
    ]


def _every_dated(among: BindParameter[Any] | None) -> CompoundSelect[int, str, date, str]:
    """The rows of the three dated tables; made once, as every page reads them."""
    several = [
        select(
            literal(number).label("number"), table.c.account_id, table.c.valid_from,
            cast(table.c[2], String).label("held"),
        ).where(true() if among is None else table.c.account_id.in_(among))
        for number, table in enumerate((t.account_plans, t.account_zones, t.account_anchors))
    ]  # fmt: skip
    return union_all(*several).order_by("account_id", "valid_from")


_ALL_DATED = _every_dated(None)
_OWN_DATED = _every_dated(bindparam("ids", expanding=True))
_ALL_ACCOUNTS = select(t.accounts).order_by(t.accounts.c.name, t.accounts.c.id)
_OWN_ACCOUNTS = _ALL_ACCOUNTS.where(t.accounts.c.id.in_(bindparam("ids", expanding=True)))
Dated = dict[str, list[tuple[date, str]]]


def _dated(connection: Connection, ids: Sequence[str] | None) -> tuple[Dated, Dated, Dated]:
    """(valid_from, value) by account, oldest first: plans, time zones, anchor days as text."""
    found: tuple[Dated, Dated, Dated] = (defaultdict(list), defaultdict(list), defaultdict(list))
    rows = connection.execute(_ALL_DATED) if ids is None else connection.execute(
        _OWN_DATED, {"ids": list(ids)}
    )  # fmt: skip
    for number, account_id, valid_from, held in rows:
        found[number][account_id].append((valid_from, held))
    return found


def _add_overdraft_lot(connection: Connection, account_id: str, at: datetime) -> None:
    """The account's one debt lot: it exists from the start so that any charge can be posted."""
    lot_id = new_id()
    connection.execute(
        insert(t.credit_lots).values(
            id=lot_id, account_id=account_id, kind=LotKind.OVERDRAFT.value, amount_micros=0,
            priority=0, granted_at=at,
        )
    )  # fmt: skip
    connection.execute(
        insert(t.lot_balances).values(lot_id=lot_id, account_id=account_id, remaining_micros=0)
    )
