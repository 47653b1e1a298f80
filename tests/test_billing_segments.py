"""Segments at every boundary, against parts built one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.segments import GSM_BASIC, GSM_EXTENSION, count_segments
from tests import oracle

EMOJI = "😀"  # two code units


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", 1),
        ("a", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("a" * 459, 3),
        ("a" * 460, 4),
        ("a" * 153 * 7, 7),
        ("a" * (153 * 7 + 1), 8),
        # Extension characters take two septets.
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 158 + "€", 1),
        ("a" * 159 + "€", 2),
        # … and are never split: the first part then holds 152.
        ("a" * 152 + "€" + "a" * 151, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("a" * 151 + "€" + "a" * 153, 2),
        ("€" * 76 * 2, 2),
        ("€" * (76 * 2 + 1), 3),
        # One character outside the alphabet makes all of it UCS-2.
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("a" * 70 + "ж", 2),
        ("ж" * 134, 2),
        ("ж" * 135, 3),
        ("ж" * 201, 3),
        ("ж" * 202, 4),
        # A pair is two code units, never split: the first part then holds 66.
        (EMOJI * 35, 1),
        (EMOJI * 36, 2),
        ("ж" * 68 + EMOJI, 1),
        ("ж" * 69 + EMOJI, 2),
        ("ж" * 66 + EMOJI + "ж" * 66, 3),
        ("ж" * 66 + EMOJI + "ж" * 65, 2),
        ("ж" * 65 + EMOJI + "ж" * 67, 2),
        (EMOJI * 33 * 2, 2),
        (EMOJI * (33 * 2 + 1), 3),
        # Neither C1 controls nor typographic quotes are GSM; entities are text.
        ("\x92" * 71, 2),
        ("’" + "a" * 69, 1),
        ("’" + "a" * 70, 2),
        ("&lt;#&gt;" * 17 + "a" * 7, 1),
        ("\n" * 160, 1),
        ("\t", 1),
        ("\t" + "a" * 70, 2),
    ],
)
def test_boundaries(text: str, segments: int):
    assert count_segments(text) == segments == oracle.segments(text)


ANY_TEXT = st.one_of(
    st.text(st.sampled_from(sorted(GSM_BASIC | GSM_EXTENSION)), max_size=500),
    st.text(st.sampled_from(["ж", "a", EMOJI, "€"]), max_size=300),
    st.text(max_size=200),
)


@given(ANY_TEXT)
def test_any_text_equals_parts_built_one_by_one(text: str):
    assert count_segments(text) == oracle.segments(text)


@given(ANY_TEXT, st.sampled_from(["a", "€", EMOJI, "ж"]))
def test_a_longer_text_never_takes_fewer(text: str, more: str):
    assert count_segments(text + more) >= count_segments(text)


def test_the_alphabet_is_whole():
    assert len(GSM_BASIC) == 127  # 128 less the escape
    assert len(GSM_EXTENSION) == 10
    assert not GSM_BASIC & GSM_EXTENSION
