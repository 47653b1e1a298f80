"""``POST /events`` on a real server: official clients, every way to send, every refusal."""

import base64
import json
import warnings
from datetime import timedelta
from typing import Any

import pytest
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent
from openmeter import Client as OpenMeter
from openmeter.models import Event as OpenMeterEvent
from sqlalchemy import select

from billing.limits import limit
from data import tables as t
from data.ledger.posting import Poster
from tests.api_client import BATCH, STRUCTURED, ApiClient, call, codes, event, sms
from tests.live import NOW, Live

HOUR = timedelta(hours=1)
KEPT = (
    "metric", "status", "base_units", "pulses", "talk_seconds", "cost_micros", "campaign_id",
    "consumer_id", "occurred_at", "booked_on", "direction", "agent", "reason", "kind", "source",
    "is_sandbox", "flags",
)  # fmt: skip


def lines(live: Live, event_id: str) -> list[dict[str, Any]]:
    """The lines of one event, without what differs from one sending to the next."""
    rows = t.usage_lines.c
    wanted = (
        select(*(rows[name] for name in KEPT))
        .join(t.events, t.events.c.event_id == rows.event_id)
        .where(t.events.c.id == event_id)
        .order_by(rows.seq)
    )
    with live.installation.database.read() as connection:
        return [dict(row) for row in connection.execute(wanted).mappings()]


def brief(live: Live, event_id: str) -> list[tuple[str, int, int]]:
    return [(line["metric"], line["base_units"], line["cost_micros"])
            for line in lines(live, event_id)]  # fmt: skip


# --- official clients ------------------------------------------------------------------------
def test_the_openmeter_client_sends_one_and_many(live, acme):
    client = OpenMeter(endpoint=live.url, token=acme.key)
    given = [
        OpenMeterEvent(id=f"om-{n}", source="om", specversion="1.0", type="usage.sms",
                       subject="acme", time=NOW - HOUR,
                       data={"direction": "outbound", "text": "Hello", "to": "+14155550142"})
        for n in range(3)
    ]  # fmt: skip
    client.events.ingest_event(given[0])
    client.events.ingest_events(given)
    client.events.ingest_events_json(given)
    for n in range(3):
        assert brief(live, f"om-{n}") == [("sms_credits", 1, 600_000)]


