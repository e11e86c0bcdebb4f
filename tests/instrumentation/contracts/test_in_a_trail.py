"""Contracts in a trail: both sides are checked, counted, and told of."""

import logging
from pathlib import Path
from typing import Any

import pytest

from contractkit import ORDER_1, write_json
from flowtrail import Event, Trail
from flowtrail.contracts import (
    Contracts,
    RegistryUnavailableError,
)
from flowtrail.errors import ContractError, DecodeError
from flowtrail.testing import Harness
from flowtrail.wire import Record


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
    old = {**ORDER_1, "deprecated": True}
    trail = Trail(
        "billing", contracts=Contracts.from_folder(write_json(tmp_path, OrderPlaced=[ORDER_1], Old=[old]))
    )

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


@pytest.mark.parametrize(
    ("value", "kind", "handled"),
    [
        (None, "object", True),
        (b"null", "object", False),
        (b"null", ["object", "null"], True),
        (b" null ", "object", False),
    ],
)
def test_a_null_is_held_to_its_contract_and_a_tombstone_has_none(
    value: bytes | None, kind: Any, handled: bool, tmp_path: Path
) -> None:
    contracts = Contracts.from_folder(write_json(tmp_path, E=[{"type": kind, "properties": {"a": {}}}]))
    trail = Trail("billing", contracts=contracts)
    seen: list[Any] = []

    @trail.consumer("orders", group="billing", dead_letter=True)
    def handle(event: Event[Any]) -> None:
        seen.append(event.data)

    headers = [("ce_id", b"1"), ("ce_type", b"E"), ("ce_source", b"/x"), ("ce_dataschema", b"E/1")]
    with Harness(trail) as harness:
        harness.deliver_raw("orders", value, headers=headers)
        assert len(harness.dead_letters()) == (0 if handled else 1)
    assert seen == ([None] if handled else [])
