"""GET /transactions: every line once whichever way it is paged, and why each cost what it cost."""

from datetime import date, timedelta
from typing import Any

import pytest

from billing.access import AccountScope, Role
from billing.events import SmsEvent
from billing.periods import Period
from billing.queries import Filters
from data.accounts import read_account
from tests.api_client import ApiClient, call
from tests.live import NOW, Live, LiveServer, post

WHOLE = {"from": "2026-09-01", "to": "2026-11-23"}


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    fresh = [
        SmsEvent(source="tail", id=str(n), occurred_at=NOW - timedelta(minutes=n),
                 direction="outbound", segments=1 + n, campaign="diwali")
        for n in range(7)
    ]  # fmt: skip
    post(server.installation, "acme", fresh)
    return server


def page(client: ApiClient, **params: Any) -> dict[str, Any]:
    answer = client.get("/transactions", **params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def every(client: ApiClient, **params: Any) -> list[dict[str, Any]]:
    """All pages, one after the other."""
    found = page(client, **params)
    lines = found["transactions"]
    while found["next_cursor"]:
        found = page(client, cursor=found["next_cursor"], **params)
        lines += found["transactions"]
    return lines


def ledger_lines(live: Live, filters: Filters) -> list[Any]:
    """The same lines, streamed as a file takes them."""
    with live.installation.database.read() as connection:
        account = read_account(connection, "acme")
    scope = AccountScope(account, Role.OWNER, NOW)
    period = Period(date(2026, 9, 1), date(2026, 11, 23))
    return list(live.installation.reader.stream_lines(scope, period, filters))


@pytest.mark.parametrize("sort", ["newest", "oldest", "cost"])
@pytest.mark.parametrize(
    ("params", "filters"),
    [
        ({}, Filters()),
        ({"campaign": "diwali"}, Filters(campaigns=("diwali",))),
        ({"status": "unanswered", "service": "Voice"},
         Filters(statuses=("unanswered",), services=("Voice",))),
        ({"metric": ["sms_credits", "human_dial_attempts"], "consumer": "user:1"},
         Filters(metrics=("sms_credits", "human_dial_attempts"), consumers=("user:1",))),
    ],
)  # fmt: skip
def test_pages_have_every_line_once_in_order(live, acme, sort, params, filters):
    found = every(acme, sort=sort, limit=97, **WHOLE, **params)
    expected = ledger_lines(live, filters)
    assert expected
    assert sorted(line["id"] for line in found) == sorted(line.id for line in expected)
    keys = [
        line["cost_micros"] if sort == "cost" else (line["booked_on"], line["occurred_at"])
        for line in found
    ]
    assert keys == sorted(keys, reverse=sort != "oldest")


def test_a_page_leads_back(acme):
    first = page(acme, limit=5)
    second = page(acme, limit=5, cursor=first["next_cursor"])
    assert first["previous_cursor"] is None
    back = page(acme, limit=5, cursor=second["previous_cursor"])
    assert back["transactions"] == first["transactions"]
    assert not {line["id"] for line in first["transactions"]} & {
        line["id"] for line in second["transactions"]
    }


def test_a_line_is_the_one_listed(live, acme):
    listed = page(acme, limit=1_000)["transactions"]
    for line in (listed[0], listed[-1]):
        assert acme.get(f"/transactions/{line['id']}").json() == line
    (known,) = [line for line in ledger_lines(live, Filters()) if line.id == listed[0]["id"]]
    assert listed[0]["cost_micros"] == known.cost_micros
    assert listed[0]["campaign"] == known.campaign_id
    assert listed[0]["units"] == "1"


def test_a_cursor_goes_with_its_order(acme):
    cursor = page(acme, limit=1)["next_cursor"]
    answer = acme.get("/transactions", sort="cost", cursor=cursor)
    assert (answer.status_code, answer.json()["field"]) == (422, "cursor")


def test_an_explanation_adds_up_from_event_to_balance(acme):
    sent = call(duration_s=83, _id="explained")
    assert acme.send_one(sent).status_code == 204
    lines = acme.get("/calls/explained").json()["lines"]
    found = [acme.get(f"/transactions/{line['id']}/explanation").json() for line in lines]
    by_metric = {each["transaction"]["metric"]: each for each in found}
    minutes = by_metric["human_connected_minutes"]
    assert minutes["quantity"] == {
        "talk_seconds": 83, "units": "2", "base_units": 120, "pulses": 2,
    }  # fmt: skip
    assert minutes["rounding"] == {"minimum": 60, "increment": 60}
    rate = minutes["rate"]
    assert (rate["price_micros"], rate["size"], rate["price_list"]) == (600_000, 60, "Standard INR")
    assert minutes["cost_micros"] == 120 * rate["price_micros"] // rate["size"] == 1_200_000
    assert minutes["counterparty"].endswith("…42")
    assert "14155550142" not in str(found)
    assert [line["metric"] for line in minutes["siblings"]] == ["human_dial_attempts"]
    assert by_metric["human_dial_attempts"]["rounding"] is None
    for each in found:
        wallet = each["wallet"]
        before, after = wallet["balance_before_micros"], wallet["balance_after_micros"]
        assert before - after == each["cost_micros"]
        assert sum(lot["micros"] for lot in wallet["lots"]) == each["cost_micros"]
    balances = sorted(
        (each["wallet"]["balance_before_micros"], each["wallet"]["balance_after_micros"])
        for each in found
    )
    assert balances[0][1] != balances[1][1]
    assert balances[0][0] == balances[1][1], "one follows the other"


def test_what_cost_nothing_says_why(acme):
    (line, *_) = page(acme, status="unanswered", sort="cost", limit=1)["transactions"]
    assert line["reason"] == "no answer" or line["cost_micros"] > 0
    sent = call(answered=False, duration_s=0, direction="inbound", _id="missed")
    assert acme.send_one(sent).status_code == 204
    (missed,) = acme.get("/calls/missed").json()["lines"]
    found = acme.get(f"/transactions/{missed['id']}/explanation").json()
    assert (found["cost_micros"], found["wallet"]) == (0, None)
    assert found["transaction"]["reason"]
