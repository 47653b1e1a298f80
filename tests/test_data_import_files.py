"""Logs in each provider's true format, with invented people and numbers: what comes of every row.

The figures were worked out from the rows by hand: whole minutes (60/60), a minute to +1 at 0.012
by people and 0.05 by AI, to +44 at 0.02 (AI: no price), 0.0085 inbound, 0.0065 a segment.
"""

import shutil
from pathlib import Path

import pytest

from billing.errors import InputError
from data.columns import from_micros
from data.console_reports import import_lines
from data.importers.importing import FileRefusedError, ImportReport, ImportTarget
from tests.import_ledger import contents, new_ledger, rows, run

FILES = Path(__file__).parent / "files"
EXTENSION = "this is an extension or a short number, which has no country code: leave the row out"
NUMBER = "use a number with country code, such as +14155550100"
PRICELESS = "add the destination's prefix to the price list, or give --destination"
EMPTY = "this column may not be empty"
ANSWERED = "the map knows only {}: export it again when it is over"
MESSAGE_STATES = "the map knows only sent, delivered, undelivered, failed, read, received"
OTHER_SERVICE = "leave it out: it is of another service"
SEGMENTS = "use a number from 1 to 1,000"
SECONDS = "use whole seconds from 0 to 86,400"
DISPOSITIONS = ANSWERED.format("ANSWERED, NO ANSWER, BUSY, FAILED, CONGESTION, UNKNOWN")
TWILIO_STATES = ANSWERED.format("completed, no-answer, busy, failed, canceled")

# metric: (lines, base units, talk seconds, cost in micros)
Lines = dict[str, tuple[int, int, int, int]]
Rejected = list[tuple[int, str, str]]

# Two more attempts than FreeSWITCH's: a call that rang at two places has a row for each.
_PEOPLE: Lines = {
    "human_connected_minutes": (10, 88_080, 87_875, 17_664_000),
    "human_dial_attempts": (17, 17, 0, 0),
    "inbound_minutes": (7, 4_080, 3_863, 578_000),
}
_ASTERISK: Rejected = [
    (8, "dst", EXTENSION), (15, "to", PRICELESS), (16, "dst", EXTENSION),
    (29, "billsec", SECONDS), (30, "disposition", DISPOSITIONS),
]  # fmt: skip
_FREESWITCH: Rejected = [
    (8, "destination_number", EXTENSION), (15, "to", PRICELESS),
    (16, "destination_number", EXTENSION), (28, "uuid", EMPTY), (29, "start_stamp", EMPTY),
]  # fmt: skip
_TWILIO_CALLS: Lines = {
    "ai_connected_minutes": (7, 4_320, 4_170, 3_600_000),
    "ai_dial_attempts": (13, 13, 0, 13_000),
    "inbound_minutes": (8, 780, 545, 110_500),
}
_TWILIO_CALLS_REJECTED: Rejected = [
    (12, "to", NUMBER), (13, "to", NUMBER), (17, "to", PRICELESS), (18, "status", TWILIO_STATES),
    (19, "status", TWILIO_STATES), (29, "startTime", EMPTY), (30, "duration", SECONDS),
]  # fmt: skip
_TWILIO_MESSAGES: Lines = {
    "inbound_sms": (6, 9, 0, 0),
    "sms_credits": (13, 29, 0, 188_500),
}
_TWILIO_STATUSES = f"{MESSAGE_STATES}, receiving, partially_delivered"
_TWILIO_MESSAGES_REJECTED: Rejected = [
    (13, "to", OTHER_SERVICE), (14, "to", OTHER_SERVICE), (15, "numSegments", SEGMENTS),
    (17, "status", _TWILIO_STATUSES), (18, "status", _TWILIO_STATUSES),
    (29, "numSegments", SEGMENTS), (31, "status", _TWILIO_STATUSES), (34, "dateSent", EMPTY),
]  # fmt: skip

PERSONAL = (b"4155550101", b"4155550150", b"079460020", b"079460001", b"Desk, 20", b"See you, Ana")

