"""Fields that a contract doesn't declare are refused, however the contract is put together.

The judge is how a contract is made here: step by step around an object whose fields are known, with data that
fits, so that it is known beforehand which field is declared where.
"""

import copy
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail.contracts.json_schema._validator import Compiled

NEW, DRAFT_7 = "https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"


class Made(NamedTuple):
    """A schema, what fits it, where its object is in there, and the definitions it refers to."""

    schema: dict[str, Any]
    data: Any
    path: tuple[Any, ...]
    definitions: dict[str, Any]


def _wrappers(made: Made) -> dict[str, Made]:
    """The same object, one step further in, or behind one more word of JSON Schema."""
    schema, data, path, definitions = made
    kind = {list: "array", dict: "object"}[type(data)]
    name = f"D{len(definitions)}"
    defined = {**definitions, name: schema}
    reference = {"$ref": f"#/definitions/{name}"}
    tagged = {"type": "object", "properties": {"tag": {"const": "t"}}, "required": ["tag"]}
    same = {
        "$ref": made._replace(schema=reference, definitions=defined),
        "allOf": made._replace(schema={"allOf": [{}, schema]}),
        "anyOf": made._replace(schema={"anyOf": [schema, {"type": "null"}]}),
        "oneOf": made._replace(schema={"oneOf": [{"type": "string"}, schema]}),
        "then": made._replace(schema={"if": {"type": kind}, "then": schema, "else": {"type": "null"}}),
        "else": made._replace(schema={"if": {"type": "null"}, "else": schema}),
        "allOf of a reference": made._replace(schema={"allOf": [reference]}, definitions=defined),
    }
    further = {
        "properties": Made({"properties": {"f": schema}}, {"f": data}, ("f", *path), definitions),
        "patternProperties": Made({"patternProperties": {"^g": schema}}, {"gg": data}, ("gg", *path), definitions),
        "additionalProperties": Made({"additionalProperties": schema}, {"h": data}, ("h", *path), definitions),
        "items": Made({"type": "array", "items": schema}, [copy.deepcopy(data), data], (1, *path), definitions),
        "beside a tag": Made(
            {"allOf": [tagged, {"properties": {"f": schema}}]},
            {"tag": "t", "f": data}, ("f", *path), definitions,
        ),
        "by its tag": Made(
            {"oneOf": [{"properties": {"tag": {"const": "u"}}}, {**tagged, "properties": {**tagged["properties"], "f": schema}}]},
            {"tag": "t", "f": data}, ("f", *path), definitions,
        ),
    }  # fmt: skip
    return {**same, **further}


def _newer(made: Made) -> dict[str, Made]:
    schema, data, path, definitions = made
    return {
        "prefixItems": Made({"prefixItems": [{}, schema]}, [1, data], (1, *path), definitions),
        "dependentSchemas": Made(
            {"properties": {"a": {}}, "dependentSchemas": {"a": {"properties": {"f": schema}}}},
            {"a": 1, "f": data}, ("f", *path), definitions,
        ),
        "unevaluatedProperties": Made({"unevaluatedProperties": schema}, {"k": data}, ("k", *path), definitions),
    }  # fmt: skip


def _older(made: Made) -> dict[str, Made]:
    schema, data, path, definitions = made
    return {
        "items as a list": Made({"items": [{}, schema]}, [1, data], (1, *path), definitions),
        "additionalItems": Made({"items": [{}], "additionalItems": schema}, [1, data], (1, *path), definitions),
        "dependencies": Made(
            {"properties": {"a": {}}, "dependencies": {"a": {"properties": {"f": schema}}}},
            {"a": 1, "f": data}, ("f", *path), definitions,
        ),
    }  # fmt: skip


OBJECT = Made({"type": "object", "properties": {"a": {"type": "integer"}}}, {"a": 1}, (), {})
OF_DRAFT = {NEW: _newer, DRAFT_7: _older}
ONE_STEP = [(draft, name) for draft in OF_DRAFT for name in {**_wrappers(OBJECT), **OF_DRAFT[draft](OBJECT)}]


