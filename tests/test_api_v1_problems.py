"""Every refusal is a problem document with the request's id, whoever refuses."""

import re

import pytest

from api.v1.throttle import KeyThrottle
from data.analytics.lake import LakeError
from tests.api_client import ApiClient
from tests.test_api_v1_tenancy import api_of


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"), ("GET", "/", 404, "not_found"),
        ("GET", "/usage/", 404, "not_found"), ("GET", "/calls/", 404, "not_found"),
        ("GET", "/calls/none", 404, "not_found"), ("GET", "/messages/a%2Fb", 404, "not_found"),
        ("GET", "/transactions/none", 404, "not_found"), ("GET", "/calls/a%0Ab", 404, "not_found"),
        ("GET", "/transactions/none/explanation", 404, "not_found"),
        ("POST", "/usage", 405, "method_not_allowed"), ("HEAD", "/usage", 405, None),
        ("OPTIONS", "/usage", 405, "method_not_allowed"),
        ("GET", "/events", 405, "method_not_allowed"), ("DELETE", "/rates", 405,
                                                        "method_not_allowed"),
        ("GET", "/usage?x=1", 422, "invalid"), ("GET", "/balance?x=1", 422, "invalid"),
        ("GET", "/rates?on=never", 422, "invalid"), ("GET", "/rates?on=2026-1-1", 422, "invalid"),
        ("GET", "/calls/a?source=", 422, "invalid"), ("GET", "/usage?account=" + "x" * 65, 422,
                                                      "invalid"),
        ("GET", "/transactions?limit=0", 422, "invalid"),
        ("GET", "/transactions?limit=1001", 422, "invalid"),
        ("GET", "/transactions?limit=-1", 422, "invalid"),
        ("GET", "/transactions?limit=٣", 422, "invalid"),
        ("GET", "/transactions?cursor=x", 422, "invalid"),
        ("GET", "/transactions?granularity=day", 422, "invalid"),
        ("POST", "/events", 422, "invalid"),
    ],
)  # fmt: skip
def test_a_refusal_is_a_problem(acme, method, path, status, code):
    headers = {"Content-Type": "application/cloudevents+json"}
    answer = acme.http.request(method, path, content=b"{}" if method == "POST" else None,
                               headers=headers)  # fmt: skip
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    if status == 405:
        assert answer.headers["Allow"]
    if code is None:
        return
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, "about:blank")
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    if status == 422:
        assert problem["field"]
        assert problem["fix"]


@pytest.mark.parametrize("path", ["/api/v2/usage", "/api/v1", "/api/v1%0A/usage"])
def test_no_address_of_programs_falls_through_to_the_screens(acme, live, path):
    answer = acme.http.get(f"{live.url}{path}", follow_redirects=False)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_fault_says_nothing_of_itself(live):
    client = ApiClient(live, "acme")  # the server ends the connection of a request that failed
    live.reader.failing = {"balance"}
    try:
        answer = client.get("/balance")
    finally:
        live.reader.failing = set()
        client.close()
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.json()["code"], "out of reach" in answer.text) == ("internal", False)
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_without_analytics_the_caller_is_to_come_again(live, acme, monkeypatch):
    def fail(*_: object) -> None:
        raise LakeError("its file is missing")

    monkeypatch.setattr(live.installation.lake, "snapshot", fail)
    answer = acme.get("/usage")
    assert (answer.status_code, answer.json()["code"]) == (503, "analytics_unusable")
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert acme.get("/rates").status_code == 200, "what the ledger alone can tell goes on"


def test_a_key_that_calls_too_often_waits_and_others_do_not(live, acme):
    services = api_of(live).state.services
    usual = services.throttle
    now = [0.0]
    services.throttle = KeyThrottle(clock=lambda: now[0])
    other = ApiClient(live, "globex")
    try:
        statuses = [acme.get("/rates").status_code for _ in range(203)]
        refused = acme.get("/rates")
        assert statuses == [200] * 200 + [429] * 3
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert (refused.json()["code"], refused.headers["Retry-After"]) == ("throttled", "1")
        assert re.search("100 a second", refused.json()["detail"])
        assert other.get("/rates").status_code == 200
        now[0] = 1.0
        assert acme.get("/rates").status_code == 200
    finally:
        services.throttle = usual
        other.close()
