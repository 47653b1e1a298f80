"""Who sees what: only through a scope, only with a role, only from the day it is theirs."""

import dataclasses

import pytest

from billing.access import (
    ALL_ACCOUNTS,
    Membership,
    Role,
    Viewer,
    open_account,
    require_drill_down,
)
from billing.accounts import check_account_id
from billing.errors import InputError, NotAllowedError, NotFoundError
from tests.builders import NOON, account, day


def viewer(text: str) -> Viewer:
    """Memberships as ``"owner acme, support *"``."""
    memberships = tuple(
        Membership(account_id, Role(role))
        for role, account_id in (part.split() for part in text.split(",") if part.strip())
    )
    return Viewer("p1", "ann@example.com", "Ann", memberships, NOON)


@pytest.mark.parametrize(
    ("memberships", "account_id", "role", "visible_from"),
    [
        ("owner acme", "acme", Role.OWNER, "2026-03-01"),
        ("manager acme", "acme", Role.MANAGER, "2026-03-01"),
        ("support *", "acme", Role.SUPPORT, None),
        ("admin *", "acme", Role.ADMIN, None),
        ("manager globex, owner acme", "acme", Role.OWNER, "2026-03-01"),
        ("manager globex, owner acme", "globex", Role.MANAGER, "2026-03-01"),
        # Work across accounts isn't narrowed by a membership of one's own.
        ("owner acme, support *", "acme", Role.SUPPORT, None),
        ("owner acme, support *", "globex", Role.SUPPORT, None),
        ("owner acme", "globex", None, None),
        ("owner acme", "acme2", None, None),
        ("", "acme", None, None),
    ],
)
def test_who_may_open_an_account(
    memberships: str, account_id: str, role: Role | None, visible_from: str | None
):
    wanted = account(account_id=account_id, paid_since="2026-03-01")
    if role is None:
        with pytest.raises(NotFoundError):
            open_account(viewer(memberships), wanted)
        return
    scope = open_account(viewer(memberships), wanted)
    assert (scope.account_id, scope.role) == (account_id, role)
    assert scope.visible_from == (day(visible_from) if visible_from else None)
    assert scope.session_started_at == NOON


def test_an_account_that_is_not_yours_reads_like_one_that_is_not_there():
    with pytest.raises(NotFoundError) as refusal:
        open_account(viewer("owner acme"), account(account_id="globex"))
    assert refusal.value.code == "not_found"
    assert "plan" not in refusal.value.message


def test_without_a_paid_plan_date_nothing_is_hidden():
    assert open_account(viewer("owner acme"), account()).visible_from is None


@pytest.mark.parametrize(
    ("memberships", "expected"),
    [("support *", True), ("admin *", True), ("owner acme, manager globex", False), ("", False)],
)
def test_who_sees_all_accounts(memberships: str, expected: bool):
    assert viewer(memberships).sees_all_accounts == expected


@pytest.mark.parametrize("role", Role)
def test_only_support_and_admin_work_across_accounts(role: Role):
    assert role.sees_all_accounts == (role in {Role.SUPPORT, Role.ADMIN})


def test_no_account_can_be_named_like_all_of_them():
    with pytest.raises(InputError):
        check_account_id(ALL_ACCOUNTS)


@pytest.mark.parametrize("memberships", ["owner acme", "admin *"])
def test_metric_detail_comes_with_a_paid_plan_whoever_asks(memberships: str):
    upgraded = account("free, launch 2026-03-01")
    scope = open_account(viewer(memberships), upgraded)
    with pytest.raises(NotAllowedError) as refusal:
        require_drill_down(scope, day("2026-02-28"))
    assert refusal.value.code == "plan_lacks"
    require_drill_down(scope, day("2026-03-01"))


def test_a_scope_can_not_be_widened():
    scope = open_account(viewer("owner acme"), account(paid_since="2026-03-01"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        scope.visible_from = None  # type: ignore[misc]
