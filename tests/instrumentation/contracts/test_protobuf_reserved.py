"""What a Protobuf contract reserves: sets of numbers and names, however they are written."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail.contracts import compare
from flowtrail.contracts._formats import FORMATS

LAST = 12


def _parsed(text: str) -> Any:
    return FORMATS["protobuf"].parse("A/1", text, "A")


@st.composite
def sets(draw: st.DrawFn) -> dict[str, set[Any]]:
    """Each number and name is used, reserved, for extensions, or free."""
    roles = [
        draw(st.sampled_from(["used", "reserved", "extensions", "free", "reserved"])) for _ in range(LAST)
    ]
    names = {name: draw(st.sampled_from(["reserved", "free", "used"])) for name in ("n1", "n2", "n3")}
    return {
        **{
            role: {number for number, its in enumerate(roles, 1) if its == role}
            for role in ("used", "reserved", "extensions")
        },
        "names": {name for name, role in names.items() if role == "reserved"},
        "own names": {name for name, role in names.items() if role == "used"},
    }


def _written(draw: st.DrawFn, numbers: set[int]) -> list[str]:
    """The numbers as ranges, single ones, neighbours together or apart: all say the same."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and parts[-1][1] == number - 1 and draw(st.booleans()):
            parts[-1][1] = number
        else:
            parts.append([number, number])
    texts = [str(first) if first == last else f"{first} to {last}" for first, last in parts]
    return draw(st.permutations(texts))


@st.composite
def written(draw: st.DrawFn, kind: str, said: dict[str, set[Any]]) -> str:
    lines = []
    for word in ("reserved", "extensions"):
        if said[word] and (word == "reserved" or kind == "message"):
            texts = _written(draw, said[word])
            split = draw(st.integers(0, len(texts)))
            lines += [f"{word} {', '.join(part)};" for part in (texts[:split], texts[split:]) if part]
    if said["names"]:
        lines.append(f"reserved {', '.join(map(repr, sorted(said['names'])))};".replace("'", '"'))
    # Names that are used have numbers beyond all others.
    used = {
        **{f"f{number}": number for number in said["used"]},
        **{name: 100 + int(name[1]) for name in said["own names"]},
    }
    if kind == "message":
        fields = "".join(f"optional int32 {name} = {number};" for name, number in used.items())
        return f'syntax = "proto2"; message A {{ {" ".join(lines)} {fields} }}'
    values = "".join(f"{name} = {number};" for name, number in used.items())
    return f'syntax = "proto3"; enum E {{ zero = 0; {values} {" ".join(lines)} }} message A {{ E e = 1; }}'


def _numbers(details: list[str]) -> set[int]:
    found: set[int] = set()
    for detail in details:
        first, last = re.match(r"(\d+)(?: to (\d+))?", detail).groups()  # type: ignore[union-attr]
        numbers = set(range(int(first), int(last or first) + 1))
        assert not numbers & found, "a number is told twice"
        found |= numbers
    return found


@pytest.mark.parametrize("kind", ["message", "enum"])
@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(st.data())
def test_a_number_is_told_if_it_is_given_up_or_used_again(kind: str, data: st.DataObject) -> None:
    before, after = data.draw(sets()), data.draw(sets())
    if kind == "enum":
        before["extensions"] = after["extensions"] = set()
    old, new = (_parsed(data.draw(written(kind, said))) for said in (before, after))
    changes = compare(old, new)
    by_rule: dict[str, list[str]] = {}
    for change in changes:
        by_rule.setdefault(change.rule, []).append(change.detail)
    gone = [detail for detail in by_rule.get("reservation-removed", []) if detail[0].isdigit()]
    assert _numbers(gone) == before["reserved"] - after["reserved"] - after["used"]
    reused = [detail.rpartition(": ")[0].rpartition(": ")[2] for detail in by_rule.get("number-reused", [])]
    assert _numbers(reused) == (before["reserved"] | before["extensions"]) & after["used"]
    extensions = _numbers(by_rule.get("extensions-removed", []))
    assert extensions == before["extensions"] - after["extensions"] - after["reserved"] - after["used"]
    names = {
        detail.split()[0] for detail in by_rule.get("reservation-removed", []) if not detail[0].isdigit()
    }
    assert names == before["names"] - after["names"] - after["own names"]
    again = {detail.split()[0] for detail in by_rule.get("name-reused", [])}
    assert again == before["names"] & after["own names"]


@pytest.mark.parametrize("kind", ["message", "enum"])
@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_same_sets_in_other_words_are_no_change(kind: str, data: st.DataObject) -> None:
    said = data.draw(sets())
    old, new = (_parsed(data.draw(written(kind, said))) for _ in range(2))
    assert compare(old, new) == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("oneof s { int32 a = 1; } optional int32 b = 2;", "oneof s { int32 a = 1; int32 b = 2; }",
         ["b: was in none, is in s"]),
        ("oneof s { int32 a = 1; int32 b = 2; }", "oneof s { int32 a = 1; } optional int32 b = 2;",
         ["b: was in s, is in none"]),
        ("oneof s { int32 a = 1; int32 b = 2; }", "oneof t { int32 a = 1; int32 b = 2; }", []),
        ("oneof s { int32 a = 1; int32 b = 2; }", "oneof t { int32 a = 1; } oneof s { int32 b = 2; }",
         ["a: was in s, is in t"]),
        ("optional int32 a = 1; optional int32 b = 2;", "oneof s { int32 a = 1; int32 b = 2; }",
         ["a: was in none, is in s", "b: was in none, is in s"]),
        ("oneof s { int32 a = 1; }", "oneof s { int32 a = 1; int32 new = 2; }", []),
    ],
)  # fmt: skip
def test_a_field_that_comes_to_a_oneof_is_told_once(old: str, new: str, found: list[str]) -> None:
    one, other = (_parsed(f'syntax = "proto3"; message A {{ {fields} }}') for fields in (old, new))
    told = [f"{change.field}: {change.detail}" for change in compare(one, other) if "oneof" in change.rule]
    assert told == found
    assert all("was in s, is in s" not in line for line in told)
