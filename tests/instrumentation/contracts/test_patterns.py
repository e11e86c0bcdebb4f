"""Every pattern that a schema gives goes through one matcher, which has a limit of time."""

import ast
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
import regex

import flowtrail
import flowtrail_collector
from contractkit import write_json
from flowtrail.contracts import Contracts, SchemaError, compare
from flowtrail.contracts.json_schema import _texts
from flowtrail.contracts.json_schema._filling import Filling
from flowtrail.contracts.json_schema._rules import plain
from flowtrail.contracts.json_schema._validator import Compiled
from flowtrail.errors import ContractError
from waiting import scaled

pytestmark = pytest.mark.slow

HANGS = "^(a|aa)+$"
TEXT = "a" * 60 + "!"
SLOW = f"(root): pattern {HANGS} takes over"

_VALUE, _NAME = {"pattern": HANGS}, {"patternProperties": {HANGS: {"type": "integer"}}}
# Where a schema that looks at the text in `p` may stand; `{}` is where.
AROUND_VALUES: dict[str, Any] = {
    "properties": {"properties": {"p": "{}"}},
    "additionalProperties": {"additionalProperties": "{}"},
    "patternProperties": {"patternProperties": {"^p": "{}"}},
    "unevaluatedProperties": {"unevaluatedProperties": "{}"},
    "allOf": {"allOf": [{"properties": {"p": "{}"}}]},
    "anyOf": {"properties": {"p": {"anyOf": [{"type": "integer"}, "{}"]}}},
    "oneOf": {"properties": {"p": {"oneOf": [{"type": "integer"}, "{}"]}}},
    "not": {"properties": {"p": {"not": "{}"}}},
    "if": {"properties": {"p": {"if": "{}", "then": {}, "else": {}}}},
    "then": {"properties": {"p": {"if": {}, "then": "{}"}}},
    "dependentSchemas": {"dependentSchemas": {"p": {"properties": {"p": "{}"}}}},
    "dependencies": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "dependencies": {"p": {"properties": {"p": "{}"}}},
    },
    "$ref": {"properties": {"p": {"$ref": "#/$defs/d"}}, "$defs": {"d": "{}"}},
    "$dynamicRef": {"properties": {"p": {"$dynamicRef": "#/$defs/d"}}, "$defs": {"d": "{}"}},
}
# Likewise of the names of an object.
AROUND_NAMES: dict[str, Any] = {
    "propertyNames": {"propertyNames": _VALUE},
    "patternProperties": _NAME,
    "beside additionalProperties: false": {**_NAME, "additionalProperties": False},
    "beside additionalProperties": {**_NAME, "additionalProperties": {"type": "integer"}},
    "beside unevaluatedProperties: false": {**_NAME, "unevaluatedProperties": False},
    "beside unevaluatedProperties": {**_NAME, "unevaluatedProperties": {"type": "integer"}},
    "in allOf, beside unevaluatedProperties": {"allOf": [_NAME], "unevaluatedProperties": False},
    "in anyOf, beside unevaluatedProperties": {"anyOf": [_NAME], "unevaluatedProperties": False},
    "in oneOf, beside unevaluatedProperties": {"oneOf": [_NAME], "unevaluatedProperties": False},
    "in if, beside unevaluatedProperties": {"if": _NAME, "unevaluatedProperties": False},
    "in then, beside unevaluatedProperties": {"if": {}, "then": _NAME, "unevaluatedProperties": False},
    "in else, beside unevaluatedProperties": {"if": False, "else": _NAME, "unevaluatedProperties": False},
    "in $ref, beside unevaluatedProperties": {
        "$ref": "#/$defs/d", "unevaluatedProperties": False, "$defs": {"d": _NAME},
    },
    "in dependentSchemas, beside unevaluatedProperties": {
        "dependentSchemas": {TEXT: _NAME}, "unevaluatedProperties": False,
    },
}  # fmt: skip
_2019 = "https://json-schema.org/draft/2019-09/schema"


def _filled(schema: Any, part: Any) -> Any:
    text = json.dumps(schema).replace('"{}"', json.dumps(part))
    return json.loads(text)


CASES: dict[str, tuple[Any, Any]] = {
    **{f"value, {name}": (_filled(schema, _VALUE), {"p": TEXT}) for name, schema in AROUND_VALUES.items()},
    **{f"element, {name}": ({"properties": {"p": {keyword: part}}}, {"p": [TEXT]}) for name, keyword, part in [
        ("items", "items", _VALUE), ("prefixItems", "prefixItems", [_VALUE]), ("contains", "contains", _VALUE),
        ("unevaluatedItems", "unevaluatedItems", _VALUE)]},
    **{f"name, {name}": (schema, {TEXT: 1}) for name, schema in AROUND_NAMES.items()},
    **{f"name of 2019-09, {name}": ({**schema, "$schema": _2019}, {TEXT: 1}) for name, schema in AROUND_NAMES.items()},
    **{f"name within, {name}": (_filled(schema, _NAME), {"p": {TEXT: 1}}) for name, schema in AROUND_VALUES.items()},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_texts, "SECONDS", 0.02)


