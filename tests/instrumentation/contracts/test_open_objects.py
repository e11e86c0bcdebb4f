"""Who is hurt by a field that comes or goes, where an object has a rule for fields that it doesn't declare."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail.contracts._formats import FORMATS
from flowtrail.contracts.json_schema._compare import compare

JSON = FORMATS["json"]
STRING, INTEGER = {"type": "string"}, {"type": "integer"}
RULES: dict[str, dict[str, Any]] = {
    "closed": {},
    "closed by name": {"additionalProperties": False},
    "anything": {"additionalProperties": True},
    "anything in a schema": {"unevaluatedProperties": {}},
    "others are numbers": {"additionalProperties": INTEGER},
    "unevaluated are numbers": {"unevaluatedProperties": INTEGER},
    "a pattern for it": {"patternProperties": {"^c": {"maxLength": 1}}},
    "a pattern for others": {"patternProperties": {"^x": INTEGER}},
    "a pattern, others are numbers": {
        "patternProperties": {"^c": {"maxLength": 1}},
        "additionalProperties": INTEGER,
    },
}


@pytest.mark.parametrize(
    ("rule", "removed", "added"),
    [
        ("closed", set(), {"backward"}),
        ("closed by name", set(), {"backward"}),
        ("anything", {"forward"}, {"backward"}),
        ("anything in a schema", {"forward"}, {"backward"}),
        ("others are numbers", {"forward", "backward"}, {"forward", "backward"}),
        ("unevaluated are numbers", {"forward", "backward"}, {"forward", "backward"}),
        ("a pattern for it", {"forward"}, {"backward"}),
        ("a pattern for others", set(), {"backward"}),
        ("a pattern, others are numbers", {"forward"}, {"backward"}),
    ],
)
@pytest.mark.parametrize("inner", [False, True])
def test_a_field_that_comes_or_goes(rule: str, removed: set[str], added: set[str], inner: bool) -> None:
    def around(properties: dict[str, Any]) -> dict[str, Any]:
        made = {"type": "object", "properties": properties, **RULES[rule]}
        return {"type": "object", "properties": {"l": {"type": "array", "items": made}}} if inner else made

    with_it, without = around({"a": INTEGER, "c": STRING}), around({"a": INTEGER})
    assert _hurt(with_it, without) == removed
    assert _hurt(without, with_it) == added
    required = copy.deepcopy(with_it)
    (required["properties"]["l"]["items"] if inner else required)["required"] = ["c"]
    assert _hurt(required, without) == removed | {"forward"}
    assert _hurt(without, required) == added


def _hurt(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    return {side for change in compare(old, new) for side in change.breaks}


_FIELDS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from([STRING, INTEGER, {"type": ["integer", "null"]}, {**INTEGER, "default": 3}, {**STRING, "default": "zz"}]),
    max_size=3,
)  # fmt: skip


@st.composite
def _objects(draw: st.DrawFn) -> dict[str, Any]:
    made = {"type": "object", "properties": draw(_FIELDS), **RULES[draw(st.sampled_from(sorted(RULES)))]}
    required = draw(st.sets(st.sampled_from(["a", "b", "c"]), max_size=1))
    return {**made, "required": sorted(required & set(made["properties"]))}


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.data(), _objects())
def test_whom_no_change_names_reads_the_other_data(data: st.DataObject, old: dict[str, Any]) -> None:
    new = {**old, "properties": data.draw(_FIELDS)}
    new["required"] = sorted(
        data.draw(st.sets(st.sampled_from(["a", "b", "c"]), max_size=1)) & set(new["properties"])
    )
    before, after = (JSON.parse(name, json.dumps(schema), "E") for name, schema in (("1", old), ("2", new)))
    hurt = _hurt(old, new)
    values = st.sampled_from([1, "x", "long", None, True])
    for _ in range(4):
        event = data.draw(st.dictionaries(st.sampled_from(["a", "b", "c", "xx"]), values, max_size=3))
        for side, writer, reader in (("backward", before, after), ("forward", after, before)):
            if side not in hurt and not writer.broken_writing(event):
                assert reader.broken_reading(event) == []
                assert reader.broken_reading(reader.completed(event)) == []
