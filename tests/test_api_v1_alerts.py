"""Alerts through a running server: added, changed, tried, tested, told of."""

from datetime import timedelta

import pytest

from billing.limits import limit
from tests.alert_api import OWNER, Warned
from tests.api_client import ApiClient
from tests.hold_api import PRICE
from tests.live import NOW
from tests.stream_ear import set_clock


@pytest.fixture
def warned(live):
    opened = Warned(live)
    yield opened
    opened.close()


# --- added, read, changed, removed -----------------------------------------------------------
def test_an_account_without_alerts_says_so(warned):
    found = warned.get("/alerts").json()
    assert found.pop("as_of")
    assert found == {
        "alerts": [], "average_micros": None, "average_months": 0,
        "channels": ["dashboard", "webhook"], "version": 0, "currency": "USD",
    }  # fmt: skip


def test_an_alert_shows_its_figure_beside_its_threshold(warned):
    added = warned.add(
        amount=40 * PRICE, level="urgent", name="Low", channels=["dashboard", "email"],
        recipients=[f" {OWNER} ", OWNER], frequency={"repeat": "every_hours", "hours": 6},
        has_recovery=True,
    )  # fmt: skip
    assert added.pop("status") == 201
    alert_id, told = added["id"], added.pop("created_at")
    assert added.pop("updated_at") == told
    assert added == {
        "id": alert_id, "version": 1, "kind": "low_balance",
        "threshold": {"unit": "money", "amount": 40 * PRICE},
        "scope": {"kind": "account", "id": ""}, "measure": "cost", "span": None,
        "level": "urgent", "action": "Add credits immediately", "name": "Low",
        "channels": ["email", "dashboard"], "recipients": [OWNER], "phones": [],
        "frequency": {"repeat": "every_hours", "hours": 6}, "has_recovery": True, "is_on": True,
        "phase": "armed", "figure_unit": "money", "value": 100 * PRICE,
        "threshold_value": 40 * PRICE, "window_start": None, "alarm_since": None,
        "told_at": None, "currency": "USD",
    }  # fmt: skip
    warned.send_sms(60)
    after = warned.get(f"/alerts/{alert_id}").json()
    assert (after["phase"], after["value"]) == ("alarm", 40 * PRICE)
    assert after["alarm_since"] == after["told_at"] == NOW.isoformat().replace("+00:00", "Z")
    assert warned.get("/alerts").json()["alerts"] == [after]
    assert warned.told() == [("alert.fired", "urgent")]


def test_usage_is_counted_over_its_span_by_part_and_unit(warned):
    warned.send_sms(7, campaign="spring")
    warned.send_sms(2, campaign="autumn")
    spring = warned.add(
        "usage", amount=10 * PRICE, scope={"kind": "campaign", "id": "spring"}, span="week"
    )
    units = warned.add(
        "usage", "units", 100, scope={"kind": "metric", "id": "sms_credits"}, measure="units",
        span="billing_period",
    )  # fmt: skip
    whole = warned.add("usage", amount=10 * PRICE, span="day")
    assert [each["value"] for each in (spring, units, whole)] == [7 * PRICE, 9, 9 * PRICE]
    assert (spring["window_start"], units["window_start"]) == ("2026-11-16", "2026-11-01")
    assert [each["figure_unit"] for each in (spring, units, whole)] == ["money", "units", "money"]
    warned.send_sms(3, campaign="spring")
    found = {each["id"]: each for each in warned.get("/alerts").json()["alerts"]}
    assert found[spring["id"]]["value"] == 10 * PRICE
    assert [found[each["id"]]["phase"] for each in (spring, units, whole)] == [
        "alarm", "armed", "alarm",
    ]  # fmt: skip


def test_a_change_takes_what_is_sent_and_leaves_the_rest(warned):
    added = warned.add("usage", amount=5 * PRICE, span="day", name="Mine", level="warning")
    changed = warned.patch(added, span="week", threshold={"unit": "money", "amount": 9})
    assert (changed["status"], changed["version"], changed["span"]) == (200, 2, "week")
    assert (changed["name"], changed["level"]) == ("Mine", "warning")
    assert changed["threshold_value"] == 9
    away = warned.patch(
        added, kind="days_left", span=None, scope=None, threshold={"unit": "days", "amount": 3}
    )
    assert (away["kind"], away["span"], away["figure_unit"]) == ("days_left", None, "days")
    paused = warned.patch(added, is_on=False)
    assert (paused["is_on"], paused["phase"]) == (False, "off")


