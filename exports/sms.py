"""A notice as an SMS: one part where its letters allow, written with those that a phone has."""

from __future__ import annotations

from collections.abc import Callable

from billing.notices import NoticeWords
from billing.segments import GSM_BASIC, GSM_EXTENSION, GSM_SINGLE
from exports.mail import one_line

UCS2_TWO_PARTS = 134  # letters beyond the GSM alphabet: two parts, 67 each
# What figures are written with and the GSM alphabet lacks.
_PLAIN = str.maketrans(
    {
        "₹": "Rs ", "\N{NO-BREAK SPACE}": " ", "\N{NARROW NO-BREAK SPACE}": " ", "−": "-",
        "–": "-", "—": "-", "·": "-", "…": "...", "’": "'", "‘": "'", "“": '"', "”": '"',
        "₱": "PHP ", "₽": "RUB ", "₩": "KRW ", "₫": "VND ", "₦": "NGN ", "₪": "ILS ",
        "₺": "TRY ", "₴": "UAH ", "฿": "THB ",
    }
)  # fmt: skip
_GSM = GSM_BASIC | GSM_EXTENSION


def sms_text(words: NoticeWords, account_name: str) -> str:
    """The title and what to do, cut to 160 characters of the GSM alphabet.

    With other letters, as in a name, to 134 UTF-16 units.
    """
    owner = one_line(account_name, 40)
    said = f"{owner}: {words.title}" if owner else words.title
    text = one_line(f"{said}. {words.action}." if words.action else f"{said}.")
    plain = " ".join(text.translate(_PLAIN).split())
    return _cut(plain, GSM_SINGLE, _septets) if _GSM.issuperset(plain) else _cut_ucs2(text)


def _septets(character: str) -> int:
    return 2 if character in GSM_EXTENSION else 1


def _cut_ucs2(text: str) -> str:
    return _cut(text, UCS2_TWO_PARTS, lambda character: 2 if ord(character) > 0xFFFF else 1)


def _cut(text: str, most: int, size: Callable[[str], int]) -> str:
    """The text, or as much of it as fits with three points behind."""
    if sum(map(size, text)) <= most:
        return text
    kept, room = "", most - 3
    for character in text:
        room -= size(character)
        if room < 0:
            break
        kept += character
    return f"{kept.rstrip()}..."
