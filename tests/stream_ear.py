"""A stream as a test hears it: a connection of its own, what was said on it, how it ended."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import httpx

from api.hub import Hub
from billing.events import SmsEvent
from data.access.keys import add_key
from data.reading.news import place_of
from tests.live import NOW, Live, LiveServer
from tests.web_client import WebClient

SOON = 20.0  # seconds, on a busy machine


def hub_of(live: Live) -> Hub:
    hub = live.application.state.hub
    assert isinstance(hub, Hub)
    return hub


def wait_for(what: Callable[[], bool], seconds: float = SOON) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.01)


class Ear:
    """A stream and what it has said: ``events`` as (name, data, id)."""

    def __init__(self, live: Live, headers: dict[str, str], params: Any, *, is_read: bool) -> None:
        self.events: list[tuple[str, Any, str | None]] = []
        self.comments = 0
        self.is_over = False  # the server has ended it, whole
        self._wire = http.client.HTTPConnection(live.url.removeprefix("http://"), timeout=60)
        self._wire.request("GET", f"/stream?{httpx.QueryParams(params or {})}", headers=headers)
        self.answer = self._wire.getresponse()
        self.status = self.answer.status
        self._thread = threading.Thread(target=self._listen)
        if is_read:
            self._thread.start()

    def _listen(self) -> None:
        fields: dict[str, str] = {}
        with suppress(OSError, http.client.HTTPException):
            for line in self.answer:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                fields[name] = value
                if name:
                    continue
                if "event" in fields:
                    told = fields["event"], json.loads(fields["data"]), fields.get("id")
                    self.events.append(told)
                else:
                    self.comments += "still here" in fields.values()
                fields = {}
            self.is_over = self.answer.isclosed()

    def of(self, name: str) -> list[Any]:
        return [data for kind, data, _ in self.events if kind == name]

    @property
    def lines(self) -> list[str]:
        told = self.of("transactions")
        return [row["source_id"] for data in told for row in data["transactions"]]

    def close(self) -> None:
        if self._wire.sock:
            with suppress(OSError):
                self._wire.sock.shutdown(socket.SHUT_RDWR)
        if self._thread.ident:
            self._thread.join(SOON)
        self._wire.close()
        self.answer.close()  # holds the socket too: only now does the server hear of the end


@contextmanager
def listening(
    live: Live, client: WebClient | dict[str, str], params: Any = None, **headers: str
) -> Iterator[Ear]:
    """A stream that has said where things stand; afterwards it has ended on the server too.

    ``client``: a person, or a key's header.
    """
    if isinstance(client, WebClient):
        cookies = "; ".join(f"{name}={value}" for name, value in client.http.cookies.items())
        client = {"Cookie": cookies}
    before = hub_of(live).stream_count
    ear = Ear(live, {**client, **headers}, params, is_read=True)
    try:
        assert ear.status == 200, ear.answer.read()
        wants_balance = "balance" in (params or {}).get("event", ["balance"])
        wait_for(lambda: bool(ear.of("balance" if wants_balance else "hello")))
        yield ear
    finally:
        ear.close()
    wait_for(lambda: hub_of(live).stream_count <= before)


def post(live: Live, *names: str, account_id: str = "acme", **rest: Any) -> None:
    """Messages through the path of live events, committed when this returns."""
    given: dict[str, Any] = {"segments": 2, **rest}
    events = [
        SmsEvent(
            source="stream", id=name, occurred_at=NOW - timedelta(minutes=1),
            direction="outbound", **given,
        )
        for name in names
    ]  # fmt: skip
    for answer in live.installation.intake.submit(account_id, events, NOW):
        assert {outcome.status for outcome in answer.result(SOON)} == {"accepted"}


def place(live: Live, account_id: str = "acme") -> str:
    with live.installation.database.read() as connection:
        return str(place_of(connection, account_id))


def set_clock(server: LiveServer, at: datetime) -> None:
    """Puts the clock at an instant, at once for whoever reads it meanwhile."""
    part = server.clock_file.with_suffix(".part")
    part.write_text(at.isoformat())
    part.replace(server.clock_file)


def add(live: Live, account_id: str, *scopes: str) -> tuple[dict[str, str], str]:
    """A new key as a header, and its id."""
    installation = live.installation
    shown, key = installation.writer.write(
        lambda c: add_key(c, installation.pseudonyms, account_id, scopes, NOW)
    )
    return {"Authorization": f"Bearer {shown}"}, key.id
