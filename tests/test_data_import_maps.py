"""Column maps: the built-in ones hold together, and a wrong one is refused by key."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from billing.errors import InputError
from billing.events import CallEvent, SmsEvent, UsageEvent
from data.identity import Pseudonyms
from data.importers.events import MappingContext, RowMapper
from data.importers.identity import TwinFinder, Twins
from data.importers.maps import ColumnMap, built_in_maps, load_map, read_map
from data.importers.times import DayAndMonth, WeekdayAndMonth, parse_start

MAP = """\
name = "mine"
type = "call"
[file]
columns = ["at", "seconds", "state"]
[constants]
direction = "outbound"
agent = "ai"
[fields]
duration = "seconds"
[answered]
column = "state"
values = ["ok"]
[time]
zone = "Asia/Kolkata"
columns = ["at"]
patterns = ["%d/%m/%Y %H:%M"]
"""


def context(**more) -> MappingContext:
    return MappingContext("acme", more.pop("zone", "UTC"), Pseudonyms("secret"), **more)


def event(column_map: ColumnMap, *rows: str, **more) -> UsageEvent:
    """The event of the last row, cells apart by bars."""
    zone = column_map.time.zone
    mapper = RowMapper(column_map, column_map.file.columns, context(zone=zone, **more))
    return [mapper.event(row.split("|"), n, f"id{n}") for n, row in enumerate(rows)][-1]


def test_every_promised_map_is_there():
    assert built_in_maps() == (
        "anonymous-bank", "asterisk-cdr", "bank-full", "bank-marketing", "freeswitch-cdr",
        "plivo-calls", "plivo-messages", "sms-text", "twilio-calls", "twilio-messages",
        "usage-csv",
    )  # fmt: skip


@pytest.mark.parametrize("name", built_in_maps())
def test_every_map_is_valid_and_tells_what_it_is(name: str):
    found = load_map(name)
    assert found.name == found.event_source == name
    assert found.about


@pytest.mark.parametrize(
    ("old", "new", "key", "fix"),
    [
        ('name = "mine"', "", "name", "add this key"),
        ('name = "mine"', 'name = "Mein Haus"', "name", "pattern"),
        ('type = "call"', 'type = "fax"', "type", "call"),
        ('type = "call"', 'type = "call"\ncolour = "red"', "colour", "no such key"),
        ("[constants]", "widths = [1]\n[constants]", "file.widths", "no such key"),
        ("[constants]", 'delimiter = ";;"\n[constants]', "file.delimiter", "character"),
        ("[constants]", 'delimiter = "\\n"\n[constants]', "file.delimiter", "tab"),
        ("[constants]", 'encoding = "utf-16"\n[constants]', "file.encoding", "utf-8"),
        ("[constants]", 'encoding = "klingon"\n[constants]', "file.encoding", "utf-8"),
        ("[constants]", 'header = "yes"\n[constants]', "file.header", "boolean"),
        ('"seconds", "state"]', '"seconds", "state", "at"]', "file.columns", "once"),
        ('"outbound"', '"sideways"', "constants.direction", "outbound, inbound"),
        ('agent = "ai"', 'agent = "ai"\npremium = "maybe"', "constants.premium", "true"),
        ('agent = "ai"', 'agent = "ai"\nsegments = "1"', "constants.segments", "use one of"),
        ('agent = "ai"', "", "fields.agent", "give agent"),
        ('agent = "ai"', 'agent = "ai"\nduration = "5"', "constants.duration", "field already"),
        ('duration = "seconds"', 'duration = "secs"', "fields.duration", "at, seconds, state"),
        ('duration = "seconds"', 'duration = "seconds"\nage = "at"', "fields.age", "use one of"),
        ('duration = "seconds"', 'duration = { column = "seconds", pseudonym = "x" }',
         "fields.duration.pseudonym", "leave it out"),
        ('duration = "seconds"', 'duration = { column = "seconds", colum = "x" }',
         "fields.duration.colum", "no such key"),
        ('column = "state"', 'column = "status"', "answered.column", "use one of"),
        ('"Asia/Kolkata"', '"Asia/Atlantis"', "time.zone", "IANA"),
        ('"%d/%m/%Y %H:%M"', '"%H:%M"', "time.patterns", "strptime"),
        ('"%d/%m/%Y %H:%M"', '"%Q"', "time.patterns", "strptime"),
        ('patterns = ["%d/%m/%Y %H:%M"]', "", "time", "patterns"),
        ('patterns = ["%d/%m/%Y %H:%M"]', 'derivation = "day-and-month"', "time.columns", "2"),
        ('columns = ["at"]\npatterns = ["%d/%m/%Y %H:%M"]',
         'columns = ["at", "state"]\nderivation = "day-and-month"', "time.first_year", "year"),
        ('zone = "Asia/Kolkata"', "zone = 5", "time.zone", "string"),
        ("[time]", '[destination]\ndefault = "home"\n[time]', "destination.default", "pattern"),
        ("[time]", "[identity]\ncolumns = ['x']\n[time]", "identity.columns", "use one of"),
    ],
)  # fmt: skip
def test_a_wrong_map_is_refused_by_key(tmp_path: Path, old: str, new: str, key: str, fix: str):
    assert old in MAP
    file = tmp_path / "mine.toml"
    file.write_text(MAP.replace(old, new, 1))
    with pytest.raises(InputError) as refused:
        read_map(file)
    assert refused.value.field == f"mine.toml: {key}"
    assert fix in refused.value.fix


def test_what_is_no_toml_is_refused(tmp_path: Path):
    for name, body in (("a.toml", b"name = "), ("b.toml", b"\xff\xfe"), ("c.toml", b"#" * 200_000)):
        (tmp_path / name).write_bytes(body)
        with pytest.raises(InputError, match=name):
            load_map(str(tmp_path / name))
    with pytest.raises(InputError, match="use one of"):
        load_map(str(tmp_path / "map.csv"))


@pytest.fixture
def mine(tmp_path: Path) -> ColumnMap:
    file = tmp_path / "mine.toml"
    file.write_text(MAP)
    return read_map(file)


def test_a_row_becomes_an_event(mine: ColumnMap):
    assert event(mine, "31/01/2026 00:10|61|ok", destination="+44") == CallEvent(
        source="mine", id="id0", occurred_at=datetime(2026, 1, 30, 18, 40, tzinfo=UTC),
        counterparty="44", direction="outbound", agent="ai", is_answered=True,
        duration_seconds=61, flags=("assumed_destination",),
    )  # fmt: skip


@pytest.mark.parametrize(("seconds", "state", "talk"), [("61", "gone", 0), ("0", "ok", 0)])
def test_only_talk_is_answered(mine: ColumnMap, seconds: str, state: str, talk: int):
    found = event(mine, f"31/01/2026 00:10|{seconds}|{state}")
    assert isinstance(found, CallEvent)
    assert (found.is_answered, found.duration_seconds) == (False, talk)


@pytest.mark.parametrize(
    ("row", "direction", "number", "seconds", "outcome"),
    [
        ("CA1|+1415|+442079460000|outbound-api|completed|2026-01-05T10:00:00Z|30",
         "outbound", "442079460000", 30, None),
        ("CA1|(415) 555-0100|+442079460000|inbound|completed|Mon, 05 Jan 2026 10:00:00 +0000|30",
         "inbound", "14155550100", 30, None),
        ("CA1|anonymous|+442079460000|inbound|no-answer|2026-01-05T10:00:00Z|0",
         "inbound", None, 0, "no-answer"),
    ],
)  # fmt: skip
def test_twilio_calls(
    row: str, direction: str, number: str | None, seconds: int, outcome: str | None
):
    found = event(load_map("twilio-calls"), row)
    assert isinstance(found, CallEvent)
    assert found.occurred_at == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert (found.direction, found.counterparty) == (direction, number)
    assert (found.duration_seconds, found.outcome) == (seconds, outcome)


def test_the_other_built_in_formats():
    plivo = event(
        load_map("plivo-messages"), "u|inbound|14155550100|1999|delivered|2026-01-05 10:00:00|3"
    )
    assert isinstance(plivo, SmsEvent)
    assert (plivo.direction, plivo.segments, plivo.status) == ("inbound", 3, "delivered")
    asterisk = event(
        load_map("asterisk-cdr"),
        "sales|101|14155550100|d|c|SIP|SIP|Dial|x|2026-01-05 10:00:00||e|70|61|ANSWERED|3|u1|",
    )
    assert isinstance(asterisk, CallEvent)
    assert (asterisk.campaign, asterisk.duration_seconds) == ("sales", 61)
    assert asterisk.consumer
    assert asterisk.consumer.startswith("caller-")
    switch = event(
        load_map("freeswitch-cdr"),
        "n|101|14155550100|c|2026-01-05 10:00:00||e|9|0|NO_ANSWER|u|b|sales|PCMU|PCMU",
    )
    assert isinstance(switch, CallEvent)
    assert (switch.is_answered, switch.outcome) == (False, "NO_ANSWER")


def test_an_agent_is_the_same_pseudonym_everywhere_in_an_account():
    row = "AA0101|1|0|990201|7:02:47|AGENT|166|ANA".split("|")
    bank = load_map("anonymous-bank")
    cells = [*row[:2], *row[3:]]
    names = set()
    for account, secret in (("a", "s"), ("a", "s"), ("b", "s"), ("a", "t")):
        where = MappingContext(account, bank.time.zone, Pseudonyms(secret))
        names.add(RowMapper(bank, bank.file.columns, where).event(cells, 0, "x").consumer)
    assert len(names) == 3
    assert not any("ana" in str(name).lower() for name in names)


def derived(kind: type, *rows: str) -> list[str]:
    rule = load_map("bank-full" if kind is DayAndMonth else "bank-marketing").time
    reader = kind(rule, [0, 1], "Europe/Lisbon")
    return [f"{reader(row.split(), 0):%Y-%m-%d %H:%M:%S}" for row in rows]


def test_the_year_follows_from_the_order():
    rows = ["5 may", "5 may", "6 may", "31 dec", "1 jan", "1 jan", "2 may", "1 may"]
    assert derived(DayAndMonth, *rows) == [
        "2008-05-05 08:00:00", "2008-05-05 08:00:01", "2008-05-06 08:00:00",
        "2008-12-31 09:00:00", "2009-01-01 09:00:00", "2009-01-01 09:00:01",
        "2009-05-02 08:00:00", "2010-05-01 08:00:00",
    ]  # fmt: skip


def test_the_day_advances_when_the_weekday_changes():
    rows = ["mon may", "mon may", "tue may", "mon may", "mon jun", "wed dec", "mon mar", "tue jan"]
    assert [at[:10] for at in derived(WeekdayAndMonth, *rows)] == [
        "2008-05-05", "2008-05-05", "2008-05-06", "2008-05-12", "2008-06-02", "2008-12-03",
        "2009-03-02", "2010-01-05",
    ]  # fmt: skip


def test_a_month_without_days_left_stays_in_the_month():
    weeks = ["mon may", "tue may"] * 5
    assert derived(WeekdayAndMonth, *weeks)[-1][:10] == "2008-05-27"


def test_a_long_day_does_not_run_over():
    rows = ["5 may"] * 60_000
    assert derived(DayAndMonth, *rows)[-1] == "2008-05-05 22:59:59"


@pytest.mark.parametrize("row", ["31 feb", "0 may", "x may", "5 mai", "5 " + "x" * 99, "-5 may"])
def test_a_day_that_is_none_is_refused_and_forgotten(row: str):
    reader = DayAndMonth(load_map("bank-full").time, [0, 1], "Europe/Lisbon")
    reader(["6", "jun"], 0)
    with pytest.raises(InputError):
        reader(row.split(), 1)
    assert reader(["6", "jun"], 2).isoformat() == "2008-06-06T08:00:01+00:00"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-29", "2026-03-28T23:00:00+00:00"),
        ("2026-01-31T09:00:00", "2026-01-31T08:00:00+00:00"),
        ("2026-01-31T09:00:00-05:00", "2026-01-31T14:00:00+00:00"),
    ],
)
def test_a_start_is_a_local_day_or_an_instant(text: str, at: str):
    assert parse_start(text, "Europe/Paris").isoformat() == at


def test_twins_are_found_in_parts_and_counted_over_batches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("data.importers.identity.DIGESTS_IN_MEMORY", 16)
    digests = [n * 7919 % 100 for n in range(100)] + [3, 4, 3, 2**64 - 1]
    with TwinFinder() as finder:
        for digest in digests:
            finder.add(digest)
        repeated = finder.repeated()
    assert repeated.tolist() == [3, 4]
    twins = Twins(repeated)
    found = twins.ordinals(digests[:50]) + twins.ordinals(digests[50:])
    assert max(zip(digests, found, strict=True)) == (2**64 - 1, 1)
    assert [n for digest, n in zip(digests, found, strict=True) if digest == 3] == [1, 2, 3]
    assert twins.repeated_among([1, 3, 9]) == {3}


def test_maps_are_plain_toml_that_people_can_copy():
    for name in built_in_maps():
        file = Path(__file__).parents[1] / "data" / "maps" / f"{name}.toml"
        assert file.read_text().startswith("#"), "a map says what it is for"
        assert tomllib.loads(file.read_text())["name"] == name
