"""Money moved by hand: what may be asked, by whom, and when somebody else has to agree."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing.access import Role
from billing.balance_queries import parse_balance_search, parse_movement
from billing.errors import InputError, NotAllowedError, ProductError
from billing.movements import (
    APPROVAL_FOR,
    Action,
    Approval,
    Movement,
    actions_of,
    check_movement,
    needs_approval,
    require_action,
    require_decision,
)
from tests.builders import NOON, account, at

GRANT = Movement(Action.GRANT, 5_000_000, "an outage")
APPROVAL = Approval("a", "acme", GRANT, 5_000_000, "person:sue", NOON, NOON + APPROVAL_FOR)


# RULES §6, "Who may".
@pytest.mark.parametrize(
    ("role", "actions"),
    [
        (Role.OWNER, "top_up"),
        (Role.MANAGER, ""),
        (Role.SUPPORT, "grant adjustment refund"),
        (Role.ADMIN, "top_up grant adjustment refund"),
    ],
)
def test_who_may_move_money(role: Role, actions: str):
    assert [action.value for action in actions_of(role)] == actions.split()
    for action in Action:
        if action.value in actions.split():
            require_action(role, action)
        else:
            with pytest.raises(NotAllowedError, match=f"role {role.value} may not"):
                require_action(role, action)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_micros": 0}, "amount_micros"),
        ({"amount_micros": -1}, "amount_micros"),
        ({"amount_micros": 10**15 + 1}, "amount_micros"),
        ({"action": Action.TOP_UP, "amount_micros": -5}, "amount_micros"),
        ({"action": Action.ADJUSTMENT, "amount_micros": 0}, "amount_micros"),
        ({"action": Action.ADJUSTMENT, "amount_micros": -(10**15) - 1}, "amount_micros"),
        ({"action": Action.REFUND}, "line_id"),
        ({"reason": " "}, "reason"),
        ({"reason": "x" * 256}, "reason"),
        ({"reason": "two\nlines"}, "reason"),
        ({"reason": "\ud800"}, "reason"),
        ({"priority": 0}, "priority"),
        ({"priority": 1_001}, "priority"),
        ({"expires_at": NOON}, "expires_at"),
        ({"expires_at": NOON + timedelta(days=4_000)}, "expires_at"),
        ({"expires_at": NOON.replace(tzinfo=None)}, "expires_at"),
    ],
)
def test_what_cannot_be_asked_names_its_field(changes: dict, field: str):
    with pytest.raises(InputError) as refused:
        check_movement(replace(GRANT, **changes), NOON)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "movement",
    [
        replace(GRANT, amount_micros=1),
        replace(GRANT, amount_micros=10**15, expires_at=NOON + timedelta(seconds=1), priority=1),
        Movement(Action.ADJUSTMENT, -(10**15), "x" * 255),
        Movement(Action.REFUND, reason="wrong number", line_id="line"),
    ],
)
def test_what_can_be_asked(movement: Movement):
    assert check_movement(movement, NOON) == movement


def test_a_reason_is_trimmed_and_a_top_up_needs_none():
    assert check_movement(replace(GRANT, reason=" why \n"), NOON).reason == "why"
    assert check_movement(Movement(Action.TOP_UP, 1), NOON).reason == "Top-up"


@pytest.mark.parametrize(
    ("role", "action", "amount", "today", "asks"),
    [
        (Role.SUPPORT, Action.GRANT, 500, 0, False),
        (Role.SUPPORT, Action.GRANT, 501, 0, True),
        (Role.SUPPORT, Action.GRANT, 200, 300, False),
        (Role.SUPPORT, Action.REFUND, 200, 301, True),
        (Role.SUPPORT, Action.ADJUSTMENT, -501, 0, True),
        (Role.SUPPORT, Action.ADJUSTMENT, -200, 300, False),
        (Role.ADMIN, Action.GRANT, 10**15, 0, False),
        (Role.OWNER, Action.TOP_UP, 10**15, 0, False),
    ],
)
def test_when_support_has_to_ask(role: Role, action: Action, amount: int, today: int, asks: bool):
    assert needs_approval(role, action, amount, today, 500) is asks


@pytest.mark.parametrize(
    ("changes", "role", "actor", "after", "code"),
    [
        ({}, Role.SUPPORT, "person:bob", timedelta(0), "not_allowed"),
        ({}, Role.OWNER, "person:bob", timedelta(0), "not_allowed"),
        ({}, Role.ADMIN, "person:sue", timedelta(0), "own_request"),
        ({}, Role.ADMIN, "person:bob", timedelta(days=7), "approval_expired"),
        ({"decision": "approved"}, Role.ADMIN, "person:bob", timedelta(0), "already_decided"),
        ({"decision": "rejected"}, Role.ADMIN, "key:1", timedelta(days=9), "already_decided"),
    ],
)
def test_who_may_not_decide(changes: dict, role: Role, actor: str, after: timedelta, code: str):
    with pytest.raises(ProductError) as refused:
        require_decision(replace(APPROVAL, **changes), role, actor, NOON + after)
    assert refused.value.code == code


def test_another_administrator_may_decide_for_seven_days():
    require_decision(APPROVAL, Role.ADMIN, "person:bob", NOON)
    last = NOON + timedelta(days=7) - timedelta(microseconds=1)
    require_decision(APPROVAL, Role.ADMIN, "key:1", last)
    assert [APPROVAL.state(when) for when in (last, NOON + APPROVAL_FOR)] == ["waiting", "expired"]


# --- the page's address and forms ------------------------------------------------------------
def test_a_form_says_what_the_api_says():
    acme = account(zone="Asia/Kolkata")
    fields = {"amount": "12.50", "expires": "2026-12-31", "reason": "why"}
    assert parse_movement(Action.GRANT, fields, acme) == Movement(
        Action.GRANT, 12_500_000, "why", expires_at=at("2026-12-31 18:30")
    ), "valid to the end of that local day"
    take = {"sign": "take", "amount": "3", "reason": "r"}
    assert parse_movement(Action.ADJUSTMENT, take, acme).amount_micros == -3_000_000
    assert parse_movement(Action.REFUND, {"line": " l1 ", "reason": "r"}, acme).line_id == "l1"


@pytest.mark.parametrize(
    ("action", "fields", "named"),
    [
        (Action.TOP_UP, {}, "amount"),
        (Action.TOP_UP, {"amount": "1,000"}, "amount"),
        (Action.TOP_UP, {"amount": "-1"}, "amount"),
        (Action.TOP_UP, {"amount": "1e30"}, "amount"),
        (Action.TOP_UP, {"amount": "0.0000001"}, "amount"),
        (Action.ADJUSTMENT, {"amount": "1", "sign": "both"}, "sign"),
        (Action.GRANT, {"amount": "1", "expires": "tomorrow"}, "expires"),
        (Action.GRANT, {"amount": "1", "expires": "9999-12-31"}, "expires"),
        (Action.REFUND, {"line": "  "}, "line"),
    ],
)
def test_a_form_names_the_field_that_is_wrong(action: Action, fields: dict, named: str):
    with pytest.raises(InputError) as refused:
        parse_movement(action, fields, account())
    assert refused.value.field == named


@pytest.mark.parametrize(
    "search", ["", "?", "?show=x&do=steal&step=confirm", "?%00", "?cursor=&key=&done=", "x" * 9_000]
)
def test_an_address_that_says_nothing_is_the_plain_page(search: str):
    query = parse_balance_search(search)
    assert (query.view, query.action, query.is_confirming) == ("all", None, False)
    assert (query.cursor, query.key, query.done) == (None, None, None)


def test_an_address_keeps_what_was_typed():
    query = parse_balance_search(
        "?do=grant&step=confirm&key=k&amount=x&reason=a+b&line=no&show=credit"
    )
    assert (query.action, query.is_confirming, query.key) == (Action.GRANT, True, "k")
    assert dict(query.fields) == {"amount": "x", "reason": "a b"}, "only this form's fields"
    assert query.kinds == ("top_up", "grant")
