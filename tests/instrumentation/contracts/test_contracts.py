"""Contracts: what is refused, what is tolerated, and what may change."""

import copy
import json
import logging
import sys
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail import Event, MissingExtraError, Trail
from flowtrail.contracts import (
    ContractNotFoundError,
    Contracts,
    FolderSource,
    RegistryUnavailableError,
    SchemaError,
    compare,
    compare_sources,
)
from flowtrail.contracts.json_schema._rules import with_defaults
from flowtrail.contracts.json_schema._validator import Compiled, checker
from flowtrail.errors import ConfigurationError, ContractError, DecodeError
from flowtrail.testing import Harness
from flowtrail.wire import Record
from flowtrail_collector.cli import main

V1: dict[str, Any] = {
    "type": "object",
    "required": ["order_id", "total"],
    "properties": {
        "order_id": {"type": "string"},
        "total": {"type": "integer", "minimum": 0},
        "note": {"type": "string", "deprecated": True},
    },
}
V2: dict[str, Any] = {
    "type": "object",
    "required": ["order_id", "total_cents"],
    "properties": {
        "order_id": {"type": "string"},
        "total_cents": {"type": "integer"},
        "currency": {"type": "string", "default": "EUR"},
    },
}


def write(folder: Path, **types: list[dict[str, Any]]) -> Path:
    for type, versions in types.items():
        (folder / type).mkdir(parents=True, exist_ok=True)
        for number, schema in enumerate(versions, 1):
            (folder / type / f"{number}.json").write_text(json.dumps(schema))
    return folder


@pytest.fixture
def contracts(tmp_path: Path) -> Contracts:
    made = Contracts.from_folder(write(tmp_path, OrderPlaced=[V1, V2]))

    @made.upcaster("OrderPlaced", 1, 2)
    def cents(data: Any) -> Any:
        return {"order_id": data["order_id"], "total_cents": data["total"] * 100}

    return made


def test_violations_name_field_and_rule_and_no_value(contracts: Contracts) -> None:
    with pytest.raises(ContractError) as caught:
        contracts.validate_publish("OrderPlaced", 1, {"total": -98765, "note": 5, "extra": "secret"})
    lines = sorted(caught.value.violations)
    assert lines == [
        "extra: additionalProperties: not in the contract",
        "note: type should be string",
        "order_id: required",
        "total: minimum should be 0",
    ]
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("version", [None, 3, "x"])
def test_an_unknown_version_is_refused(contracts: Contracts, version: Any) -> None:
    with pytest.raises(ContractNotFoundError, match="the type has 1, 2"):
        contracts.validate_publish("OrderPlaced", version, {})
    contracts.validate_publish("SomethingElse", version, {})


def test_reading_tolerates_fills_in_and_upcasts(contracts: Contracts) -> None:
    old = {"order_id": "7", "total": 3, "unknown": 1}
    assert contracts.read("OrderPlaced", "1", old) == (
        {"order_id": "7", "total_cents": 300, "currency": "EUR"},
        "2",
    )
    newer = {"order_id": "7", "total_cents": 3, "later": True}
    assert contracts.read("OrderPlaced", "9", newer) == ({**newer, "currency": "EUR"}, "2")
    assert contracts.read("SomethingElse", "1", {"a": 1}) == ({"a": 1}, "1")
    assert contracts.read("OrderPlaced", None, old) == (old, None)
    with pytest.raises(ContractError, match="order_id: required"):
        contracts.read("OrderPlaced", 1, {"total": 3})


def test_read_as_stops_at_the_version_wanted(tmp_path: Path) -> None:
    wider = {**V1, "properties": {**V1["properties"], "currency": {"type": "string", "default": "EUR"}}}
    folder = write(tmp_path, OrderPlaced=[V1, wider])
    data = {"order_id": "7", "total": 3}
    assert Contracts.from_folder(folder).read("OrderPlaced", 1, data) == ({**data, "currency": "EUR"}, "2")
    assert Contracts.from_folder(folder, read_as={"OrderPlaced": 1}).read("OrderPlaced", 1, data) == (
        data,
        "1",
    )


def test_a_failing_upcaster_is_a_broken_contract(tmp_path: Path) -> None:
    contracts = Contracts.from_folder(write(tmp_path, A=[{"type": "object"}]))
    contracts.upcaster("A", 1, 2)(lambda data: data["absent"])
    with pytest.raises(ContractError, match="upcaster failed with KeyError"):
        contracts.read("A", 1, {})
    with pytest.raises(ConfigurationError, match="already"):
        contracts.upcaster("A", 1, 3)
    with pytest.raises(ConfigurationError, match="newer"):
        contracts.upcaster("A", 2, 2)


