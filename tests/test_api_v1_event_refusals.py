"""``POST /events`` refuses what can't be read, and whoever may not send."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from billing.limits import limit
from billing.metrics import METRIC_BY_ID
from billing.rates import Rate
from data import tables as t
from data import writer as writing
from data.identity import new_id
from data.ledger.price_books import add_rate_list, new_rate_list
from tests.api_client import STRUCTURED, ApiClient, call, codes, event, revoke, sms
from tests.live import NOW, Live


def is_stored(live: Live, event_id: str) -> bool:
    with live.installation.database.read() as connection:
        wanted = select(t.events.c.event_id).where(t.events.c.id == event_id)
        return connection.scalar(wanted) is not None


# --- requests that can't be read -------------------------------------------------------------
MALFORMED = [
    b"", b"{", b"nonsense", b'{"id": NaN}', b'{"id": Infinity}', b"\xff\xfe{", b"[" * 100_000,
    b'{"a": "\xff"}',
]  # fmt: skip


@pytest.mark.parametrize("body", MALFORMED)
def test_what_is_no_json_is_malformed(acme, body):
    answer = acme.http.post("/events", content=body, headers={"Content-Type": STRUCTURED})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", f"{STRUCTURED}; charset=ebcdic"]
)
def test_other_types_are_not_read(acme, content_type):
    answer = acme.http.post("/events", content=b"{}", headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "wrong_type")


def test_a_hostile_content_type_costs_nothing(acme):
    began = time.monotonic()
    for header in (f'application/json;a="{";" * 60_000}', "a" * 5_000):
        answer = acme.http.post("/events", content=b"{}", headers={"Content-Type": header})
        assert answer.status_code == 415
    assert time.monotonic() - began < 2


def test_an_attribute_that_is_no_text_is_refused(acme):
    headers = {"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": "%ff"}
    answer = acme.http.post("/events", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (422, "ce-id")


def test_a_huge_body_is_refused_before_it_is_read(live, acme):
    answer = acme.http.post("/events", content=b" " * (limit("body") + 1),
                           headers={"Content-Type": STRUCTURED})  # fmt: skip
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    def pieces() -> Iterator[bytes]:
        for _ in range(limit("body") // 100_000 + 2):
            yield b" " * 100_000

    try:
        chunked = acme.http.post("/events", content=pieces(), headers={"Content-Type": STRUCTURED})
        assert chunked.status_code == 413
    except httpx.WriteError:
        pass  # the connection was closed before all of it was sent
    assert acme.send_one(sms()).status_code == 204


def test_problems_name_field_value_and_fix(acme):
    answer = acme.send_one(call(duration_s=-1))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, "invalid")
    assert (body["field"], body["value"]) == ("data.duration_s", "-1")
    assert body["fix"] == "use 0 or more"
    assert body["request_id"] == answer.headers["X-Request-ID"]
    numbers = event("metered", metric="sms_credits", units="1.5")
    assert acme.send_one(numbers).json()["field"] == "data.units"
    unknown = event("metered", metric="faxes", units=1)
    body = acme.send_one(unknown).json()
    assert (body["field"], body["value"]) == ("data.metric", "faxes")
    assert all(name in body["fix"] for name in METRIC_BY_ID)


def test_everything_that_is_wrong_with_an_event_is_named_at_once(acme):
    wrong = call(duration_s=-1, direction="x", answered="yes", colour=1, hold_id="", to="5",
                 _time="2026-13-01T00:00:00Z")  # fmt: skip
    body = acme.send_one(wrong).json()
    assert {each["field"]: (each["value"], each["fix"]) for each in body["errors"]} == {
        "data.direction": ("x", "use one of outbound, inbound"),
        "data.answered": ("yes", "use true or false"),
        "data.duration_s": ("-1", "use 0 or more"),
        "data.to": ("(hidden)", "write the number with its country code, such as +14155550100"),
        "data.colour": ("1", "leave it out: there is no such field"),
        "time": ("2026-13-01T00:00:00Z", "use RFC 3339 with a zone, such as 2026-11-22T09:30:00Z"),
        "data.hold_id": ("", "write something: it is empty"),
    }
    assert body["errors"][0] == {name: body[name] for name in ("field", "value", "fix")}
    assert "also wrong: data.direction" in body["detail"]
    (rejected,) = acme.send(wrong, sms()).json()["rejected"]
    assert rejected["errors"] == body["errors"]


def test_what_is_missing_is_asked_for(acme):
    body = acme.send_one({"specversion": "1.0", "time": "now"}).json()
    fixes = {each["field"]: each["fix"] for each in body["errors"]}
    assert set(fixes) == {"type", "id", "source", "subject", "time"}
    assert fixes["id"] == "send id: it is missing"
    assert fixes["type"].startswith("send type, one of usage.call, ")
    assert fixes["time"].startswith("use RFC 3339")
    body = acme.send_one(event("status", ref={}, status="lost")).json()
    assert body["detail"].startswith("Send data.ref.source: it is missing (also wrong: data.ref.id")
    body = acme.send_one(event("agent_hours", agent="", hours="1e5")).json()
    assert [each["field"] for each in body["errors"]] == ["data.agent", "data.hours"]


def test_a_destination_without_a_price_is_named_where_it_was_written(live):
    from_then = NOW + timedelta(days=1)
    rates = [Rate(new_id(), metric, 5, 1, "1", 1, 1)
             for metric in ("sms_credits", "inbound_sms", "number_rental")]  # fmt: skip
    listed = new_rate_list("By prefix", "USD", from_then.date(), rates, "account")
    with live.installation.database.write() as connection:
        add_rate_list(connection, listed, "globex", NOW)
    live.clock_file.write_text((NOW + timedelta(days=2)).isoformat())
    globex = ApiClient(live, "globex")
    then: dict[str, Any] = {"_subject": "globex", "_time": "2026-11-24T09:00:00Z"}
    try:
        for given, field in (
            (sms(to="+4930123456", **then), "data.to"),
            (sms(direction="inbound", to=None, **{"from": "+4930123456"}, **then), "data.from"),
            (event("number", number="+4930123456", months=1, **then), "data.number"),
        ):
            body = globex.send_one(given).json()
            assert (body["code"], body["field"]) == ("unknown_destination", field)
            assert body["value"] == "+4930…56", "masked"
            assert "add its prefix to the price list 'By prefix'" in body["fix"]
            (rejected,) = globex.send(given).json()["rejected"]
            assert (rejected["field"], rejected["errors"]) == (field, body["errors"])
        nowhere = globex.send_one(sms(to=None, **then)).json()
        assert (nowhere["field"], nowhere["value"]) == ("data.to", "")
        assert nowhere["fix"].startswith("name the destination")
    finally:
        live.clock_file.write_text(NOW.isoformat())
        globex.close()


@pytest.mark.parametrize("time", ["2026-11-22", "2026-11-22T09:00:00", "2026-13-01T00:00:00Z",
                                  "now", "2026-11-22T09:00:60Z", "20261122T090000Z",
                                  "0001-01-01T00:00:00Z",
                                  "9999-12-31T23:59:59-23:59"])  # fmt: skip
def test_times_are_rfc_3339(acme, time):
    answer = acme.send_one(sms(_time=time))
    assert answer.status_code == 422
    assert answer.json()["field"] == "time"


# --- keys ------------------------------------------------------------------------------------
def test_who_may_send(live, acme):
    def status(client: ApiClient, **more: Any) -> tuple[int, str]:
        answer = client.send_one(sms(**more))
        return answer.status_code, answer.json()["code"] if answer.content else ""

    stranger = httpx.post(f"{live.url}/api/v1/events", json=sms())
    assert (stranger.status_code, stranger.json()["code"]) == (401, "no_key")
    assert stranger.headers["WWW-Authenticate"].startswith("Bearer")
    assert status(ApiClient(live, "acme", "usage:read")) == (403, "scope_lacks")
    assert status(ApiClient(live, "globex")) == (403, "other_account")
    body = ApiClient(live, "globex").send_one(sms()).json()
    assert (body["field"], body["value"]) == ("subject", "acme")
    assert body["fix"] == "use globex, the key's own account"
    revoked = ApiClient(live)
    assert status(revoked) == (204, "")
    revoke(live.installation, "acme", revoked.kept.id)
    assert status(revoked) == (401, "key_unknown")
    admin = ApiClient(live, "*")
    assert status(admin) == (204, "")
    assert status(admin, _subject="nobody") == (404, "not_found")
    assert status(ApiClient(live, "*", "support")) == (403, "scope_lacks")
    wrong = httpx.post(f"{live.url}/api/v1/events", json=sms(),
                       headers={"Authorization": "Basic YTpi"})  # fmt: skip
    assert wrong.status_code == 401


def test_a_closed_account_takes_nothing(live):
    client, admin = ApiClient(live, "globex"), ApiClient(live, "*")
    set_closed(live, NOW)
    try:
        answer = client.send_one(sms(_subject="globex"))
        assert (answer.status_code, answer.json()["code"]) == (403, "account_closed")
        answer = admin.send(sms(_subject="globex"), sms())
        assert codes(answer) == {0: "account_closed"}
        assert answer.json()["accepted"] == 1
    finally:
        set_closed(live, None)


def set_closed(live: Live, at: Any) -> None:
    live.installation.writer.write(
        lambda c: c.execute(
            update(t.accounts).where(t.accounts.c.id == "globex").values(closed_at=at)
        )
    )


def test_a_full_queue_asks_to_come_back(live, acme, monkeypatch):
    monkeypatch.setattr(writing, "MOST_ACCOUNT_ROWS", 2)
    given = [sms() for _ in range(3)]
    answer = acme.send(*given)
    assert (answer.status_code, answer.json()["code"]) == (429, "busy")
    assert int(answer.headers["Retry-After"]) >= 1
    assert not is_stored(live, given[0]["id"])
    monkeypatch.undo()
    assert acme.send(*given).status_code == 204
