"""The Balance page's posts: who may send them, and that what is sent twice happens once."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import func, select

from billing.access import Role
from data import tables as t
from tests.extra_people import add_people
from tests.live import OTHER, OWNER, SUPPORT, Live, LiveServer
from tests.web_client import WebClient

ADMIN, MANAGER = "admin@usage.example", "manager@acme.example"
MOVE, DECIDE = "/wallet/movements", "/wallet/decisions"
TOP_UP = {"do": "top_up", "amount": "5", "reason": "", "account": "acme"}
GRANT = {"do": "grant", "amount": "900", "reason": "why", "account": "acme"}


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    with server.installation.database.write() as connection:
        add_people(connection, (ADMIN, "*", Role.ADMIN), (MANAGER, "acme", Role.MANAGER))
    return server


@pytest.fixture(scope="module")
def clients(live: Live) -> Iterator[dict[str, WebClient]]:
    opened = {
        email: WebClient(live.url, email) for email in (OWNER, OTHER, MANAGER, SUPPORT, ADMIN)
    }
    yield opened
    for client in opened.values():
        client.close()


def came_to(answer: httpx.Response) -> dict[str, str]:
    """What the address that a form leads back to says."""
    assert answer.status_code == 303, answer.text
    address = urlsplit(answer.headers["Location"])
    assert address.path == "/billing/balance"
    return {name: values[0] for name, values in parse_qs(address.query).items()}


def moved(live: Live, account_id: str = "acme") -> int:
    """How many entries there are."""
    with live.installation.database.read() as connection:
        entries = t.wallet_entries.c
        return int(
            connection.scalar(select(func.count()).where(entries.account_id == account_id)) or 0
        )


def test_a_form_sent_twice_moves_money_once(live, clients):
    before = moved(live)
    first = came_to(clients[OWNER].post(MOVE, **TOP_UP, key="one"))
    assert came_to(clients[OWNER].post(MOVE, **TOP_UP, key="one")) == first
    assert moved(live) == before + 1
    page = clients[OWNER].page("/billing/balance", f"?done={first['done']}")
    assert "Done: top-up of ₹5.00" in page
    assert "Done:" not in clients[OTHER].page("/billing/balance", f"?done={first['done']}")


def test_a_form_needs_its_token_and_its_key(live, clients):
    before = moved(live)
    assert clients[OWNER].http.post(MOVE, data={**TOP_UP, "key": "two"}).status_code == 400
    assert clients[OWNER].post(MOVE, **TOP_UP).status_code == 400
    assert httpx.post(f"{live.url}{MOVE}", data=TOP_UP).status_code == 401
    assert moved(live) == before


@pytest.mark.parametrize(
    ("email", "form"),
    [(MANAGER, TOP_UP), (SUPPORT, TOP_UP), (OWNER, GRANT), (MANAGER, GRANT)],
)
def test_a_role_that_may_not_moves_nothing(live, clients, email, form):
    before = moved(live)
    assert clients[email].post(MOVE, **form, key="role").status_code == 403
    assert moved(live) == before


def test_another_account_is_refused_whatever_the_form_says(live, clients):
    before = moved(live)
    assert came_to(clients[OTHER].post(MOVE, **TOP_UP, key="x")) == {"refused": "other_account"}
    page = clients[OTHER].page("/billing/balance", "?refused=other_account")
    assert "that page showed another account" in page
    assert moved(live) == before
    answer = clients[OTHER].post(DECIDE, account="acme", approval="x", decision="approve")
    assert came_to(answer) == {"refused": "other_account"}


def test_a_request_is_decided_by_another_administrator(live, clients):
    asked = came_to(clients[SUPPORT].post(MOVE, **GRANT, key="ask"))["asked"]
    before = moved(live)
    decision = {"account": "acme", "approval": asked, "decision": "approve"}
    assert clients[SUPPORT].post(DECIDE, **decision).status_code == 403
    assert clients[OWNER].post(DECIDE, **decision).status_code == 403
    assert "Waiting for approval" in clients[ADMIN].page("/billing/balance", "")
    assert "Waiting for approval" not in clients[OWNER].page("/billing/balance", "")
    assert came_to(clients[ADMIN].post(DECIDE, **decision))["done"]
    assert came_to(clients[ADMIN].post(DECIDE, **decision)) == {"refused": "already_decided"}
    assert moved(live) == before + 1
    odd = clients[ADMIN].post(DECIDE, **{**decision, "decision": "maybe"})
    assert odd.status_code == 400


@pytest.mark.parametrize(
    "form",
    [{}, {"do": "steal"}, {"do": "top_up", "amount": "x"}, {"do": "top_up", "amount": "-5"},
     {"do": "top_up", "amount": "5", "reason": "a\x00b"}],
)  # fmt: skip
def test_what_no_form_of_ours_sends_is_refused(live, clients, form):
    before = moved(live)
    answer = clients[OWNER].post(MOVE, **{"account": "acme", "key": "odd", **form})
    assert answer.status_code == 400
    assert moved(live) == before


def test_an_amount_is_read_as_the_account_writes_numbers(live, clients):
    before = moved(live)
    grouped = {**TOP_UP, "amount": "1,250", "key": "grouped"}
    page = clients[OWNER].page("/billing/balance", "?do=top_up&step=confirm&amount=1%2C250")
    assert "Adds ₹1,250.00 paid credit" in page
    done = came_to(clients[OWNER].post(MOVE, **grouped))["done"]
    assert moved(live) == before + 1
    done_page = clients[OWNER].page("/billing/balance", f"?done={done}")
    assert "Done: top-up of ₹1,250.00" in done_page
    for typed in ("100,000", "1.000"):
        answer = clients[OWNER].post(MOVE, **{**grouped, "amount": typed, "key": typed})
        assert answer.status_code == 400
    assert moved(live) == before + 1


def test_the_page_says_what_would_happen_and_what_is_wrong(clients):
    def page(search: str) -> str:
        return clients[SUPPORT].page("/billing/balance", search)

    sure = page("?do=adjustment&step=confirm&sign=take&amount=9000&reason=x&key=k")
    assert "Takes ₹9,000.00 of credit" in sure
    assert "leaves a debt" in sure
    assert "Ask for approval" in sure, "above the limit"
    wrong = page("?do=adjustment&step=confirm&sign=take&amount=&reason=x&key=k")
    assert "Use a number such as 1,250.50" in wrong
    assert "Say why in 1 to 255" in page("?do=grant&step=confirm&amount=5&reason=&key=k")
    assert "There is no such transaction" in page("?do=refund&step=confirm&line=x&reason=y")
    assert "is for the owner or the admin" in page("?do=top_up")
    # An address alone asks; it never moves money.
    assert "Confirm" not in page("?do=grant&amount=5&reason=x")
    for search in ("?cursor=x", "?done=x", "?asked=x", "?show=x&refused=x", "?do=refund&line=%00"):
        assert "Wallet history" in page(search) or "could not" not in page(search)
