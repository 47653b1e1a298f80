"""The product's own troubles in words, for those who run it: what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from billing.errors import shorten
from billing.notices import NoticeWords, TroubleName
from components import format as fmt

LONGEST_SUBJECT = 80
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class _Said:
    """``title`` and ``over``: of its beginning and its end, with ``{subject}`` in them."""

    title: str
    sentence: str
    action: str
    over: str


_SAID = {
    TroubleName.SYNC_BEHIND: _Said(
        "analytics are behind the ledger",
        "Analytics haven’t taken in everything for longer than they should. Figures stay exact, "
        "but pages get slower the longer it lasts.",
        "Look at the log of the process that leads, and at free disk and memory",
        "analytics have caught up with the ledger",
    ),
    TroubleName.WEBHOOK_PARKED: _Said(
        "a webhook of {subject} was given up",
        "A message to an endpoint of {subject} was tried for a day and given up. Messages after it "
        "go on; this one is sent again by hand.",
        "Tell the account, and send it again on its webhooks page once the endpoint answers",
        "a webhook endpoint of {subject} takes messages again",
    ),
    TroubleName.RECHARGE_DECLINED: _Said(
        "auto-recharge of {subject} is declined",
        "The payment gateway declines the top-ups of {subject}. Its owners have been told.",
        "Ask the account whether its payment method still holds",
        "auto-recharge of {subject} works again",
    ),
    TroubleName.DISCREPANCY_FOUND: _Said(
        "the nightly proof found a difference",
        "Analytics differed from the ledger. What differed was made again from the ledger, which "
        "is right; what made it differ is not known.",
        "Run “usage-dashboard verify” and look for what touched the analytics files",
        "the nightly proof finds no difference any more",
    ),
    TroubleName.DISK_NEARLY_FULL: _Said(
        "the disk is nearly full",
        "The disk that the ledger is on is nearly full. Once it is full nothing can be charged, "
        "held or paused until there is room.",
        "Make room, or move the data directory to a larger disk",
        "the disk has room again",
    ),
}


def trouble_words(facts: Mapping[str, Any], leveled: str, at: str, path: str) -> NoticeWords:
    """A trouble that began. ``leveled``: its level before the title; ``at``: when, written out."""
    said, subject = _SAID[TroubleName(facts["name"])], _subject(facts)
    return NoticeWords(
        first_large(f"{leveled}{said.title.format(subject=subject)}"),
        (said.sentence.format(subject=subject), "You are told again once it is over."),
        said.action, (*_figures(facts), ("As of", at)), path,
    )  # fmt: skip


def over_words(facts: Mapping[str, Any], at: str, path: str) -> NoticeWords:
    """A trouble that is over."""
    said, subject = _SAID[TroubleName(facts["name"])], _subject(facts)
    over = said.over.format(subject=subject)
    return NoticeWords(
        f"Over: {over}", (f"{first_large(over)}.",),
        figures=(*_figures(facts), ("As of", at)), path=path,
    )  # fmt: skip


def _figures(facts: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What was measured, in the order of a reader's interest."""
    locale = fmt.FALLBACK_LOCALE
    rows: list[tuple[str, str]] = []
    if facts.get("free_bytes") is not None:
        rows.append(
            ("Free on the disk", f"{fmt.number(facts['free_bytes'] // _MEGABYTE, locale)} MB")
        )
    if facts.get("behind_seconds") is not None:
        rows.append(("Behind for", fmt.duration(int(facts["behind_seconds"]))))
    if facts.get("lines") is not None:
        rows.append(("Lines not in analytics", fmt.number(int(facts["lines"]), locale)))
    if facts.get("months"):
        rows.append(("Months that differed", shorten(", ".join(facts["months"]))))
    if facts.get("parked_count") is not None:
        rows.append(("Messages given up", fmt.number(int(facts["parked_count"]), locale)))
    if facts.get("reason"):
        rows.append(("Reason", shorten(str(facts["reason"]))))
    if _subject(facts):
        rows.append(("Account", _subject(facts)))
    return tuple(rows)


def _subject(facts: Mapping[str, Any]) -> str:
    return shorten(str(facts.get("account_id") or facts.get("subject") or ""), LONGEST_SUBJECT)


def first_large(text: str) -> str:
    """The text with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]
