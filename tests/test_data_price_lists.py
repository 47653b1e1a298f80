"""Price list files: the provider's JSON and our CSV, exact, and refused by field when wrong."""

import copy
import json
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import InputError, NotFoundError
from billing.metrics import METRICS
from billing.rates import RateList
from data.accounts import read_account
from data.importers.importing import ImportTarget
from data.importers.price_cells import exact_price, parse_increment
from data.importers.price_lists import PriceList, import_rates, read_price_list
from data.ledger.price_books import load_rate_book
from tests.import_ledger import NOW, REAL, new_ledger, rows

PROVIDER = {
    "country": "Nowhere",
    "message": {"inbound": {"rate": "0.00000"}, "outbound": {"rate": "0.0070"}},
    "phone_numbers": {"local": {"rate": "0.90"}, "tollfree": {"rate": "1"}},
    "voice": {
        "inbound": {"local": {"rate": "0.0090"}, "tollfree": {"rate": "0.02"}},
        "outbound": {
            "local": {"rate": "0.5"},
            "rates": [
                {"prefix": ["9", "97"], "rate": "0.010"},
                {"prefix": ["977"], "rate": "0.1234567"},
            ],
        },
    },
}


@pytest.fixture
def write(tmp_path: Path):
    def to_file(body: str | bytes | dict, name: str = "prices") -> Path:
        file = tmp_path / name
        text = json.dumps(body) if isinstance(body, dict) else body
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return to_file


def read(file: Path, **more) -> PriceList:
    return read_price_list(file, **{"currency": "USD", "valid_from": "always", **more})


def prices(found: PriceList) -> dict[tuple[str, str], tuple]:
    return {
        (rate.metric, rate.prefix): (
            rate.price_micros, rate.size, rate.minimum, rate.increment, rate.note
        )
        for rate in found.rates
    }  # fmt: skip


def test_the_provider_list_is_mapped_by_the_rules(write):
    found = prices(read(write(PROVIDER), increment="30/6"))
    for metric in (
        "ai_connected_minutes", "ai_premium_connected_minutes", "human_connected_minutes"
    ):  # fmt: skip
        for prefix in ("9", "97"):
            assert found.pop((metric, prefix)) == (10_000, 60, 30, 6, None)
        assert found.pop((metric, "977")) == (1_234_567, 600, 30, 6, None)
    assert found.pop(("inbound_minutes", "")) == (9_000, 60, 30, 6, None)
    assert found.pop(("sms_credits", "")) == (7_000, 1, 1, 1, None)
    assert found.pop(("ai_sms_replies", "")) == (7_000, 1, 1, 1, None)
    assert found.pop(("inbound_sms", "")) == (0, 1, 1, 1, None)
    assert found.pop(("number_rental", "")) == (900_000, 1, 1, 1, None)
    assert set(found.values()) == {(0, 1, 1, 1, "not charged by this price list")}
    assert {metric for metric, _ in found} == {
        "ai_dial_attempts", "human_dial_attempts", "voicemail_drops", "ringless_voicemail",
        "whatsapp_conversations", "whatsapp_messages", "seat_licences", "agent_hours",
    }  # fmt: skip


@pytest.mark.skipif(not (REAL / "prices").is_dir(), reason=f"no price list in {REAL}")
def test_the_real_list_prices_what_it_says():
    found = read(REAL / "prices" / "plivo-pricing-US.json")
    minutes = {
        prefix: values[0]
        for (metric, prefix), values in prices(found).items()
        if metric == "human_connected_minutes"
    }
    assert minutes == {
        "1": 12_000, "1340": 24_000, "1808": 34_000, "1907": 179_000, "1900": 603_000
    }  # fmt: skip
    assert {rate.metric for rate in found.rates} == {metric.id for metric in METRICS}
    shown = found.shown()
    assert all(len(row) == len(PriceList.HEADINGS) for row in shown)
    assert ("Human Connected Minutes", "+1340", "0.024 USD", "min", "60/60 s", "", "") in shown


def without(*path: str) -> dict:
    document = copy.deepcopy(PROVIDER)
    found = document
    for key in path[:-1]:
        found = found[key]  # type: ignore[assignment]
    del found[path[-1]]
    return document


def with_rate(value: object, prefix: object = "9") -> dict:
    document: dict = copy.deepcopy(PROVIDER)
    document["voice"]["outbound"]["rates"][0] = {"prefix": [prefix], "rate": value}
    return document


RATES = "voice.outbound.rates"


