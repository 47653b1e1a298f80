"""One SMS to one number, by whichever provider an Apprise address names.

A provider that was reached and gave no clear answer may have sent it: the outcome is then unknown,
and nobody sends it again by itself. What Apprise says names numbers and secrets: it is read here,
on the thread that sends, and goes nowhere else. Must not know what is written.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from urllib.parse import quote

from billing.errors import InputError
from data.notices.mailing import Handed, Outcome

NUMBER = "{to}"
SECONDS = 10.0  # to connect, and again for the answer
_REFUSED = frozenset({400, 404, 410, 413, 414, 422})  # of this message or number, for good
_STATUS = re.compile(r"\berror=(\d{3})\b")
# Said by the library below when no connection came about: nothing can have been sent.
_NOT_REACHED = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeoutError|Failed to resolve|"
    r"Failed to establish a new connection|ConnectTimeout|ProxyError|CERTIFICATE_VERIFY_FAILED"
)
_log = logging.getLogger(__name__)
_said = logging.getLogger("apprise")
_wire = logging.getLogger("urllib3.connectionpool")  # says the status of each answer


def check_sms_url(url: str) -> str:
    """The address itself; ``InputError`` when no number can be put in, or no provider knows it.

    Loads every provider, which takes half a second the first time.
    """
    from apprise import Apprise  # seldom needed

    fix = "use an Apprise address with {to} for the number, such as twilio://SID:TOKEN@FROM/{to}"
    if NUMBER not in url:
        raise InputError("USAGE_SMS_URL", "••••••", fix)
    _silence()
    if Apprise.instantiate(_address(url, "+14155550100"), suppress_exceptions=True) is None:
        raise InputError("USAGE_SMS_URL", "••••••", fix)
    return url


class TextLine:
    """Sends messages; any thread may ask."""

    def __init__(self, url: str) -> None:
        self._url = url
        _silence()

    def send(self, text: str, number: str) -> Handed:
        """Hands one message over, once; never raises for what the provider does."""
        from apprise import Apprise

        begun = time.monotonic()
        with _Listening() as heard:
            try:
                service = Apprise.instantiate(
                    _address(self._url, number), suppress_exceptions=False
                )
            except TypeError:  # what it raises for a number or a setting that can't be
                service = None
            if service is None:
                return Handed(Outcome.REFUSED, "the provider takes no such number")
            service.socket_connect_timeout = service.socket_read_timeout = SECONDS
            try:
                # Not by ``notify``, which may try again by itself.
                is_taken = bool(service.send(body=text, title=""))
            except Exception as error:  # any of a hundred providers: it may have gone out before
                _log.warning("the SMS provider's part failed: %s", type(error).__name__)
                is_taken = False
        milliseconds = round((time.monotonic() - begun) * 1000)
        if is_taken:
            return Handed(Outcome.TAKEN, "the provider took it", milliseconds)
        outcome, answer = _outcome(heard)
        return Handed(outcome, answer, milliseconds)


def _outcome(heard: _Listening) -> tuple[Outcome, str]:
    """What became of a message that wasn't taken, from what was said of it."""
    status = heard.status
    if status is None and _NOT_REACHED.search(heard.text):
        return Outcome.LATER, "the provider could not be reached"
    if status is None:
        return Outcome.UNKNOWN, "the provider was reached, and its answer isn't known"
    if not 400 <= status < 500:
        return Outcome.UNKNOWN, f"the provider answered {status}: it may have gone out"
    outcome = Outcome.REFUSED if status in _REFUSED else Outcome.LATER
    return outcome, f"the provider answered {status}"


def _address(url: str, number: str) -> str:
    return url.replace(NUMBER, quote(number, safe=""))


def _silence() -> None:
    """Everything it says comes to whoever listens here, and to nobody else."""
    for logger in (_said, _wire):
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        for handler in list(logger.handlers):
            if not isinstance(handler, _Listening):
                logger.removeHandler(handler)
        logger.addHandler(logging.NullHandler())  # or it would be said on standard error


class _Listening(logging.Handler):
    """Hears what is said on this thread for the length of a block."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._thread = threading.get_ident()
        self._heard: list[str] = []
        self._status: int | None = None

    @property
    def text(self) -> str:
        return "\n".join(self._heard)

    @property
    def status(self) -> int | None:
        """The last answer's status; providers put codes of their own in its place."""
        if self._status is not None:
            return self._status
        found = _STATUS.search(self.text)
        return int(found[1]) if found else None

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self._thread:
            return
        self._heard.append(record.getMessage())
        if record.name == _wire.name and isinstance(record.args, tuple):
            numbers = [each for each in record.args[6:7] if isinstance(each, int)]
            self._status = numbers[0] if numbers else self._status

    def __enter__(self) -> _Listening:
        for logger in (_said, _wire):
            logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        for logger in (_said, _wire):
            logger.removeHandler(self)
