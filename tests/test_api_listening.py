"""The sockets a server listens on: whose they are, and what the kernel ends on them."""

import errno
import socket
import time
from contextlib import closing, suppress

import pytest
from fastapi import FastAPI

from api import listening
from api.listening import listen_at
from api.server import serve
from billing.errors import InputError
from tests.live import Live, LiveServer

ENDS_WITHIN = 30.0  # seconds, with a patience of one
of_linux = pytest.mark.skipif(
    not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the platform has no such option"
)


def patience_seconds(wire: socket.socket) -> float:
    return wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) / 1000


def deaf_client(port: int) -> socket.socket:
    """Stays connected, takes next to nothing."""
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    wire.connect(("127.0.0.1", port))
    return wire


def fill(wire: socket.socket) -> None:
    """Sends until the kernel takes no more."""
    wire.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            wire.send(b"x" * 65_536)


@of_linux
def test_a_connection_that_a_server_accepted_has_the_patience(
    live: Live, server: LiveServer
) -> None:
    with closing(deaf_client(server.port)) as wire:
        wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.recv(100).startswith(b"HTTP/1.1 200")
        accepted = [
            connection.transport.get_extra_info("socket")
            for connection in server._server.server_state.connections
        ]
        assert accepted
        assert {patience_seconds(each) for each in accepted} == {listening.UNREAD_SECONDS}


@of_linux
def test_the_kernel_ends_one_that_takes_nothing_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "UNREAD_SECONDS", 1)
    with listen_at("127.0.0.1", 0) as (listener,):
        listener.listen()
        with closing(deaf_client(listener.getsockname()[1])):  # it never goes by itself
            accepted, _ = listener.accept()
            with closing(accepted):
                fill(accepted)
                deadline = time.monotonic() + ENDS_WITHIN
                while not (error := accepted.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
                    assert time.monotonic() < deadline, "the connection outlived its patience"
                    time.sleep(0.05)
                assert error == errno.ETIMEDOUT


@of_linux
def test_one_that_reads_slowly_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "UNREAD_SECONDS", 1)
    with listen_at("127.0.0.1", 0) as (listener,):
        listener.listen()
        with closing(deaf_client(listener.getsockname()[1])) as slow:
            accepted, _ = listener.accept()
            with closing(accepted):
                until = time.monotonic() + 4
                while time.monotonic() < until:
                    fill(accepted)
                    assert slow.recv(65_536)
                    time.sleep(0.1)
                assert not accepted.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def test_a_name_stands_for_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, 1, 6, "", (f"127.0.0.{n}", 0)) for n in (1, 2, 2)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with listen_at("both.example", 0) as sockets:
        assert [each.getsockname()[0] for each in sockets] == ["127.0.0.1", "127.0.0.2"]
    assert [each.fileno() for each in sockets] == [-1, -1], "nothing stays taken"


def test_an_address_the_machine_lacks_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, 1, 6, "", (address, 0)) for address in ("203.0.113.1", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with listen_at("both.example", 0) as sockets:
        assert [each.getsockname()[0] for each in sockets] == ["127.0.0.1"]


def test_a_port_that_is_taken_before_the_server_listens_is_named() -> None:
    """Two that start at once both have the port until one of them listens."""
    with listen_at("127.0.0.1", 0) as (first,):
        port = first.getsockname()[1]
        with listen_at("127.0.0.1", port) as sockets:
            first.listen()
            with pytest.raises(InputError, match=f"port '{port}'"):
                serve(FastAPI(), sockets, "warning")
