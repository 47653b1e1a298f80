"""The Alerts page over HTTP: forms, reviews, who may send them, what a change does and says."""

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from billing.access import AccountScope, Role
from billing.alert_standing import AlertStanding
from billing.alert_steps import Phase
from billing.alerts import AlertKind, AlertRule, Channel, Level, Span, Threshold, Unit
from data.accounts import read_account
from tests.api_client import ApiClient, sms
from tests.extra_people import add_people
from tests.live import FREE, NOW, OTHER, OWNER, SUPPORT, Live, LiveServer
from tests.notices import leave
from tests.stream_ear import listening, wait_for
from tests.web_client import WebClient

ADMIN, MANAGER = "admin@usage.example", "manager@acme.example"
PATH, CHANGES = "/billing/alerts", "/alerts/changes"
LOW = {
    "type": "low_balance", "threshold": "30", "unit": "percent", "level": "warning",
    "by_email": "on", "by_dashboard": "on", "recipients": "billing@acme.example",
    "frequency": "once_per_episode", "recovery": "on",
}  # fmt: skip
DAILY = AlertRule(AlertKind.USAGE, Threshold(Unit.MONEY, 6_000_000), span=Span.DAY)


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    with server.installation.database.write() as connection:
        add_people(
            connection,
            (ADMIN, "*", Role.ADMIN), (MANAGER, "acme", Role.MANAGER),
        )  # fmt: skip
    return server


@pytest.fixture(scope="module")
def clients(live: Live) -> Iterator[dict[str, WebClient]]:
    people = (OWNER, OTHER, MANAGER, SUPPORT, ADMIN, FREE)
    opened = {email: WebClient(live.url, email) for email in people}
    yield opened
    for client in opened.values():
        client.close()


@pytest.fixture(autouse=True)
def no_alerts(live: Live) -> None:
    """Each test begins without alerts, an hour after the one before."""
    for each in standing(live).alerts:
        live.installation.alerts.remove(scope_of(live), "person:test", each.alert.id)


def scope_of(live: Live, account_id: str = "acme") -> AccountScope:
    with live.installation.database.read() as connection:
        return AccountScope(read_account(connection, account_id), Role.OWNER, NOW)


def standing(live: Live, account_id: str = "acme") -> AlertStanding:
    return live.installation.alerts_reader.standing(scope_of(live, account_id))


def add(live: Live, rule: AlertRule = DAILY) -> str:
    return live.installation.alerts.add(scope_of(live), "person:test", rule).id


def send(client: WebClient, **form: str) -> httpx.Response:
    """Sends a reviewed form as the page's button does."""
    return client.post(CHANGES, **{"account": "acme", "version": "1", **form})


def came_to(answer: httpx.Response) -> dict[str, str]:
    """What the address that a form leads back to says."""
    assert answer.status_code == 303, answer.text
    address = urlsplit(answer.headers["Location"])
    assert address.path == PATH
    return {name: values[0] for name, values in parse_qs(address.query).items()}


def page(client: WebClient, **query: str) -> str:
    shown = client.page(PATH, f"?{urlencode(query)}" if query else "")
    return shown.replace("\\xa0", " ").replace("\xa0", " ")


