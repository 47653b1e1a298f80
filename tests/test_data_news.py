"""What is new in an account's ledger since a place, and whether anything was committed at all."""

from collections.abc import Iterator

import pytest

from billing.access import AccountScope, Role
from billing.errors import InputError
from data.reading.news import NewLines, Place, lines_after, parse_place, place_of, places_of
from tests.builders import NOON, Ledger, call, day, sms


@pytest.fixture
def ledger(tmp_path) -> Iterator[Ledger]:
    with Ledger(tmp_path) as opened:
        opened.add()
        opened.add("globex")
        opened.credit(10_000_000)
        yield opened


def news(ledger: Ledger, seen: Place, limit: int = 100, **scope) -> NewLines:
    given = {"role": Role.OWNER, "session_started_at": NOON, **scope}
    with ledger.database.read() as connection:
        return lines_after(
            connection, AccountScope(ledger.accounts["acme"], **given), NOON, seen, limit
        )


def test_a_place_is_the_accounts_own(ledger):
    with ledger.database.read() as connection:
        begun = place_of(connection, "acme")
    ledger.post(sms("1"), account_id="globex")
    with ledger.database.read() as connection:
        places = places_of(connection, ["acme", "globex", "nobody"])
    assert places["acme"] == begun == Place(0, 1)
    assert places["globex"].line == 1
    assert places["nobody"] == Place()


def test_lines_come_once_in_ledger_order_however_they_are_cut(ledger):
    ledger.post(*[sms(str(n)) for n in range(7)])
    seen, told = Place(), []
    while True:
        new = news(ledger, seen, 3)
        told += [line.source_id for line in new.lines]
        seen = new.place
        if not new.has_more:
            break
        assert seen.entry == 0  # nothing beside a line is said to be seen before its last line is
    assert told == [str(n) for n in range(7)]
    assert news(ledger, seen) == NewLines((), seen, has_more=False)


def test_what_a_scope_may_not_see_is_passed_over(ledger):
    ledger.post(
        sms("old", "2026-11-01 10:00"), sms("sandbox", is_sandbox=True), call("new", seconds=0)
    )
    new = news(ledger, Place(), visible_from=day("2026-11-20"))
    assert [line.source_id for line in new.lines] == ["new"]
    assert new.place.line == 3


def test_a_place_ahead_of_the_ledger_leads_to_its_end(ledger):
    ledger.post(sms("1"))
    assert news(ledger, Place(10**9, 10**9)).place == Place(1, 2)


@pytest.mark.parametrize("text", ["", "1", "1-", "-1-2", "1-2-3", "١-٢", "1" * 19 + "-1"])
def test_a_place_that_was_never_handed_out_is_refused(text):
    with pytest.raises(InputError, match="after"):
        parse_place(text, "after")
    assert parse_place("12-34", "after") == Place(12, 34)


def test_the_version_changes_with_commits_alone(ledger):
    database = ledger.database
    before = database.version()
    with database.read() as connection:
        place_of(connection, "acme")
    assert database.version() == before
    ledger.post(sms("1"))
    assert database.version() != before
