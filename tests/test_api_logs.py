"""The log: a line a request, its id on every line of it, and nothing that must not be kept."""

import io
import json
import logging
import re
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from data import logs
from data.logs import BLOT, begin_request, configure_logging, formatter, note
from tests.api_client import ApiClient
from tests.live import OWNER, PASSWORD, Live
from tests.web_client import WebClient

NUMBER = "+4917012345678"
PLAIN_NUMBER = "919000012345"
ID = "0123456789abcdef"


class Log:
    """What is written to standard error, line by line."""

    def __init__(self) -> None:
        self.file = io.StringIO()

    @property
    def text(self) -> str:
        return self.file.getvalue()

    def lines(self, **wanted: Any) -> list[dict[str, Any]]:
        """JSON lines with these values."""
        lines = [json.loads(line) for line in self.text.splitlines()]
        return [line for line in lines if wanted.items() <= line.items()]

    def one(self, **wanted: Any) -> dict[str, Any]:
        """The one line with these values, waited for: it may come after the answer."""
        for _ in range(200):
            found = self.lines(**wanted)
            if found:
                threading.Event().wait(0.05)
                assert len(self.lines(**wanted)) == 1, self.text
                return found[0]
            threading.Event().wait(0.02)
        raise AssertionError(f"no line of {wanted} in {self.text}")

    def access(self, request_id: str) -> dict[str, Any]:
        """The access line of a request."""
        return self.one(logger="usage.access", request_id=request_id)


@pytest.fixture
def log(monkeypatch) -> Iterator[Log]:
    log = Log()
    root = logging.getLogger()
    kept, level = list(root.handlers), root.level
    monkeypatch.setattr(logs._StandardError, "stream", log.file)  # pytest has its own stderr
    configure_logging("DEBUG", "json")
    yield log
    root.handlers[:] = kept
    root.setLevel(level)


def get(live: Live, path: str, request_id: str = ID, **rest: Any) -> httpx.Response:
    headers = {"X-Request-ID": request_id, **rest.pop("headers", {})}
    return httpx.get(f"{live.url}{path}", headers=headers, timeout=60, **rest)


# --- one line a request ------------------------------------------------------------------------
def test_a_request_is_one_line_with_its_template_and_account(live, log):
    client = ApiClient(live)
    answer = client.http.get("/balance?account=acme", headers={"X-Request-ID": "from.the-caller_1"})
    assert answer.status_code == 200
    assert answer.headers["X-Request-ID"] == "from.the-caller_1"
    line = log.access("from.the-caller_1")
    assert line["level"] == "info"
    assert (line["method"], line["route"]) == ("GET", "/api/v1/balance")
    assert (line["account"], line["status"]) == ("acme", 200)
    assert 0 < line["ms"] < 60_000
    assert "account=" not in log.text, "no query string"


def test_a_screen_is_noted_by_its_rule_and_account(live, log):
    client = WebClient(live.url, OWNER)
    file = "/export/usage/sms_credits/daily.csv?campaign=winback"
    answer = client.http.get(file, headers={"X-Request-ID": ID})
    line = log.access(answer.headers["X-Request-ID"])
    assert line["route"] == "/export/usage/<metric_id>/<file_name>"
    assert (line["account"], line["status"]) == ("acme", 200)
    assert "winback" not in log.text


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/healthz", "/healthz", 200),
        ("GET", f"/api/v1/nothing/{PLAIN_NUMBER}", "unmatched", 404),
        ("GET", f"/api/else/{PLAIN_NUMBER}", "/api/{path:path}", 404),
        ("GET", f"/page/{PLAIN_NUMBER}", "/<path:path>", 302),
        ("BREW", "/healthz", "unmatched", 401),
        ("POST", "/healthz", "unmatched", 401),
    ],
)
def test_an_address_is_never_written_as_it_came(live, log, method, path, route, status):
    answer = httpx.request(method, live.url + path, headers={"X-Request-ID": ID})
    assert answer.status_code == status
    line = log.access(ID)
    assert (line["route"], line["status"]) == (route, status)
    assert line["method"] == (method if method != "BREW" else "OTHER")
    assert PLAIN_NUMBER not in log.text


@pytest.mark.parametrize("bad", ["short", "a" * 65, "with space1", "semi;colon;", "ünïcödé-1234"])
def test_an_id_that_is_not_well_formed_is_replaced(live, log, bad):
    answer = get(live, "/api/v1/balance", headers={"X-Request-ID": bad.encode()})
    given = answer.headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{16}", given)
    assert answer.json()["request_id"] == given
    assert log.access(given)["status"] == 401


# --- nothing that must not be kept -------------------------------------------------------------
def test_nothing_secret_or_personal_is_logged(live, log):
    api, person = ApiClient(live), WebClient(live.url, OWNER)
    person.page("/billing/usage/sms_credits", "?campaign=winback")
    person.post("/sign-in", email=OWNER, password="a wrong password")
    json_type = {"Content-Type": "application/cloudevents+json"}
    api.http.post("/events", content=f'{{"to": "{NUMBER}", ', headers=json_type)
    api.http.post("/events", json={"specversion": "1.0", "to": NUMBER}, headers=json_type)
    api.get("/balance", account=f"{PLAIN_NUMBER}")
    get(live, "/api/v1/balance", headers={"Authorization": "Bearer usage_" + "a1B" * 14})
    session = person.http.cookies["usage_session"]
    for secret in (
        api.key, "a1Ba1Ba1B", session, person.token, OWNER, PASSWORD, "a wrong password",
        NUMBER, NUMBER[1:], PLAIN_NUMBER, "winback",
    ):  # fmt: skip
        assert secret not in log.text
    assert len(log.lines(logger="usage.access")) >= 8


