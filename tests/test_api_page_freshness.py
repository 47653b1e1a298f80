"""Pages that several people share: whatever is written is shown to the next who asks.

Whatever is compared is compared with the same page made for its reader alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from api import shared_parts
from billing.accounts import Account
from billing.lots import LotKind
from billing.plans import Plan
from billing.rates import Rate
from data import tables as t
from data.accounts import change_plan, read_account
from data.analytics.sync import sync_all
from data.database import open_database
from data.identity import new_id
from data.importers.ledger import ImportLock, Tally, begin_import, end_import, update_import
from data.ledger.closing import close_next
from data.ledger.expiry import expire_due
from data.ledger.price_books import add_rate_list, new_rate_list
from data.ledger.top_ups import top_up
from data.ledger.wallet import Credit, OpenWallet, Posting
from tests.api_client import ApiClient, event, sms
from tests.live import NOW, OWNER, SUPPORT, Live, LiveServer
from tests.shared_pages import METRIC, RATES, USAGE, alone, shown
from tests.stream_ear import set_clock
from tests.web_client import WebClient

WATCHED = ((USAGE, ""), (METRIC, "?status=delivered"), (RATES, ""))
_numbers = count()


@pytest.fixture(scope="module", autouse=True)
def kept_for_long() -> Iterator[None]:
    """No test passes because a page has grown too old."""
    real, shared_parts.KEPT_SECONDS = shared_parts.KEPT_SECONDS, 600.0
    yield
    shared_parts.KEPT_SECONDS = real


def charge(live: Live) -> None:
    client = ApiClient(live)
    assert client.send_one(sms(segments=2, campaign="diwali")).status_code == 204
    client.close()


def charge_of_a_new_campaign(live: Live) -> None:
    client = ApiClient(live)
    assert client.send_one(sms(campaign=f"campaign-{next(_numbers)}")).status_code == 204
    client.close()


def receipt(live: Live) -> None:
    client, name = ApiClient(live), f"sent-{next(_numbers)}"
    assert client.send_one(sms(_id=name)).status_code == 204
    look_at_all()
    said = event("status", ref={"source": "dialler", "id": name}, status="delivered")
    assert client.send_one(said).status_code == 204
    client.close()


def account(connection: Connection) -> Account:
    return read_account(connection, "acme")


def paid_credit(connection: Connection) -> None:
    top_up(connection, account(connection), 7_000_000 + next(_numbers), "more", NOW)


def promotion(connection: Connection) -> None:
    wallet = OpenWallet.open(connection, account(connection))
    ends = NOW + timedelta(days=9, seconds=next(_numbers))
    credit = Credit(LotKind.PROMOTIONAL, 3_000_000, "a promotion", ends)
    wallet.credit(credit, Posting(NOW, NOW, NOW, NOW.date()))
    wallet.flush(NOW)


def expiry(connection: Connection) -> None:
    assert expire_due(connection, NOW + timedelta(days=60)) >= 1


def closing(connection: Connection) -> None:
    assert close_next(connection, "acme", NOW + timedelta(days=60)) is not None


def plan(connection: Connection) -> None:
    change_plan(connection, "acme", Plan.SCALE, date(2026, 11, 20))


def lapse(connection: Connection) -> None:
    change_plan(connection, "acme", Plan.FREE, date(2026, 11, 22))


def renewal(connection: Connection) -> None:
    own = t.account_plans.c.account_id == "acme"
    back = update(t.account_plans).where(own, t.account_plans.c.plan == "free")
    connection.execute(back.values(plan="launch"))


def name(connection: Connection) -> None:
    own = update(t.accounts).where(t.accounts.c.id == "acme")
    connection.execute(own.values(name=f"Acme {next(_numbers)}"))


def locale(connection: Connection) -> None:
    own = update(t.accounts).where(t.accounts.c.id == "acme")
    connection.execute(own.values(locale="de_DE"))


def history(connection: Connection) -> None:
    own = update(t.accounts).where(t.accounts.c.id == "acme")
    connection.execute(own.values(paid_since=date(2026, 11, 15)))


def zone(connection: Connection) -> None:
    row = {"account_id": "acme", "valid_from": date(2026, 11, 21), "timezone": "Europe/Berlin"}
    connection.execute(insert(t.account_zones).values(row))


def anchor(connection: Connection) -> None:
    own = update(t.account_anchors).where(t.account_anchors.c.account_id == "acme")
    connection.execute(own.values(anchor_day=9))


def person(connection: Connection) -> None:
    own = update(t.people).where(t.people.c.email == OWNER)
    connection.execute(own.values(name=f"Owner {next(_numbers)}"))


def role(connection: Connection) -> None:
    who = select(t.people.c.id).where(t.people.c.email == OWNER)
    own = t.memberships.c.person_id == who.scalar_subquery()
    connection.execute(update(t.memberships).where(own).values(role="manager"))


def campaign_name(connection: Connection) -> None:
    own = (t.campaigns.c.account_id == "acme") & (t.campaigns.c.id == "diwali")
    connection.execute(update(t.campaigns).where(own).values(name=f"Diwali {next(_numbers)}"))


def price_list(connection: Connection) -> None:
    rates = [Rate(new_id(), "sms_credits", 1_234_567, 1, "", 1, 1)]
    starts_on = date(2026, 11, 25)
    made = new_rate_list("Newer INR", "INR", starts_on, rates, "default")
    add_rate_list(connection, made, None, NOW)


IMPORT = new_id()


def import_begins(connection: Connection) -> None:
    begin_import(connection, IMPORT, account(connection), ("map", "file.csv"), 100, NOW)


def import_goes_on(connection: Connection) -> None:
    update_import(connection, IMPORT, Tally(read=40))


def import_ends(connection: Connection) -> None:
    end_import(connection, IMPORT, "done", Tally(read=100), NOW)


WRITES: list[Callable[[Connection], None]] = [
    paid_credit, promotion, expiry, plan, name, locale, zone, anchor, person, role,
    campaign_name, price_list, import_begins, import_goes_on, import_ends, history, lapse, renewal,
    closing,
]  # fmt: skip
# What each changes on a page that everybody shares, where it changes any.
SEEN = {
    paid_credit, promotion, expiry, locale, zone, anchor, campaign_name, price_list, import_begins,
    import_goes_on, import_ends, history, lapse, renewal,
}  # fmt: skip
_readers: list[WebClient] = []


@pytest.fixture(scope="module", autouse=True)
def at_work(server: LiveServer) -> Iterator[None]:
    """Nobody takes the import for one that was killed."""
    with ImportLock(server.installation.settings.data_dir, IMPORT):
        yield


@pytest.fixture(scope="module", autouse=True)
def readers(live: Live) -> Iterator[list[WebClient]]:
    _readers.extend([WebClient(live.url, OWNER), WebClient(live.url, SUPPORT)])
    _readers[1].post("/session/account", account="acme", next="/")
    yield _readers
    for client in _readers:
        client.close()
    _readers.clear()


def look_at_all() -> list[Any]:
    """What everybody is shown; whatever of it can be shared is shared from then on."""
    return [shown(client, page) for client in _readers for page in WATCHED]


def is_told(write: Callable[[], None]) -> bool:
    """Everybody's pages right after a write are those of after it; whether any changed."""
    before = look_at_all()
    write()
    after = look_at_all()
    wanted = [alone(client, page) for client in _readers for page in WATCHED]
    for got, right in zip(after, wanted, strict=True):
        assert got == right
    return before != after


