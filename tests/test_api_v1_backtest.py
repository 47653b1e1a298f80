"""A limit tried on the last 90 days through a running server, beside sums of the same API."""

from collections import defaultdict
from datetime import date, timedelta

import pytest

from tests.api_client import ApiClient


def spent_by_day(acme: ApiClient, **filters) -> dict[date, int]:
    rows = acme.get(
        "/usage", **{"from": "2026-08-25", "to": "2026-11-23"}, granularity="day", **filters
    ).json()["rows"]
    return {date.fromisoformat(row["start"][:10]): row["cost_micros"] for row in rows}


def backtest(acme: ApiClient, **body) -> dict:
    answer = acme.http.post("/limits/backtest", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_daily_limit_is_tried_on_the_last_ninety_days(acme):
    spent = spent_by_day(acme)
    limit = sorted(spent.values())[len(spent) // 2]
    found = backtest(acme, kind="daily", limit_micros=limit)
    assert (found["from"], found["to"]) == ("2026-08-25", "2026-11-23")
    over = [str(day) for day, micros in sorted(spent.items()) if micros >= limit]
    assert [hit["reached_on"] for hit in found["hits"]] == over
    assert found["times"] == len(over) > 3
    assert {hit["spent_micros"] for hit in found["hits"]} == {
        micros for micros in spent.values() if micros >= limit
    }
    assert acme.get("/limits").json()["version"] == 0, "nothing is set"


@pytest.mark.parametrize("kind", ["weekly", "monthly"])
def test_a_longer_limit_is_reached_on_the_day_its_sum_comes_to_it(acme, kind):
    windows: dict[date, list[tuple[date, int]]] = defaultdict(list)
    for day, micros in sorted(spent_by_day(acme).items()):
        start = day - timedelta(days=day.weekday()) if kind == "weekly" else day.replace(day=1)
        if start >= date(2026, 8, 25):
            windows[start].append((day, micros))
    limit = max(sum(m for _, m in days) for days in windows.values()) * 3 // 4
    expected = {}
    for start, days in windows.items():
        total = 0
        for day, micros in days:
            total += micros
            if total >= limit:
                expected[str(start)] = str(day)
                break
    found = backtest(acme, kind=kind, limit_micros=limit)
    assert {hit["window_start"]: hit["reached_on"] for hit in found["hits"]} == expected
    assert expected


def test_a_budget_is_used_up_once(acme):
    total, reached = 0, None
    spent = spent_by_day(acme, campaign="diwali")
    limit = sum(spent.values()) // 2
    for day, micros in sorted(spent.items()):
        total += micros
        if reached is None and total >= limit:
            reached = str(day)
    (hit,) = backtest(acme, kind="campaign", campaign="diwali", limit_micros=limit)["hits"]
    assert (hit["reached_on"], hit["until_on"], hit["window_start"]) == (reached, None, None)
    assert hit["spent_micros"] == total
    more = backtest(acme, kind="campaign", campaign="diwali", limit_micros=total + 1)
    assert (more["times"], more["hits"]) == (0, [])


def test_a_per_call_limit_counts_the_calls_it_would_have_cut_off(acme):
    costs: dict[str, int] = defaultdict(int)
    seconds: dict[str, int] = defaultdict(int)
    cursor = ""
    while cursor is not None:
        page = acme.get(
            "/transactions", service="Voice", limit=1000,
            **{"from": "2026-08-25", "to": "2026-11-23"}, **({"cursor": cursor} if cursor else {}),
        ).json()  # fmt: skip
        for line in page["transactions"]:
            costs[line["event_id"]] += line["cost_micros"]
            seconds[line["event_id"]] += line["talk_seconds"]
        cursor = page["next_cursor"]
    answered = {each for each, talked in seconds.items() if talked}
    middle = sorted(costs[each] for each in answered)[len(answered) // 2]
    found = backtest(acme, kind="per_call", limit_micros=middle, limit_seconds=200)
    over = {each for each in answered if costs[each] > middle or seconds[each] > 200}
    assert (found["calls"], found["calls_over"]) == (len(answered), len(over))
    assert 0 < len(over) < len(answered)
    assert found["hits"] == []


def test_a_backtest_of_what_can_not_be_set_is_refused(acme):
    answer = acme.http.post("/limits/backtest", json={"kind": "campaign", "limit_micros": 1})
    assert (answer.status_code, answer.json()["field"]) == (422, "campaign")