# (file, map, lines, rejected)
CASES: list[tuple[str, str, Lines, Rejected]] = [
    ("asterisk-master", "asterisk-cdr", _PEOPLE, _ASTERISK),
    ("asterisk-custom", "asterisk-cdr", _PEOPLE, _ASTERISK),
    ("asterisk-table", "asterisk-cdr", _PEOPLE, [(n + 1, f, why) for n, f, why in _ASTERISK]),
    ("freeswitch-master", "freeswitch-cdr",
     {**_PEOPLE, "human_dial_attempts": (16, 16, 0, 0)}, _FREESWITCH),
    ("freeswitch-asterisk", "freeswitch-cdr",
     {**_PEOPLE, "human_dial_attempts": (16, 16, 0, 0)}, _FREESWITCH),
    ("twilio-calls-api", "twilio-calls", _TWILIO_CALLS, _TWILIO_CALLS_REJECTED),
    ("twilio-calls-console", "twilio-calls", _TWILIO_CALLS, _TWILIO_CALLS_REJECTED),
    ("twilio-messages-api", "twilio-messages", _TWILIO_MESSAGES, _TWILIO_MESSAGES_REJECTED),
    ("twilio-messages-console", "twilio-messages", _TWILIO_MESSAGES, _TWILIO_MESSAGES_REJECTED),
    ("plivo-calls", "plivo-calls",
     {"ai_connected_minutes": (9, 5_040, 4_831, 4_200_000),
      "ai_dial_attempts": (15, 15, 0, 15_000),
      "inbound_minutes": (7, 720, 532, 102_000)},
     [(10, "to_number", NUMBER), (11, "to", PRICELESS), (26, "to_number", EXTENSION),
      (28, "call_direction", "use one of outbound, inbound"),
      (29, "initiation_time", "write it as iso")]),
    ("plivo-messages", "plivo-messages",
     {"inbound_sms": (6, 9, 0, 0), "sms_credits": (16, 32, 0, 208_000)},
     [(7, "message_state", MESSAGE_STATES), (8, "units", SEGMENTS), (24, "units", SEGMENTS),
      (25, "to_number", EXTENSION)]),
]  # fmt: skip


@pytest.fixture
def target(tmp_path: Path) -> ImportTarget:
    return new_ledger(tmp_path / "ledger")


def import_sample(target: ImportTarget, name: str, map_name: str, **options) -> ImportReport:
    """Imports a copy, so that no rejected rows are written beside the sample."""
    log = target.data_dir / f"{name}.csv"
    shutil.copyfile(FILES / log.name, log)
    return run(target, log, map_name, **options)


def sums(target: ImportTarget) -> Lines:
    """What the ledger's lines come to, by metric."""
    found = rows(
        target,
        "SELECT metric, COUNT(*), SUM(base_units), SUM(talk_seconds), SUM(cost_micros) "
        "FROM usage_lines GROUP BY 1",
    )
    return {metric: tuple(figures) for metric, *figures in found}


@pytest.mark.parametrize(
    ("name", "map_name", "lines", "rejected"), CASES, ids=lambda v: str(v)[:30]
)
def test_a_real_log_comes_to_exactly_these_lines(
    target: ImportTarget, name: str, map_name: str, lines: Lines, rejected: Rejected
):
    dry = import_sample(target, name, map_name, is_dry_run=True)
    report = import_sample(target, name, map_name)
    assert sums(target) == lines
    found = [(each.line, each.field, each.fix) for each in report.first_rejections]
    assert found == rejected
    assert report.rows_duplicate == 1
    assert report.rows_read >= 25
    assert report.rows_read == report.rows_accepted + 1 + len(rejected)
    assert report.line_count == sum(count for count, *_ in lines.values())
    assert report.cost_micros == -report.balance_micros == sum(cost for *_, cost in lines.values())
    assert (dry.rows_accepted, dry.rows_duplicate, dry.cost_micros, dry.first_rejections) == (
        report.rows_accepted, 1, report.cost_micros, report.first_rejections,
    )  # fmt: skip

    before = contents(target)
    again = import_sample(target, name, map_name)
    assert (again.rows_accepted, again.rows_duplicate) == (0, report.rows_accepted + 1)
    assert contents(target) == before


