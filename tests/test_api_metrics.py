"""Figures for Prometheus: who may read them, that they count what happened, and tell no names."""

from datetime import timedelta

import httpx
import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from api.metrics import Metrics
from data.access.keys import revoke_key
from data.analytics.sync import sync_all
from data.writer import Commit
from tests.api_client import ApiClient, call, event, new_key, sms
from tests.live import NOW, OWNER, Live
from tests.web_client import WebClient


@pytest.fixture(scope="module")
def key(live) -> str:
    return new_key(live.installation, "*", "support")[0]


def ask(live: Live, shown: str | bytes | None) -> httpx.Response:
    raw = shown.encode() if isinstance(shown, str) else shown
    headers = {b"Authorization": raw} if raw else {}
    return httpx.get(f"{live.url}/metrics", headers=headers)


def figures(live: Live, key: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by name and labels."""
    answer = ask(live, f"Bearer {key}")
    assert answer.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(found: dict, name: str, **labels: str) -> float:
    return found.get((name, tuple(sorted(labels.items()))), 0.0)


# --- who may -----------------------------------------------------------------------------------
def test_only_a_key_over_all_accounts_opens_it(live, key):
    own, _ = new_key(live.installation, "acme")
    admin, _ = new_key(live.installation, "*", "admin")
    ended, kept = new_key(live.installation, "*", "support")
    live.installation.writer.write(lambda c: revoke_key(c, "*", kept.id, NOW))
    for shown in (
        None, "", "Bearer", "Bearer x", f"Bearer {own}", f"Bearer {ended}",
        f"Basic {key}", key, f"Bearer {key}x", f"Bearer {'ä' * 20}".encode(),
    ):  # fmt: skip
        answer = ask(live, shown)
        assert answer.status_code == 401, shown
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "usage_http" not in answer.text
    assert ask(live, f"Bearer {key}").status_code == 200
    assert ask(live, f"bearer {admin}").status_code == 200


def test_a_session_opens_it_for_nobody(live):
    client = WebClient(live.url, "support@usage.example")
    assert client.http.get("/metrics").status_code == 401


# --- what is counted ---------------------------------------------------------------------------
def test_requests_are_counted_by_template_method_and_status(live, key):
    before = figures(live, key)
    client = ApiClient(live)
    client.get("/balance")
    client.get("/balance")
    client.get("/no-such-call/4917012345678")
    httpx.get(f"{live.url}/api/v1/balance")
    httpx.request("BREW", f"{live.url}/somewhere")
    after = figures(live, key)

    def more(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    requests, route = "usage_http_requests_total", "/api/v1/balance"
    assert more(requests, method="GET", route=route, status="2xx") == 2
    assert more(requests, method="GET", route=route, status="4xx") == 1
    assert more(requests, method="GET", route="unmatched", status="4xx") == 1
    assert more(requests, method="OTHER", route="unmatched", status="4xx") == 1
    assert more("usage_http_request_seconds_count", method="GET", route=route) == 3
    assert more("usage_http_request_seconds_bucket", method="GET", route=route, le="+Inf") == 3
    assert more("usage_http_request_seconds_sum", method="GET", route=route) > 0


def test_events_lines_and_commits_are_counted(live, key):
    client, before = ApiClient(live), figures(live, key)
    new, wrong, old = call(), event("nothing"), sms(_time=(NOW - timedelta(days=90)).isoformat())
    assert client.send(new, wrong, old).status_code == 200
    assert client.send(new).status_code == 204
    after = figures(live, key)
    events = "usage_events_total"

    def more(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert more(events, outcome="accepted", type=new["type"], reason="") == 1
    assert more(events, outcome="duplicate", type=new["type"], reason="") == 1
    refused = {
        labels: amount - before.get((name, labels), 0)
        for (name, labels), amount in after.items()
        if name == events and ("outcome", "refused") in labels
    }
    assert sum(refused.values()) == 2
    assert all(dict(labels)["reason"] for labels in refused)
    assert more("usage_lines_written_total") >= 1
    assert more("usage_commit_seconds_count") >= 1
    assert more("usage_commit_rows_sum") >= 3
    assert value(after, "usage_writer_waiting", lane="decisions") == 0
    assert value(after, "usage_writer_waiting", lane="bulk_rows") == 0


def test_analytics_that_are_behind_say_by_how_much(live, key):
    ApiClient(live).send(call(), sms())
    behind = value(figures(live, key), "usage_sync_lag_lines")
    assert behind >= 2
    sync_all(live.installation.database, live.installation.lake)
    found = figures(live, key)
    assert value(found, "usage_sync_lag_lines") == 0
    assert value(found, "usage_sync_age_seconds") > 0, "no job has run: the test did it"


def test_the_process_its_build_its_jobs_and_streams_are_there(live, key):
    found = figures(live, key)
    names = {name for name, _ in found}
    process = {"process_resident_memory_bytes", "process_cpu_seconds_total"}
    assert {*process, "usage_streams_open"} < names
    (build,) = [dict(labels) for name, labels in found if name == "usage_build_info"]
    assert set(build) == {"version", "python"}
    jobs = {dict(labels)["job"] for name, labels in found if name == "usage_job_runs_total"}
    assert {"sync", "merge", "clean", "expire_credit"} <= jobs


def test_a_part_that_fails_leaves_the_others(live, key, monkeypatch, caplog):
    def fails() -> int:
        raise OSError("analytics are gone")

    monkeypatch.setattr(live.installation.lake, "position", fails)
    found = figures(live, key)
    names = {name for name, _ in found}
    assert "usage_sync_lag_lines" not in names
    assert {"usage_writer_waiting", "usage_job_runs_total"} < names
    assert "could not be read" in caplog.text


def test_nothing_of_a_tenant_is_in_it(live, key):
    client = ApiClient(live)
    client.send(call())
    client.get("/balance", account="acme")
    WebClient(live.url, OWNER).page("/billing/usage/sms_credits", "?campaign=winback")
    text = ask(live, f"Bearer {key}").text
    for each in ("acme", "Acme", "globex", "winback", "INR", "micros", OWNER, key):
        assert each not in text


def test_labels_stay_few_whatever_is_asked(live, key):
    client, figures_before = ApiClient(live), len(figures(live, key))
    for n in range(60):
        client.http.request(f"X{n}", f"/none/{n}")
        httpx.get(f"{live.url}/page-{n}?a={n}")
        client.send(event(f"kind{n}"))
    assert len(figures(live, key)) - figures_before < 60


# --- one registry an application ---------------------------------------------------------------
def test_two_applications_count_apart():
    first, second = Metrics(), Metrics()
    first.count_request("GET", "/x", 200, 0.01)
    first.count_commit(Commit(0.01, 1, 2, is_kept=True))
    first.count_commit(Commit(0.01, 1, 2, is_kept=False))
    assert b'route="/x"' in first.text()
    assert b"usage_commits_failed_total 1.0" in first.text()
    assert b'route="/x"' not in second.text()
    assert not any("usage_" in family.name for family in REGISTRY.collect())


def test_a_streams_length_is_no_latency():
    metrics = Metrics()
    metrics.count_request("GET", "/stream", 200, None)
    counted = 'usage_http_requests_total{method="GET",route="/stream",status="2xx"} 1.0'
    assert counted in metrics.text().decode()
    assert "usage_http_request_seconds_count" not in metrics.text().decode()
