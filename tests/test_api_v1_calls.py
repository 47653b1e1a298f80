"""One call or message by the sender's id or the ledger's: all its lines, and whose it is."""

import pytest

from tests.api_client import call, event, sms


def test_a_call_has_all_its_lines_units_cost_and_status(acme):
    assert acme.send_one(call(_id="one", duration_s=61, consumer="user:7")).status_code == 204
    found = acme.get("/calls/one").json()
    assert (found["id"], found["source"], found["status"]) == ("one", "dialler", "answered")
    assert (found["direction"], found["agent"], found["talk_seconds"]) == ("outbound", "human", 61)
    lines = {line["metric"]: line for line in found["lines"]}
    assert set(lines) == {"human_dial_attempts", "human_connected_minutes"}
    assert lines["human_connected_minutes"]["units"] == "2"
    assert found["cost_micros"] == sum(line["cost_micros"] for line in found["lines"]) == 1_800_000
    assert (found["currency"], found["watermark"]) == ("INR", "2026-11-22T12:30:00Z")
    assert found["counterparty"].endswith("…42")
    assert "4155550142" not in acme.get("/calls/one").text


def test_a_message_and_a_call_are_told_apart(acme):
    assert acme.send_one(sms(_id="two", segments=3)).status_code == 204
    found = acme.get("/messages/two").json()
    assert [(line["metric"], line["base_units"]) for line in found["lines"]] == [("sms_credits", 3)]
    assert acme.get("/calls/two").status_code == 404
    assert acme.get("/messages/one").status_code == 404
    drop = event("voicemail", kind="drop", to="+14155550142", _id="three")
    assert acme.send_one(drop).status_code == 204
    assert acme.get("/calls/three").json()["lines"][0]["metric"] == "voicemail_drops"


def test_the_ledgers_own_id_finds_it_too(acme):
    assert acme.send_one(call(_id="four")).status_code == 204
    by_own = acme.get("/calls/four").json()
    assert acme.get(f"/calls/{by_own['event_id']}").json() == by_own
    assert acme.get(f"/calls/{by_own['event_id']}", source="dialler").json() == by_own
    assert acme.get(f"/calls/{by_own['event_id']}", source="other").status_code == 404


def test_where_several_sources_use_an_id_one_is_named(acme):
    for source in ("dialler", "pbx", "crm"):
        sent = call(_id="shared", _source=source, duration_s=60 if source == "pbx" else 200)
        assert acme.send_one(sent).status_code == 204
    assert acme.send_one(sms(_id="shared", _source="texts")).status_code == 204
    answer = acme.get("/calls/shared")
    assert (answer.status_code, answer.json()["field"]) == (422, "source")
    assert answer.json()["fix"] == "name one that sent this id: 'crm', 'dialler', 'pbx'"
    named = acme.get("/calls/shared", source="pbx").json()
    assert (named["source"], named["talk_seconds"]) == ("pbx", 60)
    assert acme.get("/messages/shared").json()["source"] == "texts", "there is but one"
    assert acme.get("/calls/shared", source="fax").status_code == 404


@pytest.mark.parametrize("own_id", ["a/b", "a b?c=d&e", "ümlaut", "%2F", "…/../usage", "#1"])
def test_any_id_that_a_sender_may_use_can_be_asked_for(acme, own_id):
    assert acme.send_one(call(_id=own_id)).status_code == 204
    quoted = "".join(f"%{byte:02X}" for byte in own_id.encode())
    found = acme.http.get(f"/calls/{quoted}")
    assert (found.status_code, found.json()["id"]) == (200, own_id)


def test_a_status_that_came_later_is_the_status(acme):
    assert acme.send_one(sms(_id="later", status="sent")).status_code == 204
    receipt = event("status", ref={"source": "dialler", "id": "later"}, status="delivered")
    assert acme.send_one(receipt).status_code == 204
    found = acme.get("/messages/later").json()
    assert found["status"] == found["lines"][0]["status"] == "delivered"
    counts = acme.get("/usage", campaign="none", group_by="status").json()
    assert counts["totals"]["count"] == 0
