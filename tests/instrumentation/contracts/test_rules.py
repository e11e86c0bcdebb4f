"""What may change in a JSON Schema: the rules, and that what they let pass breaks nobody."""

import copy
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contractkit import write_json
from flowtrail.contracts import (
    FolderSource,
    compare,
    compare_sources,
)
from flowtrail.contracts.json_schema._validator import Compiled, checker


def _with(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": {"type": "string"}, **properties}}


OPTIONAL = {"type": "integer", "default": 1}


@pytest.mark.parametrize(
    ("old", "new", "rules"),
    [
        (_with(), _with(b=OPTIONAL), []),
        (_with(), {**_with(), "title": "T", "description": "D"}, []),
        (_with(), _with(b={"type": "integer"}), ["b: new-field-needs-default"]),
        (_with(), {**_with(b=OPTIONAL), "required": ["b"]}, ["b: new-field-must-be-optional"]),
        (_with(), _with(b={"type": "integer", "default": "x"}), ["b: default-breaks-its-field"]),
        (_with(), {**_with(), "required": ["a"]}, ["a: became-required"]),
        ({**_with(), "required": ["a"]}, _with(), ["a: became-optional"]),
        (_with(b=OPTIONAL), _with(), ["b: removed-without-deprecation"]),
        (_with(b={**OPTIONAL, "deprecated": True}), _with(), []),
        (
            _with(b={"deprecated": True, "x-remove-after": "2030-01-01"}),
            _with(),
            ["b: deprecation-period-not-over"],
        ),
        (_with(b={"deprecated": True, "x-remove-after": "2020-01-01"}), _with(), []),
        ({**_with(b={"deprecated": True}), "required": ["b"]}, _with(), ["b: required-field-removed"]),
        (_with(b={"type": "integer"}), _with(b={"type": "number"}), ["b: changed: type"]),
        (_with(b={"type": "integer"}), _with(b={"type": "string"}), ["b: changed: type"]),
        (_with(b={"enum": [1]}), _with(b={"enum": [True]}), ["b: changed: enum"]),
        (_with(b=OPTIONAL), _with(b={**OPTIONAL, "default": 2}), ["b: changed: default"]),
        (_with(o=_with()), _with(o=_with(b={})), ["o.b: new-field-needs-default"]),
        (_with(l={"items": _with()}), _with(l={"items": _with(b=OPTIONAL)}), []),
        (_with(l={"items": _with()}), _with(l={"items": _with(b={})}), ["l[].b: new-field-needs-default"]),
        (
            _with(l={"uniqueItems": True, "items": _with()}),
            _with(l={"uniqueItems": True, "items": _with(b=OPTIONAL)}),
            ["l[].b: new-field-under-condition"],
        ),
        (
            {**_with(), "additionalProperties": True},
            {**_with(b=OPTIONAL), "additionalProperties": True},
            ["b: new-field-in-open-object"],
        ),
        (_with(), {**_with(), "additionalProperties": False}, []),
        (
            _with(o={"anyOf": [{"properties": {"title": {"type": "string"}}}]}),
            _with(o={"anyOf": [{"properties": {"title": {"type": "integer"}}}]}),
            ["o: changed: anyOf"],
        ),
        (
            {**_with(m={"$ref": "#/$defs/M"}), "$defs": {"M": {"type": "string"}}},
            {**_with(m={"$ref": "#/$defs/M"}), "$defs": {"M": {"type": "integer"}}},
            ["m: changed: type"],
        ),
        (
            {**_with(m={"$ref": "#/$defs/M"}), "$defs": {"M": _with(n={"$ref": "#/$defs/M"})}},
            {**_with(m={"$ref": "#/$defs/M"}), "$defs": {"M": _with(n={"$ref": "#/$defs/M"}, b=OPTIONAL)}},
            [],
        ),
    ],
)  # fmt: skip
def test_rules(old: dict[str, Any], new: dict[str, Any], rules: list[str]) -> None:
    found = compare(old, new, today=date(2026, 1, 1))
    assert [f"{change.field}: {change.rule}" for change in found] == rules


TWO: dict[str, list[Any]] = {
    "type": ["integer", "null"], "enum": ["x", {"title": 1}], "required": ["a", "b"], "allOf": [{"minimum": 1}, {"maximum": 9}],
    "anyOf": [{"minimum": 1}, {"type": "null"}], "oneOf": [{"type": "string"}, {"type": "null"}],
}  # fmt: skip


@pytest.mark.parametrize("keyword", TWO)
@pytest.mark.parametrize(
    "around",
    [
        lambda part: _with(b=part),
        lambda part: _with(b={"items": part}),
        lambda part: _with(b={"not": part}),
        lambda part: (
            _with(b={"anyOf": [{"properties": {"enum": part}}, {"$ref": "#/$defs/type"}]})
            | {"$defs": {"type": part}}
        ),
    ],
)
def test_the_order_of_what_has_none_is_no_change(
    keyword: str, around: Callable[[Any], dict[str, Any]]
) -> None:
    values = TWO[keyword]
    old, turned, fewer = (around({keyword: part}) for part in (values, list(reversed(values)), values[:1]))
    assert compare(old, turned) == []
    assert compare(old, fewer) != []


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ({"type": "integer"}, {"type": ["integer"]}, True),
        ({"enum": [1]}, {"enum": [1.0]}, True),
        ({"enum": [1]}, {"enum": [True]}, False),
        ({"oneOf": [{"type": "null"}]}, {"oneOf": [{"type": "null"}, {"type": "null"}]}, False),
        ({"const": {"title": 1}}, {"const": {"title": 2}}, False),
        ({"const": {"$ref": "#"}}, {"const": {"$ref": "#/$defs"}}, False),
        ({"enum": [{"description": "a"}]}, {"enum": [{"description": "b"}]}, False),
        ({"default": [1, 2]}, {"default": [2, 1]}, False),
        ({"default": 1}, {"default": 1.0}, True),
        ({"default": 1}, {"default": True}, False),
        ({"prefixItems": [{"type": "null"}, {}]}, {"prefixItems": [{}, {"type": "null"}]}, False),
        ({"dependentRequired": {"enum": ["a", "b"]}}, {"dependentRequired": {"enum": ["b", "a"]}}, True),
    ],
)
def test_values_are_data_and_lists_that_have_an_order_keep_it(old: Any, new: Any, same: bool) -> None:
    assert (compare(_with(b=old), _with(b=new)) == []) is same


