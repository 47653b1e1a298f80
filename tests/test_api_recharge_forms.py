"""The Balance page's form of auto-recharge: who may send it, what it shows, what it refuses."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from billing.access import AccountScope, Role
from billing.recharges import RechargeSettings
from data.accounts import read_account
from tests.extra_people import add_people
from tests.live import NOW, OTHER, OWNER, SUPPORT, Live, LiveServer
from tests.web_client import WebClient

ADMIN, MANAGER = "admin@usage.example", "manager@acme.example"
SAVE, PAGE = "/wallet/auto-recharge", "/billing/balance"
FORM = {
    "state": "on", "threshold": "5", "mode": "fixed_amount", "amount": "1,250.50",
    "ceiling": "2,000", "method": "test_succeeds",
}  # fmt: skip


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


def standing(live: Live) -> RechargeSettings:
    with live.installation.database.read() as connection:
        account = read_account(connection, "acme")
    scope = AccountScope(account, Role.ADMIN, NOW)
    return live.installation.recharges_reader.standing(scope).settings


def send(client: WebClient, live: Live, **changed: str) -> httpx.Response:
    version = str(standing(live).version)
    return client.post(SAVE, **{**FORM, "account": "acme", "version": version, **changed})


def came_to(answer: httpx.Response) -> dict[str, str]:
    """What the address that a form leads back to says."""
    assert answer.status_code == 303, answer.text
    address = urlsplit(answer.headers["Location"])
    assert address.path == PAGE
    return {name: values[0] for name, values in parse_qs(address.query).items()}


def review(**changed: str) -> str:
    return f"?{urlencode({'do': 'auto-recharge', 'step': 'review', **FORM, **changed})}"


def test_the_review_says_what_would_be_set_and_an_address_sets_nothing(live, clients):
    before = standing(live)
    page = clients[OWNER].page(PAGE, review())
    assert "When the balance falls below ₹5.00, ₹1,250.50 is added" in page
    assert "at most ₹2,000.00 a day" in page
    assert "begins at once" not in page
    assert "begins at once" in clients[OWNER].page(PAGE, review(threshold="9,00,000"))
    assert "it is filled up to ₹1,250.50" in clients[OWNER].page(PAGE, review(mode="to_target"))
    assert "Turn auto-recharge off" in clients[OWNER].page(PAGE, review(state="off"))
    assert standing(live) == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"threshold": ""}, "Use a number such as 1,250.50"),
        ({"threshold": "0"}, "Use an amount above zero"),
        ({"amount": "1.000"}, "two ways"),
        ({"amount": "5.005000"}, "Use at most 2 decimals"),
        ({"ceiling": "1,000"}, "Use at least what one top-up takes"),
        ({"mode": "to_target", "amount": "5"}, "Use a target above the threshold"),
        ({"mode": "x"}, "Use one of fixed_amount, to_target"),
        ({"state": "x"}, "Use on or off"),
        ({"method": "x"}, "Use one of test_succeeds"),
    ],
)
def test_what_can_not_be_is_said_at_its_field_and_stays_typed(live, clients, changed, said):
    page = clients[OWNER].page(PAGE, review(**changed))
    assert said in page
    assert "Review" in page
    before = standing(live)
    refused = came_to(send(clients[OWNER], live, **changed))
    assert refused["recharge"] == "invalid"
    assert refused["amount"] == changed.get("amount", FORM["amount"])
    assert standing(live) == before


def test_an_owner_and_an_administrator_set_it(live, clients):
    for email in (OWNER, ADMIN):
        if email == ADMIN:
            clients[ADMIN].post("/session/account", account="acme")
        done = came_to(send(clients[email], live))
        assert done == {"saved": str(standing(live).version)}
        page = clients[email].page(PAGE, f"?saved={done['saved']}")
        assert "Saved. When the balance falls below ₹5.00" in page
        assert "Saved." not in clients[email].page(PAGE, "?saved=999")
    assert standing(live).amount_micros == 1_250_500_000
    off = came_to(send(clients[OWNER], live, state="off", amount="", threshold="", ceiling=""))
    assert off["saved"]
    assert not standing(live).is_on


def test_others_do_not(live, clients):
    before = standing(live)
    clients[SUPPORT].post("/session/account", account="acme")
    for email in (MANAGER, SUPPORT):
        assert send(clients[email], live).status_code == 403
        assert "Not for your role" in clients[email].page(PAGE, "?do=auto-recharge")
    assert came_to(send(clients[OTHER], live)) == {"recharge": "other_account"}
    assert "showed another account" in clients[OTHER].page(PAGE, "?recharge=other_account")
    assert clients[OWNER].http.post(SAVE, data=FORM).status_code == 400, "without its token"
    assert standing(live) == before
    assert "Auto-recharge" in clients[SUPPORT].page(PAGE, "")
    assert "Set up…" not in clients[SUPPORT].page(PAGE, "")
    assert "Auto-recharge" not in clients[MANAGER].page(PAGE, "")


def test_a_change_meanwhile_leads_back_to_the_review(live, clients):
    old = str(standing(live).version)
    came_to(send(clients[OWNER], live))
    refused = came_to(send(clients[OWNER], live, version=old))
    assert (refused["recharge"], refused["step"]) == ("changed", "review")
    page = clients[OWNER].page(PAGE, f"?{urlencode(refused)}")
    assert "somebody else changed auto-recharge meanwhile" in page
    assert "Change auto-recharge" in page
    for odd in ("", "x", "-1", "9" * 12):
        assert came_to(send(clients[OWNER], live, version=odd))["recharge"] == "invalid"


def test_odd_addresses_fall_back(clients):
    for search in ("?do=auto-recharge&step=x", "?recharge=x", "?saved=x",
                   "?do=auto-recharge&threshold=%00&method=%3Cb%3E&mode=7"):  # fmt: skip
        page = clients[OWNER].page(PAGE, search)
        assert "Wallet history" in page
        assert "could not" not in page
