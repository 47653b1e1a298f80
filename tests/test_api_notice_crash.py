"""kill -9 of a real server at each phase of an alert: one mail a recipient, never a second SMS."""

import time
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from billing.alerts import AlertKind, AlertRule, Channel, Level, Threshold, Unit
from data import tables as t
from data.accounts import read_account
from data.alerts.rules import add_alert
from data.installation import Installation, open_installation
from data.notices.claims import CLAIM
from data.phases import INGEST_PHASES, NOTICE_PHASES
from data.proof.verify import verify
from tests import notice_crash
from tests.api_client import BATCH, new_key, sms
from tests.live import NOW, open_filled
from tests.mail_server import mail_server
from tests.notice_crash import settings_of
from tests.receivers import receiving
from tests.served import served

PATIENCE_SECONDS = 60
RECIPIENTS = ("owner@acme.example", "billing@acme.example")
NUMBER = "+14155550100"
EVENTS = 12
# The last is the one that could be told twice; a process takes ten seconds to be followed.
PHASES = [
    *(pytest.param(each, marks=pytest.mark.long) for each in (*INGEST_PHASES, NOTICE_PHASES[0])),
    NOTICE_PHASES[1],
]  # fmt: skip


def add_rule(installation: Installation) -> None:
    """A low balance that the second event reaches."""

    def work(connection):
        account = read_account(connection, "acme")
        posted = connection.scalar(
            select(t.balances.c.posted_micros).where(t.balances.c.account_id == "acme")
        )
        rule = AlertRule(
            AlertKind.LOW_BALANCE, Threshold(Unit.MONEY, posted - 1_000_000), level=Level.URGENT,
            channels=(Channel.EMAIL, Channel.SMS), emails=RECIPIENTS, phones=(NUMBER,),
        )  # fmt: skip
        add_alert(connection, account, rule, "test", NOW)

    installation.writer.write(work)


def charge(url: str, key: str) -> None:
    """Sends events, one after another, until the server is gone."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": BATCH}
    with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=30) as client:
        try:
            for n in range(EVENTS):
                at = NOW - timedelta(minutes=5, seconds=n)
                answer = client.post("/events", json=[sms(at=at, _id=f"crash-{n}")])
                assert answer.status_code == 204, answer.text
        except httpx.TransportError:
            pass


def sends(installation: Installation) -> dict[str, str]:
    with installation.database.read() as connection:
        rows = connection.execute(select(t.notice_sends)).all()
    return {row.address: row.state for row in rows}


@pytest.mark.parametrize("phase", PHASES)
def test_whenever_it_dies_each_recipient_has_one_mail_and_at_most_one_sms(
    tmp_path: Path, phase: str
):
    (tmp_path / "clock").write_text(NOW.isoformat())
    with mail_server() as mail, receiving() as texts:
        ports = (mail.port, int(texts.url.split(":")[2].split("/")[0]))
        installation = open_filled(settings_of(tmp_path, *ports))
        add_rule(installation)
        key, _ = new_key(installation, "acme")
        installation.close()
        with served(notice_crash.main, tmp_path, phase, *ports) as (url, process):
            charge(url, key)
            process.join(PATIENCE_SECONDS)
        assert process.exitcode == -9, (tmp_path / "told").read_text()
        assert phase in (tmp_path / "phases").read_text().split()
        (tmp_path / "clock").write_text((NOW + 2 * CLAIM).isoformat())
        installation = open_installation(settings_of(tmp_path, *ports), is_demo=True)
        try:
            with served(notice_crash.main, tmp_path, "none", *ports) as (url, _):
                charge(url, key)
                deadline = time.monotonic() + PATIENCE_SECONDS
                while set(sends(installation).values()) - {"sent", "unknown"} or not sends(
                    installation
                ):
                    assert time.monotonic() < deadline, sends(installation)
                    time.sleep(0.05)
                time.sleep(1.5)  # whatever would come twice comes now
            states = sends(installation)
            for each in RECIPIENTS:
                assert states[each] == "sent"
                assert len(mail.ids(each)) == 1, "one Message-ID"
                # Another's 250 may just have come when the process died at any phase of sending.
                assert mail.ids(each).total() <= (1 if phase in INGEST_PHASES else 2)
            assert len(texts.came) <= 1, "never a second SMS"
            assert texts.came or states[NUMBER] == "unknown"
            assert verify(installation.database, installation.lake).passed
        finally:
            installation.close()