@pytest.mark.parametrize("write", [charge, charge_of_a_new_campaign, receipt])
def test_what_happens_is_shown_to_the_next_who_asks(live: Live, write: Callable[[Live], None]):
    assert is_told(lambda: write(live))


@pytest.mark.parametrize("write", WRITES, ids=lambda each: each.__name__)
def test_whatever_is_written_is_shown_to_the_next_who_asks(
    live: Live, write: Callable[[Connection], None]
):
    """By another process, as a command or another server's worker writes."""
    theirs = open_database(live.installation.settings.truth_url)

    def by_them() -> None:
        with theirs.write() as connection:
            write(connection)

    has_changed = is_told(by_them)
    theirs.dispose()
    assert has_changed or write not in SEEN


def test_a_command_beside_the_server_is_shown_to_the_next_who_asks(live: Live):
    settings = live.installation.settings
    command = [sys.executable, "app.py", "account", "top-up", "acme", "--amount", "12.34"]
    environment = {
        "USAGE_DATA_DIR": str(settings.data_dir), "USAGE_SECRET_KEY": "s" * 40,
        "USAGE_DATABASE_URL": settings.truth_url, "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    folder = Path(__file__).parents[1]

    def run() -> None:
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)

    assert is_told(run)


def test_a_sync_changes_no_figure(live: Live):
    charge(live)
    before = shown(_readers[0], (USAGE, ""))
    sync_all(live.installation.database, live.installation.lake)
    assert shown(_readers[0], (USAGE, "")) == before


def test_the_next_minute_and_the_next_day_are_new_pages(live: Live, server: LiveServer):
    """The last test: sessions of before are too old for the next day's clock."""
    client, look = WebClient(live.url, OWNER), []
    for later in (timedelta(0), timedelta(minutes=1), timedelta(hours=3), timedelta(hours=6)):
        set_clock(server, NOW + later)
        wanted = alone(client, (USAGE, ""))
        look.append(json.dumps(shown(client, (USAGE, ""))))
        assert look[-1] == json.dumps(wanted)
    assert len(set(look)) == 4
    assert "23 Nov" in look[-1]
    client.close()
