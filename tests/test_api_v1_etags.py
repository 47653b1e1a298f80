"""Fingerprints: what hasn't changed isn't sent again, what has is; a body is bounded."""

import json
import socket
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from api.v1.etags import etag_of, is_known
from billing.limits import limit
from tests.api_client import sms
from tests.live import NOW, Live

PATHS = ["/usage", "/usage?granularity=day&group_by=metric", "/transactions", "/rates", "/balance",
         "/openapi.json"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_what_has_not_changed_is_not_sent_again(live, acme, path):
    first = acme.http.get(path)
    etag = first.headers["ETag"]
    assert etag.startswith('W/"')
    assert first.headers["Cache-Control"] == "private, no-cache"
    live.clock_file.write_text((NOW + timedelta(seconds=90)).isoformat())
    try:
        for known in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
            again = acme.http.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b""), known
            assert again.headers["ETag"] == etag
            assert again.headers["Cache-Control"] == "private, no-cache"
            assert "Content-Type" not in again.headers
            assert again.headers["X-Content-Type-Options"] == "nosniff"
        other = acme.http.get(path, headers={"If-None-Match": 'W/"other"'})
        assert (other.status_code, other.headers["ETag"]) == (200, etag)
    finally:
        live.clock_file.write_text(NOW.isoformat())


def test_what_has_changed_is_sent(acme):
    paths = ("/usage", "/transactions", "/balance")
    before = {path: acme.http.get(path).headers["ETag"] for path in paths}
    assert acme.send_one(sms()).status_code == 204
    for path, etag in before.items():
        after = acme.http.get(path, headers={"If-None-Match": etag})
        assert after.status_code == 200
        assert after.headers["ETag"] != etag


def test_a_refusal_has_no_fingerprint(acme):
    answer = acme.http.get("/usage?from=x", headers={"If-None-Match": "*"})
    assert answer.status_code == 422
    assert "ETag" not in answer.headers
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_only_the_instants_of_reading_are_left_out():
    def etag(**content: str) -> str:
        return etag_of(json.dumps(content, separators=(",", ":")).encode())

    assert etag(a="1", as_of="x") == etag(a="1", as_of="y")
    assert etag(a="1", watermark="x") == etag(a="1", watermark="y")
    assert etag(a="1") != etag(a="2")
    assert etag(stored_at="x") != etag(stored_at="y")
    assert etag(a='"watermark":"x"') != etag(a='"watermark":"y"'), "a text that looks like one"


@pytest.mark.parametrize(
    ("sent", "is_it"),
    [(['W/"a"'], True), (['"a"'], True), (['"b"', '"a"'], True), (['"b", W/"a"'], True),
     (['"b"'], False), ([], False), ([""], False), (["*"], True)],
)  # fmt: skip
def test_a_fingerprint_is_compared_weakly(sent, is_it):
    assert is_known(sent, 'W/"a"') is is_it


def raw(live: Live, head: str, body: bytes = b"") -> bytes:
    """The beginning of the answer to bytes that are sent as they are."""
    address = urlsplit(live.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as link:
        link.sendall(head.replace("\n", "\r\n").encode() + body)
        return link.recv(4_000)


@pytest.mark.parametrize("path", ["/events", "/usage", "/wallet/top-ups"])
def test_a_body_is_refused_by_its_length_before_it_is_sent(live, acme, path):
    method = "GET" if path == "/usage" else "POST"
    answer = raw(
        live,
        f"{method} /api/v1{path} HTTP/1.1\nHost: x\nAuthorization: Bearer {acme.key}\n"
        f"Idempotency-Key: a\nContent-Type: application/json\n"
        f"Content-Length: {limit('body') + 1}\n\n",
    )
    expected = b"HTTP/1.1 200" if method == "GET" else b"HTTP/1.1 413"  # a GET reads no body
    assert answer.startswith(expected), answer


@pytest.mark.parametrize("path", ["/events", "/wallet/top-ups"])
def test_a_body_of_unknown_length_is_refused_when_it_passes_the_limit(live, acme, path):
    piece = b"x" * 1_000_000
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for _ in range(6))
    answer = raw(
        live,
        f"POST /api/v1{path} HTTP/1.1\nHost: x\nAuthorization: Bearer {acme.key}\n"
        "Idempotency-Key: b\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n",
        pieces,  # and never the end of it
    )
    assert answer.startswith(b"HTTP/1.1 413"), answer
    assert b'"code":"too_large"' in answer
    assert b"application/problem+json" in answer