@pytest.mark.parametrize("name", sorted({name for name, *_ in CASES}))
def test_nothing_of_a_sample_that_is_personal_stays(target: ImportTarget, name: str):
    map_name = next(map_name for found, map_name, *_ in CASES if found == name)
    report = import_sample(target, name, map_name)
    kept = b"".join(
        file.read_bytes()
        for file in target.data_dir.rglob("*")
        if file.name.startswith("ledger.db")
    )
    assert report.rejected_file
    for text in (kept, report.rejected_file.read_bytes(), str(report.first_rejections).encode()):
        for personal in PERSONAL:
            assert personal not in text


def test_three_shapes_of_one_asterisk_log_are_one_log(target: ImportTarget):
    first = import_sample(target, "asterisk-master", "asterisk-cdr")
    before = contents(target)
    for name in ("asterisk-custom", "asterisk-table"):
        again = import_sample(target, name, "asterisk-cdr")
        assert (again.rows_accepted, again.rows_duplicate) == (0, first.rows_accepted + 1)
    assert contents(target) == before


@pytest.mark.parametrize(("columns", "accepted"), [(16, 25), (17, 24), (21, 24)])
def test_asterisk_writes_as_many_columns_as_it_was_told(
    target: ImportTarget, tmp_path: Path, columns: int, accepted: int
):
    """Without uniqueid a row is told apart by all it holds, so that a row twice is two calls."""
    log = tmp_path / "Master.csv"
    lines = (FILES / "asterisk-master.csv").read_text().splitlines()
    cut = {16: 2, 17: 1}.get(columns, 0)
    log.write_text(
        "\n".join(
            ",".join(line.rsplit(",", cut)[:1]) if cut else f'{line},"","u.1",{number}'
            for number, line in enumerate(lines)
        )
    )
    report = run(target, log, "asterisk-cdr")
    assert (report.rows_accepted, report.rows_duplicate) == (accepted, 25 - accepted)
    assert run(target, log, "asterisk-cdr").rows_duplicate == 25


@pytest.mark.parametrize(
    ("name", "map_name", "says"),
    [
        ("twilio-calls-api", "asterisk-cdr", "begins with 12 columns where its map knows 16, 17"),
        ("freeswitch-asterisk", "asterisk-cdr", "its first row has no disposition where its map"),
        ("asterisk-table", "freeswitch-cdr", "it (taken row by row)"),
        ("plivo-calls", "twilio-calls", "its header lacks the columns sid, from, to, direction"),
        ("twilio-messages-api", "twilio-calls", "its header lacks the columns startTime, duration"),
        ("plivo-messages", "plivo-calls", "its header lacks the columns call_uuid"),
        ("asterisk-master", "plivo-messages", "its header lacks the columns message_uuid"),
    ],
)
def test_a_log_of_another_shape_is_refused_as_a_whole(
    target: ImportTarget, name: str, map_name: str, says: str
):
    if (name, map_name) == ("asterisk-table", "freeswitch-cdr"):
        report = import_sample(target, name, map_name)  # as wide by chance: no row is taken
        assert (report.rows_accepted, report.rows_rejected) == (0, report.rows_read)
        return
    with pytest.raises(FileRefusedError, match=says):
        import_sample(target, name, map_name)
    assert not rows(target, "SELECT id FROM events")