def test_deprecations_are_logged_once_and_told_every_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Any] = []
    contracts = Contracts.from_folder(write(tmp_path, OrderPlaced=[V1]), on_deprecation=told.append)
    with caplog.at_level(logging.WARNING, "flowtrail.contracts"):
        for _ in range(3):
            contracts.validate_publish("OrderPlaced", 1, {"order_id": "7", "total": 1, "note": "x"})
        contracts.validate_publish("OrderPlaced", 1, {"order_id": "7", "total": 1})
    assert [(use.field, use.side) for use in told] == [("note", "publish")] * 3
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("[]", "JSON object"),
        ("{", "Expecting"),
        ('{"type": "objekt"}', "no JSON Schema at type"),
        ('{"properties": {"a": {"$ref": "http://127.0.0.1:1/a.json"}}}', "only references within"),
        ('{"properties": {"default": {"$ref": "#/$defs/none"}}}', "points to nothing"),
    ],
)
def test_a_schema_that_cannot_be_used(tmp_path: Path, schema: str, reason: str) -> None:
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "1.json").write_text(schema)
    with pytest.raises(SchemaError, match=reason):
        Contracts.from_folder(tmp_path)


def test_a_missing_extra_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'flowtrail\[contracts\]'"):
        Contracts.from_folder(write(tmp_path, A=[{}]))
    monkeypatch.setitem(sys.modules, "confluent_kafka.schema_registry", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'flowtrail\[contracts\]'"):
        Contracts.from_registry("http://127.0.0.1:1")


def test_definitions_and_combinations_are_closed_where_they_are_used() -> None:
    schema = {
        "$defs": {"Base": {"properties": {"id": {"type": "string"}}}},
        "allOf": [{"$ref": "#/$defs/Base"}],
        "properties": {"money": {"$ref": "#/$defs/Base"}, "free": {"type": "object"}},
    }
    compiled = Compiled("A/1", schema)
    assert compiled.violations_writing({"id": "1", "money": {"id": "2"}, "free": {"x": 1}}) == []
    assert compiled.violations_writing({"id": "1", "other": 1})
    assert compiled.violations_writing({"money": {"other": 1}})
    assert compiled.violations_reading({"other": 1, "money": {"other": 1}}) == []


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


def test_states_of_all_contracts(tmp_path: Path) -> None:
    old = FolderSource(write(tmp_path / "old", A=[_with()], B=[_with(), _with()]))
    new = FolderSource(write(tmp_path / "new", A=[_with(b={}), _with(c={"type": "string"})], B=[_with()]))
    assert [
        str(finding).rpartition(" (")[0] for finding in compare_sources(old, new) if finding.breaking
    ] == [
        "A 1 -> 1: b: new-field-needs-default",
        "B 2 -> removed: (root): version-removed-without-deprecation",
    ]
    assert {finding.new_version for finding in compare_sources(old, new) if not finding.breaking} == {2}


# -- properties

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
    assert Compiled("A/2", new).violations_reading(with_defaults(new, event)) == []
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


class _Numbers:
    """A source with as many versions as asked for, each demanding its own number."""

    def __init__(self, count: int) -> None:
        self.count = count

    def types(self) -> list[str]:
        return ["A"]

    def versions(self, type: str, *, at_least: int = 0) -> list[int]:
        return list(range(1, self.count + 1))

    def schema(self, type: str, version: int) -> Any:
        return {"required": ["v"], "properties": {"v": {"const": version}}} if version <= self.count else None


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 8), min_size=2, max_size=6, unique=True).map(sorted))
def test_a_chain_of_upcasters_runs_each_once_in_order(stops: list[int]) -> None:
    contracts = Contracts(_Numbers(8))

    def step(old: int, new: int) -> None:
        contracts.upcaster("A", old, new)(lambda data: {"v": new, "path": [*data.get("path", ()), new]})

    for old, new in pairwise(stops):
        step(old, new)
    result, version = contracts.read("A", stops[0], {"v": stops[0]})
    assert (result["v"], result["path"], version) == (stops[-1], stops[1:], str(stops[-1]))


# -- what others get wrong for events


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


# -- in a trail


def test_a_trail_checks_both_sides_and_counts(contracts: Contracts) -> None:
    trail = Trail("billing", contracts=contracts)
    seen: list[Any] = []

    @trail.consumer("orders", types=["OrderPlaced"])
    def handle(event: Event[Any]) -> None:
        seen.append(event.data)

    with Harness(trail) as harness:
        with pytest.raises(ContractError):
            trail.publish("orders", {"total": 1}, type="OrderPlaced", version=1)
        trail.publish("orders", {"order_id": "7", "total": 1}, type="OrderPlaced", version=1)
        harness.run()
        violations, versions = "flowtrail_contract_violations_total", "flowtrail_schema_versions_total"
        order = {"type": "OrderPlaced"}
        assert harness.metric(violations, messaging_destination_name="orders", side="publish", **order) == 1
        assert harness.metric(violations) == 1
        assert harness.metric(versions, version="1", side="publish", **order) == 1
        assert harness.metric(versions, version="1", side="consume", **order) == 1
    assert seen == [{"order_id": "7", "total_cents": 100, "currency": "EUR"}]


