"""E-mail through a real SMTP server: once, with its figures, tried again, refused, given up."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from billing.errors import InputError
from billing.notices import NoticeKind, SendState
from data.lease import LeaseLostError
from data.notices import claims, mailing, outbox
from data.notices.mailing import MailLine, Outcome
from data.notices.mailing import mail_server as parsed
from data.notices.mutes import Mutes, MuteTicket, mute
from tests.databases import of_sqlite
from tests.mail_server import PASSWORD, USER, MailServer, certificate, mail_server
from tests.notice_ledger import BASE, OTHER, OWNER, SECRET, Noticed, mails

DONE = (SendState.SENT,)
MESSAGE = (
    b"From: Usage <alerts@usage.example>\r\nTo: owner@acme.example\r\nSubject: x\r\n"
    b"Message-ID: <1@usage.example>\r\n\r\nhello\r\n"
)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as opened:
        yield opened


@pytest.fixture
def ledger(tmp_path: Path, server: MailServer) -> Iterator[Noticed]:
    with Noticed(tmp_path, f"smtp://127.0.0.1:{server.port}") as opened:
        opened.add()
        yield opened


def body_of(message: Any, kind: str = "plain") -> str:
    return str(message.get_body((kind,)).get_content())


def all_are(ledger: Noticed, *states: SendState) -> bool:
    return set(ledger.states().values()) <= set(states)


# --- one mail ------------------------------------------------------------------------------------
def test_a_notice_comes_to_each_recipient_once_with_its_figures(
    ledger: Noticed, server: MailServer
):
    ledger.leave(*mails(OWNER, OTHER), alert_id="a" * 36, episode_id="e" * 36)
    ledger.run(lambda: all_are(ledger, SendState.SENT))
    assert sorted(server.recipients) == [OTHER, OWNER], "one mail each, and nobody sees the other"
    (_, message) = next(each for each in server.came if OWNER in each[0])
    assert message["To"] == OWNER
    assert message["From"] == "Usage <alerts@usage.example>"
    assert message["Subject"] == "Acme: Urgent: balance at $4.12, below $5.00"
    send = ledger.sends()[OWNER]
    assert message["Message-ID"] == f"<{send.id}@usage.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = message["List-Unsubscribe"].strip("<>")
    assert link.startswith(f"{BASE}/notices/mute?token=")
    ticket = Mutes(SECRET).open(link.partition("token=")[2])
    assert ticket == MuteTicket("acme", mails(OWNER)[0], "a" * 36)
    for kind in ("plain", "html"):
        body = body_of(message, kind)
        for part in ("$4.12", "$5.00", "$0.88 below the threshold", "Add credits immediately"):
            assert part in body, (kind, part)
        assert f"{BASE}/billing/alerts" in body
    (attempt,) = [each for each in ledger.attempts() if each.send_id == send.id]
    assert (attempt.number, attempt.is_taken, attempt.answer) == (1, True, "250 taken")
    assert (send.attempt_count, send.error, send.next_at) == (1, None, None)


def test_many_mails_go_over_few_connections(ledger: Noticed, server: MailServer):
    for number in range(60):
        ledger.leave(*mails(f"n{number}@acme.example"))
    ledger.run(lambda: all_are(ledger, SendState.SENT))
    assert len(server.recipients) == len(set(server.recipients)) == 60


def test_a_test_is_marked_as_one(ledger: Noticed, server: MailServer):
    ledger.leave(*mails(OWNER), kind=NoticeKind.ALERT_TEST)
    ledger.run(lambda: all_are(ledger, SendState.SENT))
    message = server.came[0][1]
    assert message["Subject"].startswith("Acme: Test · Urgent")
    assert "TEST: nothing has happened" in body_of(message)


# --- what a server may do ------------------------------------------------------------------------
def test_one_refused_recipient_is_refused_alone_and_for_good(ledger: Noticed, server: MailServer):
    server.answers[OTHER] = "550 5.1.1 no such mailbox"
    ledger.leave(*mails(OWNER, OTHER))
    ledger.run(lambda: all_are(ledger, SendState.SENT, SendState.REFUSED))
    assert ledger.states() == {OWNER: SendState.SENT, OTHER: SendState.REFUSED}
    assert ledger.sends()[OTHER].error == "550 5.1.1 no such mailbox"
    ledger.clock.at += timedelta(hours=1)
    assert ledger.deliverer.deliver() == 0, "not tried again"


@pytest.mark.parametrize("where", ["recipient", "message"])
def test_not_now_is_tried_again_under_the_same_id(ledger: Noticed, server: MailServer, where: str):
    if where == "recipient":
        server.answers[OWNER] = "451 4.7.1 greylisted, come back"
    else:
        server.answer = "451 4.3.0 not now"
    ledger.leave(*mails(OWNER))
    ledger.run(lambda: len(ledger.attempts()) == 1)
    ledger.deliverer.deliver()
    time.sleep(0.1)
    assert len(ledger.attempts()) == 1, "not before its time"
    assert ledger.sends()[OWNER].error.startswith("451 ")
    server.answers, server.answer = {}, "250 taken"
    ledger.clock.at += timedelta(seconds=5)
    ledger.run(lambda: all_are(ledger, SendState.SENT))
    assert [each.is_taken for each in ledger.attempts()] == [False, True]
    assert sum(server.ids(OWNER).values()) == 1


@pytest.mark.parametrize("code", [552, 554])
def test_a_message_that_is_refused_is_not_sent_again(
    ledger: Noticed, server: MailServer, code: int
):
    server.answer = f"{code} no"
    ledger.leave(*mails(OWNER))
    ledger.run(lambda: all_are(ledger, SendState.REFUSED))
    assert ledger.sends()[OWNER].error == f"{code} no"


def test_a_server_that_is_down_for_a_day_is_given_up_with_each_try_noted(tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Noticed(tmp_path, f"smtp://127.0.0.1:{port}") as ledger:
        ledger.add()
        ledger.leave(*mails(OWNER))
        while ledger.states()[OWNER] is SendState.WAITING:
            count = len(ledger.attempts())
            ledger.run(lambda: len(ledger.attempts()) > count)  # noqa: B023
            ledger.clock.at += timedelta(hours=4)
            assert count < 20, "it never ends"
        assert ledger.states()[OWNER] is SendState.PARKED
        assert "refused" in ledger.sends()[OWNER].error.lower()
        assert [each.number for each in ledger.attempts()] == [
            *range(1, ledger.sends()[OWNER].attempt_count + 1)
        ]
        with mail_server(port=port) as server:
            ledger.leave(*mails(OTHER))
            ledger.run(lambda: ledger.states()[OTHER] is SendState.SENT)
            assert server.recipients == [OTHER]


def test_a_slow_recipient_does_not_hold_the_others_up(ledger: Noticed, server: MailServer):
    server.seconds_by["slow@acme.example"] = 3
    ledger.leave(*mails("slow@acme.example"))
    ledger.leave(*mails(*(f"n{number}@acme.example" for number in range(10))))
    begun = time.monotonic()
    ledger.run(lambda: len(server.recipients) == 10)
    assert time.monotonic() - begun < 2
    ledger.run(lambda: all_are(ledger, SendState.SENT))


@pytest.mark.parametrize("says", [b"", b"220 hello\r\n"])
def test_a_server_that_never_answers_is_left_in_time(monkeypatch: pytest.MonkeyPatch, says: bytes):
    monkeypatch.setattr(mailing, "STEP_SECONDS", 0.3)
    with silent(says) as port:
        begun = time.monotonic()
        handed = MailLine(parsed(f"smtp://127.0.0.1:{port}")).send(MESSAGE, OWNER)
        assert time.monotonic() - begun < 5
    assert handed.outcome is Outcome.LATER


def test_a_server_that_answers_a_byte_at_a_time_is_cut(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mailing, "LONGEST_SECONDS", 0.6)
    with silent(b"220-" + b"x" * 200, drip=0.05) as port:
        begun = time.monotonic()
        handed = MailLine(parsed(f"smtp://127.0.0.1:{port}")).send(MESSAGE, OWNER)
        assert time.monotonic() - begun < 5
    assert handed.outcome is Outcome.LATER


class silent:  # noqa: N801
    """A port that takes connections, says something, and then nothing more."""

    def __init__(self, says: bytes, drip: float = 0) -> None:
        self.says, self.drip = says, drip
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.kept: list[socket.socket] = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
                self.kept.append(connection)
                for byte in self.says:
                    connection.send(bytes([byte]))
                    time.sleep(self.drip)
            except OSError:
                return

    def __enter__(self) -> int:
        self.thread.start()
        return int(self.socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes whoever accepts
        for each in (self.socket, *self.kept):
            each.close()
        self.thread.join(5)


# --- logins and TLS ------------------------------------------------------------------------------
def url_of(server: MailServer, password: str = PASSWORD, scheme: str = "smtp") -> str:
    return f"{scheme}://{USER}:{quote(password, safe='')}@127.0.0.1:{server.port}"


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
@pytest.mark.parametrize("implicit", [False, True])
def test_a_login_goes_through_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, implicit: bool):
    folder = certificate(tmp_path)
    scheme = "smtps" if implicit else "smtp"
    with mail_server(tls=folder, implicit=implicit, needs_login=True) as server:
        refused = MailLine(parsed(url_of(server, scheme=scheme))).send(MESSAGE, OWNER)
        assert refused.outcome is Outcome.LATER
        assert "certificate" in refused.answer.lower(), "nobody vouches for it"
        monkeypatch.setenv("SSL_CERT_FILE", str(folder / "cert.pem"))
        with MailLine(parsed(url_of(server, scheme=scheme))) as line:
            assert line.send(MESSAGE, OWNER).outcome is Outcome.TAKEN
            assert line.send(MESSAGE, OTHER).outcome is Outcome.TAKEN
        assert server.was_tls == [True, True]
        wrong = MailLine(parsed(url_of(server, "wrong", scheme))).send(MESSAGE, OWNER)
        assert (wrong.outcome, wrong.answer[:3]) == (Outcome.LATER, "535")
        assert "wrong" not in wrong.answer


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_a_login_that_is_missing_is_ours_to_mend_and_not_the_addresss_fault(tmp_path: Path):
    with mail_server(needs_login=True) as server:
        handed = MailLine(parsed(f"smtp://127.0.0.1:{server.port}")).send(MESSAGE, OWNER)
        assert (handed.outcome, "530" in handed.answer) == (Outcome.LATER, True)


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_a_password_is_never_sent_in_the_clear_to_another_machine(monkeypatch: pytest.MonkeyPatch):
    with mail_server(needs_login=True) as server:
        monkeypatch.setattr(mailing, "LOOPBACK", frozenset())
        handed = MailLine(parsed(url_of(server))).send(MESSAGE, OWNER)
        assert (handed.outcome, "in the clear" in handed.answer) == (Outcome.LATER, True)
        assert server.came == []


@pytest.mark.parametrize(
    "url",
    ["", "mail.example", "http://mail.example", "smtp://", "smtp://me@mail.example",
     "smtp://mail.example:0", "smtp://mail.example:99999", "smtp://mail.example/inbox",
     "smtp://mail.example?x=1", "smtp://[::1"],
)  # fmt: skip
def test_an_address_of_no_server_is_refused_without_showing_it(url: str):
    with pytest.raises(InputError, match="USAGE_SMTP_URL '••••••'"):
        parsed(url)


# --- at once, and after an end -------------------------------------------------------------------
def test_two_deliverers_do_not_send_a_mail_beside_each_other(ledger: Noticed, server: MailServer):
    server.seconds = 0.05
    for number in range(20):
        ledger.leave(*mails(f"n{number}@acme.example"))
    others = [ledger.process(), ledger.process()]
    deadline = time.monotonic() + 20
    while not all_are(ledger, SendState.SENT):
        for each in others:
            each.deliver()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    assert len(server.recipients) == len(set(server.recipients)) == 20


def test_one_that_dies_after_the_answer_leaves_it_to_be_sent_again_under_the_same_id(
    ledger: Noticed, server: MailServer
):
    ledger.leave(*mails(OWNER))
    real = ledger.writer

    class Dead:
        """Claims, and can't write any more once the mail is out."""

        def write(self, work: Any) -> Any:
            if server.came:
                raise LeaseLostError("scheduler")
            return real.write(work)

    died = ledger.process(Dead())
    ledger.run(lambda: bool(server.came), died)
    died.close()
    ledger.deliverer.deliver()
    time.sleep(0.1)
    assert len(server.came) == 1, "its claim holds for a moment"
    ledger.clock.at += claims.CLAIM
    ledger.run(lambda: all_are(ledger, SendState.SENT))
    assert list(server.ids(OWNER).values()) == [2], "one Message-ID"


