"""The link of a mail: says what it mutes, mutes by a button or by one click, and nothing else."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import delete, select

from billing.alerts import Channel, Target
from data import tables as t
from data.notices.mutes import Mutes, MuteTicket
from tests.live import OWNER, Live

TARGET = Target(Channel.EMAIL, OWNER)
OF_ALL = MuteTicket("acme", TARGET)


@pytest.fixture
def stranger(live: Live) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.url) as client:
        yield client
    with live.installation.database.write() as connection:
        connection.execute(delete(t.notice_mutes))


def ticket(live: Live) -> MuteTicket:
    return MuteTicket("acme", TARGET, "a" * 36)


def link(live: Live, found: MuteTicket) -> str:
    token = Mutes(live.installation.secret).token(found)
    return f"/notices/mute?{urlencode({'token': token})}"


def muted(live: Live) -> list[tuple[str, ...]]:
    with live.installation.database.read() as connection:
        rows = connection.execute(select(t.notice_mutes).order_by(t.notice_mutes.c.alert_id))
        return [(row.account_id, row.channel, row.address, row.alert_id) for row in rows]


def audited(live: Live) -> int:
    with live.installation.database.read() as connection:
        actions = connection.scalars(select(t.audit.c.action)).all()
    return sum(action.startswith("notice.") for action in actions)


def test_a_look_says_what_is_muted_and_changes_nothing(live: Live, stranger: httpx.Client):
    answer = stranger.get(link(live, ticket(live)))
    assert answer.status_code == 200
    assert OWNER in answer.text
    assert "Acme Outreach" in answer.text
    assert "No more of this alert" in answer.text
    offered = re.findall(r'<input type="hidden" name="what" value="(\w+)">', answer.text)
    assert offered == ["alert", "all"], "in fields: a button that is pressed is turned off"
    assert stranger.head(link(live, ticket(live))).status_code == 200
    assert muted(live) == []


def test_one_click_of_a_mail_reader_mutes_that_alert(live: Live, stranger: httpx.Client):
    """RFC 8058: a POST with this body, without cookies, is all there is."""
    address = link(live, ticket(live))
    before = audited(live)
    for _ in range(3):
        answer = stranger.post(address, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    assert muted(live) == [("acme", "email", OWNER, "a" * 36)]
    assert audited(live) == before + 1, "again and again writes nothing"
    assert "Muted" in stranger.get(address).text


def test_one_click_of_what_is_no_alerts_mutes_the_account(live: Live, stranger: httpx.Client):
    stranger.post(link(live, OF_ALL), data={"List-Unsubscribe": "One-Click"})
    assert muted(live) == [("acme", "email", OWNER, "")]


def test_the_buttons_mute_one_or_all_and_undo_it(live: Live, stranger: httpx.Client):
    address = link(live, ticket(live))
    for what, left in (
        ("alert", ["a" * 36]), ("all", ["", "a" * 36]), ("nothing", []), ("nothing", []),
        ("all", [""]), ("nothing", []),
    ):  # fmt: skip
        answer = stranger.post(address, data={"what": what})
        assert answer.status_code == 303
        assert [row[3] for row in muted(live)] == left, what
        page = stranger.get(answer.headers["Location"])
        assert ("Muted" in page.text) is bool(left)


def test_a_link_reaches_its_own_address_and_account_alone(live: Live, stranger: httpx.Client):
    stranger.post(link(live, OF_ALL), data={"what": "all", "account_id": "globex"})
    stranger.post(link(live, OF_ALL) + "&account=globex", data={"what": "all"})
    assert muted(live) == [("acme", "email", OWNER, "")]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_token_that_was_altered_cut_or_made_elsewhere_opens_nothing(
    live: Live, stranger: httpx.Client, method: str
):
    whole = Mutes(live.installation.secret).token(OF_ALL)
    other = Mutes("another secret of another place").token(OF_ALL)
    altered = whole[:40] + ("A" if whole[40] != "A" else "B") + whole[41:]
    for token in ("", whole[:-4], altered, other, "x" * 20_000, "é", "\0", whole + "AAAA"):
        answer = stranger.request(
            method, f"/notices/mute?{urlencode({'token': token})}",
            data={"List-Unsubscribe": "One-Click"} if method == "POST" else None,
        )  # fmt: skip
        assert answer.status_code in {400, 414, 431}, token[:20]
        assert OWNER not in answer.text
        assert token[:30] == "" or token not in answer.text
    assert muted(live) == []


def test_a_body_that_says_something_else_is_refused(live: Live, stranger: httpx.Client):
    for body in ({}, {"what": "everything"}, {"List-Unsubscribe": "Two-Clicks"}):
        assert stranger.post(link(live, OF_ALL), data=body).status_code == 400
    assert muted(live) == []


def test_a_name_is_text_on_the_page(live: Live, stranger: httpx.Client):
    odd = MuteTicket("acme", Target(Channel.EMAIL, "<img src=x onerror=alert(1)>@a.example"))
    answer = stranger.get(link(live, odd))
    assert "<img" not in answer.text
    assert not re.search(r"<script(?! src)", answer.text)


def test_a_link_says_nothing_of_whom_it_is_for(live: Live):
    address = link(live, ticket(live))
    assert OWNER not in address
    assert "acme" not in address
    assert len(address) < 500