@pytest.mark.parametrize(
    ("body", "field", "fix"),
    [
        (without("voice"), "voice", "provider's price list"),
        (without("message", "inbound"), "message.inbound", "provider's price list"),
        (without("voice", "outbound", "rates"), RATES, "provider's price list"),
        (with_rate("NaN"), f"{RATES}[0].rate", "without a sign"),
        (with_rate("-0.01"), f"{RATES}[0].rate", "without a sign"),
        (with_rate("Infinity"), f"{RATES}[0].rate", "without a sign"),
        (with_rate("1e99"), f"{RATES}[0].rate", "at most 1,000,000"),
        (with_rate("1" * 50), f"{RATES}[0].rate", "such as 0.012"),
        (with_rate("0.12345678901234567890"), f"{RATES}[0].rate", "fewer decimals"),
        (with_rate("$1"), f"{RATES}[0].rate", "without a sign"),
        (with_rate(None), f"{RATES}[0].rate", "a price such as"),
        (with_rate({}), f"{RATES}[0].rate", "a price such as"),
        (with_rate("1", "nine"), f"{RATES}[0].prefix", "first digits"),
        (with_rate("1", 9), f"{RATES}[0].prefix", None),
        (with_rate("1", "977"), "prefix", "once for each prefix"),
        ("[]", "voice", "provider's price list"),
        ("{", "file", "not valid JSON"),
        ("[" * 100_000, "file", "not valid JSON"),
        (b"\xff\xfe", "file", "UTF-8"),
        (b"x" * 5_000_001, "file", "below 5,000,000"),
    ],
)
def test_what_is_no_provider_list_is_refused_by_field(write, body, field: str, fix: str | None):
    if fix is None:  # a number where a text was expected is still digits
        assert ("ai_connected_minutes", "9") in prices(read(write(body)))
        return
    with pytest.raises(InputError) as refused:
        read(write(body))
    assert refused.value.field == field
    assert fix in refused.value.fix


CSV = """\
metric,prefix,price,per,minimum,increment,connect_fee,note
human_dial_attempts,,0.001,attempt,,,,
human_connected_minutes,1,0.012,minute,30,6,0.005,
human_connected_minutes,+44,0.0002,second,,,,
sms_credits,,0.00654321,,,,,
agent_hours,,1.5,hour,,,,
inbound_sms,,0,segment,,,,a gift
"""


def test_a_csv_list_is_read_exactly(write):
    assert prices(read(write(CSV))) == {
        ("human_dial_attempts", ""): (1_000, 1, 1, 1, None),
        ("human_connected_minutes", "1"): (12_000, 60, 30, 6, None),
        ("human_connected_minutes", "44"): (200, 1, 60, 60, None),
        ("sms_credits", ""): (654_321, 100, 1, 1, None),
        ("agent_hours", ""): (1_500_000, 3_600, 1, 1, None),
        ("inbound_sms", ""): (0, 1, 1, 1, "a gift"),
    }
    assert [rate.connect_fee_micros for rate in read(write(CSV)).rates] == [0, 5_000, 0, 0, 0, 0]


def test_a_csv_list_may_have_a_mark_empty_lines_and_sizes(write):
    found = read(write("\ufeffprice,metric,size\r\n0.6,inbound_minutes,600\r\n,,\r\n"))
    assert prices(found) == {("inbound_minutes", ""): (600_000, 600, 60, 60, None)}
    assert found.name == "prices"


@pytest.mark.parametrize(
    ("old", "new", "field", "fix"),
    [
        ("metric,", "metrik,", "column", "use only"),
        ("per,", "price,", "column", "once"),
        ("per,minimum", "per,size", "column", "per or size"),
        ("price,", "note,", "column", "once"),
        ("human_dial_attempts", "calls", "line 2, metric", "use one of"),
        ("0.001", "-0.001", "line 2, price", "without a sign"),
        ("0.001", "nan", "line 2, price", "without a sign"),
        ("0.001", "2000000", "line 2, price", "at most"),
        ("0.001", "", "line 2, price", "such as"),
        ("attempt,,", "minute,,", "line 2, per", "use attempt"),
        ("minute,30", "fortnight,30", "line 3, per", "second, minute, hour"),
        ("+44", "+44x", "line 4, prefix", "first digits"),
        ("+44", "1", "prefix", "once for each prefix"),
        (",30,6", ",0,6", "line 3, minimum", "30/6"),
        (",30,6", ",30,x", "line 3, increment", "30/6"),
        ("attempt,,", "attempt,60,", "line 2, minimum", "leave it empty"),
        ("attempt,,,", "attempt,,,1", "line 2, connect_fee", "talk time"),
        ("0.005", "0.0000001", "line 3, connect_fee", "six decimals"),
        ("a gift", "x" * 256, "line 7, note", "255"),
        ("a gift", '"a gift', "line 7", "quote"),
        (",a gift", "", "line 7", "use 8"),
    ],
)
def test_a_wrong_csv_list_is_refused_by_line_and_column(
    write, old: str, new: str, field: str, fix: str
):
    assert old in CSV
    with pytest.raises(InputError) as refused:
        read(write(CSV.replace(old, new, 1)))
    assert refused.value.field == field
    assert fix in refused.value.fix


