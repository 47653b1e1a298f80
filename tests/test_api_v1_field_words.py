"""What is wrong with a body or a parameter is said in our words, all of it at once."""

import pytest

from api.v1.field_words import field_problems, shown
from tests.api_client import ApiClient
from tests.live import Live

KEY = {"Idempotency-Key": "words"}


def test_all_wrong_fields_of_a_body_are_named(live: Live):
    support = ApiClient(live, "*", "support")
    body = {"amount_micros": "5", "reason": "", "expires_at": 5, "x": True}
    answer = support.http.post("/wallet/grants?account=acme", json=body, headers=KEY)
    problem = answer.json()
    assert answer.status_code == 422
    assert {each["field"]: (each["value"], each["fix"]) for each in problem["errors"]} == {
        "amount_micros": ("5", "use a whole number, without quotes"),
        "reason": ("", "write something: it is empty"),
        "expires_at": ("5", "write RFC 3339 text with its zone, such as 2026-11-22T09:30:00Z"),
        "x": ("true", "leave it out: there is no such field"),
    }
    assert "also wrong: reason, expires_at, x" in problem["detail"]
    support.close()


def test_what_is_missing_or_unreadable_is_asked_for(live: Live):
    acme = ApiClient(live, "acme", "wallet:write")
    missing = acme.http.post("/wallet/top-ups", json={}, headers=KEY).json()
    assert missing["detail"] == "Send amount_micros: it is missing"
    assert missing["errors"] == [
        {"field": "amount_micros", "value": "", "fix": "send amount_micros: it is missing"}
    ]
    unread = acme.http.post(
        "/wallet/top-ups", content=b"{", headers={**KEY, "Content-Type": "application/json"}
    ).json()
    assert (unread["field"], unread["value"], unread["fix"]) == ("body", "", "send JSON")
    nothing = acme.http.post("/wallet/top-ups", headers=KEY).json()
    assert nothing["fix"] == "send a JSON object as the body: it is missing"
    listed = acme.http.post("/wallet/top-ups", json=[1], headers=KEY).json()
    assert (listed["field"], listed["fix"]) == ("body", "send a JSON object")
    acme.close()


def test_all_wrong_parameters_are_named(acme: ApiClient):
    asked = acme.get("/wallet/entries", kind="theft", limit="x").json()
    assert [(each["field"], each["value"]) for each in asked["errors"]] == [
        ("kind", "theft"), ("limit", "x"),
    ]  # fmt: skip
    assert asked["fix"] == "use one of charge, top_up, grant, refund, adjustment, expiry"
    other = acme.get("/balance", account="globex")
    assert other.status_code == 403
    problem = other.json()
    assert (problem["code"], problem["field"]) == ("other_account", "account")
    assert (problem["value"], problem["errors"][0]["field"]) == ("globex", "account")


@pytest.mark.parametrize(
    ("error", "field", "fix"),
    [
        ({"type": "less_than_equal", "loc": ("query", "limit"), "ctx": {"le": 1000}}, "limit",
         "use 1,000 or less"),
        ({"type": "string_too_long", "loc": ("body", "reason"), "ctx": {"max_length": 255}},
         "reason", "use at most 255 characters"),
        ({"type": "a_kind_of_tomorrow", "loc": ("body", "a", "b")}, "a.b",
         "write it as /api/docs describes it"),
        ({"type": "missing", "loc": ("header", "Idempotency-Key")}, "Idempotency-Key",
         "send Idempotency-Key: it is missing"),
        ({"type": "decimal_parsing", "loc": ("usage.metered", "data", "units", "decimal")},
         "data.units", "use a number from 0 on, such as 1.5"),
    ],
)  # fmt: skip
def test_words_of_the_framework_are_never_repeated(error: dict, field: str, fix: str):
    (found,) = field_problems([{"msg": "Input should be raw", "input": 7, **error}])
    assert (found.field, found.fix) == (field, fix)


def test_values_are_shown_as_they_were_sent_and_short():
    assert [shown(each) for each in (None, True, {"a": 1}, "x" * 200)] == [
        "", "true", '{"a": 1}', "x" * 79 + "…",
    ]  # fmt: skip
