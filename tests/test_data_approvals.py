"""Movements above support's limit: they wait, and are carried out once by somebody else."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from billing.access import Role
from billing.errors import NotAllowedError, NotFoundError, ProductError
from billing.movements import Action, Movement
from data import tables as t
from data.ledger.movements import Moved
from tests.builders import NOON, sms
from tests.wallet_ledger import LIMIT, REFUND, Wallet, at_once, proved_wallet


@pytest.fixture
def wallet(tmp_path: Path) -> Iterator[Wallet]:
    yield from proved_wallet(tmp_path)


# --- approvals -------------------------------------------------------------------------------
def ask(wallet: Wallet, micros: int, actor: str = "person:sue", role: Role = Role.SUPPORT) -> Moved:
    return wallet.move(Movement(Action.GRANT, micros, "outage"), role=role, actor=actor)


def decide(wallet: Wallet, moved: Moved, actor: str = "person:ada", **rest):
    assert moved.approval is not None
    rest = {"role": Role.ADMIN, "approves": True, **rest}
    return wallet.movements.decide(
        wallet.scope(rest["role"]), actor, moved.approval.id, is_approved=rest["approves"]
    )


def test_support_moves_up_to_the_limit_of_an_accounts_day(wallet: Wallet):
    wallet.add("globex")
    assert ask(wallet, 300_000_000).entry
    assert ask(wallet, 200_000_000, "person:sam").entry, "together, exactly the limit"
    over = ask(wallet, 1)
    assert over.entry is None
    assert over.approval is not None
    assert over.status_code == 202
    assert ask(wallet, 10**12, "person:ada", Role.ADMIN).entry, "administrators aren't limited"
    assert wallet.move(
        Movement(Action.GRANT, LIMIT, "x"), role=Role.SUPPORT, account_id="globex"
    ).entry, "another account has a limit of its own"
    wallet.clock.at = NOON + timedelta(days=1)
    assert ask(wallet, LIMIT).entry, "and another day"


def test_what_takes_credit_away_counts_like_what_gives(wallet: Wallet):
    take = Movement(Action.ADJUSTMENT, -300_000_000, "mistake")
    assert wallet.move(take, role=Role.SUPPORT).entry
    assert wallet.move(replace(take, amount_micros=201_000_000), role=Role.SUPPORT).approval


def test_an_approved_request_is_carried_out_once(wallet: Wallet):
    asked = ask(wallet, LIMIT + 1)
    before = wallet.posted()
    approval, moved = decide(wallet, asked)
    assert moved is not None
    assert (approval.decision, approval.decided_by) == ("approved", "person:ada")
    assert approval.entry_id == moved.entry.id
    assert moved.entry.actor == "person:sue", "who asked moved it"
    assert wallet.posted() == before + LIMIT + 1
    with pytest.raises(ProductError, match="approved before"):
        decide(wallet, asked)
    assert ask(wallet, LIMIT).entry, "what was approved doesn't count to the limit"


def test_a_rejected_request_moves_nothing(wallet: Wallet):
    before, asked = wallet.posted(), ask(wallet, LIMIT + 1)
    approval, moved = decide(wallet, asked, approves=False)
    assert (approval.decision, moved, wallet.posted()) == ("rejected", None, before)
    with pytest.raises(ProductError, match="rejected before"):
        decide(wallet, asked)


def test_sixteen_administrators_approve_once(wallet: Wallet):
    before, asked = wallet.posted(), ask(wallet, LIMIT + 1)
    found = at_once([lambda n=n: decide(wallet, asked, f"person:a{n}") for n in range(16)])
    assert [each.code for each in found if isinstance(each, ProductError)] == [
        "already_decided"
    ] * 15
    assert wallet.posted() == before + LIMIT + 1


def test_who_asked_or_comes_late_or_is_no_administrator_decides_nothing(wallet: Wallet):
    asked, before = ask(wallet, LIMIT + 1), wallet.posted()
    for actor, rest, code in (
        ("person:sue", {}, "own_request"),
        ("person:sam", {"role": Role.SUPPORT}, "not_allowed"),
        ("person:own", {"role": Role.OWNER}, "not_allowed"),
    ):
        with pytest.raises(ProductError) as refused:
            decide(wallet, asked, actor, **rest)
        assert refused.value.code == code
    wallet.clock.at = NOON + timedelta(days=7)
    with pytest.raises(ProductError) as refused:
        decide(wallet, asked)
    assert (refused.value.code, wallet.posted()) == ("approval_expired", before)


def test_a_request_that_can_no_longer_be_done_stays_and_moves_nothing(wallet: Wallet):
    wallet.credit(10**12)
    for n in range(6):
        wallet.post(*[sms(f"{n}-{m}", segments=1_000) for m in range(10)])
    line = wallet.lines()[0]
    ask(wallet, LIMIT)  # the day's limit is used up
    asked = wallet.move(replace(REFUND, line_id=line.id), role=Role.SUPPORT, actor="person:sue")
    assert asked.approval is not None
    wallet.move(replace(REFUND, line_id=line.id))
    before = wallet.posted()
    with pytest.raises(ProductError) as refused:
        decide(wallet, asked)
    assert (refused.value.code, wallet.posted()) == ("already_refunded", before)
    (kept,) = wallet.reader.approvals(wallet.scope(), is_waiting=True)
    assert kept.id == asked.approval.id


def test_another_accounts_request_does_not_exist(wallet: Wallet):
    wallet.add("globex")
    asked = ask(wallet, LIMIT + 1)
    assert asked.approval is not None
    with pytest.raises(NotFoundError):
        wallet.movements.decide(
            wallet.scope(account_id="globex"), "person:ada", asked.approval.id, is_approved=True
        )
    assert wallet.reader.approvals(wallet.scope(account_id="globex"), is_waiting=False) == []
    assert wallet.reader.approvals(wallet.scope(Role.OWNER), is_waiting=False) == ()


def test_every_movement_is_in_the_audit_log(wallet: Wallet):
    moved = wallet.move(Movement(Action.GRANT, 5, "why"))
    asked = ask(wallet, LIMIT + 1)
    decide(wallet, asked)
    found = [(row.action, row.actor) for row in wallet.rows(t.audit)]
    assert found == [
        ("wallet.grant", "person:ada"), ("approval.asked", "person:sue"),
        ("wallet.grant", "person:sue"), ("approval.approved", "person:ada"),
    ]  # fmt: skip
    assert moved.entry is not None
    assert moved.entry.id in wallet.rows(t.audit)[0].detail


def test_a_role_that_may_not_moves_nothing(wallet: Wallet):
    for role in (Role.OWNER, Role.MANAGER):
        with pytest.raises(NotAllowedError):
            wallet.move(Movement(Action.GRANT, 5, "why"), role=role)
    with pytest.raises(NotAllowedError):
        wallet.move(Movement(Action.TOP_UP, 5, "why"), role=Role.SUPPORT)
    assert len(wallet.rows(t.wallet_entries)) == 1