def test_states_of_all_contracts(tmp_path: Path) -> None:
    old = FolderSource(write_json(tmp_path / "old", A=[_with()], B=[_with(), _with()]))
    new = FolderSource(
        write_json(tmp_path / "new", A=[_with(b={}), _with(c={"type": "string"})], B=[_with()])
    )
    assert [
        str(finding).rpartition(" (")[0] for finding in compare_sources(old, new) if finding.breaking
    ] == [
        "A 1 -> 1: b: new-field-needs-default",
        "B 2 -> removed: (root): version-removed-without-deprecation",
    ]
    assert {finding.new_version for finding in compare_sources(old, new) if not finding.breaking} == {2}


_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=3),
    "integer": st.integers(-5, 5),
    "boolean": st.booleans(),
}
_NAMES = st.sampled_from(["a", "b", "c", "title", "default"])


@st.composite
def objects(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    names = draw(st.lists(_NAMES, unique=True, max_size=4))
    properties = {}
    for name in names:
        kind = draw(st.sampled_from([*_VALUES, *(["object", "array"] if depth else [])]))
        if kind == "object":
            part = draw(objects(depth - 1))
        elif kind == "array":
            part = {"type": "array", "items": draw(objects(depth - 1))}
        else:
            part = {"type": kind}
            if draw(st.booleans()):
                part["default"] = draw(_VALUES[kind])
        if draw(st.booleans()):
            part["deprecated"] = True
        properties[name] = part
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required := [name for name in names if draw(st.booleans())]:
        schema["required"] = required
    if draw(st.integers(0, 4)) == 0:
        schema["additionalProperties"] = draw(st.booleans())
    return schema


@st.composite
def edited(draw: st.DrawFn, schema: dict[str, Any]) -> dict[str, Any]:
    """Some changes: fields added, removed, altered, made required; allowed ones and others."""
    new = copy.deepcopy(schema)
    properties = new["properties"]
    for name in list(properties):
        change = draw(st.sampled_from(["keep", "keep", "keep", "remove", "inside", "other"]))
        if change == "remove":
            del properties[name]
        elif change == "inside" and properties[name].get("type") == "object":
            properties[name] = draw(edited(properties[name]))
        elif change == "other":
            properties[name] = draw(objects(1))["properties"].get(name, properties[name])
    if draw(st.booleans()):
        name = draw(st.sampled_from(["new", "a"]))
        properties[name] = draw(
            st.sampled_from([OPTIONAL, {"type": "string"}, {"default": "x", "type": "integer"}])
        )
    if draw(st.integers(0, 5)) == 0 and properties:
        new["required"] = sorted({*new.get("required", []), draw(st.sampled_from(sorted(properties)))})
    return new


def data_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    kind = schema.get("type")
    if kind == "array":
        return st.lists(data_of(schema["items"]), max_size=2)
    if kind != "object":
        return _VALUES[str(kind)]
    fields = {name: data_of(part) for name, part in schema["properties"].items()}
    required = set(schema.get("required", ()))
    known = st.fixed_dictionaries(
        {name: fields[name] for name in fields if name in required},
        optional={name: fields[name] for name in fields if name not in required},
    )
    if schema.get("additionalProperties") is not True:
        return known
    extra = st.dictionaries(st.sampled_from(["new", "a", "z"]), st.text(max_size=2), max_size=2)
    return st.tuples(extra, known).map(lambda both: {**both[0], **both[1]})


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(st.data())
def test_what_passes_the_rules_never_breaks_old_data(data: st.DataObject) -> None:
    old = data.draw(objects())
    new = data.draw(edited(old))
    if compare(old, new):
        return
    event = data.draw(data_of(old))
    if Compiled("A/1", old).violations_writing(event):
        return
    before = copy.deepcopy(event)
    newer = Compiled("A/2", new)
    assert newer.violations_reading(event) == []
    assert newer.violations_reading(newer.completed(event)) == []
    assert event == before
    # And the other way round: who only knows the old contract can read what is published under the new.
    later = data.draw(data_of(new))
    if not Compiled("A/2", new).violations_writing(later) and old.get("additionalProperties") is not True:
        assert Compiled("A/1", old).violations_reading(later) == []


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(objects())
def test_a_contract_is_compatible_with_itself(schema: dict[str, Any]) -> None:
    assert compare(schema, copy.deepcopy(schema)) == []


def test_plain_json_schema_calls_the_most_common_change_a_break() -> None:
    """Why no library for subschemas decides here; `jsonsubschema` 0.0.8 and `jsoncompat` 0.3.1 both say no.

    They compare sets of documents, and an object that isn't closed may hold anything under the new name.
    For a contract, closed for writers, there is no such document.
    """
    old, new = _with(), _with(b=OPTIONAL)
    witness = {"b": "text"}
    assert checker(old)(witness) == []
    assert checker(new)(witness) == ["b: type should be integer"]
    assert Compiled("A/1", old).violations_writing(witness)
    assert compare(old, new) == []
