"""The server under clients that are slow, rude or gone: others are answered, nothing is cut."""

import logging
import socket
import time
from contextlib import closing
from datetime import timedelta

import httpx
import pytest

from api import screens
from api.server import server_config
from billing.events import SmsEvent
from exports import csv_files
from tests.live import NOW, OWNER, Live, LiveServer, post
from tests.web_client import WebClient

MANY = screens.SCREEN_THREADS + 4
FORM = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n"
FILE = "/export/usage/transactions.csv?from=2026-10-01&to=2026-11-23"
LONG_FILE_LINES = 4_000
ANSWERS_WITHIN = 15  # seconds, on a busy machine; a server without threads never answers


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    lines = [
        SmsEvent(
            source="bulk", id=str(n), occurred_at=NOW - timedelta(minutes=n),
            direction="outbound", segments=1, campaign="c" * 200, consumer="u" * 200,
        )
        for n in range(LONG_FILE_LINES)
    ]  # fmt: skip
    post(server.installation, "acme", lines)
    return server


def connect(live: Live, request: str) -> socket.socket:
    """A connection on which a request was begun; it takes as little of an answer as it can."""
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    wire.connect(("127.0.0.1", int(live.url.rpartition(":")[2])))
    wire.settimeout(ANSWERS_WITHIN)
    wire.sendall(request.encode("latin1"))
    return wire


def test_slow_forms_keep_nobody_waiting(live):
    begun = [
        connect(live, f"POST /sign-in HTTP/1.1\r\nHost: x\r\n{FORM}\r\na=b") for _ in range(MANY)
    ]
    answer = httpx.get(f"{live.url}/sign-in", timeout=ANSWERS_WITHIN)
    assert answer.status_code == 200
    for wire in begun:
        wire.close()


def test_a_form_that_does_not_come_is_given_up(live, monkeypatch):
    monkeypatch.setattr(screens, "BODY_SECONDS", 0.2)
    with closing(connect(live, f"POST /sign-in HTTP/1.1\r\nHost: x\r\n{FORM}\r\na=b")) as wire:
        assert wire.recv(1000).startswith(b"HTTP/1.1 408")


def test_a_form_in_pieces_is_put_together(live):
    client = WebClient(live.url)
    client.http.get("/sign-in")
    text = f"csrf_token={client.token}&email=nobody&password=wrong"
    cookies = "; ".join(f"{name}={value}" for name, value in client.http.cookies.items())
    head = f"POST /sign-in HTTP/1.1\r\nHost: x\r\nCookie: {cookies}\r\n" + FORM
    with closing(connect(live, head.replace("1000", str(len(text))) + "\r\n")) as wire:
        for at in range(0, len(text), 20):
            wire.sendall(text[at : at + 20].encode())
            time.sleep(0.01)
        assert wire.recv(1000).startswith(b"HTTP/1.1 401")


def test_downloads_that_nobody_reads_keep_no_page_waiting(live, monkeypatch):
    monkeypatch.setattr(screens, "READ_SECONDS", 1)
    client = WebClient(live.url, OWNER)
    cookies = "; ".join(f"{name}={value}" for name, value in client.http.cookies.items())
    request = f"GET {FILE} HTTP/1.1\r\nHost: x\r\nCookie: {cookies}\r\n\r\n"
    begun = [connect(live, request) for _ in range(MANY)]
    assert client.http.get("/sign-in", timeout=ANSWERS_WITHIN).status_code == 303
    assert "Usage" in client.page("/billing/usage", "")
    for wire in begun:
        wire.close()
    rows = client.http.get(FILE).text
    assert rows.count("\r\n") > LONG_FILE_LINES, "and a later one is whole"


def test_a_download_that_fails_in_the_middle_does_not_look_whole(live, monkeypatch):
    client = WebClient(live.url, OWNER)
    lines = iter(range(csv_files.ROWS_PER_CHUNK * 3))
    original = csv_files._transaction

    def fails_late(*given):
        if next(lines, None) is None:
            raise OSError("the disk is gone")
        return original(*given)

    monkeypatch.setattr(csv_files, "_transaction", fails_late)
    with pytest.raises(httpx.RemoteProtocolError):
        client.http.get(FILE)


def test_the_head_of_a_request_has_a_bound(live):
    for head in ("GET /sign-in?{} HTTP/1.1", "GET /sign-in HTTP/1.1\r\nX-Long: {}"):
        wire = connect(live, head.format("a" * 70_000))
        answer = wire.recv(100)
        assert answer.startswith(b"HTTP/1.1 4"), head
        wire.close()


@pytest.mark.parametrize(
    "target",
    ["/sign-in?next=\xff", "/billing/us\xffage", "/sign-in?next=%ff%00", "/%00", "/%ff%fe",
     "*", "http://evil.example/healthz?x", "//evil.example/..", "/?" + "a=b&" * 10_000],
)  # fmt: skip
def test_an_odd_address_is_no_fault_of_ours(live, target):
    wire = connect(
        live, f"GET {target} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    )
    answer = wire.recv(3000)
    assert 200 <= int(answer.split()[1]) < 500
    assert b"location: http" not in answer.lower()
    assert b"location: //" not in answer.lower()
    wire.close()


def test_a_foreign_host_is_repeated_on_no_page(live):
    client = WebClient(live.url, OWNER)
    for path in ("/billing/usage", "/sign-in", "/no-such-page", "/export/usage/none.csv"):
        answer = client.http.get(path, headers={"Host": "evil.example"})
        assert "evil.example" not in answer.text + str(answer.headers)


def test_a_claimed_address_is_not_believed(live):
    assert server_config(live.application, "127.0.0.1", 1, "INFO").proxy_headers is False


def test_a_fault_outside_the_screens_is_answered_and_protected(live):
    def broken() -> None:
        raise RuntimeError("a detail that no answer may show")

    routes = live.application.router.routes
    live.application.get("/broken")(broken)
    routes.insert(0, routes.pop())
    answer = httpx.get(f"{live.url}/broken")
    del routes[0]
    assert answer.status_code == 500
    assert "no answer may show" not in answer.text
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_a_failed_query_is_logged_without_its_values(live, caplog):
    with live.installation.database.read() as connection, pytest.raises(Exception) as raised:  # noqa: PT011
        connection.exec_driver_sql("SELECT * FROM nowhere WHERE email = ?", ("ann@x.example",))
    assert "ann@x.example" not in str(raised.value)


def test_nothing_secret_is_logged(live, caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore"):  # what the test itself sends
        caplog.set_level(logging.WARNING, name)
    client = WebClient(live.url, OWNER)
    client.page("/billing/usage/sms_credits", "?campaign=winback&cursor=broken")
    client.post("/sign-in", email=OWNER, password="a wrong password")
    session = client.http.cookies["usage_session"]
    for secret in (OWNER, "browser-test-password", "a wrong password", client.token, session):
        assert secret not in caplog.text


def test_a_stop_waits_for_no_client_for_ever(tmp_path):
    server = LiveServer(tmp_path)
    live = server.start()
    wire = connect(live, f"POST /sign-in HTTP/1.1\r\nHost: x\r\n{FORM}\r\na=b")
    begun = time.monotonic()
    server.stop()
    assert time.monotonic() - begun < 15
    wire.close()