def test_one_that_leads_no_more_sends_nothing(ledger: Noticed, server: MailServer):
    ledger.leave(*mails(OWNER))
    ledger.deliverer.deliver(lambda: False)
    time.sleep(0.2)
    assert (server.came, ledger.attempts()) == ([], [])
    ledger.run(lambda: all_are(ledger, SendState.SENT))


def test_a_recipient_who_mutes_meanwhile_gets_nothing(ledger: Noticed, server: MailServer):
    ledger.leave(*mails(OWNER, OTHER), alert_id="a" * 36)
    ticket = MuteTicket("acme", mails(OWNER)[0], "a" * 36)
    ledger.writer.write(lambda c: mute(c, ticket, ledger.clock.at))
    ledger.run(lambda: all_are(ledger, SendState.SENT, SendState.MUTED))
    assert ledger.states() == {OWNER: SendState.MUTED, OTHER: SendState.SENT}
    assert server.recipients == [OTHER]


# --- not set up ----------------------------------------------------------------------------------
def test_without_a_server_a_mail_waits_a_day_and_says_why(tmp_path: Path):
    with Noticed(tmp_path) as ledger:
        ledger.add()
        ledger.leave(*mails(OWNER))
        ledger.deliverer.deliver()
        send = ledger.sends()[OWNER]
        assert send.state == "waiting"
        assert send.error == "E-mail isn't set up here: set USAGE_SMTP_URL"
        assert ledger.attempts() == []
        with mail_server() as server:  # it is set up within the day
            ledger.smtp = f"smtp://127.0.0.1:{server.port}"
            ledger.clock.at += claims.LOOK_AGAIN
            ledger.run(lambda: all_are(ledger, SendState.SENT), ledger.process())
        ledger.leave(*mails(OTHER))
        for _ in range(3):
            ledger.deliverer.deliver()
            ledger.clock.at += timedelta(hours=12)
        ledger.deliverer.deliver()
        assert ledger.states()[OTHER] is SendState.PARKED
        assert ledger.sends()[OTHER].error == "E-mail isn't set up here: set USAGE_SMTP_URL"


@of_sqlite
def test_what_waits_is_found_by_its_index(ledger: Noticed):
    """A parameter in place of a state would have SQLite read every delivery there ever was."""
    due = claims._DUE.where(claims._sends.next_at <= ledger.clock.at)
    with ledger.database.read() as connection:
        raw: Any = connection.connection.dbapi_connection
        for query in (outbox._WAITING, due):
            asked = str(query.compile(connection.engine))
            plan = raw.execute(f"EXPLAIN QUERY PLAN {asked}", [0] * asked.count("?")).fetchall()
            assert "ix_notice_sends_waiting" in str(plan), plan
        assert not outbox.has_waiting_sends(connection)
    ledger.leave(*mails(OWNER))
    with ledger.database.read() as connection:
        assert outbox.has_waiting_sends(connection)