def test_the_providers_words_for_directions_and_withheld_numbers(target: ImportTarget):
    import_sample(target, "twilio-calls-api", "twilio-calls")
    found = rows(
        target,
        "SELECT e.id, l.metric || ' ' || l.status || coalesce(' +' || e.counterparty_prefix, '') "
        "|| coalesce(' ' || l.reason, '') FROM events e "
        "JOIN usage_lines l ON l.event_id = e.event_id ORDER BY l.seq",
    )
    at: dict[int, str] = {}
    for sid, line in found:
        number = int(sid[-2:], 16)
        at[number] = f"{at[number]}, {line}" if number in at else line
    note = "not charged by this price list"
    assert note not in str(at)
    assert at[1] == "ai_dial_attempts answered +1, ai_connected_minutes answered +1"
    assert at[2] == "ai_dial_attempts unanswered"
    assert at[7] == at[8] == "inbound_minutes answered"
    assert at[9] == "inbound_minutes unanswered no-answer"
    assert at[13] == at[1]  # a trunk's terminating call goes out
    assert at[14] == "inbound_minutes answered"  # and its originating one comes in
    assert at[22] == "inbound_minutes answered"  # from a short code


LOCAL = (
    '"","201","14155550101","from-internal","","PJSIP/201-1","","Dial","",'
    '"{}","","",9,5,"ANSWERED","DOCUMENTATION","1.{}",""\n'
)


def test_local_times_need_their_zone_and_a_skipped_hour_is_flagged(
    target: ImportTarget, tmp_path: Path
):
    log = tmp_path / "Master.csv"
    stamps = ("2026-03-29 01:59:59", "2026-03-29 02:30:00", "2026-03-29 03:00:00",
              "2026-10-25 02:30:00")  # fmt: skip
    log.write_text("".join(LOCAL.format(at, number) for number, at in enumerate(stamps)))
    report = run(target, log, "asterisk-cdr", zone="Europe/Berlin")
    found = rows(
        target,
        "SELECT occurred_at, flags "
        "FROM usage_lines WHERE metric = 'human_connected_minutes' ORDER BY seq",
    )
    assert [(f"{from_micros(micros):%m-%d %H:%M:%S}", flags) for micros, flags in found] == [
        ("03-29 00:59:59", None), ("03-29 01:30:00", "shifted_time"), ("03-29 01:00:00", None),
        ("10-25 00:30:00", None),
    ]  # fmt: skip
    assert report.rows_shifted == 1
    assert "1 rows have a local time that Europe/Berlin skipped" in "\n".join(import_lines(report))
    assert run(target, log, "asterisk-cdr").rows_duplicate == 4, "a zone is no part of identity"
    with pytest.raises(InputError, match="Mars/Base"):
        run(target, log, "asterisk-cdr", zone="Mars/Base")


def test_numbers_as_they_are_dialled_need_their_country(target: ImportTarget, tmp_path: Path):
    log = tmp_path / "Master.csv"
    log.write_text(LOCAL.format("2026-10-05 08:00:00", 1).replace("14155550101", "02079460001"))
    report = run(target, log, "asterisk-cdr")
    assert [each.field for each in report.first_rejections] == ["dst"]
    assert run(target, log, "asterisk-cdr", region="GB").cost_micros == 20_000
    with pytest.raises(InputError, match="two letters"):
        run(target, log, "asterisk-cdr", region="UK")


def test_many_rejected_rows_are_summed_up_by_reason(target: ImportTarget, tmp_path: Path):
    log = tmp_path / "Master.csv"
    row = LOCAL.replace("14155550101", "202")
    log.write_text("".join(row.format("2026-10-05 08:00:00", number) for number in range(12)))
    report = run(target, log, "asterisk-cdr")
    assert dict(report.reasons) == {("dst", EXTENSION): 12}
    assert f"  12 × dst: {EXTENSION}" in import_lines(report)


def test_the_top_up_of_an_import_says_what_it_covers(target: ImportTarget):
    report = import_sample(target, "plivo-calls", "plivo-calls", is_funded=True)
    assert (report.funded_micros, report.balance_micros) == (report.cost_micros, 0)
    ((cause,),) = rows(target, "SELECT cause FROM wallet_entries WHERE kind = 'top_up'")
    assert cause.startswith("Covers the import of plivo-calls.csv (map plivo-calls, log ")