def test_an_alert_is_reviewed_saved_shown_changed_paused_and_removed(live, clients):
    owner = clients[OWNER]
    assert "No alerts yet" in page(owner)
    review = page(owner, do="add", step="review", **LOW)
    assert (
        "When the balance falls to 30 % of average monthly usage (₹129.96 of ₹433.20, usage of "
        "Oct 2026), tell billing@acme.example by e-mail and everybody on the dashboard, once, "
        "and again when it has recovered."
    ) in review
    assert "It isn’t so now: it tells on the next crossing." in review
    assert "Over the last 90 days (25 Aug – 22 Nov 2026)" in review
    assert "Plan to add credits soon" in review
    assert standing(live).alerts == (), "an address saves nothing"

    done = came_to(send(owner, do="add", **LOW))
    shown = page(owner, **done)
    assert "Saved: Low balance, 30 %." in shown
    (view,) = standing(live).alerts
    assert view.alert.rule.emails == ("billing@acme.example",)
    assert view.phase is Phase.ARMED
    for text in ("Armed", "Plan to add credits soon", "30 % = ₹129.96", "Never"):
        assert text in shown

    alert_id = view.alert.id
    form = page(owner, do="change", id=alert_id)
    assert "'value': '30'" in form, "the form begins with what is set"
    changed = {**LOW, "threshold": "15", "level": "urgent", "name": "Add <credit>"}
    assert "Edit: Add <credit>" in page(owner, do="change", id=alert_id, step="review", **changed)
    done = came_to(send(owner, do="change", id=alert_id, **changed))
    assert "Saved: Add <credit>." in page(owner, **done)
    assert standing(live).alerts[0].alert.rule.threshold == Threshold(Unit.PERCENT, 15_00)

    done = came_to(send(owner, do="pause", id=alert_id))
    assert "Paused: Add <credit>." in page(owner, **done)
    assert standing(live).alerts[0].phase is Phase.OFF
    kept = {**changed, "state": "off"}
    version = str(standing(live).alerts[0].alert.version)
    came_to(send(owner, do="change", id=alert_id, **{**kept, "version": version}))
    assert not standing(live).alerts[0].alert.rule.is_on, "editing a paused one leaves it so"
    done = came_to(send(owner, do="resume", id=alert_id))
    assert "Resumed: Add <credit>." in page(owner, **done)

    assert "Removes the alert “Add <credit>”." in page(owner, do="remove", id=alert_id)
    version = str(standing(live).alerts[0].alert.version)
    done = came_to(send(owner, do="remove", id=alert_id, version=version))
    assert "Removed: what people were told is kept below." in page(owner, **done)
    assert standing(live).alerts == ()
    assert "There is no such alert" in page(owner, do="change", id=alert_id)
    assert came_to(send(owner, do="pause", id=alert_id))["refused"] == "not_found"


def test_one_click_installs_the_recommended_levels_once(live, clients):
    owner = clients[OWNER]
    assert "Install recommended levels" in page(owner)
    done = came_to(send(owner, do="recommended"))
    shown = page(owner, **done)
    assert "Installed: Warning, Urgent and Critical watch the balance now." in shown
    rules = [each.alert.rule for each in standing(live).alerts]
    assert [(each.level, each.threshold.amount) for each in rules] == [
        (Level.WARNING, 30_00), (Level.URGENT, 15_00), (Level.CRITICAL, 5_00),
    ]  # fmt: skip
    assert {each.emails for each in rules} == {(OWNER,)}
    for text in ("Plan to add credits soon", "Add credits immediately",
                 "Service disruption imminent"):  # fmt: skip
        assert text in shown
    assert "Install recommended levels" not in shown
    assert came_to(send(owner, do="recommended"))["refused"] == "installed"
    assert len(standing(live).alerts) == 3


