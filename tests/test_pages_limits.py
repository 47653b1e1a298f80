"""The Spending limits page over HTTP: forms, reviews, who may send them, and what a change does."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from billing.access import AccountScope, Role
from billing.caps import CapKind
from billing.limit_standing import LimitStanding
from billing.plans import Plan
from data.accounts import NewAccount, add_account, read_account
from tests.extra_people import add_people
from tests.live import FREE, NOW, OTHER, OWNER, SUPPORT, Live, LiveServer
from tests.stream_ear import listening, place, wait_for
from tests.web_client import WebClient

ADMIN, MANAGER, CODER = "admin@usage.example", "manager@acme.example", "owner@sandpit.example"
PATH, CHANGES = "/billing/limits", "/limits/changes"
DAILY = {"do": "cap", "kind": "daily", "amount": "900", "mode": "hard", "state": "on"}


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    with server.installation.database.write() as connection:
        add_account(
            connection,
            NewAccount("sandpit", "Sandpit", Plan.GROWTH, "USD", "UTC", environment="development"),
            NOW,
        )
        add_people(
            connection,
            (ADMIN, "*", Role.ADMIN), (MANAGER, "acme", Role.MANAGER), (CODER, "sandpit",
             Role.OWNER),
        )  # fmt: skip
    return server


@pytest.fixture(scope="module")
def clients(live: Live) -> Iterator[dict[str, WebClient]]:
    people = (OWNER, OTHER, MANAGER, SUPPORT, ADMIN, CODER, FREE)
    opened = {email: WebClient(live.url, email) for email in people}
    yield opened
    for client in opened.values():
        client.close()


@pytest.fixture(autouse=True)
def no_limits(live: Live) -> None:
    """Each test begins without limits."""
    for account_id in ("acme", "sandpit"):
        scope = scope_of(live, account_id)
        found = standing(live, account_id).limits
        wanted = type(found)(version=found.version)
        live.installation.limits.save(scope, "person:test", wanted)


def scope_of(live: Live, account_id: str = "acme") -> AccountScope:
    with live.installation.database.read() as connection:
        return AccountScope(read_account(connection, account_id), Role.OWNER, NOW)


def standing(live: Live, account_id: str = "acme") -> LimitStanding:
    return live.installation.limits_reader.standing(scope_of(live, account_id))


def send(client: WebClient, live: Live, account_id: str = "acme", **form: str) -> httpx.Response:
    """Sends a reviewed form as the page's button does."""
    sent = {"account": account_id, "version": str(standing(live, account_id).limits.version)}
    return client.post(CHANGES, **{**sent, **form})


def came_to(answer: httpx.Response) -> dict[str, str]:
    """What the address that a form leads back to says."""
    assert answer.status_code == 303, answer.text
    address = urlsplit(answer.headers["Location"])
    assert address.path == PATH
    return {name: values[0] for name, values in parse_qs(address.query).items()}


def page(client: WebClient, **query: str) -> str:
    return client.page(PATH, f"?{urlencode(query)}" if query else "")


def test_a_cap_is_reviewed_saved_shown_and_removed(live, clients):
    owner = clients[OWNER]
    assert page(owner).count("Not set") == 4
    review = page(owner, **DAILY, step="review")
    assert "Daily spending cap: ₹900.00, hard." in review
    assert "Over the last 90 days (25 Aug – 22 Nov 2026) it would never have paused" in review
    assert standing(live).limits.caps == (), "an address saves nothing"

    done = came_to(send(owner, live, **DAILY))
    assert (done["done"], done["kind"]) == ("cap", "daily")
    shown = page(owner, **done)
    assert "Saved: Daily spending cap, ₹900.00, hard." in shown
    gauge = standing(live).gauge(CapKind.DAILY)
    assert gauge is not None
    assert (gauge.cap.limit_micros, gauge.spent_micros) == (900_000_000, 5_400_000)
    for figure in ("₹5.40", "₹0.00", "₹894.60", "Mon 23 Nov, 00:00 IST"):
        assert figure in shown

    form = page(owner, do="cap", kind="daily")
    assert "'value': '900.00'" in form, "the form begins with what is set"
    removal = page(owner, do="remove", kind="daily")
    assert "Remove: Daily spending cap" in removal
    assert came_to(send(owner, live, do="remove", kind="daily"))["done"] == "remove"
    assert standing(live).limits.caps == ()
    assert "Saved:" not in page(owner, **done), "of an earlier version nothing is claimed"


