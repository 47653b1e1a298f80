"""SMS through a provider on this machine: once at most, and nobody guesses what became of it."""

import json
import logging
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from billing.errors import InputError
from billing.notices import SendState
from data.lease import LeaseLostError
from data.notices import claims, texting
from data.notices.texting import check_sms_url
from tests.notice_ledger import OWNER, Noticed, mails, texts
from tests.receivers import Receiver, receiving

NUMBER, OTHER = "+14155550100", "+447700900123"


@pytest.fixture
def provider() -> Iterator[Receiver]:
    with receiving() as opened:
        opened.status = 200
        yield opened


def url_of(receiver: Receiver) -> str:
    return receiver.url.replace("http://", "json://").replace("/hook", "/{to}")


@pytest.fixture
def ledger(tmp_path: Path, provider: Receiver) -> Iterator[Noticed]:
    with Noticed(tmp_path, sms=url_of(provider)) as opened:
        opened.add()
        yield opened


def state(ledger: Noticed, number: str = NUMBER) -> SendState:
    return ledger.states()[number]


def test_a_text_comes_to_each_number_once_and_fits_one_part(ledger: Noticed, provider: Receiver):
    ledger.leave(*texts(NUMBER, OTHER))
    ledger.run(lambda: set(ledger.states().values()) == {SendState.SENT})
    said = [json.loads(body)["message"] for _, body in provider.came]
    assert len(said) == 2
    assert said[0] == (
        "Acme: Urgent: balance at $4.12, below $5.00. Add credits immediately."
    )  # fmt: skip
    assert len(said[0]) <= 160
    assert [each.is_taken for each in ledger.attempts()] == [True, True]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_answer_that_says_nothing_certain_is_unknown_and_never_repeated(
    ledger: Noticed, provider: Receiver, status: int
):
    provider.status = status
    ledger.leave(*texts(NUMBER))
    ledger.run(lambda: state(ledger) is SendState.UNKNOWN)
    provider.status = 200
    for _ in range(4):
        ledger.clock.at += timedelta(hours=7)
        assert ledger.deliverer.deliver() == 0
    assert len(provider.came) == 1
    assert ledger.sends()[NUMBER].error == f"the provider answered {status}: it may have gone out"


def test_no_answer_in_time_is_unknown(
    ledger: Noticed, provider: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(texting, "SECONDS", 0.3)
    provider.seconds = 1.5
    ledger.leave(*texts(NUMBER))
    ledger.run(lambda: state(ledger) is SendState.UNKNOWN)
    assert len(provider.came) == 1


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_number_that_is_refused_is_refused_for_good(
    ledger: Noticed, provider: Receiver, status: int
):
    provider.status = status
    ledger.leave(*texts(NUMBER))
    ledger.run(lambda: state(ledger) is SendState.REFUSED)


@pytest.mark.parametrize("status", [401, 429])
def test_what_was_certainly_not_sent_is_tried_again(
    ledger: Noticed, provider: Receiver, status: int
):
    provider.status = status
    ledger.leave(*texts(NUMBER))
    ledger.run(lambda: len(ledger.attempts()) == 1)
    assert state(ledger) is SendState.WAITING
    provider.status = 200
    ledger.clock.at += timedelta(seconds=5)
    ledger.run(lambda: state(ledger) is SendState.SENT)
    assert [each.is_taken for each in ledger.attempts()] == [False, True]


def test_a_provider_that_cannot_be_reached_is_tried_for_a_day(tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Noticed(tmp_path, sms=f"json://127.0.0.1:{port}/{{to}}") as ledger:
        ledger.add()
        ledger.leave(*texts(NUMBER))
        while state(ledger) is not SendState.PARKED:
            count = len(ledger.attempts())
            ledger.run(lambda: len(ledger.attempts()) > count)  # noqa: B023
            ledger.clock.at += timedelta(hours=4)
            assert count < 20
        assert ledger.sends()[NUMBER].error == "the provider could not be reached"


def test_two_deliverers_send_a_text_once(ledger: Noticed, provider: Receiver):
    provider.seconds = 0.05
    numbers = [f"+1415555{n:04d}" for n in range(20)]
    for number in numbers:
        ledger.leave(*texts(number))
    others = [ledger.process() for _ in range(3)]
    deadline = time.monotonic() + 20
    while set(ledger.states().values()) != {SendState.SENT}:
        for each in others:
            each.deliver()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    assert len(provider.came) == len(numbers)


def test_one_that_dies_while_it_sends_leaves_it_unknown(ledger: Noticed, provider: Receiver):
    ledger.leave(*texts(NUMBER))
    real = ledger.writer

    class Dead:
        def write(self, work: Any) -> Any:
            if provider.came:
                raise LeaseLostError("scheduler")
            return real.write(work)

    died = ledger.process(Dead())
    ledger.run(lambda: bool(provider.came), died)
    died.close()
    assert state(ledger) is SendState.SENDING
    ledger.deliverer.deliver()
    assert state(ledger) is SendState.SENDING, "it may still be at it"
    ledger.clock.at += claims.CLAIM
    ledger.run(lambda: state(ledger) is SendState.UNKNOWN)
    assert ledger.sends()[NUMBER].error == claims.IN_DOUBT
    assert [each.answer for each in ledger.attempts()] == [claims.IN_DOUBT]
    ledger.clock.at += timedelta(days=2)
    ledger.deliverer.deliver()
    time.sleep(0.1)
    assert len(provider.came) == 1


def test_without_a_provider_it_waits_and_mail_goes_on(tmp_path: Path):
    with Noticed(tmp_path) as ledger:
        ledger.add()
        ledger.leave(*texts(NUMBER), *mails(OWNER))
        ledger.deliverer.deliver()
        assert ledger.sends()[NUMBER].error == "SMS isn't set up here: set USAGE_SMS_URL"


def test_nothing_that_apprise_says_reaches_a_log(
    ledger: Noticed, provider: Receiver, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
):  # fmt: skip
    provider.status = 500
    with caplog.at_level(logging.DEBUG):
        ledger.leave(*texts(NUMBER))
        ledger.run(lambda: state(ledger) is SendState.UNKNOWN)
    shown = caplog.text + "".join(capfd.readouterr())
    assert NUMBER not in shown
    assert NUMBER.strip("+") not in shown


@pytest.mark.parametrize(
    "url", ["", "nonsense", "foo://secret/{to}", "json://secret/", "twilio://secret/{to}"]
)
def test_an_address_of_no_provider_is_refused_without_showing_it(url: str):
    with pytest.raises(InputError, match="USAGE_SMS_URL '••••••'") as refused:
        check_sms_url(url)
    assert "secret" not in refused.value.message


def test_usual_providers_are_known():
    check_sms_url(f"twilio://AC{'a' * 32}:{'b' * 32}@+15551234567/{{to}}")
    check_sms_url("vonage://key:secret@15551234567/{to}")
