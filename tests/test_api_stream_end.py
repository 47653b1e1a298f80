"""When a stream ends, and what happens in between: sign-out, expiry, a new day, a deaf reader."""

import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Update, update

from api import live_feed, stream
from data import tables as t
from data.access.keys import revoke_key
from tests.live import NOW, OTHER, OWNER, SUPPORT
from tests.stream_ear import Ear, add, hub_of, listening, post, set_clock, wait_for
from tests.web_client import WebClient


def _execute(change: Update, connection: Connection) -> None:
    connection.execute(change)


def _is_over(ear: Ear) -> bool:
    return ear.is_over


def _has_beaten(ear: Ear, count: int) -> bool:
    return ear.comments > count


def _has_line(ear: Ear, line_id: str) -> bool:
    return line_id in ear.lines


@pytest.fixture
def owner(live) -> Iterator[WebClient]:
    client = WebClient(live.url, OWNER)
    yield client
    client.close()


def test_a_sign_out_ends_it_before_the_next_word(live, owner):
    with listening(live, owner) as ear:
        assert owner.post("/sign-out").status_code == 303
        post(live, "not for them")
        wait_for(lambda: ear.is_over)
        assert ear.of("bye") == [{"reason": "signed_out"}]
        assert ear.lines == []


def test_heartbeats_and_what_ends_between_two(live, monkeypatch):
    monkeypatch.setattr(live_feed, "HEARTBEAT_SECONDS", 0.3)
    client = WebClient(live.url, OTHER)
    with listening(live, client) as ear:
        wait_for(lambda: ear.comments >= 2)
        client.post("/sign-out")
        wait_for(lambda: ear.is_over)
        assert ear.of("bye") == [{"reason": "signed_out"}]
    client.close()


def test_an_expired_session_and_a_disabled_person_hear_no_more(live, monkeypatch):
    monkeypatch.setattr(live_feed, "HEARTBEAT_SECONDS", 0.3)
    sessions, people = t.sessions, t.people
    changes = [
        update(sessions).values(expires_at=NOW - timedelta(minutes=1)),
        update(people).where(people.c.email == OTHER).values(disabled_at=NOW),
    ]
    for change in changes:
        client = WebClient(live.url, OTHER)
        with listening(live, client) as ear:
            live.installation.writer.write(partial(_execute, change))
            wait_for(partial(_is_over, ear))
            assert ear.of("bye") == [{"reason": "signed_out"}]
        client.close()
    enable = update(people).values(disabled_at=None)
    live.installation.writer.write(lambda c: c.execute(enable))


def test_an_open_stream_keeps_no_session_alive(live, server, monkeypatch):
    monkeypatch.setattr(live_feed, "HEARTBEAT_SECONDS", 0.2)
    client = WebClient(live.url, OTHER)
    try:
        with listening(live, client) as ear:
            for hours in (1, 2, 3):
                set_clock(server, NOW + timedelta(hours=hours))
                heard = ear.comments
                wait_for(partial(_has_beaten, ear, heard + 1))
            set_clock(server, NOW + timedelta(hours=4, minutes=5))
            wait_for(lambda: ear.is_over)
            assert ear.of("bye") == [{"reason": "signed_out"}]
    finally:
        set_clock(server, NOW)
        client.close()


def test_another_chosen_account_ends_it(live):
    client = WebClient(live.url, SUPPORT)
    with listening(live, client) as ear:
        account = ear.of("hello")[0]["account"]
        wanted = "globex" if account != "globex" else "acme"
        client.post("/session/account", account=wanted)
        post(live, f"turned to {wanted}", account_id=account)
        wait_for(lambda: ear.is_over)
        assert ear.of("account") == [{"account": wanted}]
        assert ear.lines == []
    client.close()


def test_a_revoked_key_hears_no_more(live):
    key, key_id = add(live, "acme", "wallet:read", "usage:read")
    with listening(live, key) as ear:
        live.installation.writer.write(lambda c: revoke_key(c, "acme", key_id, NOW))
        post(live, "revoked")
        wait_for(lambda: ear.is_over)
        assert ear.of("bye") == [{"reason": "signed_out"}]


def test_a_new_day_is_told_without_news(live, server, monkeypatch):
    monkeypatch.setattr(live_feed, "HEARTBEAT_SECONDS", 0.3)
    key, _ = add(live, "acme", "wallet:read", "usage:read")
    try:
        with listening(live, key) as ear:
            assert ear.of("balance")[-1]["today_micros"] > 0
            set_clock(server, NOW + timedelta(days=1))
            wait_for(lambda: ear.of("balance")[-1]["today_micros"] == 0)
    finally:
        set_clock(server, NOW)


def test_one_that_does_not_read_is_let_go_and_keeps_nobody_waiting(live, owner, monkeypatch):
    monkeypatch.setattr(stream, "READ_SECONDS", 2.0)
    monkeypatch.setattr(live_feed, "HEARTBEAT_SECONDS", 0.3)
    monkeypatch.setattr(live_feed, "event", _padded)
    cookies = "; ".join(f"{name}={value}" for name, value in owner.http.cookies.items())
    with closing(socket.socket()) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect(("127.0.0.1", int(live.url.rpartition(":")[2])))
        head = f"GET /stream HTTP/1.1\r\nHost: x\r\nCookie: {cookies}\r\n\r\n"
        deaf.sendall(head.encode("latin1"))
        wait_for(lambda: hub_of(live).stream_count == 1)
        key, _ = add(live, "acme", "wallet:read", "usage:read")
        with listening(live, key) as ear:
            for n in range(4):
                post(live, f"deaf {n}")
                wait_for(partial(_has_line, ear, f"deaf {n}"))
            wait_for(lambda: hub_of(live).stream_count == 1)
        # One that goes with much unread is noticed by the next thing there is to say.
        wait_for(lambda: hub_of(live).stream_count == 0)


def _padded(name: str, data: str, place: Any = None) -> bytes:
    """An event too large for the buffers between server and reader."""
    head = f"id: {place}\n" if place is not None else ""
    return f"{head}event: {name}\nignored: {'x' * 6_000_000}\ndata: {data}\n\n".encode()


def test_a_revoked_key_is_told_no_more_of_a_long_backlog(live, monkeypatch):
    """Standing is asked for again between two pages of what was missed."""
    key, key_id = add(live, "acme", "usage:read")
    post(live, *(f"backlog {n}" for n in range(300)))
    told = live_feed.Feed._lines_after

    def revoke_first(feed: Any, *given: Any) -> Any:
        live.installation.writer.write(lambda c: revoke_key(c, "acme", key_id, NOW))
        return told(feed, *given)

    monkeypatch.setattr(live_feed.Feed, "_lines_after", revoke_first)
    with listening(live, key, {"event": "transactions", "after": "0-0"}) as ear:
        wait_for(lambda: ear.is_over)
        assert len(ear.lines) <= live_feed.MOST_LINES
        assert ear.of("bye") == [{"reason": "signed_out"}]