def test_what_is_so_already_is_told_before_and_at_once(live, clients):
    owner = clients[OWNER]
    usage = {
        "type": "usage", "threshold": "5", "unit": "money", "watched": "account", "span": "day",
        "by_dashboard": "on", "level": "notice",
    }  # fmt: skip
    review = page(owner, do="add", step="review", **usage)
    assert "Cost today: ₹5.40. This is so now: it will be told at once." in review
    assert "it would have fired" in review
    shown = page(owner, **came_to(send(owner, do="add", **usage)))
    assert "In alarm since Sun 22 Nov, 18:00 IST" in shown
    assert "Still in alarm" in shown, "its episode"
    assert "Dashboard: shown" in shown, "what people were told"
    assert standing(live).alerts[0].told_at == NOW


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"threshold": "1.000", "unit": "money"}, "Write 1,000 or 1.00"),
        ({"threshold": "9" * 3_000}, "Use a number such as 1,250.50"),
        ({"recipients": "nobody"}, "Use an address such as name@example.com"),
        ({"by_email": "", "by_dashboard": ""}, "Choose at least one of"),
        ({"by_sms": "on", "phones": "12"}, "Use a number such as +14155550100"),
        ({"type": "usage", "watched": "campaign", "span": "day"}, "Name the campaign"),
        ({"frequency": "every_hours", "hours": "0"}, "Use whole hours from 1 to 720"),
        ({"name": "a\nb"}, "Use up to 255 printable characters"),
        ({"type": "usage", "unit": "units", "watched": "account"}, "Choose a single metric above"),
    ],
)
def test_a_refused_form_comes_back_with_all_that_was_typed(live, clients, fields, said):
    owner = clients[OWNER]
    typed = {**LOW, **fields}
    refused = came_to(send(owner, do="add", **typed))
    assert refused["refused"] == "invalid"
    assert {name: refused[name] for name in fields if fields[name]} == {
        name: value for name, value in fields.items() if value
    }
    shown = page(owner, **refused)
    assert said.lower() in shown.lower()
    assert "data-error-of" in shown or "role='alert'" in shown
    assert "Nothing was changed: see what is wrong below." in shown
    assert standing(live).alerts == ()


def test_what_is_far_too_long_is_refused_and_given_back_in_part(live, clients):
    answer = send(clients[OWNER], do="add", **{**LOW, "threshold": "9" * 100_000})
    refused = came_to(answer)
    assert refused["threshold"] == "9" * 6_000
    assert "Use a number such as 1,250.50" in page(clients[OWNER], **refused)


def test_somebody_elses_change_is_not_lost_unseen(live, clients):
    owner, alert_id = clients[OWNER], add(live)
    live.installation.alerts.switch(scope_of(live), "person:test", alert_id, is_on=False)
    refused = came_to(send(owner, do="change", id=alert_id, **LOW))
    assert refused["refused"] == "changed"
    shown = page(owner, **refused)
    assert "somebody else changed this alert meanwhile" in shown
    assert "Save Alert" in shown, "it can be saved again, of the version that is shown now"
    assert standing(live).alerts[0].alert.rule.kind is AlertKind.USAGE


def test_a_test_is_sent_marked_and_its_tries_are_shown(live, clients):
    owner = clients[OWNER]
    alert_id = add(
        live, AlertRule(AlertKind.LOW_BALANCE, Threshold(Unit.MONEY, 5), channels=(
            Channel.EMAIL, Channel.DASHBOARD), emails=(OWNER,)),
    )  # fmt: skip
    done = came_to(send(owner, do="test", id=alert_id))
    shown = page(owner, **done)
    assert "is on its way, marked as a test" in shown
    assert "Test · " in shown
    assert "Email: waiting" in shown
    assert came_to(send(owner, do="test", id=alert_id))["refused"] == "too_many"
    (notice,) = [
        each for each in live.installation.alerts_reader.notices(scope_of(live), None).notices
        if each.alert_id == alert_id
    ]  # fmt: skip
    opened = page(owner, notice=notice.id)
    assert f"Email to {OWNER}" in opened
    # The leader may have looked by now: mail isn't set up on this server, and it says so.
    assert (
        "Not tried yet" in opened
        or "isn&#x27;t set up here" in opened
        or ("isn't set up here" in opened)
    )
    newest = page(owner, cursor="nonsense")
    assert newest.count("Email: waiting") == 1, "a cursor that is none is the first page's"


@pytest.mark.parametrize("email", [MANAGER, SUPPORT])
def test_who_may_only_see_sees_and_changes_nothing(live, clients, email):
    alert_id, client = add(live), clients[email]
    if email == SUPPORT:
        client.post("/session/account", account="acme")
    shown = page(client)
    assert "Cost of all usage, ₹6.00 a day" in shown
    assert "the owner changes them" in shown
    assert "data-field-do" not in shown
    assert "do=change" not in shown
    assert "Not for your role" in page(client, do="add")
    for edit in ("add", "change", "remove", "pause", "test", "recommended"):
        answer = send(client, do=edit, id=alert_id, **LOW)
        assert came_to(answer) == {"refused": "not_allowed"}, edit
    assert len(standing(live).alerts) == 1