def test_a_failure_is_told_once_with_its_id_and_without_values(live, log):
    values = ("ann@x.example", NUMBER, PLAIN_NUMBER, "Tx9" * 15)

    def broken() -> None:
        with live.installation.database.read() as connection:
            connection.exec_driver_sql("SELECT * FROM nowhere WHERE a = ? AND b = ?", values[:2])

    def loud() -> None:
        raise ValueError(f"can't use {' '.join(values)}\nINFO a line of its own")

    routes = live.application.router.routes
    for number, fails in enumerate((broken, loud)):
        live.application.get(f"/broken/{number}")(fails)
        routes.insert(0, routes.pop())
        answer = get(live, f"/broken/{number}", request_id=f"broken-{number}")
        del routes[0]
        assert answer.status_code == 500
        assert answer.json()["request_id"] == f"broken-{number}"
        assert log.access(f"broken-{number}")["status"] == 500
        told = log.one(level="error", request_id=f"broken-{number}")
        assert told["route"] == f"/broken/{number}"
        assert fails.__name__ in told["exception"], "where it failed is told"
    for value in values:
        assert value not in log.text
    assert BLOT in log.text


def test_a_fault_behind_the_api_is_told_once(live, log):
    client = ApiClient(live)
    live.reader.failing.add("balance")
    answer = client.http.get("/balance", headers={"X-Request-ID": ID})
    live.reader.failing.clear()
    assert answer.status_code == 500
    assert answer.json()["request_id"] == ID
    log.access(ID)
    told = log.one(level="error", request_id=ID)
    assert (told["account"], told["route"]) == ("acme", "/api/v1/balance")


# --- how a line is made ------------------------------------------------------------------------
def record(message: str, *values: object, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("a.b", logging.INFO, "x.py", 1, message, values, info)


@pytest.mark.parametrize("is_json", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\u2028", "\x85", "\x1b[2J", "\x0b"])
def test_a_value_never_begins_a_line(is_json, end):
    begin_request("0123", "GET")
    note(route=f"/x{end}2026 INFO forged", account="acme")
    error = ValueError(f"bad{end}2026 INFO forged")
    said = record("said %s", f"x{end}2026 INFO fake", error=error)
    text = formatter(is_json=is_json).format(said)
    first, *below = text.splitlines()
    assert all(line.startswith("    ") for line in below)
    assert not any(each in text for each in "\r\u2028\x85\x1b\x0b")
    assert not is_json or (not below and json.loads(first)["account"] == "acme")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("key usage_abcdefghijklmnopqrstuv123", f"key {BLOT}"),
        ("Authorization: Bearer abc.def-123456", f"Authorization: {BLOT}"),
        ("from owner@acme.example now", f"from {BLOT} now"),
        ("from owner%40acme.example now", f"from {BLOT} now"),
        (f"to {NUMBER}", f"to {BLOT}"),
        ("to +49 170 1234567.", f"to {BLOT}."),
        ("'919000012345'", f"'{BLOT}'"),
        ("id 01939c0e-5d5c-7aaa-8bbb-123456789012", "id 01939c0e-5d5c-7aaa-8bbb-123456789012"),
        ("at 1763809200000000 us, 12.345678901 s", "at 1763809200000000 us, 12.345678901 s"),
        ("in test_a_function_with_a_name_that_is_very_long_indeed",) * 2,
    ],
)
def test_what_slips_into_a_message_is_blotted_out(said, kept):
    assert json.loads(formatter(is_json=True).format(record(said)))["event"] == kept


def test_a_thread_of_a_request_shares_what_is_known_of_it():
    facts = begin_request("0123", "GET")
    import contextvars

    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: context.run(note, account="acme"))
    thread.start()
    thread.join()
    assert facts["account"] == "acme"


def test_libraries_speak_the_same_way(log):
    logging.getLogger("uvicorn.error").warning("a library says")
    logging.getLogger("apscheduler.executors").error("a job failed")
    logging.getLogger("alembic.runtime").info("chatter")
    assert [line["event"] for line in log.lines()] == ["a library says", "a job failed"]


def test_text_is_for_terminals_and_json_for_the_rest(monkeypatch, log):
    monkeypatch.setattr(sys, "stderr", log.file)
    configure_logging("INFO", "auto")
    logging.getLogger("a").info("one")
    monkeypatch.setattr(log.file, "isatty", lambda: True, raising=False)
    configure_logging("INFO", "auto")
    logging.getLogger("a").info("two")
    first, second = log.text.splitlines()
    assert json.loads(first)["event"] == "one"
    assert second.split()[1:3] == ["INFO", "a"]
    assert "two" in second


@pytest.mark.parametrize(
    "piece",
    ["a", "a1B-", "1", "+1 ", "x@", "a.b+", "usage_", "bearer ", "%40", "a@b.", " ", "\n"],
)
def test_a_long_hostile_text_is_cut_and_takes_no_time(piece):
    begun = time.perf_counter()
    line = formatter(is_json=True).format(record(piece * 200_000 + " the end"))
    assert time.perf_counter() - begun < 2
    assert len(line) < 3 * logs.LONGEST_TEXT
    assert json.loads(line)["event"].endswith("the end")
