"""Alerts that a running server refuses: what can't be, who may not, which plan lacks them."""

import pytest

from billing.access import AccountScope, Role
from billing.alerts import AlertKind, AlertRule, Threshold, Unit
from billing.errors import NotAllowedError
from billing.plans import Plan
from data.accounts import read_account
from tests.alert_api import OWNER, Warned
from tests.api_client import ApiClient
from tests.hold_api import PRICE
from tests.live import NOW

HTML = '<img src=x onerror="alert(1)">'


@pytest.fixture
def warned(live):
    opened = Warned(live)
    yield opened
    opened.close()


MONEY = {"unit": "money", "amount": 1}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({"kind": "low_balance"}, "threshold"),
        ({"kind": "forecast", "threshold": MONEY}, "kind"),
        ({"threshold": {"unit": "money", "amount": -1}}, "threshold.amount"),
        ({"threshold": {"unit": "money", "amount": 1.5}}, "threshold.amount"),
        ({"threshold": {"unit": "money", "amount": "1"}}, "threshold.amount"),
        ({"threshold": {"unit": "money", "amount": "9" * 60_000}}, "threshold.amount"),
        ({"threshold": {"unit": "money", "amount": 10**15 + 1}}, "threshold.amount"),
        ({"threshold": {"unit": "money"}}, "threshold.amount"),
        ({"threshold": {"unit": "percent", "amount": 1_000_001}}, "threshold"),
        ({"threshold": {"unit": "days", "amount": 3}}, "threshold"),
        ({"threshold": {"unit": "units", "amount": 3}}, "threshold"),
        ({"kind": "days_left"}, "threshold"),
        ({"kind": "usage"}, "span"),
        ({"kind": "usage", "span": "year"}, "span"),
        ({"kind": "usage", "span": "day", "threshold": {"unit": "money", "amount": 0}},
         "threshold"),
        ({"kind": "usage", "span": "day", "measure": "units"}, "measure"),
        ({"kind": "usage", "span": "day", "scope": {"kind": "service", "id": "Fax"}}, "scope"),
        ({"kind": "usage", "span": "day", "scope": {"kind": "campaign"}}, "scope"),
        ({"kind": "usage", "span": "day", "scope": {"kind": "campaign", "id": "a\x00b"}}, "scope"),
        ({"kind": "usage", "span": "day", "scope": {"kind": "account", "id": "x"}}, "scope"),
        ({"span": "day"}, "span"),
        ({"scope": {"kind": "service", "id": "SMS"}}, "scope"),
        ({"channels": []}, "channels"),
        ({"channels": ["fax"]}, "channels.0"),
        ({"channels": ["email"]}, "recipients"),
        ({"channels": ["sms"]}, "phones"),
        ({"recipients": ["owner@acme.example\r\nBcc: all@acme.example"]}, "recipients"),
        ({"recipients": ["owner@acme.example\nSubject: hi"]}, "recipients"),
        ({"recipients": [f"{HTML}@acme.example"]}, "recipients"),
        ({"recipients": ["a@b..example"]}, "recipients"),
        ({"recipients": ["x" * 300]}, "recipients.0"),
        ({"recipients": [f"p{n}@acme.example" for n in range(21)]}, "recipients"),
        ({"phones": ["0900 1234"]}, "phones"),
        ({"phones": ["+1415555\r\n0100"]}, "phones"),
        ({"name": "line\nbreak"}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"frequency": {"repeat": "every_hours"}}, "frequency"),
        ({"frequency": {"repeat": "once_per_episode", "hours": 2}}, "frequency"),
        ({"frequency": {"repeat": "every_hours", "hours": 0}}, "frequency.hours"),
        ({"is_on": 1}, "is_on"),
        ({"has_recovery": "yes"}, "has_recovery"),
        ({"colour": "red"}, "colour"),
        ({"threshold": {**MONEY, "currency": "EUR"}}, "threshold.currency"),
    ],
)  # fmt: skip
def test_an_alert_that_can_not_be_names_its_field(warned, body, field):
    usual = {"kind": "low_balance", "threshold": MONEY} if body and body != {
        "kind": "low_balance"
    } else {}  # fmt: skip
    for path in ("/alerts", "/alerts/backtest"):
        answer = warned.http.post(path, json={**usual, **body})
        assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
        assert answer.json()["fix"]
        assert len(answer.content) < 5_000
    assert warned.get("/alerts").json()["version"] == 0


