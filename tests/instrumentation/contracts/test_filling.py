"""Defaults are filled in wherever it is certain which schemas hold, and never break what data kept to."""

import copy
import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contractkit import write_json
from flowtrail.contracts import Contracts
from flowtrail.contracts.json_schema._validator import Compiled

FIVE = {"type": "object", "properties": {"a": {"type": "integer", "default": 5}}}
DRAFT_7 = {"$schema": "http://json-schema.org/draft-07/schema#"}
FILLED: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "properties": ({"properties": {"p": FIVE}}, {"p": {}}, {"p": {"a": 5}}),
    "patternProperties": ({"patternProperties": {"^k": FIVE}}, {"kk": {}, "x": {}}, {"kk": {"a": 5}, "x": {}}),
    "additionalProperties": (
        {"properties": {"p": {}}, "additionalProperties": FIVE}, {"p": {}, "q": {}}, {"p": {}, "q": {"a": 5}},
    ),
    "items": ({"properties": {"l": {"items": FIVE}}}, {"l": [{}, {"a": 1}, 7]}, {"l": [{"a": 5}, {"a": 1}, 7]}),
    "prefixItems": (
        {"properties": {"l": {"prefixItems": [{}, FIVE], "items": {"properties": {"b": {"default": 1}}}}}},
        {"l": [{}, {}, {}]}, {"l": [{}, {"a": 5}, {"b": 1}]},
    ),
    "items as a list": ({**DRAFT_7, "properties": {"l": {"items": [{}, FIVE]}}}, {"l": [{}, {}]}, {"l": [{}, {"a": 5}]}),
    "additionalItems": (
        {**DRAFT_7, "properties": {"l": {"items": [{}], "additionalItems": FIVE}}}, {"l": [{}, {}]}, {"l": [{}, {"a": 5}]},
    ),
    "$ref": ({"$ref": "#/$defs/d", "$defs": {"d": FIVE}}, {}, {"a": 5}),
    "beside a $ref": (
        {"$ref": "#/$defs/d", "properties": {"b": {"default": 1}}, "$defs": {"d": FIVE}}, {}, {"a": 5, "b": 1},
    ),
    "allOf": ({"allOf": [FIVE, {"properties": {"b": {"default": 1}}}]}, {}, {"a": 5, "b": 1}),
    "allOf of references": ({"allOf": [{"$ref": "#/$defs/d"}, {"$ref": "#/$defs/d"}], "$defs": {"d": FIVE}}, {}, {"a": 5}),
    "one field in two schemas": (
        {"properties": {"p": {"properties": {"b": {"default": 1}}}}, "allOf": [{"properties": {"p": FIVE}}]},
        {"p": {}}, {"p": {"a": 5, "b": 1}},
    ),
    "the nearest counts": ({"properties": {"a": {"default": 6}}, "allOf": [FIVE]}, {}, {"a": 6}),
    "within a default": ({"properties": {"p": {"default": {}, **FIVE}}}, {}, {"p": {"a": 5}}),
    "a circle of defaults ends": (
        {"properties": {"p": {"default": {}, "$ref": "#"}, "a": {"default": 5}}}, {}, {"p": {"a": 5}, "a": 5},
    ),
}  # fmt: skip
LEFT: dict[str, tuple[dict[str, Any], Any]] = {
    "anyOf": ({"anyOf": [FIVE, {"type": "object"}]}, {}),
    "oneOf": ({"oneOf": [FIVE, {"type": "array"}]}, {}),
    "then": ({"if": {"type": "object"}, "then": FIVE}, {}),
    "dependentSchemas": ({"properties": {"p": {}}, "dependentSchemas": {"p": FIVE}}, {"p": 1}),
    "beside a $ref of an old draft": (
        {**DRAFT_7, "properties": {"p": {"$ref": "#/definitions/d", **FIVE}}, "definitions": {"d": {}}}, {"p": {}},
    ),
}  # fmt: skip
# Each would be broken by the default of `a`.
WATCHING: dict[str, dict[str, Any]] = {
    "dependentRequired": {"dependentRequired": {"a": ["b"]}},
    "dependentSchemas": {"dependentSchemas": {"a": {"required": ["b"]}}},
    "patternProperties": {"patternProperties": {"^a": {"maximum": 4}}},
    "maxProperties": {"maxProperties": 1},
    "propertyNames": {"propertyNames": {"enum": ["b", "d"]}},
    "oneOf": {"oneOf": [{"required": ["a"]}, {"required": ["d"]}]},
    "anyOf": {"anyOf": [{"required": ["b"]}, {"properties": {"a": {"maximum": 4}}}]},
    "allOf": {"allOf": [{"properties": {"a": {"maximum": 4}}}]},
    "$ref": {"$ref": "#/$defs/few"},
    "not": {"not": {"required": ["a"]}},
    "if": {"if": {"required": ["a"]}, "then": {"required": ["b"]}},
    "const": {"const": {"d": 1}},
    "enum": {"enum": [{"d": 1}, {"d": 2}]},
    "its own type": {"properties": {"a": {"type": "string", "default": 5}, "d": {}}},
}
WITH_LIST: dict[str, Any] = {"properties": {"d": {"type": "array"}}}
WITH_TEXT: dict[str, Any] = {"properties": {"d": {"default": ""}, "e": {"default": 1}}}
# Of the same object the one says that `d` is a list, the other has a text for it where it is absent.
DISAGREEING: dict[str, dict[str, Any]] = {
    "allOf within": {"properties": {"c": {"allOf": [WITH_LIST, WITH_TEXT]}}},
    "allOf": {"allOf": [{"properties": {"c": WITH_LIST}}, {"properties": {"c": WITH_TEXT}}]},
    "patternProperties": {"properties": {"c": WITH_LIST}, "patternProperties": {"^c$": WITH_TEXT}},
    "patternProperties the other way": {
        "properties": {"c": WITH_TEXT},
        "patternProperties": {"^c$": WITH_LIST},
    },
    "two patterns": {"patternProperties": {"^c": WITH_LIST, "c$": WITH_TEXT}},
    "beside a $ref": {"properties": {"c": {"$ref": "#/$defs/list", **WITH_TEXT}}},
    "a $ref within allOf": {"properties": {"c": {"allOf": [WITH_LIST, {"$ref": "#/$defs/text"}]}}},
    "additionalProperties": {"allOf": [{"properties": {"c": WITH_LIST}}], "additionalProperties": WITH_TEXT},
}
DEFINED = {"few": {"properties": {"a": {"maximum": 4}}}}


