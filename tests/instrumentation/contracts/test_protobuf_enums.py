"""Protobuf: numbers and enums in each other's place, judged by the runtime."""

from itertools import permutations
from typing import Any

import pytest
from google.protobuf import json_format, message_factory

from flowtrail.contracts import compare
from flowtrail.contracts._formats import FORMATS

NUMBERS = {
    "int32": range(-(2**31), 2**31), "int64": range(-(2**63), 2**63), "uint32": range(2**32),
    "uint64": range(2**64), "bool": range(2),
}  # fmt: skip
ENUMS = {
    "only zero": {0}, "like a bool": {0, 1}, "more": {0, 1, 5}, "another": {0, 2}, "below zero": {0, -1},
    "the limits": {0, -(2**31), 2**31 - 1}, "not zero": {1, 5},
}  # fmt: skip
KINDS = [
    *NUMBERS,
    *(f"closed, {name}" for name in ENUMS),
    *(f"open, {name}" for name in ENUMS if name != "not zero"),
]
EDGES = sorted({
    0, 1, 2, 5, 7, *(sign * 2**size + more for size in (31, 32, 63) for sign in (1, -1) for more in (-1, 0))
})  # fmt: skip
LABELS = {
    "optional": lambda value: value, "repeated": lambda value: [value, value], "map": lambda value: {"k": value},
}  # fmt: skip


def parsed(kind: str, label: str) -> Any:
    how, _, name = kind.partition(", ")
    enum = "".join(f" V{at} = {number};" for at, number in enumerate(sorted(ENUMS.get(name, {0}), key=abs)))
    # An open enum begins with zero, and only a file that is proto3 has one.
    language = "proto3" if how == "open" else "proto2"
    plain = kind if kind in NUMBERS else "K"
    field = f"map<string, {plain}>" if label == "map" else f"{label} {plain}"
    text = f'syntax = "{language}"; message E {{ {field} x = 1; }} enum K {{{enum} }}'
    return FORMATS["protobuf"].parse(
        "E/1", text.replace("V", f"V{sorted(ENUMS).index(name) if name else ''}_"), "E"
    )


def as_numbers(contract: Any, data: Any) -> Any:
    """Names of an enum's values as numbers, and a bool as one."""
    if isinstance(data, list):
        return [as_numbers(contract, each) for each in data]
    if isinstance(data, dict):
        return {name: as_numbers(contract, each) for name, each in data.items()}
    return (
        contract.pool.file.enum_types_by_name["K"].values_by_name[data].number
        if isinstance(data, str)
        else int(data)
    )


def loses(written: Any, read: Any, kind: str, label: str) -> bool:
    """Whether a value that can be written comes out as another, or not at all."""
    how, _, name = kind.partition(", ")
    numbers = ENUMS[name] if how == "closed" else [
        edge for edge in EDGES if edge in NUMBERS.get(kind, NUMBERS["int32"])
    ]  # fmt: skip
    for number in numbers:
        data = {"x": LABELS[label](bool(number) if kind == "bool" else number)}
        found = read.decode(written.encode(data))
        if "x" not in found or as_numbers(read, found) != as_numbers(written, data):
            return True
    return False


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("kind", KINDS)
def test_whoever_loses_a_value_is_told(kind: str, label: str) -> None:
    if label == "map" and "not zero" in kind:
        pytest.skip("an enum in a map begins with zero")
    for other in KINDS:
        if other == kind or (label == "map" and "not zero" in other):
            continue
        old, new = parsed(kind, label), parsed(other, label)
        breaks = {side for change in compare(old, new) for side in change.breaks}
        assert ("backward" in breaks) == loses(old, new, kind, label), other
        assert ("forward" in breaks) == loses(new, old, other, label), other