@pytest.mark.parametrize("body", ["", "metric,price\n", "\n\n"])
def test_an_empty_list_is_refused(write, body: str):
    with pytest.raises(InputError):
        read(write(body))


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"currency": "DOLLAR"}, "currency"),
        ({"currency": ""}, "currency"),
        ({"valid_from": "soon"}, "valid-from"),
        ({"valid_from": "2026-02-30"}, "valid-from"),
        ({"increment": "60"}, "increment"),
        ({"increment": "60/0"}, "increment"),
        ({"increment": "-1/6"}, "increment"),
        ({"increment": "60/60/60"}, "increment"),
        ({"increment": "9999/1"}, "increment"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 256}, "name"),
    ],
)
def test_wrong_options_are_refused(write, options: dict, field: str):
    with pytest.raises(InputError) as refused:
        read(write(CSV), **options)
    assert refused.value.field == field


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "gone")


@given(st.decimals(0, 1000, places=9), st.sampled_from([1, 60, 3600]))
def test_prices_are_never_rounded(price, size: int):
    try:
        micros, scaled = exact_price(str(price), "price", size)
    except InputError:
        assert scaled_too_far(price, size)
        return
    assert Fraction(micros, scaled) == Fraction(price) * 1_000_000 / size


def scaled_too_far(price, size: int) -> bool:
    return size * 1_000 > 2**31 - 1 or len(str(price)) > 40


def test_increments_are_minimum_and_step():
    assert parse_increment(" 30/6 ") == (30, 6)


@pytest.fixture
def target(tmp_path: Path) -> ImportTarget:
    return new_ledger(tmp_path / "ledger")


def put(target: ImportTarget, found: PriceList, level: str, level_id: str | None) -> RateList:
    with target.database.write() as connection:
        return import_rates(connection, found, level=level, level_id=level_id, at=NOW)


def test_a_list_is_taken_for_an_account_a_plan_or_all(target: ImportTarget, write):
    found = read(write("metric,price\nsms_credits,0.5\n"), valid_from="2026-11-10", name="mine")
    put(target, found, "account", "acme")
    put(target, found, "plan", "Growth")
    put(target, found, "default", None)
    sql = "SELECT level, level_id FROM rate_lists WHERE name = 'mine' ORDER BY 1"
    assert rows(target, sql) == [
        ("account", "acme"), ("default", None), ("plan", "growth"),
    ]  # fmt: skip
    with target.database.read() as connection:
        account = read_account(connection, "acme")
        book = load_rate_book(connection, account, account.plan_on(NOW.date()))
    assert book.find("sms_credits", "1", date(2026, 11, 9)).price_micros == 6_500
    assert book.find("sms_credits", "1", date(2026, 11, 10)).price_micros == 500_000


@pytest.mark.parametrize(
    ("level", "level_id", "currency", "start", "error"),
    [
        ("world", None, "USD", "2026-11-10", InputError),
        ("default", "acme", "USD", "2026-11-10", InputError),
        ("plan", None, "USD", "2026-11-10", InputError),
        ("plan", "gold", "USD", "2026-11-10", InputError),
        ("account", "nobody", "USD", "2026-11-10", NotFoundError),
        ("account", "acme", "EUR", "2026-11-10", InputError),
        ("default", None, "USD", "always", InputError),  # one is there already
    ],
)
def test_a_list_for_nobody_is_refused(
    target: ImportTarget, write, level: str, level_id, currency: str, start: str, error
):
    before = rows(target, "SELECT COUNT(*) FROM rates")
    found = read(write("metric,price\nsms_credits,0.5\n"), currency=currency, valid_from=start)
    with pytest.raises(error):
        put(target, found, level, level_id)
    assert rows(target, "SELECT COUNT(*) FROM rates") == before
