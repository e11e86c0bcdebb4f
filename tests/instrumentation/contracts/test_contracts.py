"""Contracts: what is refused, what is tolerated, and what data is brought to."""

import logging
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contractkit import ORDER_1, write_json
from flowtrail import MissingExtraError
from flowtrail.contracts import (
    ContractNotFoundError,
    Contracts,
    SchemaError,
)
from flowtrail.contracts.json_schema._validator import Compiled
from flowtrail.errors import ConfigurationError, ContractError


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
    with pytest.raises(
        ContractError, match="OrderPlaced/9 breaks its contract: read as 2, the newest that is known"
    ):
        contracts.read("OrderPlaced", "9", {"order_id": 7})
    assert contracts.read("SomethingElse", "1", {"a": 1}) == ({"a": 1}, "1")
    assert contracts.read("OrderPlaced", None, old) == (old, None)
    with pytest.raises(ContractError, match="order_id: required"):
        contracts.read("OrderPlaced", 1, {"total": 3})


def test_read_as_stops_at_the_version_wanted(tmp_path: Path) -> None:
    wider = {
        **ORDER_1,
        "properties": {**ORDER_1["properties"], "currency": {"type": "string", "default": "EUR"}},
    }
    folder = write_json(tmp_path, OrderPlaced=[ORDER_1, wider])
    data = {"order_id": "7", "total": 3}
    assert Contracts.from_folder(folder).read("OrderPlaced", 1, data) == ({**data, "currency": "EUR"}, "2")
    assert Contracts.from_folder(folder, read_as={"OrderPlaced": 1}).read("OrderPlaced", 1, data) == (
        data,
        "1",
    )


def test_a_failing_upcaster_is_a_broken_contract(tmp_path: Path) -> None:
    contracts = Contracts.from_folder(write_json(tmp_path, A=[{"type": "object"}] * 3))
    contracts.upcaster("A", 1, 2)(lambda data: data["absent"])
    with pytest.raises(ContractError, match="upcaster failed with KeyError"):
        contracts.read("A", 1, {})
    with pytest.raises(ConfigurationError, match="already"):
        contracts.upcaster("A", 1, 3)
    with pytest.raises(ConfigurationError, match="newer"):
        contracts.upcaster("A", 2, 2)


@pytest.mark.parametrize(
    ("type", "old", "new", "said"),
    [
        ("A", "1", "2", "whole numbers, such as 1, not '1'"),
        ("A", 1, "2", "not '2'"),
        ("A", True, 2, "not True"),
        ("A", 1, 3, "names version 3, and the type has 1, 2"),
        ("A", 0, 1, "names version 0, and the type has 1, 2"),
        ("B", 1, 2, "names version 1, and the type has no contract"),
    ],
)
def test_versions_that_are_not_there_are_refused_where_they_are_named(
    tmp_path: Path, type: str, old: Any, new: Any, said: str
) -> None:
    folder = write_json(tmp_path, A=[{"type": "object"}] * 2)
    with pytest.raises(ConfigurationError, match=f"^{type}: .*{said}") as caught:
        Contracts.from_folder(folder).upcaster(type, old, new)
    assert "\n" not in str(caught.value)
    wrong = old if old is True or old in ("1", 0) or type == "B" else new
    with pytest.raises(ConfigurationError, match=said):
        Contracts.from_folder(folder, read_as={type: wrong})


def test_a_registry_may_get_a_version_later() -> None:
    contracts = Contracts.from_registry("http://127.0.0.1:1", read_as={"A": 2})
    contracts.upcaster("A", 1, 2)(lambda data: data)
    with pytest.raises(ConfigurationError, match="whole numbers"):
        contracts.upcaster("A", "2", "3")  # type: ignore[arg-type]
    contracts.close()


def test_deprecations_are_logged_once_and_told_every_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Any] = []
    contracts = Contracts.from_folder(write_json(tmp_path, OrderPlaced=[ORDER_1]), on_deprecation=told.append)
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
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[contracts\]' in a checkout"):
        Contracts.from_folder(write_json(tmp_path, A=[{}]))
    monkeypatch.setitem(sys.modules, "confluent_kafka.schema_registry", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[contracts\]' in a checkout"):
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