@pytest.mark.parametrize("convert", [to_structured, to_binary])
def test_the_cloudevents_client_sends_both_modes(live, acme, convert):
    name = convert.__name__
    attributes = {"type": "usage.sms", "source": "crm & co", "id": name, "subject": "acme",
                  "time": (NOW - HOUR).isoformat(), "traceparent": "00-1-2-01"}  # fmt: skip
    text = "Grüße, 世界 😀"
    given = CloudEvent(attributes, {"direction": "outbound", "text": text, "to": "+14155550142"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        headers, body = convert(given)
    assert acme.http.post("/events", headers=headers, content=body).status_code == 204
    assert brief(live, name) == [("sms_credits", 1, 600_000)]
    again = acme.http.post("/events", headers=headers, content=body)
    assert (again.status_code, again.headers["Usage-Duplicate"]) == (204, "true")


# --- one event, many ways --------------------------------------------------------------------
WAYS = {
    "structured": (STRUCTURED, "utf-8"),
    "structured-utf8": (f"{STRUCTURED}; charset=UTF-8", "utf-8"),
    "structured-quoted": (f'{STRUCTURED}; charset="utf-8"', "utf-8"),
    "structured-latin1": (f"{STRUCTURED};charset=iso-8859-1", "latin-1"),
    "structured-utf16": (f"{STRUCTURED}; charset=utf-16", "utf-16"),
    "structured-bom": (STRUCTURED, "utf-8-sig"), "upper-case": (STRUCTURED.upper(), "utf-8"),
    "plain-json": ("application/json", "utf-8"),
}  # fmt: skip


def test_every_way_to_send_gives_the_same_lines(live, acme):
    given = call(campaign="Été à Köln", consumer="user:zoë")
    ways: dict[str, tuple[dict[str, str], bytes]] = {}
    for name, (media_type, charset) in WAYS.items():
        body = json.dumps({**given, "id": name}, ensure_ascii=False).encode(charset)
        ways[name] = ({"Content-Type": media_type}, body)
    data = json.dumps(given["data"], ensure_ascii=False).encode()
    attributes = {f"ce-{name}": value for name, value in given.items() if name != "data"}
    for name, media_type in (("binary", "application/json"),
                             ("binary-charset", "application/json; charset=utf-8")):  # fmt: skip
        ways[name] = ({**attributes, "ce-id": name, "Content-Type": media_type}, data)
    encoded = {**given, "id": "base64", "data_base64": base64.b64encode(data).decode()}
    encoded.pop("data")
    ways["base64"] = ({"Content-Type": STRUCTURED}, json.dumps(encoded).encode())
    ways["batch"] = ({"Content-Type": BATCH}, json.dumps([{**given, "id": "batch"}]).encode())
    for name, (headers, body) in ways.items():
        answer = acme.http.post("/events", headers=headers, content=body)
        assert (name, answer.status_code, answer.text) == (name, 204, "")
    found = {name: lines(live, name) for name in ways}
    first = found["structured"]
    assert [(line["metric"], line["base_units"]) for line in first] == [
        ("human_dial_attempts", 1), ("human_connected_minutes", 120),
    ]  # fmt: skip
    assert first[0]["campaign_id"] == "Été à Köln"
    assert {name for name, each in found.items() if each != first} == set()


def test_percent_encoded_headers_are_decoded(live, acme):
    given = sms()
    attributes = {f"ce-{name}": value for name, value in given.items() if name != "data"}
    headers = {**attributes, "ce-id": "na%C3%AFve%20%25", "Content-Type": "application/json"}
    assert acme.http.post("/events", headers=headers, json=given["data"]).status_code == 204
    assert brief(live, "naïve %") == [("sms_credits", 1, 600_000)]


# --- every type ------------------------------------------------------------------------------
MINUTE_RATE = 600_000
TYPES = [
    ("call", {"direction": "outbound", "agent": "ai", "answered": False, "duration_s": 0,
              "outcome": "busy"}, [("ai_dial_attempts", 1, 600_000)]),
    ("call", {"direction": "outbound", "agent": "ai", "voice": "premium", "answered": True,
              "duration_s": 0}, [("ai_dial_attempts", 1, 600_000),
                                 ("ai_premium_connected_minutes", 60, 600_000)]),
    ("call", {"direction": "inbound", "agent": "human", "answered": True, "duration_s": 61,
              "from": "+14155550142"}, [("inbound_minutes", 120, 1_200_000)]),
    ("call", {"direction": "inbound", "agent": "ai", "answered": False, "duration_s": 9},
     [("inbound_minutes", 0, 0)]),
    ("sms", {"direction": "outbound", "kind": "ai_reply", "text": "x" * 161},
     [("ai_sms_replies", 2, 1_200_000)]),
    ("sms", {"direction": "inbound", "segments": 1}, [("inbound_sms", 1, 600_000)]),
    ("whatsapp", {"category": "marketing", "unit": "message"},
     [("whatsapp_messages", 1, 600_000)]),
    ("whatsapp", {"category": "utility", "unit": "message", "status": "sent"},
     [("whatsapp_messages", 0, 0)]),
    ("voicemail", {"kind": "drop"}, [("voicemail_drops", 1, 600_000)]),
    ("number", {"number": "+14155550142", "months": 2}, [("number_rental", 2, 1_200_000)]),
    ("seat", {"agent": "maria", "months": 1}, [("seat_licences", 1, 600_000)]),
    ("agent_hours", {"agent": "maria", "hours": "7.5"}, [("agent_hours", 27_000, 4_500_000)]),
    ("agent_hours", {"agent": "maria", "hours": 0.25}, [("agent_hours", 900, 150_000)]),
    ("metered", {"metric": "inbound_minutes", "units": "1.5"}, [("inbound_minutes", 90, 900_000)]),
    ("metered", {"metric": "sms_credits", "units": 3}, [("sms_credits", 3, 1_800_000)]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "data", "wanted"), TYPES)
def test_every_type_writes_its_lines(live, acme, kind, data, wanted):
    given = event(kind, **data)
    answer = acme.send_one(given)
    assert (answer.status_code, answer.text) == (204, "")
    assert brief(live, given["id"]) == wanted


def test_the_text_of_a_message_is_stored_nowhere(live, acme):
    secret = "meet me at the old mill"
    assert acme.send_one(sms(segments=None, text=secret, to="+14155550987")).status_code == 204
    for file in live.installation.settings.data_dir.glob("ledger.db*"):
        content = file.read_bytes()
        assert secret.encode() not in content
        assert b"4155550987" not in content


def test_sandbox_usage_costs_nothing_on_a_free_account(live):
    client = ApiClient(live, "tinker")
    live_event = sms(_subject="tinker")
    assert client.send_one(live_event).json()["code"] == "plan_lacks"
    before = client.get("/balance").json()
    sandbox = sms(_subject="tinker", sandbox=True)
    assert client.send_one(sandbox).status_code == 204
    assert [line["is_sandbox"] for line in lines(live, sandbox["id"])] == [True]
    after = client.get("/balance").json()
    assert after["available_micros"] == before["available_micros"]
    client.close()


def test_a_price_of_the_senders_own_needs_its_scope(live, acme):
    given = event("metered", metric="sms_credits", units=5, cost_micros=123_456)
    refused = acme.send_one(given)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_lacks")
    client = ApiClient(live, "acme", "events:priced")
    assert client.send_one(given).status_code == 204
    assert brief(live, given["id"]) == [("sms_credits", 5, 123_456)]
    client.close()


def test_a_charge_moves_the_balance_at_once(acme):
    before = acme.get("/balance").json()
    assert acme.send_one(call(duration_s=60)).status_code == 204
    after = acme.get("/balance").json()
    for name, change in (("available_micros", -1_200_000), ("today_micros", 1_200_000),
                         ("period_micros", 1_200_000)):  # fmt: skip
        assert after[name] - before[name] == change, name


# --- batches ---------------------------------------------------------------------------------
def test_a_batch_counts_what_is_new_and_what_is_known(acme):
    given = [sms() for _ in range(5)]
    first = acme.send(*given, given[0])
    assert (first.status_code, first.content) == (204, b"")
    assert (first.headers["Usage-Accepted"], first.headers["Usage-Duplicates"]) == ("5", "1")
    wordy = acme.send(*given, Prefer="return=representation")
    assert wordy.status_code == 200
    assert wordy.json() == {"accepted": 0, "duplicates": 5, "rejected": []}
    assert wordy.headers["Preference-Applied"] == "return=representation"
    assert acme.send().headers["Usage-Accepted"] == "0"


def test_the_rest_of_a_batch_goes_in(live, acme):
    good = [sms() for _ in range(3)]
    bad: list[Any] = [
        sms(_id=""), sms(_type="usage.fax"), sms(_subject="globex"), sms(direction="sideways"),
        sms(_time="2026-11-22 09:00"), sms(at=NOW + HOUR), sms(at=NOW - timedelta(days=36)),
        event("call", direction="outbound"), sms(colour="red"), sms(segments=0),
        sms(to="+999"), sms(to="alice"), 7, None, [], event("ringless"), sms(_Colour="x"),
        event("voicemail", kind="ringless"), sms(hold_id="h" * 37),
    ]  # fmt: skip
    answer = acme.send(good[0], *bad, good[1], good[2])
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["accepted"], body["duplicates"], len(body["rejected"])) == (
        3 + ("unknown_destination" not in {each["code"] for each in body["rejected"]}), 0,
        len(body["rejected"]),
    )  # fmt: skip
    found = codes(answer)
    assert found[3] == "other_account"
    assert found[6] == "in_future"
    assert found[7] == "too_late"
    assert found[18] == "plan_lacks"
    assert {found[n] for n in (1, 2, 4, 5, 8, 9, 10, 12, 13, 14, 15, 16, 17, 19)} == {"invalid"}
    fields = {each["index"]: each.get("field") for each in body["rejected"]}
    assert [fields[n] for n in (1, 2, 4, 5, 9, 10, 12, 17, 19)] == [
        "id", "type", "data.direction", "time", "data.colour", "data.segments", "data.to",
        "Colour", "data.hold_id",
    ]  # fmt: skip
    assert body["rejected"][1]["id"] == bad[1]["id"]
    for each in good:
        assert len(lines(live, each["id"])) == 1


def test_texts_that_no_file_can_hold_are_refused(acme):
    given = json.dumps([
        {**sms(), "id": "\ud800"}, sms(_source="a\x00"), sms(campaign="a\nb"),
        call(answered=False, outcome="\x1b[31m"), {**sms(), "\ud800": 1}, sms(consumer="\ud800"),
        sms(),
    ])  # fmt: skip
    answer = acme.http.post("/events", content=given, headers={"Content-Type": BATCH})
    assert codes(answer) == dict.fromkeys(range(6), "invalid")
    assert answer.json()["accepted"] == 1


def test_a_fault_of_ours_takes_no_other_event_along(live, acme, monkeypatch, caplog):
    take = Poster._take

    def fail(self: Poster, taken: Any, received_at: Any) -> Any:
        if taken.id == "poison":
            raise RuntimeError("a fault")
        return take(self, taken, received_at)

    monkeypatch.setattr(Poster, "_take", fail)
    given = [sms(), sms(_id="poison"), sms()]
    answer = acme.send(*given)
    assert codes(answer) == {1: "internal"}
    assert answer.json()["accepted"] == 2
    assert "a fault" not in answer.text
    assert "a fault" in caplog.text
    assert acme.send_one(sms(_id="poison")).status_code == 500
    monkeypatch.undo()
    assert acme.send_one(given[1]).status_code == 204
    assert len(lines(live, "poison")) == 1


def test_personal_values_are_not_repeated(acme):
    answer = acme.send(sms(to="4155550142"), sms(segments=None, text=["secret words"]))
    assert codes(answer) == {0: "invalid", 1: "invalid"}
    assert "4155550142" not in answer.text
    assert "secret words" not in answer.text


def test_a_batch_of_a_thousand_goes_in_and_one_more_is_too_many(acme):
    given = [sms(_id=f"many-{n}") for n in range(limit("batch") + 1)]
    refused = acme.send(*given)
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    assert acme.send(*given[:-1]).headers["Usage-Accepted"] == str(limit("batch"))