@pytest.mark.parametrize("way", DISAGREEING)
def test_a_default_that_another_schema_of_its_object_refuses_stays_away(way: str) -> None:
    defined = {"list": WITH_LIST, "text": WITH_TEXT}
    compiled = Compiled("A/1", {"type": "object", **DISAGREEING[way], "$defs": defined})
    full = compiled.completed({"c": {}})
    assert "d" not in full["c"]
    assert compiled.violations_reading(full) == []
    assert compiled.completed({"c": {"d": []}})["c"]["d"] == []


def test_a_default_that_another_schema_has_no_field_for_stays_away() -> None:
    closed = {"properties": {"b": {}}, "additionalProperties": False}
    compiled = Compiled("A/1", {"allOf": [closed, FIVE]})
    assert compiled.completed({"b": 1}) == {"b": 1}


@pytest.mark.parametrize("place", FILLED)
def test_a_default_is_filled_in_under(place: str) -> None:
    schema, data, full = FILLED[place]
    before = copy.deepcopy(data)
    assert Compiled("A/1", schema).completed(data) == full
    assert data == before


@pytest.mark.parametrize("place", LEFT)
def test_nothing_is_filled_in_where_the_schema_may_not_hold(place: str) -> None:
    schema, data = LEFT[place]
    assert Compiled("A/1", schema).completed(data) == data


@pytest.mark.parametrize("keyword", WATCHING)
@pytest.mark.parametrize("inner", [False, True])
def test_a_default_that_would_break_the_contract_stays_away(keyword: str, inner: bool, tmp_path: Any) -> None:
    fields = {"a": {"type": "integer", "default": 5}, "b": {}, "d": {}}
    part: dict[str, Any] = {"type": "object", "properties": fields, **WATCHING[keyword]}
    schema = {"type": "object", "properties": {"p": part}} if inner else part
    first = {**schema, "$defs": DEFINED}
    contracts = Contracts.from_folder(write_json(tmp_path, E=[first, {**first, "description": "the same"}]))
    event = {"p": {"d": 1}} if inner else {"d": 1}
    contracts.validate_publish("E", 1, event)
    assert contracts.read("E", 1, event) == (event, "2")


def test_other_defaults_are_filled_in_beside_one_that_stays_away() -> None:
    fields = {name: {"default": 5} for name in "abc"}
    compiled = Compiled("A/1", {"properties": fields, "dependentRequired": {"b": ["x"]}})
    assert compiled.completed({}) == {"a": 5, "c": 5}
    assert compiled.completed({"x": 1}) == {"a": 5, "b": 5, "c": 5, "x": 1}


_LEAVES: st.SearchStrategy[Any] = st.sampled_from([
    {"type": "integer", "default": 5}, {"default": "x"}, {"default": {}}, {"type": "string"}, {"required": ["a"]}, {},
    {"maxProperties": 1}, {"$ref": "#/$defs/d"}, {"$ref": "#/$defs/d", "default": {}}, {"enum": [{}, {"a": 5}, [{}]]},
])  # fmt: skip


def _further(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    listed, fields = (
        st.lists(inner, min_size=1, max_size=2),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    )
    return st.fixed_dictionaries({}, optional={
        "properties": fields, "allOf": listed, "anyOf": listed, "oneOf": listed, "not": inner, "if": inner, "then": inner,
        "items": inner, "prefixItems": listed, "additionalProperties": inner, "uniqueItems": st.just(True),
        "patternProperties": st.dictionaries(st.sampled_from(["^[ab]", "[bc]$"]), inner, min_size=1, max_size=2), "default": st.sampled_from([5, {}]),
        "dependentRequired": st.just({"a": ["b"]}), "unevaluatedProperties": inner,
    })  # fmt: skip


_DATA = st.recursive(
    st.sampled_from([5, "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=5,
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    _further(st.recursive(_LEAVES, _further, max_leaves=8)),
    _further(_LEAVES),
    st.lists(_DATA, min_size=1, max_size=4),
)
def test_what_a_reader_takes_it_takes_completed(schema: Any, other: Any, values: list[Any]) -> None:
    defined = json.loads(json.dumps(other).replace('"$ref": "#/$defs/d"', '"title": "d"'))
    compiled = Compiled("A/1", {**schema, "$defs": {"d": defined}})
    for value in [*values, {}]:
        if not compiled.violations_reading(value):
            before = copy.deepcopy(value)
            full = compiled.completed(value)
            assert compiled.violations_reading(full) == []
            assert value == before
            judge = jsonschema.Draft202012Validator({**schema, "$defs": {"d": defined}})
            assert judge.is_valid(full) or not judge.is_valid(value)
