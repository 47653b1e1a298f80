"""Behind a proxy: who a request comes from, and whether its cookies may travel in the clear."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from flask import Flask

from api.forwarded import MOST_HOPS
from api.metrics import Metrics
from api.protection import protect
from billing.errors import InputError
from data.settings import Settings, load_settings
from tests.live import OWNER, PASSWORD, Live, LiveServer
from tests.web_client import WebClient

PROXY, INNER, CLIENT, LIAR = "10.0.0.5", "10.1.2.3", "203.0.113.9", "198.51.100.7"
TRUSTED = "10.0.0.5, 10.1.0.0/16, fd00::/8"


def application(**settings: Any) -> FastAPI:
    """A server that says who asked and sets a cookie, with everything that protects a real one."""
    server = FastAPI()

    @server.get("/who")
    def who(request: Request, response: Response) -> dict[str, str]:
        assert request.client
        response.set_cookie("a", "b", httponly=True)
        response.set_cookie("c", "d", secure=True)
        return {"address": request.client.host, "scheme": request.url.scheme}

    protect(server, Flask("screens"), Settings(**settings), Metrics())
    return server


async def ask(server: FastAPI, peer: str, *headers: tuple[str, str]) -> httpx.Response:
    transport = httpx.ASGITransport(server, client=(peer, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        return await client.get("/who", headers=list(headers))


def seen(peer: str, *headers: tuple[str, str], **settings: Any) -> tuple[str, str]:
    """The address and scheme that the product sees."""
    settings = {"trusted_proxies": TRUSTED, **settings}
    said = asyncio.run(ask(application(**settings), peer, *headers)).json()
    return said["address"], said["scheme"]


FOR, PROTO = "X-Forwarded-For", "X-Forwarded-Proto"


@pytest.mark.parametrize(
    ("peer", "headers", "address"),
    [
        (PROXY, [(FOR, CLIENT)], CLIENT),
        (PROXY, [(FOR, f"{CLIENT}:5511")], CLIENT),
        (PROXY, [(FOR, "[2001:db8::9]:443")], "2001:db8::9"),
        (PROXY, [(FOR, "2001:db8::9")], "2001:db8::9"),
        (f"::ffff:{PROXY}", [(FOR, CLIENT)], CLIENT),
        ("fd00::1", [(FOR, CLIENT)], CLIENT),
        # several hops: each proxy appends whom it was asked by, on one line or several
        (PROXY, [(FOR, f"{CLIENT}, {INNER}")], CLIENT),
        (PROXY, [(FOR, CLIENT), (FOR, INNER)], CLIENT),
        (PROXY, [(FOR, f"{INNER}, {INNER}")], INNER),
        # what the client claims itself stands before what a proxy saw
        (PROXY, [(FOR, f"{LIAR}, {CLIENT}")], CLIENT),
        (PROXY, [(FOR, LIAR), (FOR, f"{CLIENT}, {INNER}")], CLIENT),
        (PROXY, [(FOR, f"{PROXY}, {LIAR}, {CLIENT}, {INNER}")], CLIENT),
        (PROXY, [(FOR, f"{LIAR}, nonsense, {INNER}")], INNER),
        (PROXY, [(FOR, "nonsense")], PROXY),
        (PROXY, [(FOR, "")], PROXY),
        (PROXY, [], PROXY),
        (PROXY, [(FOR, ", ".join([LIAR, *[INNER] * (MOST_HOPS + 5)]))], INNER),
        # nobody else is believed
        (LIAR, [(FOR, CLIENT)], LIAR),
        (LIAR, [(FOR, f"{CLIENT}, {PROXY}")], LIAR),
        ("10.0.0.6", [(FOR, CLIENT)], "10.0.0.6"),
        ("testclient", [(FOR, CLIENT)], "testclient"),
        (PROXY, [("Forwarded", f"for={CLIENT}"), ("X-Real-IP", CLIENT)], PROXY),
    ],
)
def test_the_client_is_whom_the_last_trusted_proxy_saw(peer, headers, address):
    assert seen(peer, *headers)[0] == address


def test_without_the_setting_nothing_is_believed():
    assert seen(PROXY, (FOR, CLIENT), (PROTO, "https"), trusted_proxies=None) == (PROXY, "http")


@pytest.mark.parametrize(
    ("peer", "said", "scheme"),
    [
        (PROXY, "https", "https"), (PROXY, "HTTPS", "https"), (PROXY, "http", "http"),
        (PROXY, "http, https", "https"), (PROXY, "ftp", "http"), (PROXY, "", "http"),
        (LIAR, "https", "http"),
    ],
)  # fmt: skip
def test_the_scheme_is_what_the_nearest_proxy_says(peer, said, scheme):
    assert seen(peer, (FOR, CLIENT), (PROTO, said))[1] == scheme


def cookies(peer: str, *headers: tuple[str, str], **settings: Any) -> list[str]:
    settings = {"trusted_proxies": TRUSTED, **settings}
    answer = asyncio.run(ask(application(**settings), peer, *headers))
    return answer.headers.get_list("set-cookie")


@pytest.mark.parametrize(
    ("peer", "settings", "is_secure"),
    [
        (PROXY, {}, True),
        (LIAR, {}, False),
        (LIAR, {"base_url": "https://usage.example"}, True),
        (LIAR, {"base_url": "http://usage.example"}, False),
        (LIAR, {"cookie_secure": True}, True),
    ],
)
def test_cookies_keep_to_https_where_there_is_https(peer, settings, is_secure):
    first, second = cookies(peer, (FOR, CLIENT), (PROTO, "https"), **settings)
    assert ("Secure" in first) == is_secure
    assert "HttpOnly" in first
    assert second.count("Secure") == 1, "one that has it already has it once"


@pytest.mark.parametrize(
    ("name", "wrong", "told"),
    [
        ("trusted_proxies", "10.0.0.300", "'10.0.0.300' is no address"),
        ("trusted_proxies", "10.0.0.1, proxy.example", "'proxy.example' is no address"),
        ("trusted_proxies", "*", "'*' is no address"),
        ("trusted_proxies", "0.0.0.0/0", "everybody"),
        ("trusted_proxies", "10.0.0.1,::/0", "everybody"),
        ("base_url", "usage.example", "https://usage.example"),
        ("base_url", "ftp://usage.example", "https://usage.example"),
        ("base_url", "https://", "https://usage.example"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name, wrong, told):
    with pytest.raises(InputError) as refused:
        load_settings(_env_file=None, **{name: wrong})
    assert f"USAGE_{name.upper()} " in refused.value.message
    assert told in refused.value.message


# --- on a running server -----------------------------------------------------------------------
@pytest.fixture(scope="module")
def live(tmp_path_factory) -> Iterator[Live]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("USAGE_TRUSTED_PROXIES", "127.0.0.1")
        server = LiveServer(tmp_path_factory.mktemp("proxies"))
    yield server.start()
    server.stop()


def browser(live: Live, *, claims: str = "", address: str = CLIENT) -> WebClient:
    """Somebody at an address, through a proxy that speaks HTTPS; ``claims``: what they sent."""
    client = WebClient(live.url)
    hops = f"{claims}, {address}" if claims else address
    client.http.headers.update({FOR: hops, PROTO: "https", "Host": "usage.example"})
    client.http.headers["Referer"] = "https://usage.example/sign-in"
    return client


def sign_in(client: WebClient, email: str, password: str) -> httpx.Response:
    """Signs in as a browser does: its Secure cookies are sent, because the proxy has HTTPS."""
    page = client.http.get("/sign-in")
    kept = {each.name: each.value for each in page.cookies.jar}
    text = "; ".join(f"{name}={value}" for name, value in kept.items())
    form = {"email": email, "password": password, "csrf_token": kept["_csrf_token"] or ""}
    return client.http.post("/sign-in", data=form, headers={"Cookie": text})


def test_clients_of_a_proxy_are_throttled_apart(live):
    answers = [sign_in(browser(live, claims=f"192.0.2.{n}"), OWNER, "wrong") for n in range(5)]
    assert answers[-1].status_code == 401
    lied = sign_in(browser(live, claims="192.0.2.77"), OWNER, PASSWORD)
    assert lied.status_code == 429, "another claim doesn't make another client"
    other = sign_in(browser(live, address="203.0.113.10"), OWNER, PASSWORD)
    assert other.status_code == 303
    cookies = other.headers.get_list("set-cookie")
    assert any(each.startswith("usage_session=") for each in cookies)
    assert all("Secure" in each for each in cookies)
