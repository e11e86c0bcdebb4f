"""Text from a broker reaches a model as data: visible, short, never as markup, and no result grows beyond its limit."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail_collector.mcp.data import MAX_NAME, MAX_TEXT, fitted, name_data, one_line, text_data

ANY_TEXT = st.text(st.characters(), max_size=400)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50),
    lambda inside: st.lists(inside, max_size=20) | st.dictionaries(st.text(max_size=8), inside, max_size=6),
    max_leaves=25,
)


@given(ANY_TEXT)
def test_every_character_can_be_seen_and_nothing_is_long(text):
    for shown, limit in ((name_data(text), MAX_NAME), (text_data(text), MAX_TEXT)):
        assert len(shown) <= limit
        assert all(char == " " or unicodedata.category(char)[0] not in "CZ" for char in shown)
        shown.encode()


@given(ANY_TEXT)
def test_free_text_holds_no_markup(text):
    assert not set("<>`") & set(text_data(text))
    assert "\n" not in one_line(text)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=MAX_NAME))
def test_a_plain_name_stays_as_it_is(name):
    """It is what the next call asks with."""
    assert name_data(name) == name


@pytest.mark.parametrize(
    ("name", "code"),
    [("zero width space", 0x200B), ("right-to-left override", 0x202E), ("line separator", 0x2028),
     ("a tag letter", 0xE0041), ("a variation selector", 0xFE0F), ("one of the others", 0xE0105),
     ("escape", 0x1B), ("a lone surrogate", 0xD800), ("hangul filler", 0x3164), ("no-break space", 0xA0)],
)  # fmt: skip
def test_what_would_hide_is_shown(name, code):
    shown = name_data(f"a{chr(code)}b")
    assert shown.startswith("a\\"), name
    assert shown.endswith(f"{code:x}b")


@pytest.mark.parametrize("value", [None, 3, 2.5, True, ["x"]])
def test_other_values_stay(value):
    assert name_data(value) is value
    assert text_data(value) is value


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON, max_size=3), st.integers(20, 400))
def test_a_result_fits_and_says_that_it_was_cut(result, limit):
    before = json.dumps(result, ensure_ascii=False)
    after = fitted(json.loads(before), limit)
    said = json.dumps(after, ensure_ascii=False)
    assert ("cut" in after) == (said != before)
    assert len(said) <= limit or "[" not in said.replace("[]", "")
    if len(before) <= limit:
        assert said == before


def test_the_longest_list_loses_its_end():
    result = fitted({"many": list(range(1000)), "few": [1, 2]}, 400)
    assert result["few"] == [1, 2]
    assert result["many"] == list(range(len(result["many"])))
    assert 50 < len(result["many"]) < 1000
