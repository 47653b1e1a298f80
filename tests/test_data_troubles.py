"""Troubles of the product itself: each admin is told once of a beginning, once of an end."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from billing.access import Role
from billing.notices import NoticeKind, TroubleName
from data import tables as t
from data.access.people import add_membership, add_person, disable_person
from data.backlog import Standing
from data.disk import ROOMY_DISK_BYTES, SMALL_DISK_BYTES
from data.nightly import ProofState
from data.notices.troubles import Trouble, begin, end
from data.notices.watching import Measured, is_anything_new, watch
from tests.live import QUICK
from tests.wallet_ledger import Wallet

ADMINS = ("admin@usage.example", "second@usage.example")
FINE: dict[str, Any] = {
    "free_bytes": 10**11, "behind_seconds": 3.0, "sync_seconds": 10,
    "standing": Standing(0, 0.0), "proof": None,
}  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Wallet]:
    with Wallet(tmp_path) as opened:
        opened.add()
        people = [*((each, "*", Role.ADMIN) for each in ADMINS),
                  ("support@usage.example", "*", Role.SUPPORT),
                  ("owner@acme.example", "acme", Role.OWNER),
                  ("gone@usage.example", "*", Role.ADMIN)]  # fmt: skip
        with opened.database.write() as connection:
            for email, account_id, role in people:
                person = add_person(
                    connection, email, "P", None, opened.clock.at, passwords=QUICK
                ).person
                add_membership(connection, person.id, account_id, role)
                if email.startswith("gone"):
                    disable_person(connection, person.id, opened.clock.at)
        yield opened


def looked(ledger: Wallet, **differing: Any) -> int:
    """What the leader's look leaves; asked first as it asks."""
    measured = Measured(**{**FINE, **differing})
    with ledger.database.read() as connection:
        is_new = is_anything_new(connection, measured)
    count = ledger.writer.write(lambda c: watch(c, measured, ledger.clock.at))
    assert is_new is bool(count)
    return count


def told(ledger: Wallet) -> list[tuple[str, str]]:
    return [(row.kind, json.loads(row.facts)["name"]) for row in ledger.rows(t.notices, "*")]


def proof(ledger: Wallet, *months: str) -> ProofState:
    return ProofState(ledger.clock.at, 3, months, is_mended=True)


CASES = [
    (TroubleName.DISK_NEARLY_FULL, {"free_bytes": SMALL_DISK_BYTES - 1}),
    (TroubleName.SYNC_BEHIND, {"behind_seconds": 301.0}),
    (TroubleName.SYNC_BEHIND, {"standing": Standing(200_001, 0.0)}),
    (TroubleName.SYNC_BEHIND, {"standing": Standing(1, 61.0)}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "wrong"), CASES)
def test_a_trouble_is_told_once_and_its_end_once(
    ledger: Wallet, name: TroubleName, wrong: dict[str, Any]
):
    assert looked(ledger) == 0
    assert [looked(ledger, **wrong) for _ in range(3)] == [1, 0, 0]
    assert [looked(ledger) for _ in range(3)] == [1, 0, 0]
    assert looked(ledger, **wrong) == 1, "and the next time anew"
    assert [kind for kind, _ in told(ledger)] == [
        NoticeKind.TROUBLE, NoticeKind.TROUBLE_OVER, NoticeKind.TROUBLE,
    ]  # fmt: skip
    assert {found for _, found in told(ledger)} == {name}


def test_admins_are_told_by_mail_and_on_the_dashboard_and_nobody_else(ledger: Wallet):
    looked(ledger, free_bytes=1)
    assert [row.address for row in ledger.rows(t.notice_sends, "*")] == list(ADMINS)
    (notice,) = ledger.rows(t.notices, "*")
    assert (notice.is_shown, notice.level) == (True, "urgent")
    assert json.loads(notice.facts) == {
        "name": "disk_nearly_full", "subject": "", "account_id": None, "free_bytes": 1,
    }  # fmt: skip


def test_a_disk_about_its_limit_does_not_tell_again_and_again(ledger: Wallet):
    seen = [SMALL_DISK_BYTES - 1, SMALL_DISK_BYTES + 1, SMALL_DISK_BYTES - 1, ROOMY_DISK_BYTES - 1]
    assert sum(looked(ledger, free_bytes=each) for each in seen) == 1
    assert looked(ledger, free_bytes=ROOMY_DISK_BYTES) == 1


def test_a_proof_that_differs_is_told_until_one_does_not(ledger: Wallet):
    assert looked(ledger, proof=proof(ledger)) == 0
    assert looked(ledger, proof=proof(ledger, "2026-10")) == 1
    assert looked(ledger, proof=proof(ledger, "2026-10", "2026-11")) == 0
    assert looked(ledger, proof=proof(ledger)) == 1
    assert told(ledger) == [("trouble", "discrepancy_found"), ("trouble.over", "discrepancy_found")]


def test_what_happens_is_told_by_subject(ledger: Wallet):
    one = Trouble(TroubleName.RECHARGE_DECLINED, "acme", "acme", {"reason": "no funds"})
    other = Trouble(TroubleName.RECHARGE_DECLINED, "globex", "globex")
    write, now = ledger.writer.write, ledger.clock.at
    found = [write(partial(begin, trouble=each, at=now)) for each in (one, one, other)]
    assert found == [True, False, True]
    assert [write(lambda c: end(c, one, now)) for _ in range(2)] == [True, False]
    open_now = [row.subject for row in ledger.rows(t.troubles, None) if row.ended_at is None]
    assert open_now == ["globex"]
    assert looked(ledger) == 0, "what isn't measured goes on"


def test_two_that_look_at_once_tell_once(ledger: Wallet):
    measured = Measured(**{**FINE, "free_bytes": 1})

    def run() -> None:
        ledger.writer.write(lambda c: watch(c, measured, ledger.clock.at))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    assert told(ledger) == [("trouble", "disk_nearly_full")]
