"""JSON Schemas that are wrong, or of another draft: one line when they are loaded, and nothing that surprises later."""

import copy
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail.contracts import FolderSource, SchemaError, compare
from flowtrail.contracts._format import BrokenError
from flowtrail.contracts._formats import FORMATS

DRAFT_3, DRAFT_4, DRAFT_6, DRAFT_7 = (f"http://json-schema.org/draft-0{n}/schema#" for n in (3, 4, 6, 7))
NEWEST = "https://json-schema.org/draft/2020-12/schema"


def _field(draft: str | None = None, **rules: Any) -> dict[str, Any]:
    named = {} if draft is None else {"$schema": draft}
    return {**named, "type": "object", "properties": {"p": rules}}


def _loops(**rules: Any) -> dict[str, Any]:
    return {"$defs": {"A": rules}, "properties": {"p": {"$ref": "#/$defs/A"}}}


WRONG = {
    "draft 3": (_field(DRAFT_3, type="integer"), r"\$schema .*draft-03.* isn't read: write one of https://"),
    "a draft nobody knows": (_field("https://example.com/meta"), r"\$schema 'https://example.com/meta' isn't read"),
    "a draft that is no text": (_field(5), r"\$schema '5' isn't read"),  # type: ignore[arg-type]
    "required as in draft 3": (_field(required=True), "no JSON Schema at properties/p/required"),
    "exclusiveMinimum as in draft 4": (_field(exclusiveMinimum=True), "at properties/p/exclusiveMinimum"),
    "divisibleBy": (_field(divisibleBy=2), "divisibleBy at properties/p says nothing in this draft: write multipleOf"),
    "extends": (_field(items={"extends": {}}), "extends at properties/p/items says nothing .*: write allOf"),
    "dependencies in 2020-12": (_field(dependencies={"a": ["b"]}), "dependencies at properties/p .*: write dependent"),
    "additionalItems in 2020-12": (_field(additionalItems={}), "additionalItems at properties/p .*: write prefixItems"),
    "if in draft 6": (_field(DRAFT_6, **{"if": {}, "then": {}}), "if at properties/p says nothing in this draft: name"),
    "prefixItems in draft 7": (_field(DRAFT_7, prefixItems=[{}]), "prefixItems at properties/p .*: name the draft"),
    "const in draft 4": (_field(DRAFT_4, const=1), "const at properties/p .*: name the draft"),
    "another draft inside": (_field(**{"$schema": DRAFT_7}), r"\$schema at properties/p: a contract is of one draft"),
    "a reference within an $id": (
        {"$defs": {"A": {"$id": "a", "properties": {"x": {"$ref": "#/$defs/A"}}}}},
        r"\$ref '#/\$defs/A' within \$defs/A starts at the \$id there",
    ),
    "a reference to itself": (_field(**{"$ref": "#/properties/p"}), r"\$ref '#/properties/p' leads back to itself"),
    "a circle of references": (
        {"$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"allOf": [{"$ref": "#/$defs/A"}]}}}, "leads back to itself",
    ),
    "a circle through a condition": (_loops(**{"not": {"if": {}, "then": {"$ref": "#/$defs/A"}}}), "leads back"),
    "a circle through alternatives": (_loops(anyOf=[{"type": "null"}, {"$ref": "#/$defs/A"}]), "leads back"),
    "a reference to what is no schema": (_field(**{"$ref": "#/required"}) | {"required": ["p"]}, "no JSON Schema at req"),
    "a reference to a word that says nothing": (
        {"x-own": {"properties": 5}, "properties": {"p": {"$ref": "#/x-own"}}}, "no JSON Schema at x-own/properties",
    ),
    "a pattern that isn't one": (_field(pattern="("), r"no JSON Schema at properties/p/pattern: '\(' is not a 'regex'"),
    "definitions that aren't": (_field(DRAFT_7) | {"definitions": 5}, "no JSON Schema at definitions"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_schema_is_one_line_with_file_and_place(name: str, tmp_path: Path) -> None:
    schema, says = WRONG[name]
    (tmp_path / "A").mkdir()
    file = tmp_path / "A" / "1.json"
    file.write_text(json.dumps(schema))
    with pytest.raises(SchemaError, match=says) as caught:
        FolderSource(tmp_path)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", ['{"multipleOf": NaN}', '{"minimum": 1e999}', '{"maximum": -Infinity}'])
def test_numbers_that_json_does_not_have(text: str) -> None:
    with pytest.raises(SchemaError, match=r"A/1: no JSON: .* isn't a number"):
        FORMATS["json"].parse("A/1", text)


@pytest.mark.parametrize(
    ("schema", "fits", "breaks"),
    [
        (_field(DRAFT_4, minimum=0, exclusiveMinimum=True), 1, 0),
        (_field(DRAFT_6.rstrip("#"), exclusiveMinimum=0), 1, 0),
        (_field(DRAFT_7.replace("http:", "https:"), items=[{"type": "integer"}]), [1], ["x"]),
        (_field(DRAFT_7, dependencies={"a": ["b"]}), {"a": 1, "b": 1}, {"a": 1}),
        (_field("https://json-schema.org/draft/2019-09/schema#", contains={"const": 1}, minContains=2), [1, 1], [1]),
        (_field(**{"$ref": "#/$defs/a%20b/0~1c"}) | {"$defs": {"a b": {"0/c": {"type": "integer"}}}}, 1, "x"),
        (_field(**{"$ref": "#/allOf/0"}) | {"allOf": [{"type": ["object", "integer"]}]}, 1, "x"),
        (_field(**{"$ref": "#"}), {"p": {}}, 1),
        (_field(type="array", items={"$ref": "#/properties/p"}), [[], []], [1]),
        (_field(**{"$id": "inner", "type": "integer"}) | {"$id": "https://example.com/a.json"}, 1, "x"),
    ],
)  # fmt: skip
def test_every_draft_that_is_read_means_what_it_says(schema: dict[str, Any], fits: Any, breaks: Any) -> None:
    contract = FORMATS["json"].parse("A/1", json.dumps(schema))
    assert contract.broken_writing({"p": fits}) == []
    assert contract.broken_reading({"p": fits}) == []
    assert contract.broken_writing({"p": breaks})
    assert contract.broken_reading({"p": breaks})


WORDS = [
    "properties", "patternProperties", "additionalProperties", "required", "items", "prefixItems", "additionalItems",
    "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "$ref", "$dynamicRef", "$recursiveRef", "$defs", "definitions",
    "type", "enum", "const", "default", "deprecated", "x-remove-after", "multipleOf", "minimum", "uniqueItems", "pattern",
    "format", "dependentSchemas", "dependentRequired", "dependencies", "contains", "minContains", "propertyNames",
    "unevaluatedProperties", "unevaluatedItems", "$id", "id", "$anchor", "$schema", "maxLength", "exclusiveMinimum", "a",
]  # fmt: skip
PLAIN = (
    st.none() | st.booleans() | st.integers(-2, 3)
    | st.sampled_from([0.5, "object", "array", "integer", "a", "#", "#/$defs/a", "#/properties/a", "#/allOf/0", "(a"])
    | st.sampled_from([DRAFT_3, DRAFT_4, DRAFT_7, NEWEST, "date"])
)  # fmt: skip
ANYTHING = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(WORDS), inner, min_size=1, max_size=4)
    ),
    max_leaves=12,
)
WHOLE = st.dictionaries(st.sampled_from(WORDS), ANYTHING, min_size=1, max_size=5)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(WHOLE, ANYTHING)
def test_whatever_is_loaded_can_be_used(schema: dict[str, Any], data: Any) -> None:
    before = copy.deepcopy(schema)
    try:
        contract = FORMATS["json"].parse("A/1", json.dumps(schema))
    except SchemaError as error:
        refused = str(error)
    else:
        refused = None
    if refused is not None:
        assert refused.startswith("A/1: ")
        assert "\n" not in refused
        return
    assert isinstance(contract.deprecated_fields, tuple)
    assert compare(contract, contract) == []
    assert json.loads(contract.alone) == before
    with suppress(BrokenError):
        payload = contract.encode(data)
        assert contract.broken_reading(json.loads(payload)) == []
    contract.broken_writing(data)
    if contract.broken_reading(data) == []:
        contract.completed(data)