def test_a_threshold_of_a_million_characters_is_refused_unread(warned):
    for text in ('{"kind": "low_balance", "threshold": {"unit": "money", "amount": %s}}',):
        few = warned.http.post("/alerts", content=text % ("9" * 20_000))
        assert (few.status_code, few.json()["code"]) in {(400, "malformed"), (422, "invalid")}
        many = warned.http.post("/alerts", content=text % ("9" * 1_000_000))
        assert (many.status_code, many.json()["code"]) == (413, "too_large")
    assert warned.get("/alerts").json()["version"] == 0


def test_an_address_names_all_that_it_takes(warned):
    added = warned.add(amount=PRICE)
    for path, methods in (
        ("/alerts", "GET, POST"), (f"/alerts/{added['id']}", "DELETE, GET, PATCH"),
        ("/limits", "GET, PUT"), ("/notifications", "GET"),
        ("/alerts/recommended", "POST"),
    ):  # fmt: skip
        answer = warned.http.request("OPTIONS", path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, methods)


def test_html_in_a_name_is_kept_as_text(warned):
    added = warned.add(amount=PRICE, name=HTML)
    assert added["name"] == HTML
    answer = warned.get("/alerts")
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_there_may_be_a_hundred_alerts(warned):
    for n in range(100):
        assert warned.add(amount=n)["status"] == 201
    one_more = warned.add(amount=1)
    assert (one_more["status"], one_more["field"]) == (422, "alert")
    assert "remove one" in one_more["fix"]


def test_a_free_account_is_told_that_sandbox_usage_is_not_alerted_on(live):
    free = Warned(live, 0, plan=Plan.FREE)
    body = {"kind": "low_balance", "threshold": MONEY}
    for path, sent in (
        ("/alerts", body), ("/alerts/recommended", {}), ("/alerts/backtest", body),
    ):  # fmt: skip
        answer = free.http.post(path, json=sent)
        assert (answer.status_code, answer.json()["code"]) == (403, "plan_lacks")
        assert "Sandbox usage isn't alerted on" in answer.json()["detail"]
    assert free.get("/alerts").json()["alerts"] == []
    assert free.get("/notifications").json()["notifications"] == []
    free.close()


def test_who_sees_may_not_change(live, warned):
    added = warned.add(amount=PRICE)
    reader = ApiClient(live, warned.account_id, "usage:read")
    assert reader.get(f"/alerts/{added['id']}").status_code == 200
    for method, path in (("POST", "/alerts"), ("PATCH", f"/alerts/{added['id']}"),
                         ("DELETE", f"/alerts/{added['id']}"), ("POST", "/alerts/recommended"),
                         ("POST", f"/alerts/{added['id']}/test")):  # fmt: skip
        answer = reader.http.request(method, path, json={} if method != "DELETE" else None)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_lacks")
    reader.close()
    installation = live.installation
    with installation.database.read() as connection:
        account = read_account(connection, warned.account_id)
    rule = AlertRule(AlertKind.LOW_BALANCE, Threshold(Unit.MONEY, 5))
    for role in (Role.MANAGER, Role.SUPPORT):
        scope = AccountScope(account, role, NOW)
        assert installation.alerts_reader.standing(scope).alerts
        for change in (
            lambda s=scope: installation.alerts.add(s, "person:x", rule),
            lambda s=scope: installation.alerts.change(s, "person:x", added["id"], rule),
            lambda s=scope: installation.alerts.switch(s, "person:x", added["id"], is_on=False),
            lambda s=scope: installation.alerts.remove(s, "person:x", added["id"]),
            lambda s=scope: installation.alerts.install_recommended(s, "person:x"),
            lambda s=scope: installation.alerts.send_test(s, "person:x", added["id"]),
        ):
            with pytest.raises(NotAllowedError, match="ask the owner"):
                change()
    assert warned.get("/alerts").json()["version"] == 1


def test_another_account_reaches_nothing(live, warned):
    added = warned.add(amount=200 * PRICE, channels=["email"], recipients=[OWNER])
    (told,) = warned.get("/notifications").json()["notifications"]
    other = Warned(live)
    for answer in (
        other.get(f"/alerts/{added['id']}"), other.http.delete(f"/alerts/{added['id']}"),
        other.http.patch(f"/alerts/{added['id']}", json={"is_on": False}),
        other.http.post(f"/alerts/{added['id']}/test"),
        other.get(f"/notifications/{told['id']}/deliveries"),
        other.get("/notifications/a%00b/deliveries"), other.get("/alerts/a%00b"),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert OWNER not in answer.text
    assert other.get("/notifications").json()["notifications"] == []
    assert warned.get(f"/alerts/{added['id']}").json()["version"] == 1
    other.close()
