"""Patterns are ECMA-262's, as JSON Schema has them: a JavaScript engine decides, with the flag `u`."""

import json
import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractkit import write_json
from flowtrail.contracts import Contracts
from flowtrail.contracts.json_schema._texts import found_in
from flowtrail.errors import ContractError

TEXTS = [
    "", "a", "abc", "abc\n", "abc\r", "\n", "7", "٣٤", "é", "éa b", "a_b", "a-b", "-", "a b", "a\u00a0b", "\u2003", "\u0085", "\ufeff",
    "\u2028", "\u001c", "x\ny", "x\u2028y", "😀", "ſ", "a{,3}", "aaa", "[", "]", "a[b", "$", "$a", "aba", "\x01", "\0", "^", ":a", "\b", "Ω",
]  # fmt: skip
PATTERNS = [
    r"^[a-z]+$", r"$", r"^$", r"a$", r"c$|7", r"\$", r"[$]", r"^\d+$", r"\D", r"^\w+$", r"\W", r"^\s$", r"\S", r"^a\sb$", r"\bb\b",
    r"\Bb", r"^.$", r"^x.y$", r"^[\d\w]+$", r"^[^\d]$", r"^[\D]$", r"^[\W]$", r"^[\S]$", r"^[^\S]$", r"^[\s\S]$", r"[^]", r"[]",
    r"^[\w\-]+$", r"^[\-\d]$", r"\u{1F600}", r"^\ud83d\ude00$", r"^[\u{1F600}-\u{1F602}]$", r"^[\ud83d\ude00]$", r"\p{L}",
    r"^\p{Script=Greek}$", r"\P{L}", r"^[\p{Nd}]+$", r"\cA", r"^[\cA]$", r"\0", r"[\0]", r"^(?<x>a)b\k<x>$", r"^(a)b\1$", r"a{2,3}",
    r"^a{3}$", r"\[", r"[\[]", r"[\]]", r"^[:a]+$", r"(?=a)", r"(?<=a)b", r"(?<!a)b", r"(?:ab)+", r"^[^\n]+$", r"\x41|\x61", r"[\b]",
    r"^\/?a$", r"\\$", r"[.]", r"^a\.?", r"\^", r"[\^]",
]  # fmt: skip
# What ECMA-262 takes without the flag alone, in the same sense.
LENIENT = [
    r"a{,3}", r"^[\w-]+$", r"^[\d-z]+$", r"[a-\d]", r"[[]", r"^[\s-z]$", r"^[[:a]+$", r"a{e<=1}", r"\-", r"{,3}",
]  # fmt: skip


@pytest.fixture(scope="module")
def of_node() -> Any:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node")

    def ask(patterns: list[str], flags: str) -> list[list[bool]]:
        script = (
            "const [p, t, f] = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
            "console.log(JSON.stringify(p.map(x => t.map(y => new RegExp(x, f).test(y)))))"
        )
        asked = json.dumps([patterns, TEXTS, flags])
        done = subprocess.run([node, "-e", script], input=asked, capture_output=True, text=True, check=True)
        found: list[list[bool]] = json.loads(done.stdout)
        return found

    return ask


@pytest.mark.slow
@pytest.mark.parametrize(("patterns", "flags"), [(PATTERNS, "u"), (LENIENT, "")], ids=["u", "lenient"])
def test_a_pattern_finds_what_javascript_finds(patterns: list[str], flags: str, of_node: Any) -> None:
    for pattern, row in zip(patterns, of_node(patterns, flags), strict=True):
        for text, expected in zip(TEXTS, row, strict=True):
            assert found_in(pattern, text) == expected, (pattern, text)


_PIECES = st.sampled_from(
    [r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", "a", "b", "7", r"\-", r"\]", r"\[", "é", "Ω", r"\u{1F600}", r"\.", r"\x20", r"\$"]
)  # fmt: skip
_SETS = st.builds(
    lambda no, parts: f"[{no}{''.join(parts)}]",
    st.sampled_from(["", "^"]),
    st.lists(_PIECES, min_size=1, max_size=4),
)
_WHOLE = st.lists(
    st.one_of(
        _PIECES.filter(lambda each: each != r"\-"),
        _SETS,
        st.sampled_from(["^", "$", r"\b", r"\B", ".", "(?:a|b)*"]),
    ),
    max_size=5,
)


@pytest.mark.slow
def test_any_pattern_finds_what_javascript_finds(of_node: Any) -> None:
    patterns: list[str] = []
    given(_WHOLE)(lambda parts: patterns.append("".join(parts)))()
    for pattern, row in zip(patterns, of_node(patterns, "u"), strict=True):
        assert [found_in(pattern, text) for text in TEXTS] == row, pattern


NARROW = {r"^[a-z]+$": "abc\n", r"^\d+$": "٣٤", r"^\w+$": "é", r"^[\w ]+$": "é a", r"^\S+$": "a\ufeffb"}


@pytest.mark.parametrize("pattern", NARROW)
def test_what_readers_in_other_languages_would_refuse_is_not_published(pattern: str, tmp_path: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}}
    contracts = Contracts.from_folder(write_json(tmp_path, E=[schema]))
    with pytest.raises(ContractError) as caught:
        contracts.pack("E", 1, {"a": NARROW[pattern]})
    assert f"a: pattern should be {pattern}" in str(caught.value)


def test_names_of_fields_are_matched_alike(tmp_path: Any) -> None:
    schema = {
        "type": "object",
        "patternProperties": {r"^\d+$": {"type": "integer"}},
        "additionalProperties": {"type": "string"},
    }
    contracts = Contracts.from_folder(write_json(tmp_path, E=[schema]))
    contracts.validate_publish("E", 1, {"7": 1, "٣": "x", "7\n": "x"})
