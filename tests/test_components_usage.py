"""The pieces of the usage page: what they say for given values."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.metrics import METRIC_BY_ID, Service
from billing.periods import Period
from billing.queries import Granularity
from billing.runway import Runway
from billing.usage import Balance, PromotionalLot
from components.axis import money_axis
from components.balance import BalanceIds, BalanceView, balance_parts, balance_popover, lasts_text
from components.buckets import buckets, pivot
from components.cards import balance_card, runway_card, spend_card
from components.charts import SERVICE_COLOURS, ChartView, Note, daily_chart, timeline
from components.consumers import ConsumerRow, ConsumersView, consumers_card
from components.links import Choice
from components.metric_table import MetricRow, MetricTableView, metric_table
from components.months import MonthRow, MonthsView, months_card
from components.period_bar import FilterGroup, FilterOption, PeriodBarView, period_bar
from components.sparkline import svg
from tests.components_reading import hrefs, of_kind, rows, walk, with_class, words

TODAY = date(2026, 11, 22)
NOVEMBER = Period(date(2026, 11, 1), date(2026, 12, 1))
NOW = datetime(2026, 11, 22, 13, 1, 7, tzinfo=UTC)
UNIT = 1_000_000

WALLET = BalanceView(
    balance=Balance(
        "INR", 11_000 * UNIT, 2_500 * UNIT, 1_019_500_000,
        (
            PromotionalLot(1_500 * UNIT, datetime(2026, 12, 31, tzinfo=UTC)),
            PromotionalLot(1_000 * UNIT, None),
        ),
        NOW,
    ),
    today_micros=3_214_100_000,
    period_micros=83_214_600_000,
    billing_period=NOVEMBER,
    runway=Runway(3, date(2026, 11, 25), 4_100 * UNIT),
    locale="en_IN",
    zone="Asia/Kolkata",
)  # fmt: skip


def test_the_header_opens_the_six_items_of_the_breakdown():
    said = words(balance_popover(WALLET))
    for text in (
        "Available Balance", "Paid Credits", "Promotional Credits", "Reserved Amount",
        "Today’s Usage", "This Month’s Usage", "current billing period, 1 – 30 Nov 2026",
        "₹12,480.50", "−₹1,019.50", "₹1,500.00 expires 31 Dec 2026", "₹1,000.00 never expires",
        "about 3 days",
    ):  # fmt: skip
        assert text in said


def test_the_ids_of_the_live_balance_are_there_once():
    ids = [part.id for part in walk(balance_popover(WALLET)) if getattr(part, "id", None)]
    named = [value for name, value in vars(BalanceIds).items() if name.isupper()]
    assert sorted(i for i in ids if i in named) == sorted(named)


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.integers(0, 10**10), max_size=5),
    st.integers(0, 10**10),
)
def test_the_shown_parts_add_up_to_the_shown_balance(paid, lots, reserved):
    promotional = tuple(PromotionalLot(lot, None) for lot in lots)
    balance = Balance("USD", paid, sum(lots), reserved, promotional, NOW)
    parts = balance_parts(balance)
    shown = parts.paid + parts.promotional - parts.reserved
    assert abs(shown - balance.available_micros) <= 5_000
    assert sum(parts.lots) == parts.promotional
    assert all(part % 10_000 == 0 for part in (parts.paid, parts.reserved, *parts.lots))


@pytest.mark.parametrize(
    ("paid", "runway", "text", "headline"),
    [
        (100, Runway(3, date(2026, 11, 25), 1), "about 3 days", "Wed 25 Nov"),
        (100, Runway(1, date(2026, 11, 23), 1), "about 1 day", "Mon 23 Nov"),
        (100, Runway(0, date(2026, 11, 22), 1), "less than a day", "Sun 22 Nov"),
        (100, Runway(None, None, 0), "no recent usage", "No recent usage"),
        (101, Runway(None, None, 0), "too early to tell", "Too early to tell"),  # used today
        (100, Runway(3650, None, 1), "over 10 years", "Over 10 years"),
        (0, Runway(0, TODAY, 1), "empty", "Empty"),
        (-5, Runway(0, TODAY, 0), "empty", "Empty"),
    ],
)
def test_how_long_the_balance_lasts(paid, runway, text, headline):
    wallet = replace(WALLET, balance=Balance("INR", paid * UNIT, 0, 0, (), NOW), runway=runway)
    wallet = replace(wallet, period_micros=UNIT * (paid == 101))
    assert lasts_text(wallet) == text
    assert headline in words(runway_card(wallet))


def test_the_headline_compares_like_with_like():
    before = Period(date(2026, 10, 1), date(2026, 10, 23))
    card = spend_card(83_214_600_000, 74_036_100_000, before, "INR", "en_IN")
    assert words(card) == (
        "Spend this period ₹83,214.60 ▲ more: 12.4 % ₹74,036.10 in the first 22 days of October"
    )
    assert "₹1,019.50 reserved" in words(balance_card(WALLET))


def test_a_headline_from_zero_is_new():
    before = Period(date(2026, 10, 1), date(2026, 11, 1))
    assert "₹5.00 new ₹0.00 in October" in words(spend_card(5 * UNIT, 0, before, "INR", "en_IN"))


def metric_row(metric: str, count: int, cost: int, before: int) -> MetricRow:
    return MetricRow(
        METRIC_BY_ID[metric], count, count * 60, cost, before, (0, cost),
        f"/billing/usage/{metric}", f"/billing/rates#{metric}",
    )  # fmt: skip


TABLE = MetricTableView(
    (
        metric_row("inbound_minutes", 0, 0, 0),
        metric_row("ai_connected_minutes", 2, 3_333_333, 0),
        metric_row("human_connected_minutes", 9, 6_666_666, 10_000_000),
    ),
    "INR", "en_IN", "vs October", "22 days",
)  # fmt: skip


def test_the_metric_table_is_sorted_by_cost_and_adds_up():
    cells = [[cell for cell in row if cell] for row in rows(metric_table(TABLE))]
    assert cells == [
        ["Metric", "Count", "Units", "Cost ↓", "Share", "vs October", "22 days"],
        ["Human Connected Minutes", "9 calls", "9 min", "₹6.67", "66.7 %", "−33.3 %"],
        ["AI Connected Minutes", "2 calls", "2 min", "₹3.33", "33.3 %", "new"],
        ["Inbound Minutes", "0 calls", "0 min", "₹0.00", "0.0 %", "–"],
        ["Total", "₹10.00", "0.0 %"],
    ]


def test_a_metric_leads_to_its_drill_down_and_to_its_rate():
    table = metric_table(TABLE)
    assert hrefs(table)[:2] == [
        "/billing/usage/human_connected_minutes",
        "/billing/rates#human_connected_minutes",
    ]
    assert len(with_class(table, "is-idle")) == 1


def test_without_drill_down_nothing_opens():
    locked = tuple(replace(row, href=None) for row in TABLE.rows)
    table = metric_table(replace(TABLE, rows=locked))
    assert not with_class(table, "row-link")


def test_buckets_cover_a_period_without_gaps():
    period = Period(date(2026, 10, 28), date(2026, 12, 3))
    for granularity in Granularity:
        parts = buckets(period, granularity, TODAY)
        assert parts[0].period.start == period.start
        assert parts[-1].period.end == period.end
        assert all(a.period.end == b.period.start for a, b in itertools.pairwise(parts))
    assert [part.tick for part in buckets(period, Granularity.MONTH, TODAY)] == [
        "Oct 2026", "Nov 2026", "Dec 2026",
    ]  # fmt: skip
    assert [part.label for part in buckets(period, Granularity.MONTH, TODAY)] == [
        "28 – 31 Oct 2026", "Nov 2026", "1 – 2 Dec 2026",
    ]  # fmt: skip


cost_rows = st.lists(
    st.tuples(
        st.dates(date(2026, 10, 1), date(2026, 12, 31)),
        st.sampled_from([str(service) for service in Service]),
        st.integers(-(10**9), 10**12),
    ),
    max_size=30,
)


@given(cost_rows, st.sampled_from(list(Granularity)))
def test_no_micro_is_lost_between_lines_and_bars(found, granularity):
    parts = buckets(NOVEMBER, granularity, TODAY)
    table = pivot(found, parts, [str(service) for service in Service])
    assert {len(column) for column in table.values()} == {len(parts)}
    assert sum(map(sum, table.values())) == sum(c for day, _, c in found if day in NOVEMBER)


def chart_view(granularity: Granularity = Granularity.DAY) -> ChartView:
    found = tuple(
        (day, service, cost)
        for day in (date(2026, 11, 17), TODAY)
        for service, cost in (("Voice", 4_672 * UNIT), ("SMS", 1_296 * UNIT))
    )
    return ChartView(
        found, Period(date(2026, 11, 1), date(2026, 11, 23)), TODAY, granularity, "INR", "en_IN",
        notes=(Note(date(2026, 11, 17), "unusual"),),
    )  # fmt: skip


def test_the_hover_reads_like_a_sentence():
    chart = daily_chart(chart_view())
    (graph,) = of_kind(chart, "Graph")
    said = graph.figure["data"][-1]["text"]
    assert said[16] == "<b>Tue 17 Nov: ₹5,968.00</b><br>Voice ₹4,672.00<br>SMS ₹1,296.00"
    assert said[-1].startswith("<b>Sun 22 Nov: ₹5,968.00</b> so far")
    assert said[0] == "<b>Sun 1 Nov: ₹0.00</b>"


def test_the_chart_shades_weekends_and_lightens_today():
    (graph,) = of_kind(daily_chart(chart_view()), "Graph")
    assert [shape["x0"] + 0.5 for shape in graph.figure["layout"]["shapes"]] == [
        0, 6, 7, 13, 14, 20, 21,
    ]  # fmt: skip
    opacity = graph.figure["data"][0]["marker"]["opacity"]
    assert opacity[-1] < opacity[0] == 1
    assert graph.figure["layout"]["xaxis"]["ticktext"][-1] == "today"


def test_services_keep_reading_order_and_colour():
    (graph,) = of_kind(daily_chart(chart_view()), "Graph")
    bars = graph.figure["data"][:-1]
    assert [(bar["name"], bar["marker"]["color"]) for bar in bars] == [
        ("Voice", SERVICE_COLOURS["Voice"]), ("SMS", SERVICE_COLOURS["SMS"]),
    ]  # fmt: skip


def test_every_chart_has_words_and_a_table_behind_it():
    for chart in (daily_chart(chart_view()), timeline(chart_view(), "Voice")):
        (image,) = with_class(chart, "chart-box")
        assert image.role == "img"
        assert "most in Tue 17 Nov with ₹" in getattr(image, "aria-label").replace("\xa0", " ")
        assert len(of_kind(chart, "Tr")) == 1 + 22
    assert rows(daily_chart(chart_view()))[17] == [
        "Tue 17 Nov", "₹4,672.00", "₹1,296.00", "₹5,968.00",
    ]  # fmt: skip


def test_an_empty_chart_is_still_a_chart():
    view = replace(chart_view(Granularity.WEEK), rows=(), notes=())
    (image,) = with_class(daily_chart(view), "chart-box")
    assert getattr(image, "aria-label").endswith("nothing was spent.")


def test_one_bar_is_cut_into_its_services_instead():
    chart = daily_chart(chart_view(Granularity.MONTH))
    assert not of_kind(chart, "Graph")
    said = words(chart)
    assert "1 – 22 Nov 2026 so far" in said
    assert "Voice ₹9,344.00 78.3 %" in said
    assert len(of_kind(timeline(chart_view(Granularity.MONTH), "Voice"), "Tr")) == 1 + 22


def test_a_single_day_stands_out_of_its_week():
    view = replace(chart_view(), focus=Period(TODAY, TODAY + timedelta(days=1)))
    (graph,) = of_kind(daily_chart(view), "Graph")
    opacity = graph.figure["data"][0]["marker"]["opacity"]
    assert opacity[-1] == 1
    assert max(opacity[:-1]) < 0.5
    assert "Daily cost, 22 days to 22 Nov" in words(daily_chart(view))


def test_a_year_of_days_has_no_outlines_and_names_months():
    view = replace(chart_view(), period=Period(date(2025, 11, 23), date(2026, 11, 23)))
    (graph,) = of_kind(daily_chart(view), "Graph")
    assert graph.figure["data"][0]["marker"]["line"]["width"] == 0
    assert graph.figure["layout"]["xaxis"]["ticktext"][:2] == ["Dec 2025", "Feb 2026"]


@given(st.integers(-(10**14), 0), st.integers(0, 10**14), st.sampled_from(["INR", "JPY", "KWD"]))
def test_an_axis_holds_both_ends_with_few_distinct_lines(lowest, highest, currency):
    axis = money_axis(lowest, highest, currency, "en_US")
    assert axis.bottom * UNIT <= lowest
    assert highest <= axis.top * UNIT
    assert 0 in axis.values
    assert len(axis.values) <= 12
    assert len(set(axis.labels)) == len(axis.labels)


def test_a_sparkline_stays_inside_its_box():
    for values in ((), (0,), (5, -3, 12), tuple(range(400))):
        drawing = svg(values)
        points = drawing.split('stroke-linejoin="round" points="')[1].split('"')[0]
        for pair in points.split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= 88
            assert 0 <= y <= 22


def bar_view() -> PeriodBarView:
    return PeriodBarView(
        presets=(Choice("Today", "/u?period=today"), Choice("This period", "/u", True)),
        period=NOVEMBER,
        today=TODAY,
        earlier="/u?from=2026-10-01&to=2026-11-01",
        later=None,
        first_day=date(2025, 1, 1),
        granularities=(Choice("Day", "/u", True), Choice("Week", "/u?by=week")),
        filters=(
            FilterGroup("Service", (FilterOption("Voice", "/u", True),)),
            FilterGroup("Campaign", tuple(FilterOption(f"C {n}", f"/u?{n}") for n in range(9))),
        ),
        clear_href="/u",
        exports=(Choice("Daily (CSV)", "/daily.csv"),),
    )


def test_the_bar_says_what_is_chosen_and_offers_the_rest_as_links():
    bar = period_bar(bar_view())
    current = [words(link) for link in of_kind(bar, "A") if getattr(link, "aria-current", None)]
    assert current == ["This period", "Day", "Voice"]
    assert "/u?from=2026-10-01&to=2026-11-01" in hrefs(bar)
    assert [words(chip) for chip in with_class(bar, "chip")] == ["Service: Voice"]


def test_a_custom_range_shows_the_last_day_included_and_no_future():
    fields = {field.id: field for field in of_kind(period_bar(bar_view()), "Input")}
    first, last = fields["range-first"], fields["range-last"]
    assert (first.value, last.value) == ("2026-11-01", "2026-11-22")
    assert (first.min, last.max) == ("2025-01-01", "2026-11-22")
    assert "search-find-a-campaign" in fields
    assert "search-find-a-service" not in fields


def test_top_consumers_filter_and_share():
    view = ConsumersView(
        (ConsumerRow("Autodialer", 3, 750 * UNIT, "/u?consumer=a"),), 1_000 * UNIT, (), 0,
        "INR", "en_IN",
    )  # fmt: skip
    card = consumers_card(view)
    assert rows(card)[1] == ["Autodialer", "75.0 %", "₹750.00"]
    assert hrefs(card) == ["/u?consumer=a"]
    assert "Campaigns None in this period." in words(card)


def test_months_compare_only_when_they_are_over():
    months = tuple(
        MonthRow(Period(start, start + timedelta(days=28)), cost * UNIT, is_running, "/u")
        for start, cost, is_running in (
            (date(2026, 9, 1), 100, False), (date(2026, 10, 1), 150, False),
            (date(2026, 11, 1), 30, True),
        )
    )  # fmt: skip
    found = rows(months_card(MonthsView(months, "INR", "en_IN")))
    assert found[1:] == [
        ["Nov 2026", "", "₹30.00", "so far"],
        ["Oct 2026", "", "₹150.00", "+50.0 %"],
        ["Sep 2026", "", "₹100.00", "–"],
    ]