DEFAULTS = {
    "int32": ("1", "2"), "string": ('"a"', '"b"'), "bytes": (r'"\001"', r'"\002"'), "bool": ("true", "false"),
    "double": ("nan", "inf"), "float": ("0.0", "-0.0"), "K": ("A", "B"), "uint64": ("1", "0xFFFFFFFFFFFFFFFF"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DEFAULTS)
def test_another_default_is_told_and_the_same_is_not(kind: str) -> None:
    texts = (f"optional {kind} x = 1 [default = {value}];" for value in DEFAULTS[kind])
    contracts = [
        FORMATS["protobuf"].parse("E/1", f'syntax = "proto2"; message E {{ {field} }} enum K {{ Z = 0; A = 1; B = 2; }}', "E")
        for field in (*texts, f"optional {kind} x = 1;")
    ]  # fmt: skip
    for old, new in permutations(contracts, 2):
        implied = old is contracts[-1] or new is contracts[-1]
        rules = [change.rule for change in compare(old, new)]
        assert rules == ["changed: default"] or (implied and rules == [])
    for contract in contracts:
        assert compare(contract, contract) == []
    assert len({repr(contract.completed({})) for contract in contracts}) == 3


def test_the_first_value_of_an_enum_is_its_default() -> None:
    old, new = (
        FORMATS["protobuf"].parse("E/1", f'syntax = "proto2"; message E {{ optional K x = 1; }} enum K {{ {values} }}', "E")
        for values in ("A = 0; B = 1;", "B = 1; A = 0;")
    )  # fmt: skip
    (change,) = compare(old, new)
    assert (change.rule, change.breaks) == ("changed: default", frozenset())
    assert "default was A" in change.detail


def with_names(*names: tuple[str, int]) -> Any:
    is_again = len({number for _, number in names}) < len(names)
    values = " ".join(f"{name} = {number};" for name, number in names)
    option = "option allow_alias = true; " if is_again else ""
    text = f'syntax = "proto3"; message E {{ K x = 1; repeated K l = 2; map<string, K> m = 3; }} enum K {{ {option}Z = 0; {values} }}'
    return FORMATS["protobuf"].parse("E/1", text, "E")


NAMES = [("ONE", 1), ("UNO", 1), ("EIN", 1), ("TWO", 2)]
ENUM_TEXTS = [each for length in (1, 2, 3) for each in permutations(NAMES, length)]


@pytest.mark.parametrize("names", ENUM_TEXTS, ids=str)
def test_a_number_of_several_names_is_read_by_the_first_as_protojson_has_it(names: Any) -> None:
    contract = with_names(*names)
    for name, number in names:
        first = next(each for each, its in names if its == number)
        payload = contract.encode({"x": name, "l": [name], "m": {"k": name}})
        assert contract.decode(payload) == {"x": first, "l": [first], "m": {"k": first}}
        message = message_factory.GetMessageClass(contract.descriptor).FromString(payload)
        assert json_format.MessageToDict(message) == {"x": first, "l": [first], "m": {"k": first}}


@pytest.mark.slow
def test_whoever_reads_another_name_is_told() -> None:
    for old_names, new_names in permutations(ENUM_TEXTS, 2):
        old, new = with_names(*old_names), with_names(*new_names)
        changes = compare(old, new)
        read = [
            {number: new.decode(old.encode({"x": name})).get("x") for name, number in old_names},
            {number: old.decode(old.encode({"x": name})).get("x") for name, number in old_names},
        ]
        gone = {name for name, _ in old_names} - {name for name, _ in new_names}
        # A name that is gone isn't read any more, or JSON and publishers still have it.
        assert bool(changes) == (read[0] != read[1] or bool(gone)), (old_names, new_names, changes)
        assert all(change.breaks == frozenset() for change in changes)


@pytest.mark.parametrize(("old", "new", "rule"), [
    ([("ONE", 1)], [("ONE", 1), ("UNO", 1)], ""),
    ([("ONE", 1), ("UNO", 1), ("EIN", 1)], [("ONE", 1), ("EIN", 1), ("UNO", 1)], ""),
    ([("ONE", 1)], [("UNO", 1), ("ONE", 1)], "symbol-renamed"),
    ([("ONE", 1), ("UNO", 1)], [("UNO", 1), ("ONE", 1)], "symbol-renamed"),
    ([("ONE", 1), ("UNO", 1)], [("ONE", 1)], "symbol-removed"),
    ([("ONE", 1), ("UNO", 1)], [("UNO", 1)], "symbol-renamed"),
    ([("ONE", 1), ("UNO", 1)], [("ONE", 1), ("UNO", 2)], "number-changed"),
    ([("ONE", 1)], [("ONE", 2)], "number-changed"),
    ([("ONE", 1), ("UNO", 1)], [], "symbol-removed"),
], ids=str)  # fmt: skip
def test_what_may_happen_to_names(old: Any, new: Any, rule: str) -> None:
    found = compare(with_names(*old), with_names(*new))
    assert {change.field: change.rule for change in found} == dict.fromkeys(
        ("x", "l", "m{}.value") if rule else (), rule
    )
    for change in found:
        assert change.breaks == ({"backward", "forward"} if rule == "number-changed" else set())


def test_a_default_of_several_names_is_the_first() -> None:
    text = 'syntax = "proto2"; message E { optional K x = 1 [default = B]; } enum K { option allow_alias = true; Z = 0; A = 1; B = 1; }'
    contract = FORMATS["protobuf"].parse("E/1", text, "E")
    assert contract.decode(b"") == contract.completed({}) == {"x": "A"}
