"""GET /rates: the prices in force on a day, nearest list first, of the plan's metrics."""

from datetime import date

import pytest

from billing.rates import Rate
from data.identity import new_id
from data.ledger.price_books import add_rate_list, new_rate_list
from tests.api_client import ApiClient, sms
from tests.live import NOW, LiveServer


@pytest.fixture(scope="module")
def server(server: LiveServer) -> LiveServer:
    with server.installation.database.write() as connection:
        for level, owner, start, price, prefix in (
            ("account", "acme", date(2026, 12, 1), 450_000, ""),
            ("account", "acme", date(2027, 1, 1), 400_000, "91"),
            ("account", "globex", date(2026, 12, 1), 7_000, ""),
        ):
            rate = Rate(new_id(), "sms_credits", price, 1, prefix, 1, 1, 0, "agreed")
            currency = "INR" if owner == "acme" else "USD"
            made = new_rate_list(f"{owner} from {start}", currency, start, [rate], level)
            add_rate_list(connection, made, owner, NOW)
    return server


@pytest.mark.parametrize(
    ("on", "price", "prefix", "valid_from", "valid_to"),
    [
        (None, 600_000, "", None, None),
        ("2026-11-30", 600_000, "", None, None),
        ("2026-12-01", 450_000, "", "2026-12-01", "2027-01-01"),
        ("2026-12-31", 450_000, "", "2026-12-01", "2027-01-01"),
        ("2027-01-01", 400_000, "91", "2027-01-01", None),
    ],
)
def test_the_list_in_force_on_the_day(acme, on, price, prefix, valid_from, valid_to):
    found = acme.get("/rates", metric="sms_credits", **({"on": on} if on else {})).json()
    assert (found["on"], found["currency"]) == (on or "2026-11-22", "INR")
    (rate,) = found["rates"]
    assert (rate["price_micros"], rate["size"], rate["prefix"]) == (price, 1, prefix)
    assert (rate["valid_from"], rate["valid_to"]) == (valid_from, valid_to)
    assert (rate["level"], rate["note"]) == (
        ("account", "agreed") if valid_from else ("default", None)
    )


def test_what_is_charged_is_what_the_list_says(acme):
    (rate,) = acme.get("/rates", metric="sms_credits").json()["rates"]
    assert acme.send_one(sms(_id="priced", segments=3)).status_code == 204
    found = acme.get("/messages/priced").json()
    assert found["cost_micros"] == 3 * rate["price_micros"] // rate["size"]
    assert found["lines"][0]["rate_id"] == rate["id"]


def test_only_metrics_of_the_plan_are_listed(live, acme):
    def listed(client: ApiClient) -> set[str]:
        return {rate["metric"] for rate in client.get("/rates").json()["rates"]}

    globex, tinker = ApiClient(live, "globex"), ApiClient(live, "tinker")
    assert "human_dial_attempts" in listed(acme)
    assert "ringless_voicemail" not in listed(acme)
    assert "human_dial_attempts" not in listed(globex)
    assert "human_dial_attempts" in listed(tinker), "a Free account looks at all prices"
    globex.close()
    tinker.close()


def test_prices_of_another_account_are_nowhere(acme):
    assert "globex" not in acme.get("/rates", on="2026-12-15").text