@pytest.fixture
def _no_other_matcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own `re`, which has no limit, raises at whatever is done with it."""
    for module in ("_keywords", "_legacy_keywords", "_utils"):
        monkeypatch.setattr(getattr(jsonschema, module), "re", SimpleNamespace())


@pytest.mark.usefixtures("_no_other_matcher")
@pytest.mark.parametrize("name", CASES)
def test_none_goes_on_for_ever(name: str, tmp_path: Path) -> None:
    schema, data = CASES[name]
    compiled = Compiled("A/1", schema)
    for check in (compiled.violations_writing, compiled.violations_reading):
        (line,) = check(data)
        assert line.startswith(SLOW)
    contracts = Contracts.from_folder(write_json(tmp_path, A=[schema]))
    with pytest.raises(ContractError, match="for one text: write a simpler one"):
        contracts.pack("A", 1, data)


@pytest.mark.usefixtures("_no_other_matcher")
@pytest.mark.parametrize("name", [name for name in CASES if "2019" not in name])
def test_no_default_and_no_comparison_waits_for_one(name: str) -> None:
    """A default under such a pattern is left out; a field that may be meant by it is not proven safe."""
    schema, data = CASES[name]
    assert Filling(plain(schema), False).filled(data) == data
    wider = {
        **schema,
        "properties": {**schema.get("properties", {}), TEXT: {"type": "integer", "default": 1}},
    }
    with_default = Compiled("A/2", wider)
    assert isinstance(with_default.completed(data), dict)
    compare(schema, wider)


def test_a_comparison_waits_once_for_each_pattern() -> None:
    old = {"patternProperties": {HANGS: {"type": "integer"}, f"x{HANGS}": {}}}
    fields = {TEXT + str(number): {"type": "integer", "default": 1} for number in range(500)}
    started = time.process_time()
    found = compare(old, {**old, "properties": fields})
    assert len({change.field for change in found}) == 500
    assert time.process_time() - started < scaled(2)  # 500 times 0.02 s would be 10 s, for each pattern


def test_a_pattern_among_data_is_only_made() -> None:
    compiled = Compiled("A/1", {"properties": {"p": {"format": "regex"}}})
    assert compiled.violations_writing({"p": HANGS}) == []
    assert compiled.violations_writing({"p": "("}) == ["p: format should be regex"]


LARGE = ["a{99999999999}", "((((a?){99}){99}){99}){99}", "a{9}{9}{9}{9}{9}{9}", "(?:[^)(]{2,}){999999}", "x" * 60_000, "((a{400}){400,}b)+",
         r"(\(\[{300}){300}"]  # fmt: skip
USUAL = ["^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "^.{1,65535}$", r"^(\d{1,3}\.){3}\d{1,3}$", "^[](){9999}x]{2}$",
         r"^\p{Lu}{2}[0-9]{2}[A-Z0-9]{11,30}$", "a{,5}", "x{", ")", "^(?:(?:[a-z]{1,63}\\.){1,127})$"]  # fmt: skip


@pytest.mark.parametrize("pattern", LARGE, ids=range(len(LARGE)))
def test_a_pattern_that_takes_long_to_be_made_is_refused_with_its_place(pattern: str, tmp_path: Path) -> None:
    with pytest.raises(SchemaError) as caught:
        Contracts.from_folder(write_json(tmp_path, A=[{"properties": {"p": {"pattern": pattern}}}]))
    assert "1.json: no JSON Schema at properties/p/pattern: " in str(caught.value)
    assert str(caught.value).endswith("too much of it is repeated")
    compiled = Compiled("A/1", {"properties": {"p": {"format": "regex"}}})
    assert compiled.violations_reading({"p": pattern}) == ["p: format should be regex"]


@pytest.mark.parametrize("pattern", USUAL)
def test_usual_patterns_are_taken_as_the_package_takes_them(pattern: str) -> None:
    compiled = Compiled("A/1", {"properties": {"p": {"format": "regex"}}})
    try:
        regex.compile(pattern)
    except regex.error:
        assert compiled.violations_reading({"p": pattern}) != []
    else:
        assert compiled.violations_reading({"p": pattern}) == []


def test_why_a_pattern_is_refused_is_said(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"patternProperties.*: missing \)"):
        Contracts.from_folder(write_json(tmp_path, A=[{"patternProperties": {"(a": {}}}]))


# -- nothing else matches texts

_ROOMS = (
    Path(flowtrail.__file__).parent / "contracts",
    Path(flowtrail_collector.__file__).parent / "documents",
)
_MATCHER = _ROOMS[0] / "json_schema" / "_texts.py"


def _calls() -> Iterator[tuple[Path, ast.Call]]:
    for room in _ROOMS:
        for path in sorted(room.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield path, node


def _is_plain(node: ast.expr) -> bool:
    """Whether a pattern is written there in full."""
    return isinstance(node, ast.Constant)


def test_patterns_that_are_not_in_the_code_go_through_the_matcher() -> None:
    found = [
        f"{path}:{call.lineno}"
        for path, call in _calls()
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "re"
        and call.func.attr != "escape"
        and not _is_plain(call.args[0])
    ]
    assert found == []


def test_the_matcher_alone_knows_the_package() -> None:
    using = {
        path
        for room in _ROOMS
        for path in room.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Import) and any(name.name == "regex" for name in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module in ("re", "regex"))
    }
    assert using == {_MATCHER}
