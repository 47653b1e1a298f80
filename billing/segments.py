"""How many segments a text message takes.

GSM 03.38: 160 septets in one message, 153 in each part of a longer one; extension characters
take two septets and are never split over parts. Any other character makes the whole message
UCS-2: 70 code units, 67 in each part, a surrogate pair never split.
"""

from __future__ import annotations

from collections.abc import Iterable

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("\f^{}\\[~]|€")
_GSM = GSM_BASIC | GSM_EXTENSION
GSM_SINGLE, GSM_PART = 160, 153
UCS2_SINGLE, UCS2_PART = 70, 67


def count_segments(text: str) -> int:
    """Segments of a message text; an empty message takes one."""
    if _GSM.issuperset(text):
        if 2 * len(text) <= GSM_SINGLE:
            return 1
        sizes = [2 if character in GSM_EXTENSION else 1 for character in text]
        return _parts(sizes, GSM_SINGLE, GSM_PART)
    return _parts(
        [2 if ord(character) > 0xFFFF else 1 for character in text], UCS2_SINGLE, UCS2_PART
    )


def _parts(sizes: Iterable[int], single: int, part: int) -> int:
    """Parts needed when no character may straddle two of them."""
    sizes = list(sizes)
    if sum(sizes) <= single:
        return 1
    count, room = 1, part
    for size in sizes:
        if size > room:
            count, room = count + 1, part
        room -= size
    return count
