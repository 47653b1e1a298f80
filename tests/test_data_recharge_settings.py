"""Auto-recharge's settings on a real ledger: who may, what is refused, and the test gateway."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from billing.access import Role
from billing.errors import InputError, NotAllowedError
from billing.recharges import RechargeSettings, SettingsChangedError
from data import tables as t
from data.payments.reader import LedgerRechargesReader
from data.payments.test_gateway import DECLINES, LOSES_ANSWER, METHODS, TIMES_OUT, TestGateway
from tests import recharge_ledger as gate
from tests.recharge_ledger import SETTINGS, UNIT, Topping, proved_recharges


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Topping]:
    yield from proved_recharges(tmp_path)


# --- who may, and what is refused --------------------------------------------------------------
@pytest.mark.parametrize("role", [Role.MANAGER, Role.SUPPORT])
def test_only_owner_and_administrator_may_set_it(ledger: Topping, role: Role):
    from data.payments.saving import Recharging

    saver = Recharging(ledger.writer, ledger.clock, ledger.gateway)
    with pytest.raises(NotAllowedError):
        saver.save(ledger.scope(role), "person:x", SETTINGS)
    reader = LedgerRechargesReader(ledger.database, ledger.clock, ledger.gateway)
    if role is Role.MANAGER:
        with pytest.raises(NotAllowedError):
            reader.standing(ledger.scope(role))
        with pytest.raises(NotAllowedError):
            reader.recharges(ledger.scope(role))
    else:
        assert reader.standing(ledger.scope(role)).settings.is_on


def test_a_change_of_another_version_is_refused_and_none_is_lost(ledger: Topping):
    assert ledger.standing().settings.version == 1
    ledger.set(version=1, amount_micros=30 * UNIT)
    with pytest.raises(SettingsChangedError):
        ledger.set(version=1, amount_micros=40 * UNIT)
    assert ledger.standing().settings.amount_micros == 30 * UNIT


def test_settings_that_can_not_be_change_nothing(ledger: Topping):
    with pytest.raises(InputError):
        ledger.set(daily_ceiling_micros=UNIT)
    assert ledger.standing().settings == replace(SETTINGS, version=1)


def test_tries_are_paged_newest_first(ledger: Topping):
    ledger.gateway.usual = gate.DECLINES
    ledger.spend(95)
    for _ in range(7):
        ledger.set()
        ledger.run()
        ledger.wait(seconds=1)
    reader = LedgerRechargesReader(ledger.database, ledger.clock, ledger.gateway)
    found, cursor = [], None
    while True:
        page = reader.recharges(ledger.scope(), cursor, 3)
        found += [each.id for each in page.recharges]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [row.id for row in reversed(ledger.tries())]
    with pytest.raises(InputError):
        reader.recharges(ledger.scope(), "nonsense", 3)
    assert len(ledger.standing().recent) == 5


# --- the built-in test gateway -------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "states", "posted"),
    [
        (METHODS[0].id, ["done"], 25), (DECLINES, ["declined"], 5),
        (TIMES_OUT, ["sent"], 5), (LOSES_ANSWER, ["sent"], 5),
    ],
)  # fmt: skip
def test_the_test_gateway_does_what_its_card_says(
    tmp_path: Path, method: str, states: list[str], posted: int
):
    with Topping(tmp_path) as ledger:
        ledger.add()
        ledger.credit(5 * UNIT)
        ledger.gateway = TestGateway(ledger.database, ledger.writer, ledger.clock)
        ledger.gateway.__dict__["today"] = None
        assert ledger.standing().settings == RechargeSettings()
        ledger.set(method=method)
        ledger.run()
        assert (ledger.states(), ledger.posted()) == (states, posted * UNIT)
        ledger.wait(minutes=1)
        ledger.gateway = TestGateway(ledger.database, ledger.writer, ledger.clock)
        ledger.run()  # after a restart it knows what it has answered
        if method == LOSES_ANSWER:
            assert (ledger.states(), ledger.posted()) == (["done"], 25 * UNIT)
            assert len(ledger.rows(t.test_gateway_charges)) == 1
        assert len(ledger.rows(t.test_gateway_charges)) == int(method != TIMES_OUT)
        assert ledger.broken() == []