def test_a_change_of_an_older_version_is_refused(warned):
    added = warned.add(amount=PRICE)
    assert warned.patch(added, version=1, name="first")["status"] == 200
    late = warned.patch(added, version=1, name="second")
    assert (late["status"], late["code"]) == (409, "changed")
    gone = warned.http.delete(f"/alerts/{added['id']}", params={"version": 1})
    assert (gone.status_code, gone.json()["code"]) == (409, "changed")
    assert warned.get(f"/alerts/{added['id']}").json()["name"] == "first"
    assert warned.http.delete(f"/alerts/{added['id']}", params={"version": 2}).status_code == 204
    for answer in (
        warned.get(f"/alerts/{added['id']}"), warned.http.delete(f"/alerts/{added['id']}"),
        warned.http.patch(f"/alerts/{added['id']}", json={"name": "x"}),
        warned.http.post(f"/alerts/{added['id']}/test"),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_an_alert_that_is_broken_already_says_so_at_once_and_a_recovery_is_told(warned):
    added = warned.add(amount=200 * PRICE, has_recovery=True)
    assert (added["phase"], added["alarm_since"] is not None) == ("alarm", True)
    topped = warned.http.post(
        "/wallet/top-ups", json={"amount_micros": 200 * PRICE}, headers={"Idempotency-Key": "t"}
    )
    assert topped.status_code == 403  # this key may not: an owner's other key does
    payer = ApiClient(warned.live, warned.account_id, "wallet:write")
    assert payer.http.post(
        "/wallet/top-ups", json={"amount_micros": 200 * PRICE}, headers={"Idempotency-Key": "t"}
    ).is_success  # fmt: skip
    payer.close()
    assert warned.get(f"/alerts/{added['id']}").json()["phase"] == "armed"
    assert warned.told() == [("alert.recovered", "notice"), ("alert.fired", "notice")]


def test_the_recommended_levels_are_installed_once_and_wait_for_an_average(warned):
    answer = warned.post("/alerts/recommended", recipients=[OWNER])
    levels = [(each["level"], each["threshold"]["amount"]) for each in answer["added"]]
    assert levels == [("warning", 3000), ("urgent", 1500), ("critical", 500)]
    assert {each["phase"] for each in answer["added"]} == {"waiting"}
    assert {each["threshold_value"] for each in answer["added"]} == {None}
    assert answer["added"][2]["action"] == "Service disruption imminent"
    assert warned.post("/alerts/recommended")["added"] == []
    warned.http.delete(f"/alerts/{answer['added'][1]['id']}")
    again = warned.post("/alerts/recommended")["added"]
    assert [(each["level"], each["channels"]) for each in again] == [("urgent", ["dashboard"])]


def test_a_percentage_is_of_the_complete_months_that_it_says(live):
    """Acme, in rupees, has had usage since September: October is its one complete month."""
    client = ApiClient(live, "acme", "usage:read", "alerts:write")
    body = {"kind": "low_balance", "threshold": {"unit": "percent", "amount": 3000}}
    added = client.http.post("/alerts", json=body).json()
    found = client.get("/alerts").json()
    assert (found["average_months"], found["currency"]) == (1, "INR")
    october = client.get("/usage", **{"from": "2026-10-01", "to": "2026-11-01"}).json()
    assert found["average_micros"] == october["totals"]["cost_micros"]
    assert added["threshold_value"] == round(found["average_micros"] * 0.3)
    assert (added["figure_unit"], added["currency"]) == ("money", "INR")
    assert client.http.delete(f"/alerts/{added['id']}").status_code == 204
    client.close()


# --- tests, notifications, deliveries --------------------------------------------------------
def test_a_test_is_real_marked_and_once_a_minute(live, warned):
    added = warned.add(
        amount=PRICE, channels=["email", "sms", "dashboard"], recipients=[OWNER, "b@acme.example"],
        phones=["+14155550100"],
    )  # fmt: skip
    sent = warned.post(f"/alerts/{added['id']}/test")
    assert sent.pop("status") == 202
    (told,) = warned.get("/notifications").json()["notifications"]
    assert (told["id"], told["kind"]) == (sent["notification_id"], "alert.test")
    assert (told["facts"]["value"], told["facts"]["threshold"]) == (100 * PRICE, PRICE)
    found = warned.get(f"/notifications/{told['id']}/deliveries").json()["deliveries"]
    assert [(each["channel"], each["address"]) for each in found] == [
        ("email", "b@acme.example"), ("email", OWNER), ("sms", "+14155550100"),
    ]  # fmt: skip
    assert warned.get(f"/alerts/{added['id']}").json()["phase"] == "armed"  # no episode of it
    again = warned.http.post(f"/alerts/{added['id']}/test")
    assert (again.status_code, again.json()["code"]) == (429, "too_many")
    assert 1 <= int(again.headers["Retry-After"]) <= 60
    other = warned.add(amount=2)
    assert warned.post(f"/alerts/{other['id']}/test")["status"] == 202
    try:
        set_clock(live, NOW + timedelta(seconds=61))
        assert warned.post(f"/alerts/{added['id']}/test")["status"] == 202
    finally:
        set_clock(live, NOW)


def test_notifications_page_by_cursor(warned):
    for n in range(5):
        warned.add(amount=200 * PRICE + n)
    whole = warned.get("/notifications").json()["notifications"]
    assert len(whole) == 5
    pages, cursor = [], None
    while True:
        given: dict[str, str] = {"cursor": cursor} if cursor else {}
        page = warned.get("/notifications", limit=2, **given).json()
        pages.append(page["notifications"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [len(each) for each in pages] == [2, 2, 1]
    assert [each for page in pages for each in page] == whole
    for wrong in ({"cursor": "nonsense"}, {"limit": 0}, {"limit": limit("page") + 1}):
        assert warned.get("/notifications", **wrong).status_code == 422


def test_every_change_is_in_the_audit_log_without_an_address(warned):
    added = warned.add(amount=PRICE, channels=["email"], recipients=[OWNER])
    warned.patch(added, name="renamed", recipients=["b@acme.example"])
    warned.post(f"/alerts/{added['id']}/test")
    warned.http.delete(f"/alerts/{added['id']}")
    warned.post("/alerts/recommended", recipients=[OWNER])
    entries = warned.noted()
    assert [each.action for each in entries] == [
        "alert.added", "alert.changed", "alert.tested", "alert.removed", *["alert.added"] * 3,
    ]  # fmt: skip
    assert {each.actor for each in entries} == {f"key:{warned.kept.id}"}
    assert not any("@" in each.detail for each in entries)
    assert all(added["id"] in each.detail for each in entries[:4])


def test_a_rule_with_as_many_addresses_as_there_may_be_is_kept_and_changed(warned):
    many = [f"{'a' * 60}{n:02}@{'b' * 60}.{'c' * 60}.{'d' * 55}.example" for n in range(20)]
    phones = [f"+1415555{n:04}" for n in range(20)]
    added = warned.add(amount=1, channels=["email", "sms"], recipients=many, phones=phones)
    assert (added["status"], added["recipients"], added["phones"]) == (201, many, phones)
    assert warned.patch(added, amount=None, name="x" * 255)["status"] == 422
    assert warned.patch(added, name="x" * 255)["status"] == 200


# --- tried on the past -----------------------------------------------------------------------
def test_a_backtest_says_on_which_days_it_would_have_fired(warned):
    for days in range(4):
        warned.send_sms(days + 1, _time=(NOW - timedelta(days=days)).isoformat())
    body = {"kind": "usage", "span": "day", "threshold": {"unit": "money", "amount": 3 * PRICE}}
    answer = warned.post("/alerts/backtest", **body)
    assert (answer["status"], answer["from"], answer["to"]) == (200, "2026-08-25", "2026-11-23")
    assert (answer["times"], answer["fired_on"]) == (2, ["2026-11-19", "2026-11-20"])
    assert len(answer["days"]) == 90
    assert answer["days"][-1] == {"day": "2026-11-22", "value": PRICE, "threshold": 3 * PRICE}
    assert (answer["figure_unit"], answer["currency"]) == ("money", "USD")
    balance = {"kind": "low_balance", "threshold": {"unit": "money", "amount": 95 * PRICE}}
    assert warned.post("/alerts/backtest", **balance)["fired_on"] == ["2026-11-20"]
    assert warned.get("/alerts").json()["version"] == 0
