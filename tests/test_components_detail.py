"""The drill-down, the receipt of a charge, rates, states and the frame: what they say."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from dash import html

from billing.metrics import METRIC_BY_ID
from billing.plans import Plan
from billing.price_table import metric_prices
from billing.rates import Rate, RateList
from billing.usage import Explanation, LotDraw, UsageCell, UsageLine
from components import explain, rates_page, settings_page, shell, states
from components.day_table import DayTableView, day_table
from components.links import Choice
from components.metric_table import MetricRow, session_table
from components.transactions import TransactionsView, rate_link, transactions
from tests.components_reading import hrefs, of_kind, rows, walk, with_class, words

METRIC = METRIC_BY_ID["ai_connected_minutes"]
AT = datetime(2026, 11, 22, 12, 24, 7, tzinfo=UTC)
KOLKATA = "Asia/Kolkata"

LINE = UsageLine(
    seq=1, id="l1", event_id="e1", source="platform", source_id="call-9", metric=METRIC.id,
    service="Voice", direction="outbound", agent="ai", status="answered", reason=None,
    campaign_id="c", campaign="Win-back", consumer_id="u", consumer="Autodialer", occurred_at=AT,
    received_at=AT, stored_at=AT, booked_on=date(2026, 11, 22), corrects_period=None,
    base_units=120, pulses=2, talk_seconds=95, rate_id="r", connect_fee_micros=100_000,
    cost_micros=1_600_000, currency="INR", reverses_line_id=None, is_sandbox=False, flags=(),
)  # fmt: skip
UNANSWERED = replace(
    LINE, id="l2", status="unanswered", reason="not answered", base_units=0, pulses=0,
    talk_seconds=0, connect_fee_micros=0, cost_micros=0,
)  # fmt: skip
LATE = replace(
    LINE, id="l3", occurred_at=datetime(2026, 10, 3, 9, tzinfo=UTC),
    corrects_period=date(2026, 10, 1), flags=("derived_time",),
)  # fmt: skip
REVERSAL = replace(LINE, id="l4", reverses_line_id="l1", cost_micros=-1_600_000)


def listing(*lines: UsageLine, older: str | None = "?cursor=o") -> TransactionsView:
    return TransactionsView(
        METRIC, lines, "en_IN", KOLKATA, tuple(f"?line={line.id}" for line in lines),
        (Choice("Newest first", "?", True), Choice("Dearest first", "?sort=cost")),
        (Choice("All", "?", True), Choice("Answered", "?a"), Choice("Unanswered", "?u")),
        None, older,
    )  # fmt: skip


def test_a_transaction_says_when_who_how_much_and_why():
    found = rows(transactions(listing(LINE, UNANSWERED, LATE, REVERSAL)))
    assert found[1:] == [
        ["Sun 22 Nov", "17:54:07", "Win-back", "Autodialer", "2 min", "₹1.60", "Answered"],
        ["Sun 22 Nov", "17:54:07", "Win-back", "Autodialer", "0 min", "₹0.00",
         "Unanswered not answered"],
        ["Sun 22 Nov late: belongs to 3 Oct", "14:30:00 ≈", "Win-back", "Autodialer", "2 min",
         "₹1.60", "Answered"],
        ["Sun 22 Nov reversal", "17:54:07", "Win-back", "Autodialer", "2 min", "−₹1.60",
         "Answered"],
    ]  # fmt: skip


def test_a_transaction_opens_its_explanation_and_pages_by_links():
    found = hrefs(transactions(listing(LINE)))
    assert "?line=l1" in found
    assert found[-1] == "?cursor=o"
    assert not of_kind(transactions(listing(LINE, older=None)), "Nav")


def test_no_transactions_say_what_to_do():
    assert "No transactions match." in words(transactions(listing()))


def test_the_days_of_a_metric_add_up_newest_first():
    cells = tuple(UsageCell((date(2026, 11, d),), d, 60 * d, 0, 0, 3_333_333) for d in (1, 2, 3))
    found = rows(day_table(DayTableView(METRIC, cells, "INR", "en_IN")))
    assert found[1] == ["Tue 3 Nov", "3 calls", "3 min", "₹3.34"]
    assert found[-1] == ["Total", "6 calls", "6 min", "₹10.00"]


def explained(line: UsageLine, **changes: Any) -> list[str]:
    base = Explanation(
        line=line, rate_list="Standard India 2026", rate_valid_from=date(2026, 4, 1),
        rate_prefix="91", price_micros=750_000, price_size=60, minimum=60, increment=60,
        counterparty="+9198…21", entry_id="w1",
        draws=(
            LotDraw("a", "promotional", AT, datetime(2026, 12, 31, tzinfo=UTC), 600_000),
            LotDraw("b", "paid", AT, None, 1_000_000),
        ),
        balance_before_micros=12_482_100_000, balance_after_micros=12_480_500_000,
        siblings=(replace(line, metric="ai_dial_attempts", cost_micros=100_000),),
    )  # fmt: skip
    view = explain.ExplainView(
        replace(base, **changes), METRIC, "en_IN", KOLKATA, "/close", "/billing/rates#x"
    )
    card = explain.explain_charge(view)
    return [words(step) for step in of_kind(card, "Li")] + [words(part) for part in with_class(
        card, "card-detail")]  # fmt: skip


def test_a_charge_is_explained_from_event_to_balance():
    event, units, rounding, rate, cost, promotional, paid, balance, also = explained(LINE)
    assert "Sun 22 Nov 2026, 17:54:07 IST" in event
    assert "Voice, outbound by an AI agent to +9198…21" in event
    assert units == "Units Time used 1 min 35 s"
    assert "95 s are billed as 120 s, 2 pulses. 2 min" in rounding
    assert "in force since Wed 1 Apr 2026, for numbers starting with +91" in rate
    assert rate.endswith("₹0.75 per min")
    assert cost == "Cost 2 min × ₹0.75 + connect fee ₹0.10, rounded once ₹1.60"
    assert "expires 31 Dec 2026 −₹0.60" in promotional
    assert paid.endswith("−₹1.00")
    assert balance == "Balance ₹12,482.10 before, ₹12,480.50 after ₹12,480.50"
    assert also == "The same event was also counted as AI Dial Attempts ₹0.10."


def test_a_line_that_cost_nothing_says_why_no_money_moved():
    steps = explained(
        UNANSWERED, entry_id=None, draws=(), balance_before_micros=None,
        balance_after_micros=None, siblings=(),
    )  # fmt: skip
    assert steps[-1] == "Wallet No money moved: not answered. ₹0.00"


def test_a_reversal_gives_back_to_the_lots():
    steps = explained(
        REVERSAL, balance_before_micros=12_480_500_000, balance_after_micros=12_482_100_000
    )
    assert "+₹0.60" in steps[5]
    assert "Cost The earlier charge, with its sign turned. −₹1.60" in steps


def test_a_product_never_hides_a_rounding():
    def said(base_units: int, size: int) -> str:
        text = explain.product_text(base_units, 750_000, size, METRIC, "INR", "en_IN")
        return text.replace("\N{NO-BREAK SPACE}", " ")

    assert said(120, 60) == "2 min × ₹0.75"
    assert said(95, 60) == "95 seconds × ₹0.75 ÷ 60"
    assert said(1, 1) == "1 second × ₹0.75"


def test_rates_are_dated_grouped_and_worked_out():
    today = date(2026, 11, 22)
    old = RateList("a", "Old", "INR", None, (Rate("1", METRIC.id, 600_000, 60, "", 60, 60),))
    now = RateList(
        "b", "New", "INR", date(2026, 4, 1),
        (
            Rate("2", METRIC.id, 750_000, 60, "", 60, 60, 100_000),
            Rate("3", METRIC.id, 900_000, 60, "91", 30, 6),
            Rate("4", METRIC.id, 900_000, 60, "92", 30, 6),
        ),
    )  # fmt: skip
    prices = (metric_prices(METRIC, [old, now], today),)
    page = rates_page.rates_page(rates_page.RatesView(prices, "INR", "en_IN", today))
    found = rows(page)
    assert ["Any", "₹0.75 per min", "60/60 s", "₹0.10", "since 1 Apr 2026", "New"] in found
    assert ["+91…, +92…", "₹0.90 per min", "30/6 s", "₹0.00", "since 1 Apr 2026", "New"] in found
    assert ["Any", "₹0.60 per min", "60/60 s", "until 31 Mar 2026", "Old"] in found
    assert (
        "Example: 1 min 35 s of talk is billed as 2 min: 2 min × ₹0.75 + ₹0.10 connect fee = ₹1.60"
        in words(page)
    )
    assert hrefs(page) == [f"#{METRIC.id}"]
    assert METRIC.id in [part.id for part in walk(page) if getattr(part, "id", None)]


def test_states_say_what_happened_and_what_to_do():
    assert words(states.failed("Spend", "/x", "ab12")) == (
        "Spend could not be loaded The other figures on this page are not affected. "
        "Retry Error ab12"
    )
    assert hrefs(states.failed("Spend", "/x?a=1")) == ["/x?a=1"]
    assert hrefs(states.empty("Nothing", "Try.", Choice("Open usage", "/u"))) == ["/u"]
    assert states.notices(()) is None
    assert "It comes with the Growth and Scale plans." in words(
        states.not_on_plan(METRIC_BY_ID["ai_sms_replies"], Plan.LAUNCH)
    )
    assert "Scale plan." in words(
        states.not_on_plan(METRIC_BY_ID["ringless_voicemail"], Plan.GROWTH)
    )
    assert "42 %" in words(states.loading_notice(42))
    assert words(states.watermark(AT, KOLKATA)) == (
        "Complete to 17:54:07 IST · days in Asia/Kolkata"
    )


def test_a_free_session_would_cost_and_opens_nothing():
    row = MetricRow(METRIC, 2, 120, 1_500_000, 0, (), None, "/billing/rates#x")
    found = rows(session_table((row,), "INR", "en_IN"))
    assert found[0][-1] == "Would cost"
    assert found[1] == ["AI Connected Minutes", "2 calls", "2 min", "₹1.50"]


ACME = shell.AccountChoice("acme", "Acme", "Growth · INR · Asia/Kolkata")
GLOBEX = shell.AccountChoice("globex", "Globex", "Scale · USD · UTC")


def frame(*accounts: shell.AccountChoice) -> shell.ShellView:
    return shell.ShellView(
        ("usage", "rates", "settings"), "rates", (shell.Crumb("Billing", "/b"), shell.Crumb("Now")),
        ACME, accounts, shell.Person("Priya Rao", "priya@acme.example", "owner"),
    )  # fmt: skip


def test_the_frame_shows_only_the_pages_that_exist():
    page = shell.shell("content", frame(ACME))
    links = with_class(page, "side-link")
    assert [words(link) for link in links] == ["Usage", "Usage rates", "Settings"]
    assert [getattr(link, "aria-current", None) for link in links] == [None, "page", None]


def test_accounts_are_switched_and_people_signed_out_by_post():
    page = shell.shell("content", frame(ACME, GLOBEX))
    posts = [part for part in of_kind(page, "Button") if hasattr(part, "data-post")]
    assert [getattr(part, "data-post") for part in posts] == [
        "/session/account", "/session/account", "/sign-out",
    ]  # fmt: skip
    assert getattr(posts[1], "data-field-account") == "globex"
    assert not [
        part
        for part in of_kind(shell.shell("", frame(ACME)), "Button")
        if getattr(part, "data-post", "") == "/session/account"
    ]


def test_ids_of_the_frame_are_unique_and_the_skip_link_finds_its_target():
    page = shell.shell("content", frame(ACME, GLOBEX))
    ids = [part.id for part in walk(page) if getattr(part, "id", None)]
    assert len(ids) == len(set(ids))
    assert "main" in ids
    assert hrefs(page)[0] == "#main"


def test_words_around_the_heading():
    assert shell.period_detail("1 – 30 Nov 2026", "billing period", 8, "en_IN") == (
        "1 – 30 Nov 2026 · billing period, 8 days left"
    )
    assert shell.period_detail("Sun 22 Nov 2026", None, None, "en_IN") == "Sun 22 Nov 2026"
    assert shell.Person("", "sam@example.org", "support").initials == "SE"
    assert shell.Person("Priya Rao", "p@x", "owner").initials == "PR"
    assert "What this costs" in words(rate_link(METRIC, "/billing/rates#x"))


def test_settings_lead_into_billing_first():
    page = settings_page.settings_page(
        (settings_page.SettingsLink(Choice("Usage", "/billing/usage"), "What was spent."),),
        html.P("Two keys"),
        (("Currency", "INR"),),
    )
    assert words(page) == "Billing Usage What was spent. Two keys Account Currency INR"
