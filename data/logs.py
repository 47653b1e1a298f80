"""What is logged and how: one line a happening, as JSON or as text, with its request's id.

Every logger of the process goes through the one formatter here, the libraries' too. Must not
know what is served. A value never starts a line of its own, and secrets, e-mail addresses and
telephone numbers that slip into a message or an error's text are blotted out.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["auto", "json", "text"]
QUIET = ("alembic", "apscheduler", "httpx", "httpcore")  # heard from WARNING on
BLOT = "[removed]"
LONGEST_TEXT = 20_000  # of a message or an error; what is cut is its middle
# What may stand in an error's own text. The order matters: a key holds what looks like a token.
# Each begins where a word begins and is bounded, or a long hostile text would take minutes.
_SECRET = re.compile(
    r"usage_[\w-]{16,}"  # an API key
    r"|(?i:bearer|basic)\s{1,9}[\w.~+/=-]{8,}"
    r"|(?<![\w.+-])[\w.+-]{1,64}(?:@|%40)[\w-]{1,63}\.[\w.-]{1,190}"  # an e-mail address
    r"|(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{40,}"  # a random token
    r"|(?:\+|%2B)\d[\d ().-]{5,30}\d"  # a number, as people write it
    r"|(?<![\w.-])\d{9,15}(?![\w-]|\.\d)"  # a number, digits alone
)
_request: ContextVar[dict[str, object] | None] = ContextVar("request", default=None)


def begin_request(request_id: str, method: str) -> dict[str, object]:
    """From here on, lines of this context, and of threads working for it, carry the request."""
    facts: dict[str, object] = {"request_id": request_id, "method": method}
    _request.set(facts)
    return facts


def note(**facts: object) -> None:
    """Adds what is known by now, such as ``route`` or ``account``, to the request's later lines.

    The facts are shared: what a worker's thread notes, the request's last line has too.
    """
    known = _request.get()
    if known is not None:
        known.update(facts)


def configure_logging(level: str, log_format: LogFormat = "auto") -> None:
    """Sends everything logged at ``level`` and above to standard error; again replaces it.

    ``auto``: text on a terminal, JSON otherwise.
    """
    is_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    handler = _StandardError()
    handler.setFormatter(formatter(is_json=is_json))
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _StandardError)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def formatter(*, is_json: bool) -> logging.Formatter:
    """Makes one line of a record: a JSON object, or text to read."""
    render: Processor = (
        structlog.processors.JSONRenderer(default=str) if is_json else _readable_line
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(allow=ACCESS_FIELDS)],
        processors=[
            _identify,
            structlog.processors.format_exc_info,  # frames and lines of code, never local values
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            blot_secrets,
            render,
        ],
    )


ACCESS_FIELDS = ("status", "ms")


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at that moment, which a test may replace."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        """Standard error."""
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        raise AssertionError("this handler has one stream")


def _identify(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Puts time, level, logger and the request before what is said."""
    record: logging.LogRecord = event["_record"]
    begun = {
        "at": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": event.pop("event"),
        **(_request.get() or {}),
    }
    return {**begun, **event}


def blot_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Takes secrets and personal data out of the message and the error's text."""
    for name in ("event", "exception", "stack"):
        if name in event:
            event[name] = _SECRET.sub(BLOT, _bounded(str(event[name])))
    return event


def _bounded(text: str) -> str:
    """The text without its middle when it is too long: an error says what it is at the end."""
    half = LONGEST_TEXT // 2
    return text if len(text) <= LONGEST_TEXT else f"{text[:half]} … {text[-half:]}"


def _readable_line(_: WrappedLogger, __: str, event: Mapping[str, object]) -> str:
    """One line to read; an error's text below it, each of its lines moved in."""
    rest = dict(event)
    blocks = [str(rest.pop(name)) for name in ("exception", "stack") if name in rest]
    start = f"{rest.pop('at')} {str(rest.pop('level')).upper():<7} {rest.pop('logger')}"
    said = _printable(rest.pop("event"))
    facts = [f"{name}={_printable(value)}" for name, value in rest.items()]
    below = [f"    {_printable(line)}" for block in blocks for line in block.splitlines()]
    return "\n".join([" ".join([start, said, *facts]), *below])


def _printable(value: object) -> str:
    """The value with whatever would start a line or move the cursor written out."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in str(value)
    )
