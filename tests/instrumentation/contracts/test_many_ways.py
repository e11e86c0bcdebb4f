"""Schemas that meet a value on many ways: it takes no longer, and what is found stays the same."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from flowtrail.contracts.json_schema._validator import Compiled, checker
from waiting import scaled

DEEP = 40


def _both(reference: dict[str, Any]) -> dict[str, Any]:
    return {
        "allOf": {"allOf": [reference, reference]},
        "anyOf": {"anyOf": [reference, reference]},
        "oneOf": {"oneOf": [reference, {"allOf": [{"type": "null"}, reference]}]},
        "not": {"not": {"not": reference}, "allOf": [reference]},
        "if": {"if": reference, "then": reference, "else": reference},
        "else": {"if": {"not": reference}, "else": reference},
        "dependentSchemas": {"dependentSchemas": {"z": reference, "y": reference}},
        "$ref": {**reference, "allOf": [reference]},
        "$dynamicRef": {"$dynamicRef": reference["$ref"], "allOf": [reference]},
        "fields": {"allOf": [{"properties": {"r": reference}}, {"properties": {"r": reference}}]},
        "unevaluatedProperties": {"allOf": [reference], "unevaluatedProperties": reference},
        "unevaluatedItems": {"allOf": [reference], "unevaluatedItems": reference},
        "elements": {"allOf": [{"items": reference}, {"items": reference}]},
    }  # fmt: skip


KEYWORDS = sorted(_both({"$ref": "#"}))
LEAF = {"type": ["object", "array"], "properties": {"z": {"type": "integer"}, "y": {}, "r": {}}}


def _chain(keyword: str) -> dict[str, Any]:
    """Each definition leads to the next one twice."""
    steps = {f"d{at}": _both({"$ref": f"#/$defs/d{at + 1}"})[keyword] for at in range(DEEP)}
    return {
        "type": "object",
        "properties": {"p": {"$ref": "#/$defs/d0"}},
        "$defs": {**steps, f"d{DEEP}": LEAF},
    }


def _circle(keyword: str) -> dict[str, Any]:
    """One definition leads back to itself twice for each step into the data."""
    circle = {**_both({"$ref": "#/$defs/step"})[keyword], "type": LEAF["type"]}
    step = {"properties": {**LEAF["properties"], "r": {"$ref": "#/$defs/c"}}, "items": {"$ref": "#/$defs/c"}}
    return {
        "type": "object",
        "properties": {"p": {"$ref": "#/$defs/c"}},
        "$defs": {"c": circle, "step": step},
    }


def _nested(inner: Any, key: str) -> Any:
    for _ in range(DEEP // 2):
        inner = {key: inner}
    return inner


@pytest.mark.slow
@pytest.mark.parametrize("keyword", KEYWORDS)
@pytest.mark.parametrize("made", [_chain, _circle])
def test_no_schema_is_looked_at_twice_for_one_value(made: Any, keyword: str) -> None:
    started = time.process_time()
    compiled = Compiled("A/1", made(keyword))
    for value in (
        {"z": 1},
        {"z": "x", "y": 1},
        [],
        [[[1]]],
        1,
        _nested({"z": 1}, "r"),
        _nested({"z": "x"}, "r"),
    ):
        for check in (compiled.violations_writing, compiled.violations_reading):
            found = check({"p": value})
            assert len(found) == len(set(found)) <= 5
    assert time.process_time() - started < scaled(3)


@pytest.mark.parametrize(
    ("schema", "data", "lines"),
    [
        ({"allOf": [{"type": "integer"}, {"type": "integer"}]}, "x", ["p: type should be integer"]),
        ({"$ref": "#/$defs/d", "type": "integer"}, "x", ["p: type should be integer"]),
        ({"unevaluatedProperties": False}, {"a": 1, "b": 1},
         [f"p.{name}: unevaluatedProperties: not in the contract" for name in "ab"]),
        ({"unevaluatedProperties": {"type": "integer"}}, {"a": 1, "b": "x"}, ["p.b: type should be integer"]),
        ({"unevaluatedProperties": {"required": ["c"]}}, {"a": {}}, ["p.a.c: required"]),
        ({"prefixItems": [{}], "unevaluatedItems": False}, [1, 2], ["p.1: unevaluatedItems: not in the contract"]),
        ({"unevaluatedItems": {"type": "integer"}}, [1, "x"], ["p.1: type should be integer"]),
        ({"properties": {"a": False}}, {"a": 1}, ["p: something in it is never allowed"]),
        ({"format": "regex"}, "(" * 3000 + "a", ["p: format should be regex"]),
    ],
)  # fmt: skip
def test_each_line_names_its_field_and_is_told_once(
    schema: dict[str, Any], data: Any, lines: list[str]
) -> None:
    whole = {"type": "object", "properties": {"p": schema}, "$defs": {"d": {"type": "integer"}}}
    assert checker(whole)({"p": data}) == lines


_SIMPLE: st.SearchStrategy[Any] = st.sampled_from([
    True, False, {"type": "integer"}, {"type": "object"}, {"const": 1}, {"required": ["a"]}, {"minItems": 1},
])  # fmt: skip


def _further(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    listed = st.lists(inner, min_size=1, max_size=3)
    reference = st.sampled_from(["#/$defs/a", "#/$defs/b"])
    fields = st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
    return st.fixed_dictionaries({}, optional={
        "allOf": listed, "anyOf": listed, "oneOf": listed, "not": inner, "if": inner, "then": inner, "else": inner,
        "properties": fields, "patternProperties": st.builds(lambda part: {"^[ab]": part}, inner), "dependentSchemas": fields,
        "prefixItems": listed, "items": inner, "contains": inner, "additionalProperties": inner,
        "unevaluatedProperties": inner, "unevaluatedItems": inner, "$ref": reference,
    })  # fmt: skip


def _without_references(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_references(part) for part in value]
    if isinstance(value, dict):
        return {name: _without_references(part) for name, part in value.items() if name != "$ref"}
    return value


_SCHEMAS = st.recursive(_SIMPLE, _further, max_leaves=12)
_DATA = st.recursive(
    st.sampled_from([1, 2, "x", None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(_further(_SCHEMAS), _SCHEMAS, _SCHEMAS, st.lists(_DATA, min_size=1, max_size=4))
def test_whether_data_fits_is_what_the_library_says(
    schema: Any, one: Any, other: Any, values: list[Any]
) -> None:
    whole = {**schema, "$defs": {"a": _without_references(one), "b": _without_references(other)}}
    check, judge = checker(whole), Draft202012Validator(whole)
    for value in values:
        assert (check(value) == []) is judge.is_valid(value)
