"""JSON that people edit: nothing but blanks changes on the way to them and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.dead_letters.mending.json_text import NotJsonError, compact, parsed, pretty

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(values, st.sampled_from([None, 0, 1, 4, "\t"]), st.booleans())
def test_pretty_and_compact_are_what_json_itself_writes(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert pretty(text) == json.dumps(value, indent=2, ensure_ascii=ascii_only)
    assert compact(pretty(text)) == json.dumps(value, separators=(",", ":"), ensure_ascii=ascii_only)


@given(values, st.integers(0, 60))
def test_what_would_become_too_long_isnt_indented(value, most):
    text = json.dumps(value)
    whole = pretty(text)
    assert pretty(text, most) == (whole if len(whole) <= most else None)


@pytest.mark.parametrize(
    "text",
    ["10.00", "1E400", "-0", "12345678901234567890.5", '{"a":1,"a":2}', r'"\u00e4\/\""', r'["\\",":{},[]"]'],
)
def test_numbers_and_strings_stay_as_they_are_written(text):
    parsed(text)
    assert compact(pretty(text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1, column 1"),
        ('{"card": "4711"', "line 1, column 16"),
        ('{\n "a": 4711,\n}', "line [23], column"),
        ("NaN", "NaN"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5_000, "too long"),
        ("\ufeff{}", "line 1"),
    ],
)
def test_what_isnt_json_is_said_with_its_place_and_never_shown(text, said):
    with pytest.raises(NotJsonError, match=said) as caught:
        parsed(text)
    assert "4711" not in str(caught.value)
    assert "\n" not in str(caught.value)