def test_a_backtest_and_what_saving_does_at_once_are_told_before(live, clients):
    owner = clients[OWNER]
    review = page(owner, **{**DAILY, "amount": "20"}, step="review")
    assert "it would have paused outbound services twice: 10 Sep, 17 Oct." in review
    low = {**DAILY, "amount": "5"}
    review = page(owner, **low, step="review")
    assert "Saving pauses at once: Outbound services until Mon 23 Nov, 00:00 IST" in review
    assert "₹5.40 is spent already" in review
    done = came_to(send(owner, live, **low))
    shown = page(owner, **done)
    assert "Paused: Outbound services until Mon 23 Nov, 00:00 IST." in shown
    assert "Outbound services are paused" in clients[OWNER].page("/billing/usage", "")
    assert "are paused" not in clients[OTHER].page("/billing/usage", "")
    assert "No longer" not in clients[OTHER].page(PATH, f"?{urlencode(done)}")

    raised = page(owner, **{**DAILY, "amount": "50"}, step="review")
    assert "Saving lets go on at once: Outbound services." in raised
    assert "It was ₹5.00, hard." in raised
    done = came_to(send(owner, live, **{**DAILY, "amount": "50"}))
    assert "No longer paused by this limit: Outbound services." in page(owner, **done)
    assert standing(live).pauses == ()
    assert "The limit was changed" in page(owner), "the history says why it ended"
    soft = page(owner, **{**low, "mode": "soft"}, step="review")
    assert "it would have warned" in soft
    assert "pauses at once" not in soft


