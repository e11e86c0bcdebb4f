"""Text on its way through a form: what a browser does to it doesn't change it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.console._typed import digest, from_form, in_area, in_field, packed, unpacked
from flowtrail_collector.wording import marked, unmarked

# Line ends, what can't be seen, what reorders a line, marks themselves, and any other text.
pieces = st.sampled_from(
    ["\r\n", "\n", "\r", "\t", " ", "\x00", "\x0b", "\x1b[2J", "\x7f", "\x85", "\xa0", "\xad", "\u200b", "\u200d",
     "\u202e", "\u2028", "\u2066", "\ufeff", "\ufffd", "\\", "\\u{a0}", "\\u{", "\\u{5c}", "u{a}", "\\u{1f600}", "}", "a",
     "\U0001f468\u200d\U0001f469", "\ue000"]
) | st.text(max_size=3)  # fmt: skip
texts = st.lists(pieces, max_size=12).map("".join)


def sent_by_a_browser(text, *, area):
    """HTML, 4.10.11 and 4.10.5.1.2: a text area's line breaks go as CRLF, a field has none."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return lines.replace("\n", "\r\n") if area else lines.replace("\n", "")


@given(texts)
def test_a_text_comes_back_as_it_was_and_nothing_in_it_is_hidden(text):
    for area, shown in ((True, in_area(text)), (False, in_field(text))):
        sent = sent_by_a_browser(shown.text, area=area)
        assert from_form(sent, shown.line_end) == text
        assert digest(sent) == shown.digest
        assert all(char.isprintable() or (area and char in "\n\t") for char in shown.text)


@given(texts)
def test_marks_are_taken_back(text):
    assert unmarked(marked(text)) == text
    assert unmarked(marked(text, keep="")) == text


@given(texts, texts)
def test_two_texts_never_look_alike(one, other):
    if one != other:
        assert marked(one) != marked(other)
        assert in_field(one).digest != in_field(other).digest


@pytest.mark.parametrize(
    ("text", "shown", "line_end"),
    [
        ("UNB\r\nUNH\r\n", "UNB\nUNH\n", "CRLF"),
        ("MSH|^~\\&|A\rPID|1\r", "MSH|^~\\&|A\nPID|1\n", "CR"),
        ("a\nb", "a\nb", "LF"),
        ("a\r\nb\n", "a\\u{d}\nb\n", "LF"),
        ("a\r\rb\n", "a\\u{d}\\u{d}b\n", "LF"),
        ("\ufeff<a/>", "\\u{feff}<a/>", "LF"),
        ("12\xa0€", "12\\u{a0}€", "LF"),
        ("\u202eevil", "\\u{202e}evil", "LF"),
        ("\\u{a0} and \\u{1f600}", "\\u{5c}u{a0} and \\u{1f600}", "LF"),
        ("", "", "LF"),
    ],
)
def test_how_a_text_is_shown(text, shown, line_end):
    found = in_area(text)
    assert (found.text, found.line_end) == (shown, line_end)


@pytest.mark.parametrize(
    ("line_end", "sent"), [("CRLF", "a\r\nb\r\nc"), ("CR", "a\rb\rc"), ("LF", "a\nb\nc")]
)
def test_an_added_line_ends_as_the_others(line_end, sent):
    assert from_form("a\r\nb\r\nc", line_end) == sent


@given(st.dictionaries(st.text(max_size=5), texts, max_size=3))
def test_what_is_packed_is_unpacked(values):
    assert unpacked(packed(values)) == values
    assert packed(values).isascii()


@pytest.mark.parametrize("text", ["", "a", "ä", "e30", "W10=", "eyJhIjoxfQ==", "W1tbW1s="])
def test_what_wasnt_packed_is_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        unpacked(text)
