"""The Webhooks page's address and its forms: text into a typed question or change.

No address ever holds a receiver's address or a secret: what was typed into a form that was refused
is left for the page in another way, and shown once. Must not know how.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, urlencode

from billing.errors import InputError
from billing.webhooks import Topic

PATH = "/settings/webhooks"
LONGEST_SEARCH = 1_000
LONGEST_ID = 64
ALL, SOME = "all", "some"
# Everything that an endpoint may be told of unasked; a test goes where it is asked for.
TOPICS = tuple(topic for topic in Topic if topic is not Topic.TEST)


class Ask(StrEnum):
    """What a form or button of the page does. The first four have a form or ask once more."""

    ADD = "add"
    EDIT = "edit"
    ROTATE = "rotate"
    REMOVE = "remove"
    SWITCH = "switch"
    TEST = "test"
    REPLAY = "replay"


ASKING = frozenset({Ask.ADD, Ask.EDIT, Ask.ROTATE, Ask.REMOVE})
# What the page says when a form was refused, by the refusal's code; the address holds no sentence.
REFUSALS = {
    "other_account": "Nothing was changed: that page showed another account than you look at now.",
    "not_found": "Nothing was changed: there is no such webhook or delivery any more.",
    "not_allowed": "Nothing was changed: webhooks are for the owner of the account to change.",
    "invalid": "Nothing was changed: see what is wrong below.",
    "busy": "Nothing was changed: too much is going on. Try again in a moment.",
    "unavailable": "Nothing was changed: the ledger can’t be written right now. Try again later.",
}
DONE = {
    Ask.ADD: "Added. Keep the secret below now: it is shown only once.",
    Ask.EDIT: "Saved.",
    Ask.ROTATE: "There is a new secret. Keep it now: it is shown only once.",
    Ask.REMOVE: "Removed: nothing is sent there any more.",
    Ask.SWITCH: "Saved.",
    Ask.TEST: "A test is on its way: its delivery is shown below.",
    Ask.REPLAY: "The message is sent again, under the same id.",
}


@dataclass(frozen=True, slots=True)
class WebhooksQuery:
    """What the address says. ``webhook``: the endpoint that is opened or asked about.

    ``done``: what was done last; ``refused`` is a code of ``REFUSALS``.
    """

    ask: Ask | None = None
    webhook: str = ""
    cursor: str | None = None
    done: Ask | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class EndpointForm:
    """An endpoint as a form has it: as typed. ``topics``: of those chosen, if not all."""

    url: str = ""
    description: str = ""
    which: str = ALL
    topics: tuple[str, ...] = ()

    def given(self) -> dict[str, Any]:
        """What it asks for; ``InputError`` names ``topics`` when none was chosen."""
        if self.which not in {ALL, SOME}:
            raise InputError("topics", self.which, f"use {ALL} or {SOME}")
        if self.which == SOME and not self.topics:
            raise InputError("topics", "none", "choose at least one, or all messages")
        topics = self.topics if self.which == SOME else ()
        return {"url": self.url.strip(), "topics": topics, "description": self.description}


def parse_webhooks_search(search: str) -> WebhooksQuery:
    """The question of an address; what can't be read is left out."""
    given = dict(parse_qsl(search[:LONGEST_SEARCH].lstrip("?"), keep_blank_values=True))
    ask, done = _ask(given.get("do", "")), _ask(given.get("done", ""))
    return WebhooksQuery(
        ask if ask in ASKING else None, known_id(given.get("webhook", "")),
        given.get("cursor") or None, done,
        given["refused"] if given.get("refused") in REFUSALS else None,
    )  # fmt: skip


def webhooks_address(**given: str | None) -> str:
    """The page's address with what is given."""
    pairs = [(name, value) for name, value in given.items() if value]
    return f"{PATH}?{urlencode(pairs)}" if pairs else PATH


def parse_ask(text: str) -> Ask:
    """The form of that name; ``InputError`` otherwise."""
    found = _ask(text)
    if found is None:
        raise InputError("do", text, f"use one of {', '.join(Ask)}")
    return found


def form_of(fields: Mapping[str, str], topics: Sequence[str]) -> EndpointForm:
    """What was sent of an endpoint's form."""
    known = {topic.value for topic in TOPICS}
    return EndpointForm(
        fields.get("url", ""), fields.get("description", ""), fields.get("which", ALL),
        tuple(each for each in topics if each in known),
    )  # fmt: skip


def known_id(text: str) -> str:
    """A text that could be an id, else none: a database takes no zero byte."""
    is_fit = len(text) <= LONGEST_ID and text.isascii() and text.isprintable()
    return text if is_fit else ""


def _ask(text: str) -> Ask | None:
    return Ask(text) if text in {each.value for each in Ask} else None