def test_a_call_is_capped_in_money_and_seconds(live, clients):
    owner = clients[OWNER]
    fields = {"do": "cap", "kind": "per_call", "amount": "3", "seconds": "120", "state": "on"}
    review = page(owner, **fields, step="review")
    assert "Per-call cap: ₹3.00 or 2 min." in review
    assert "answered calls early." in review
    came_to(send(owner, live, **fields))
    cap = standing(live).limits.caps[0]
    assert (cap.limit_micros, cap.limit_seconds) == (3_000_000, 120)
    assert "At most ₹3.00 or 2 min a call" in page(owner)
    came_to(send(owner, live, **{**fields, "amount": ""}))
    assert standing(live).limits.caps[0].limit_micros is None


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({**DAILY, "amount": "five"}, "Use a number such as 1,250.50"),
        ({**DAILY, "amount": "1.000"}, "This can be read in two ways"),
        ({**DAILY, "amount": "-5"}, "Use zero or more"),
        ({**DAILY, "amount": ""}, "Write an amount, such as 5000"),
        ({**DAILY, "amount": "9" * 12}, "Use an amount of at most 1,000,000,000"),
        ({**DAILY, "mode": "maybe"}, "Use hard or soft"),
        ({"do": "cap", "kind": "per_call", "seconds": "0"}, "Use 1 to 86,400 seconds"),
        ({"do": "cap", "kind": "per_call", "seconds": "1 h"}, "Use whole seconds such as 600"),
        ({"do": "cap", "kind": "per_call"}, "Write an amount, seconds, or both"),
        ({"do": "cap", "kind": "campaign", "amount": "5"}, "Name the campaign"),
        ({"do": "inbound", "inbound": "perhaps"}, "Use one of continue, stop"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nothing_is_lost(live, clients, form, said):
    """The same for the review of an address and for a post that comes without one."""
    shown = page(clients[OWNER], **form, step="review")
    assert said in shown
    answer = came_to(send(clients[OWNER], live, **form))
    assert answer.pop("refused") == "invalid"
    assert answer == {name: value for name, value in {**form, "step": "review"}.items() if value}
    again = page(clients[OWNER], **answer, refused="invalid")
    assert said in again
    if form.get("amount"):
        assert f"'value': '{form['amount']}'" in again
    assert standing(live).limits.caps == ()


def test_budgets_are_of_campaigns_by_name_or_id(live, clients):
    owner = clients[OWNER]
    form = page(owner, do="cap", kind="campaign")
    assert all(f"'value': '{name}'" in form for name in ("diwali", "renewal", "winback"))
    budget = {"do": "cap", "kind": "campaign", "campaign": "diwali", "amount": "100"}
    review = page(owner, **budget, step="review")
    assert "it would have paused the campaign on" in review
    assert "Saving pauses at once: Campaign diwali until its budget is raised" in review
    came_to(send(owner, live, **budget))
    shown = page(owner)
    assert "Campaign diwali is paused" in shown
    assert "over: by charges that came without asking first" in shown
    unknown = page(owner, **{**budget, "campaign": "spring"}, step="review")
    assert "No usage names the campaign “spring” yet" in unknown
    came_to(send(owner, live, do="remove", kind="campaign", campaign="diwali"))
    assert standing(live).pauses == ()
    assert "No campaign has a budget" in page(owner)


def test_an_override_lets_go_on_until_its_end_and_can_be_taken_back(live, clients):
    owner = clients[OWNER]
    came_to(send(owner, live, **{**DAILY, "amount": "5"}))
    (pause,) = standing(live).pauses
    form = page(owner, do="override", pause=pause.id)
    assert "'value': '2026-11-23T00:00'" in form, "as long as the pause would last"
    given = {"do": "override", "pause": pause.id, "until": "2026-11-22T20:00", "amount": "8",
             "reason": "Launch evening"}  # fmt: skip
    for wrong, said in (
        ({"reason": " "}, "Say why in 1 to 255 printable characters"),
        ({"until": "2026-11-22T17:00"}, "Use a time after now"),
        ({"until": "2027-05-01T17:00"}, "up to Wed 23 Dec, 18:00 IST"),
        ({"until": "soon"}, "Use a day and a time such as"),
        ({"amount": "4"}, "Use more than the cap, ₹5.00"),
    ):
        assert said in page(owner, **{**given, **wrong}, step="review")
    review = page(owner, **given, step="review")
    assert "may go over the limit until Sun 22 Nov, 20:00 IST, up to ₹8.00." in review
    done = came_to(send(owner, live, **given))
    shown = page(owner, **done)
    assert "Saved: the override is in force." in shown
    assert "Overridden until Sun 22 Nov, 20:00 IST, up to ₹8.00, by Owner: " in shown
    assert "Launch evening" in shown
    assert standing(live).pauses == ()
    back = came_to(send(owner, live, do="take_back", pause=pause.id))
    assert back["done"] == "take_back"
    assert len(standing(live).pauses) == 1
    late = came_to(send(owner, live, **given))
    assert late == {"refused": "pause_over"}
    assert "this pause is over" in page(owner, **late)


def test_the_switch_and_the_inbound_setting(live, clients):
    owner = clients[OWNER]
    came_to(send(owner, live, **{**DAILY, "amount": "5"}))
    off = page(owner, do="switch", state="off")
    assert "Turns all limits off" in off
    assert "Saving lets go on at once: Outbound services." in off
    done = came_to(send(owner, live, do="switch", state="off"))
    assert "Saved: spending limits are off." in page(owner, **done)
    assert (standing(live).limits.is_on, standing(live).pauses) == (False, ())
    assert "Saving pauses at once" in page(owner, do="switch", state="on")
    came_to(send(owner, live, do="switch", state="on"))
    assert len(standing(live).pauses) == 1
    done = came_to(send(owner, live, do="inbound", inbound="stop"))
    assert "Saved: inbound stops at a balance of zero." in page(owner, **done)
    assert standing(live).limits.inbound == "stop"


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(live, clients):
    before = str(standing(live).limits.version)
    came_to(send(clients[ADMIN], live, **DAILY))
    typed = {**DAILY, "amount": "700"}
    answer = came_to(send(clients[OWNER], live, **typed, version=before))
    assert answer.pop("refused") == "changed"
    assert standing(live).limits.caps[0].limit_micros == 900_000_000
    again = page(clients[OWNER], **answer, refused="changed")
    assert "somebody else changed the limits meanwhile" in again
    assert "Daily spending cap: ₹700.00, hard. It was ₹900.00, hard." in again
    came_to(send(clients[OWNER], live, **typed))
    assert standing(live).limits.caps[0].limit_micros == 700_000_000


@pytest.mark.parametrize("email", [MANAGER, SUPPORT])
def test_manager_and_support_see_and_change_nothing(live, clients, email):
    came_to(send(clients[OWNER], live, **{**DAILY, "amount": "5"}))
    (pause,) = standing(live).pauses
    shown = page(clients[email])
    assert "the owner changes them" in shown
    for way in ("Edit…", "Add a budget", "Turn off", "Override…"):
        assert way not in shown
    assert "Outbound services are paused" in shown
    assert "Not for your role" in page(clients[email], do="cap", kind="daily")
    for form in (
        DAILY, {"do": "switch", "state": "off"}, {"do": "take_back", "pause": pause.id},
        {"do": "override", "pause": pause.id, "until": "2026-11-22T20:00", "reason": "x"},
    ):  # fmt: skip
        assert send(clients[email], live, **form).status_code == 403
    assert standing(live).limits.caps[0].limit_micros == 5_000_000


def test_a_form_needs_its_token_its_account_and_somebody_signed_in(live, clients):
    form = {**DAILY, "account": "acme", "version": "0"}
    assert clients[OWNER].http.post(CHANGES, data=form).status_code == 400
    assert httpx.post(f"{live.url}{CHANGES}", data=form).status_code == 401
    assert came_to(clients[OTHER].post(CHANGES, **form)) == {"refused": "other_account"}
    assert "that page showed another account" in page(clients[OTHER], refused="other_account")
    for odd in ({"do": "steal"}, {}, {"do": "cap", "kind": "hourly", "amount": "5"}):
        assert came_to(send(clients[OWNER], live, **odd))["refused"] == "invalid"
    for version in ("", "x", "9" * 30):
        assert came_to(send(clients[OWNER], live, **DAILY, version=version))["refused"] == "invalid"
    assert standing(live).limits.caps == ()


def test_odd_addresses_show_the_page(clients):
    odd: list[dict[str, Any]] = [
        {"cursor": "x"}, {"do": "x"}, {"do": "override", "pause": "x"}, {"do": "cap"},
        {"do": "remove", "kind": "daily"}, {"saved": "1", "done": "cap", "kind": "x"},
        {"refused": "x"}, {"begun": "x,y,,z", "ended": "\0", "done": "switch", "saved": "0"},
        {"do": "cap", "kind": "campaign", "campaign": "\0", "amount": "1", "step": "review"},
    ]  # fmt: skip
    for query in odd:
        shown = page(clients[OWNER], **query)
        assert "Campaign budgets" in shown, query
        assert "could not be loaded" not in shown, query


def test_a_development_account_is_offered_a_daily_cap_in_one_click(live, clients):
    shown = page(clients[CODER])
    assert "Set a daily cap of $5.00" in shown
    assert "Set a daily cap of" not in page(clients[OWNER])
    offer = {"do": "cap", "kind": "daily", "amount": "5.00"}
    came_to(send(clients[CODER], live, "sandpit", **offer))
    (cap,) = standing(live, "sandpit").limits.caps
    assert (cap.limit_micros, cap.is_hard, cap.is_on) == (5_000_000, True, True)
    assert "Set a daily cap of" not in page(clients[CODER])


def test_a_free_plan_says_why_there_is_nothing_to_limit(clients):
    shown = page(clients[FREE])
    assert "Nothing to limit on the Free plan" in shown
    assert "Campaign budgets" not in shown


def test_older_pauses_are_a_page_away(live, clients):
    """Every change of a cap to below what was spent is a pause."""
    owner = clients[OWNER]
    for _ in range(26):
        came_to(send(owner, live, **{**DAILY, "amount": "5"}))
        came_to(send(owner, live, **{**DAILY, "amount": "6"}))
    first = page(owner)
    assert "Older ›" in first
    assert "'className': 'btn is-off'" in first, "there is nothing newer"
    cursor = first.split(f"{PATH}?cursor=")[1].split("'")[0]
    older = owner.page(PATH, f"?cursor={cursor}")
    assert "The limit was changed" in older


def test_a_page_read_just_before_a_pause_hears_of_it(live, clients):
    """A pause adds nothing to the ledger: a stream tells it whatever the page was read at."""
    seen = place(live)
    came_to(send(clients[OWNER], live, **{**DAILY, "amount": "5"}))
    assert place(live) == seen
    asked = {"view": "/billing/usage", "seen": seen}
    with listening(live, clients[OWNER], asked) as ear:
        wait_for(lambda: bool(ear.of("regions")))
        (told,) = ear.of("regions")
        assert set(told["regions"]) == {"live-pauses"}, "the figures were read at this place"
        assert "Outbound services" in repr(told["regions"]["live-pauses"])
        came_to(send(clients[OWNER], live, do="switch", state="off"))
        wait_for(lambda: ear.of("regions")[-1]["regions"].get("live-pauses", "") is None)


def test_what_a_page_of_limits_shows_is_told_at_once(live, clients):
    shown = page(clients[OWNER])
    assert "'data-live-place': '0-0'" in shown
    with listening(live, clients[OWNER], {"view": PATH, "seen": "0-0"}) as ear:
        wait_for(lambda: bool(ear.of("regions")))
        came_to(send(clients[OWNER], live, **DAILY))
        wait_for(lambda: "₹894.60" in repr(ear.of("regions")[-1]["regions"]))
