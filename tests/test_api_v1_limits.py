"""Limits and pauses through a running server: set, reached, overridden, told of."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from billing.access import AccountScope, Role
from billing.caps import Limits
from billing.errors import NotAllowedError
from data import tables as t
from data.accounts import read_account
from tests.api_client import ApiClient, call
from tests.hold_api import PRICE, Platform
from tests.live import NOW, OWNER
from tests.stream_ear import listening, set_clock, wait_for
from tests.web_client import WebClient

MIDNIGHT = "2026-11-23T05:00:00Z"  # in New York


def cap(kind: str, micros: Any = None, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "limit_micros": micros, **more}


@pytest.fixture
def platform(live):
    opened = Platform(live)
    yield opened
    opened.close()


def pauses(platform: Platform, state: str = "open") -> list:
    return platform.get("/pauses", state=state).json()["pauses"]


def work(platform: Platform, seconds: int = 60, **more) -> None:
    """Work that never asked."""
    event = call(_subject=platform.account_id, duration_s=seconds, **more)
    assert platform.send_one(event).status_code == 204


# --- set and read ----------------------------------------------------------------------------
def test_an_account_without_limits_says_so(platform):
    found = platform.get("/limits").json()
    assert found.pop("as_of")
    assert found == {
        "is_on": True, "inbound": "continue", "caps": [], "version": 0, "pauses": [],
        "currency": "USD",
    }  # fmt: skip


def test_each_limit_shows_what_its_window_has(platform):
    work(platform, campaign="spring")
    held = platform.ask(seconds=60, campaign="spring")
    answer = platform.limit(
        cap("monthly", 100 * PRICE, is_hard=False), cap("daily", 10 * PRICE),
        cap("campaign", 3 * PRICE, campaign="spring"), cap("per_call", limit_seconds=600),
        cap("weekly", 20 * PRICE, is_on=False),
    )  # fmt: skip
    assert (answer["status"], answer["version"]) == (200, 1)
    kinds = [each["kind"] for each in answer["caps"]]
    assert kinds == ["per_call", "campaign", "daily", "weekly", "monthly"]
    assert platform.get("/limits").json()["caps"] == answer["caps"]
    found = platform.limits()
    assert found["daily", None] == {
        "kind": "daily", "campaign": None, "limit_micros": 10 * PRICE, "limit_seconds": None,
        "is_hard": True, "is_on": True, "window_start": "2026-11-22", "spent_micros": 2 * PRICE,
        "reserved_micros": 2 * PRICE, "left_micros": 6 * PRICE, "over_micros": 0,
        "resets_at": MIDNIGHT, "override": None,
    }  # fmt: skip
    assert found["weekly", None]["window_start"] == "2026-11-16"
    assert found["weekly", None]["spent_micros"] == 2 * PRICE
    assert found["monthly", None]["resets_at"] == "2026-12-01T05:00:00Z"
    spring = found["campaign", "spring"]
    assert (spring["left_micros"], spring["over_micros"]) == (0, PRICE)
    assert (spring["window_start"], spring["resets_at"]) == (None, None)
    call_cap = found["per_call", None]
    assert (call_cap["limit_seconds"], call_cap["left_micros"]) == (600, None)
    platform.release(held["hold_id"])
    assert platform.limits()["daily", None]["left_micros"] == 8 * PRICE


def test_what_is_not_set_again_is_taken_away(platform):
    platform.limit(cap("daily", PRICE), inbound="stop")
    answer = platform.limit(cap("weekly", PRICE), is_on=False)
    assert [each["kind"] for each in answer["caps"]] == ["weekly"]
    assert (answer["is_on"], answer["inbound"], answer["version"]) == (False, "continue", 2)


def test_a_change_of_an_older_version_is_refused(platform):
    platform.limit(cap("daily", PRICE), version=0)
    late = platform.limit(cap("daily", 2 * PRICE), version=0)
    assert (late["status"], late["code"]) == (409, "changed")
    assert platform.limits()["daily", None]["limit_micros"] == PRICE
    assert platform.limit(cap("daily", 2 * PRICE), version=1)["version"] == 2


@pytest.mark.parametrize(
    ("caps", "field"),
    [
        ([cap("daily", 1), cap("daily", 2)], "caps"),
        ([cap("daily")], "limit_micros"),
        ([cap("campaign", 1)], "campaign"),
        ([cap("daily", 1, campaign="spring")], "campaign"),
        ([cap("daily", 1, limit_seconds=60)], "limit_seconds"),
        ([cap("daily", -1)], "caps.0.limit_micros"),
        ([cap("daily", 1.5)], "caps.0.limit_micros"),
        ([cap("yearly", 1)], "caps.0.kind"),
        ([cap("daily", 1, colour="red")], "caps.0.colour"),
        ([cap("per_call", limit_seconds=0)], "caps.0.limit_seconds"),
    ],
)
def test_limits_that_can_not_be_name_their_field(platform, caps, field):
    answer = platform.limit(*caps)
    assert (answer["status"], answer["field"]) == (422, field), answer
    assert platform.get("/limits").json()["version"] == 0


def test_a_document_that_leaves_something_out_is_refused(platform):
    bodies: list[Any] = [
        {"caps": []},
        {"is_on": True, "caps": []},
        {"is_on": True, "inbound": "stop"},
    ]
    for body in bodies:
        assert platform.http.put("/limits", json=body).status_code == 422
    loose = {"is_on": 1, "inbound": "stop", "caps": []}
    assert platform.http.put("/limits", json=loose).json()["field"] == "is_on"


def test_a_thousand_budgets_are_set_and_noted(live, platform):
    budgets = [cap("campaign", PRICE, campaign=f"{n:04} {'x' * 200}") for n in range(1_000)]
    assert platform.limit(*budgets)["status"] == 200
    assert platform.limit()["status"] == 200
    assert platform.limit(*budgets, cap("campaign", 1, campaign="one more"))["status"] == 422
    with live.installation.database.read() as connection:
        audit = t.audit.c
        noted = connection.scalars(
            select(audit.detail).where(
                audit.account_id == platform.account_id, audit.action == "limits.set"
            )
        ).all()
    assert all(any(f"{n:04} x" in each for each in noted) for n in (0, 500, 999))


# --- reached ---------------------------------------------------------------------------------
def test_a_limit_that_is_reached_pauses_until_it_is_overridden(platform):
    platform.limit(cap("daily", 2 * PRICE))
    work(platform)
    (pause,) = pauses(platform)
    assert pause == {
        "id": pause["id"], "rule": "daily", "campaign": None, "window_start": "2026-11-22",
        "spent_micros": 2 * PRICE, "limit_micros": 2 * PRICE,
        "started_at": "2026-11-22T12:30:00Z", "until_at": MIDNIGHT, "ended_at": None,
        "end_cause": None,
    }  # fmt: skip
    assert platform.ask()["rule"] == "paused"
    assert platform.get("/limits").json()["pauses"] == [pause]
    until = (NOW + timedelta(hours=2)).isoformat()
    path = f"/pauses/{pause['id']}/override"
    given = platform.post(path, reason=" a fair ", until=until, limit_micros=6 * PRICE)
    assert (given["status"], given["paused"]) == (200, [])
    assert [each["end_cause"] for each in given["resumed"]] == ["override"]
    override = given["override"]
    assert (override["reason"], override["limit_micros"]) == ("a fair", 6 * PRICE)
    assert override["actor"] == f"key:{platform.kept.id}"
    gauge = platform.limits()["daily", None]
    assert (gauge["override"], gauge["left_micros"]) == (override, 4 * PRICE)
    assert platform.ask(seconds=600)["max_seconds"] == 180
    again = platform.post(path, reason="more", until=until)
    assert (again["status"], again["code"]) == (409, "pause_over")
    back = platform.http.delete(path).json()
    assert [each["rule"] for each in back["paused"]] == ["daily"]
    assert platform.limits()["daily", None]["override"] is None
    assert platform.http.delete(path).status_code == 404
    assert platform.ask()["rule"] == "paused"
    assert [each["end_cause"] for each in pauses(platform, "any")] == [None, "override"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": "", "until": "2026-11-22T14:00:00Z"}, "reason"),
        ({"reason": " ", "until": "2026-11-22T14:00:00Z"}, "reason"),
        ({"reason": "a", "until": "2026-11-22T12:00:00Z"}, "until"),
        ({"reason": "a", "until": "2027-11-22T12:00:00Z"}, "until"),
        ({"reason": "a", "until": 1_800_000_000}, "until"),
        ({"reason": "a", "until": "2026-11-22T14:00:00"}, "until"),
        ({"reason": "a", "until": "2026-11-22T14:00:00Z", "limit_micros": 1}, "limit_micros"),
        ({"reason": "a"}, "until"),
    ],
)
def test_an_override_that_can_not_be_names_its_field(platform, body, field):
    platform.limit(cap("daily", 0))
    (pause,) = pauses(platform)
    platform.limit(cap("daily", PRICE // 2), version=1)
    work(platform)
    (pause,) = pauses(platform)
    answer = platform.post(f"/pauses/{pause['id']}/override", **body)
    assert (answer["status"], answer["field"]) == (422, field), answer


def test_a_balance_that_ran_out_is_not_overridden(live):
    poor = Platform(live, credit_micros=PRICE)
    work(poor)
    (pause,) = pauses(poor)
    assert (pause["rule"], pause["until_at"], pause["window_start"]) == ("balance", None, None)
    until = (NOW + timedelta(hours=2)).isoformat()
    answer = poor.post(f"/pauses/{pause['id']}/override", reason="go on", until=until)
    assert (answer["status"], answer["field"]) == (422, "pause")
    poor.close()


def test_a_raise_a_switch_and_midnight_resume(platform, server):
    platform.limit(cap("daily", 2 * PRICE), cap("campaign", PRICE, campaign="spring"))
    work(platform, campaign="spring")
    assert {(each["rule"], each["campaign"]) for each in pauses(platform)} == {
        ("daily", None), ("campaign", "spring"),
    }  # fmt: skip
    assert platform.limit(cap("daily", 3 * PRICE))["pauses"] == []
    assert platform.limit(cap("daily", 2 * PRICE))["pauses"] != []
    assert platform.limit(cap("daily", 2 * PRICE), is_on=False)["pauses"] == []
    platform.limit(cap("daily", 2 * PRICE))
    try:
        set_clock(server, NOW + timedelta(days=1))
        assert platform.ask()["decision"] == "allowed"
        assert pauses(platform) == []
    finally:
        set_clock(server, NOW)
    causes = [each["end_cause"] for each in pauses(platform, "any")]
    assert sorted(filter(None, causes)) == ["boundary", "limit", "limit", "limit"]


def test_a_soft_limit_only_warns(platform):
    platform.limit(cap("daily", PRICE, is_hard=False))
    asked = platform.ask(seconds=60)
    assert asked["decision"] == "allowed"
    assert asked["warnings"] == [
        {"rule": "daily", "spent_micros": 0, "reserved_micros": 2 * PRICE, "limit_micros": PRICE}
    ]
    platform.settle(asked["hold_id"])
    assert pauses(platform) == []
    assert platform.limits()["daily", None]["over_micros"] == PRICE


def test_pauses_are_listed_by_pages(platform):
    for _ in range(4):
        platform.limit(cap("daily", 0), cap("weekly", 0))
        platform.limit()
    found, cursor = [], ""
    while cursor is not None:
        page = platform.get("/pauses", state="any", limit=3, cursor=cursor).json()
        found += [each["id"] for each in page["pauses"]]
        cursor = page["next_cursor"]
    assert len(found) == len(set(found)) == 8
    assert found == sorted(found, reverse=True)


# --- who -------------------------------------------------------------------------------------
def test_a_pause_of_another_account_is_none(live, platform):
    platform.limit(cap("daily", 0))
    (pause,) = pauses(platform)
    thief = Platform(live, "globex")
    until = (NOW + timedelta(hours=2)).isoformat()
    path = f"/pauses/{pause['id']}/override"
    assert thief.post(path, reason="mine", until=until)["status"] == 404
    assert thief.http.delete(path).status_code == 404
    assert pauses(platform) == [pause]
    thief.close()


def test_support_sees_and_an_administrator_changes(live, platform):
    support, admin = ApiClient(live, "*", "support"), ApiClient(live, "*", "admin")
    of = {"account": platform.account_id}
    body = {"is_on": True, "inbound": "continue", "caps": [cap("daily", 0)]}
    assert support.get("/limits", **of).status_code == 200
    assert support.get("/pauses", **of).status_code == 200
    assert support.http.put("/limits", params=of, json=body).json()["code"] == "scope_lacks"
    assert admin.http.put("/limits", params=of, json=body).json()["version"] == 1
    support.close()
    admin.close()


@pytest.mark.parametrize("role", [Role.MANAGER, Role.SUPPORT])
def test_a_role_that_may_only_see_changes_nothing(live, platform, role):
    platform.limit(cap("daily", 0))
    (pause,) = pauses(platform)
    with live.installation.database.read() as connection:
        account = read_account(connection, platform.account_id)
    scope, limiting = AccountScope(account, role, NOW), live.installation.limits
    with pytest.raises(NotAllowedError, match=f"role {role.value} may see"):
        limiting.save(scope, "person:ada", Limits())
    with pytest.raises(NotAllowedError):
        limiting.override(scope, "person:ada", pause["id"], "why", NOW + timedelta(hours=1))
    with pytest.raises(NotAllowedError):
        limiting.take_back(scope, "person:ada", pause["id"])
    assert live.installation.limits_reader.standing(scope).limits.version == 1


def test_every_change_is_noted(live, platform):
    platform.limit(cap("daily", 0))
    (pause,) = pauses(platform)
    path = f"/pauses/{pause['id']}/override"
    platform.post(path, reason="a fair", until=(NOW + timedelta(hours=2)).isoformat())
    platform.http.delete(path)
    with live.installation.database.read() as connection:
        rows = connection.execute(
            select(t.audit.c.action, t.audit.c.actor).where(
                t.audit.c.account_id == platform.account_id
            )
        ).all()
    noted = [row.action for row in rows if row.action.startswith("limits.")]
    assert noted == ["limits.set", "limits.override", "limits.override_ended"]
    assert {row.actor for row in rows if row.action in noted} == {f"key:{platform.kept.id}"}


# --- the stream ------------------------------------------------------------------------------
def test_pauses_are_told_on_connecting_and_with_each_change(live, platform):
    with listening(live, platform.bearer) as ear:
        wait_for(lambda: ear.of("pauses") == [{"pauses": [], "currency": "USD"}])
        platform.limit(cap("daily", 0))
        (pause,) = pauses(platform)
        wait_for(lambda: ear.of("pauses")[1:] == [{"pauses": [pause], "currency": "USD"}])
        platform.limit()
        wait_for(lambda: len(ear.of("pauses")) == 3)
        assert ear.of("pauses")[2]["pauses"] == []
    platform.limit(cap("daily", 0))
    with listening(live, platform.bearer, {"event": "pauses"}) as ear:
        wait_for(lambda: bool(ear.of("pauses")))
        assert [each["rule"] for each in ear.of("pauses")[0]["pauses"]] == ["daily"]
        assert ear.of("balance") == []


def test_pauses_are_for_keys_that_may_read_them(live, platform):
    blind = ApiClient(live, platform.account_id, "wallet:read")
    answer = httpx.get(f"{live.url}/stream", params={"event": "pauses"}, headers=blind.bearer)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_lacks")
    with listening(live, blind.bearer) as ear:
        assert ear.of("pauses") == []
    for scope in ("usage:read", "limits:write"):
        heard = ApiClient(live, platform.account_id, scope)
        with listening(live, heard.bearer, {"event": "pauses"}) as ear:
            wait_for(lambda: bool(ear.of("pauses")))
        heard.close()
    blind.close()


def test_a_person_hears_the_pauses_of_the_account_they_look_at(live):
    owner = WebClient(live.url, OWNER)
    with listening(live, owner) as ear:
        wait_for(lambda: bool(ear.of("pauses")))
        assert ear.of("pauses")[0]["currency"] == "INR"
    owner.close()