def test_another_account_neither_sees_nor_changes_it(live, clients):
    alert_id, other = add(live), clients[OTHER]
    assert "Cost of all usage" not in page(other)
    assert "There is no such alert" in page(other, do="change", id=alert_id)
    assert came_to(send(other, do="remove", id=alert_id)) == {"refused": "other_account"}
    answer = send(other, do="remove", id=alert_id, account="globex")
    assert came_to(answer)["refused"] == "not_found"
    for each in live.installation.alerts_reader.notices(scope_of(live), None).notices:
        assert "'className': 'sends'" not in page(other, notice=each.id)
    assert len(standing(live).alerts) == 1


def test_a_free_plan_is_told_what_it_lacks(live, clients):
    shown = page(clients[FREE])
    assert "Nothing to warn of on the Free plan" in shown
    assert "Add Alert" not in shown
    answer = send(clients[FREE], do="add", account="tinker", **LOW)
    assert came_to(answer)["refused"] == "plan_lacks"


def test_an_account_without_a_complete_month_is_told_for_what_it_waits(live, clients):
    live.clock_file.write_text((NOW - timedelta(days=60)).isoformat())
    try:
        shown = page(clients[OTHER])
    finally:
        live.clock_file.write_text(NOW.isoformat())
    assert "A percentage waits for the first complete calendar month of usage: Oct 2026" in shown
    assert "complete on Sun 1 Nov" in shown


def test_nothing_is_changed_by_a_form_without_its_token_or_of_no_kind(live, clients):
    owner, alert_id = clients[OWNER], add(live)
    answer = owner.http.post(CHANGES, data={"do": "remove", "id": alert_id, "account": "acme"})
    assert answer.status_code == 400
    assert came_to(send(owner, do="explode", id=alert_id))["refused"] == "invalid"
    assert came_to(send(owner, do="remove", id=alert_id, version="x"))["refused"] == "invalid"
    assert len(standing(live).alerts) == 1


def test_an_open_page_is_told_of_a_charge_that_makes_an_alarm(live, clients, acme: ApiClient):
    add(live)
    owner = clients[OWNER]
    shown = page(owner)
    assert "'data-live-place': '0-0'" in shown, "alarms are not in the order of the ledger"
    assert "alarm since" not in shown
    with listening(live, owner, {"view": PATH, "seen": "0-0"}) as ear:
        wait_for(lambda: bool(ear.of("regions")))
        assert acme.send_one(sms(segments=2)).status_code == 204
        wait_for(lambda: "In alarm since" in repr(ear.of("regions")[-1]["regions"]))
        assert "Still in alarm" in repr([each["regions"] for each in ear.of("regions")])


def test_what_people_were_told_is_paged(live, clients):
    owner = clients[OWNER]
    add(live)
    for number in range(27):
        leave(live, at=NOW + timedelta(seconds=number))
    newest = page(owner)
    older = re.search(r"'href': '(/billing/alerts\?cursor=[^']+)'", newest)
    assert older is not None
    assert "‹ Newest" in newest
    assert "'href': '/billing/alerts'" not in newest.split("Pages of what people were told")[1]
    second = owner.page(PATH, urlsplit(older[1]).query and f"?{urlsplit(older[1]).query}")
    assert "live-alerts-told" not in second, "an older page stays as it was"
    assert "live-alerts-told" in newest


def test_a_region_that_fails_says_so_while_the_others_stay(live, clients, monkeypatch):
    add(live)

    def fail(*_: object) -> None:
        raise OSError("episodes are out of reach")

    monkeypatch.setattr(live.installation.alerts_reader, "episodes", fail)
    shown = page(clients[OWNER])
    assert "Episodes" in shown
    assert "The other figures on this page are not affected." in shown
    assert "Cost of all usage, ₹6.00 a day" in shown
    assert "Cost today" in shown