def test_uses_of_something_deprecated_are_a_metric_and_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = {**V1, "deprecated": True}
    trail = Trail("billing", contracts=Contracts.from_folder(write(tmp_path, OrderPlaced=[V1], Old=[old])))

    @trail.consumer("orders")
    def handle(event: Event[Any]) -> None: ...

    data = {"order_id": "7", "total": 1}
    with caplog.at_level(logging.WARNING, "flowtrail.contracts"), Harness(trail) as harness:
        for _ in range(3):
            harness.deliver("orders", {**data, "note": "x"}, type="OrderPlaced", version=1)
            harness.deliver("orders", data, type="Old", version=1)
        name = "flowtrail_deprecations_total"
        note = {"type": "OrderPlaced", "version": "1", "field": "note"}
        assert harness.metric(name, side="publish", **note) == 3
        assert harness.metric(name, side="consume", **note) == 0
        assert harness.metric(name, type="Old", version="1", field="", side="publish") == 3
        assert harness.metric(name, type="Old", version="1", field="", side="consume") == 3
    assert sum("field note" in record.getMessage() for record in caplog.records) == 1
    assert sum("the whole version" in record.getMessage() for record in caplog.records) == 2, "once a side"


def test_labels_from_records_have_a_bound(contracts: Contracts) -> None:
    trail = Trail("billing", contracts=contracts)
    foreign = [("OrderPlaced", str(number)) for number in range(3, 40)]
    foreign += [(f"Type{number}", "1") for number in range(40)]
    foreign += [
        ("OrderPlaced", "01"),
        ("OrderPlaced", "\u0661"),
        ("OrderPlaced", "x"),
        ("OrderPlaced", "9" * 40),
    ]

    @trail.consumer("orders")
    def handle(event: Event[Any]) -> None: ...

    with Harness(trail) as harness:
        for type, version in foreign:
            headers = [("ce_id", b"1"), ("ce_type", type.encode()), ("ce_source", b"/x")]
            headers.append(("ce_dataschema", f"{type}/{version}".encode()))
            harness.deliver_raw("orders", b'{"order_id": "7", "total": 1, "total_cents": 1}', headers=headers)
        registry = harness._capture.registry
        found = {
            (sample.labels["type"], sample.labels["version"])
            for family in registry.collect()
            for sample in family.samples
            if sample.name == "flowtrail_schema_versions_total"
        }
    assert found <= {("OrderPlaced", "1"), ("OrderPlaced", "other"), ("other", "other")}
    assert len(found) == 3


def test_a_violation_in_ones_own_loop_names_the_topic(contracts: Contracts) -> None:
    trail = Trail("billing", contracts=contracts)
    headers = [("ce_id", b"1"), ("ce_type", b"OrderPlaced"), ("ce_dataschema", b"OrderPlaced/1")]
    record = Record("orders", 0, 7, value=b"{}", headers=headers)
    with Harness(trail) as harness:
        with pytest.raises(DecodeError), trail.process(record, group="billing"):
            pass
        with trail.process_batch([record], group="billing") as batch:
            for member in batch:
                with pytest.raises(DecodeError), member:
                    pass
        violations = "flowtrail_contract_violations_total"
        assert harness.metric(violations, messaging_destination_name="orders", side="consume") == 2


def test_a_closed_trail_closes_its_registry() -> None:
    contracts = Contracts.from_registry("http://127.0.0.1:1")
    trail = Trail("billing", contracts=contracts)
    trail.close()
    trail.close()
    with pytest.raises(RegistryUnavailableError, match="closed"):
        contracts.read("OrderPlaced", 1, {})


# -- the command


@pytest.mark.parametrize("form", ["text", "json", "files"])
def test_the_command_names_field_rule_and_versions(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = write(tmp_path / "old", OrderPlaced=[V1])
    new = write(tmp_path / "new", OrderPlaced=[V1, V2])
    places = [old, new]
    if form == "files":
        places = [new / "OrderPlaced" / "1.json", new / "OrderPlaced" / "2.json"]
    options = ["--json"] if form == "json" else []
    changed = write(tmp_path / "changed", OrderPlaced=[_with(b={"type": "integer"})])
    if form != "files":
        assert main(["contracts", "check", str(old), str(new), *options]) == 0, "a new version may differ"
        capsys.readouterr()
        places = [old, changed]
    assert main(["contracts", "check", *map(str, places), *options]) == 1
    out = capsys.readouterr().out
    if form == "json":
        answer = json.loads(out)
        assert answer["compatible"] is False
        broken = {
            (found["type"], found["old_version"], found["new_version"], found["field"], found["rule"])
            for found in answer["findings"]
        }
        assert ("OrderPlaced", 1, 1, "order_id", "required-field-removed") in broken
    elif form == "text":
        assert "breaks: OrderPlaced 1 -> 1: order_id: required-field-removed" in out
    else:
        assert "breaks: OrderPlaced 1 -> 2: total: required-field-removed" in out


def test_the_commands_other_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = str(write(tmp_path / "good", A=[_with()]))
    bad = str(write(tmp_path / "bad", A=[{"type": "objekt"}]))
    assert main(["contracts", "check", good, good]) == 0
    assert capsys.readouterr().out == "compatible\n"
    assert main(["contracts", "check", good, bad]) == 2
    assert "no JSON Schema" in capsys.readouterr().err
    assert main(["contracts", "check", good, "http://127.0.0.1:1"]) == 3
    assert "http://127.0.0.1:1" in capsys.readouterr().err