def _at(data: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        data = data[step]
    return data


def _judge(draft: str, made: Made) -> None:
    compiled = Compiled("A/1", {"$schema": draft, **made.schema, "definitions": made.definitions})
    assert compiled.violations_writing(made.data) == []
    more = copy.deepcopy(made.data)
    _at(more, made.path)["extra"] = {"b": 2}
    line = ".".join(map(str, (*made.path, "extra")))
    assert compiled.violations_writing(more) == [f"{line}: additionalProperties: not in the contract"]
    assert compiled.violations_reading(more) == []


@pytest.mark.parametrize(("draft", "name"), ONE_STEP)
def test_behind_every_word_an_undeclared_field_is_refused(draft: str, name: str) -> None:
    _judge(draft, {**_wrappers(OBJECT), **OF_DRAFT[draft](OBJECT)}[name])


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(sorted(OF_DRAFT)))
def test_behind_any_of_them_together(data: st.DataObject, draft: str) -> None:
    made = OBJECT
    for _ in range(data.draw(st.integers(1, 5))):
        steps = {**_wrappers(made), **OF_DRAFT[draft](made)}
        made = steps[data.draw(st.sampled_from(sorted(steps)))]
    _judge(draft, made)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(st.data(), st.sampled_from(sorted(OF_DRAFT)))
def test_what_says_that_it_is_open_is_open_there(data: st.DataObject, draft: str) -> None:
    made = OBJECT._replace(schema={**OBJECT.schema, "additionalProperties": True})
    for _ in range(data.draw(st.integers(1, 4))):
        steps = {**_wrappers(made), **OF_DRAFT[draft](made)}
        made = steps[data.draw(st.sampled_from(sorted(steps)))]
    _at(made.data, made.path)["extra"] = {"b": 2}
    compiled = Compiled("A/1", {"$schema": draft, **made.schema, "definitions": made.definitions})
    assert compiled.violations_writing(made.data) == []


@pytest.mark.parametrize(
    ("schema", "free"),
    [
        ({"type": "object"}, True),
        ({"not": {"properties": {"b": {"const": 1}}, "required": ["b"]}}, True),
        ({"if": {"properties": {"b": {"const": 1}}}, "then": {"required": ["a"]}}, True),
        ({"anyOf": [OBJECT.schema, {"type": "object"}]}, True),
        ({"anyOf": [OBJECT.schema, True]}, True),
        ({"unevaluatedProperties": True, **OBJECT.schema}, True),
        ({**OBJECT.schema, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, False),
        ({**OBJECT.schema, "not": {"required": ["c"]}}, False),
        ({**OBJECT.schema, "properties": {"a": True}, "propertyNames": {"maxLength": 9}}, False),
        ({"patternProperties": {"^a": {}}}, False),
    ],
)
def test_only_objects_with_declared_fields_are_closed(schema: dict[str, Any], free: bool) -> None:
    found = Compiled("A/1", schema).violations_writing({"a": 1, "zz": 2})
    assert found == ([] if free else ["zz: additionalProperties: not in the contract"])


def test_alternatives_told_apart_by_what_they_leave_out_are_still_read() -> None:
    """A reader overlooks what isn't declared, but then both alternatives fit: what was published has to be readable."""
    one = {"type": "object", "properties": {"a": {}}, "additionalProperties": False}
    other = {"type": "object", "properties": {"b": {}}, "additionalProperties": False}
    definitions = {"One": one, "Other": other}
    for parts in ([one, other], [{"$ref": "#/$defs/One"}, {"$ref": "#/$defs/Other"}]):
        compiled = Compiled("A/1", {"oneOf": parts, "$defs": definitions})
        assert compiled.violations_writing({"a": 1}) == []
        assert compiled.violations_reading({"a": 1}) == []
