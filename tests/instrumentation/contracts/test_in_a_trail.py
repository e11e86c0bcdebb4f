"""Contracts in a trail: both sides are checked, counted, and told of."""

import json
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


HEADERS = [("ce_id", b"1"), ("ce_type", b"E"), ("ce_source", b"/x"), ("ce_dataschema", b"E/1")]
STRUCTURED = [("content-type", b"application/cloudevents+json")]


def in_structured_mode(**data: Any) -> bytes:
    event = {"specversion": "1.0", "id": "1", "type": "E", "source": "/x", "dataschema": "E/1"}
    return json.dumps({**event, **data}).encode()


# CloudEvents' JSON format, 3.1.1: "the data member MAY have a value of null, representing an explicit null payload as
# distinct from the absence of the data member". Its Kafka binding, 3.2.2 and 3.3.2: a tombstone is an event without data
# in binary mode; in structured mode a record has a value in any case.
NULLS = {
    "binary": (b"null", HEADERS),
    "binary, with space": (b" null ", HEADERS),
    "structured": (in_structured_mode(data=None), STRUCTURED),
    "structured, and in headers": (in_structured_mode(data=None), [*HEADERS, *STRUCTURED]),
    "structured, both members null": (in_structured_mode(data=None, data_base64=None), STRUCTURED),
    "structured, in base64": (in_structured_mode(data_base64="bnVsbA=="), STRUCTURED),
}
NOTHING = {
    "a tombstone": (None, HEADERS),
    "a tombstone of whoever writes in structured mode": (None, [*HEADERS, *STRUCTURED]),
    "structured, no data": (in_structured_mode(), STRUCTURED),
    "structured, base64 of nothing": (in_structured_mode(data_base64=None), STRUCTURED),
}


def seen_of(value: bytes | None, headers: list[tuple[str, bytes]], kind: Any, folder: Path) -> list[Any]:
    """What the handler gets: data of one record, or nothing, if it is a dead letter."""
    trail = Trail(
        "billing",
        contracts=Contracts.from_folder(write_json(folder, E=[{"type": kind, "properties": {"a": {}}}])),
    )
    seen: list[Any] = []

    @trail.consumer("orders", group="billing", dead_letter=True)
    def handle(event: Event[Any]) -> None:
        seen.append(event.data)

    with Harness(trail) as harness:
        harness.deliver_raw("orders", value, headers=headers)
        assert len(harness.dead_letters()) == 1 - len(seen)
    return seen


@pytest.mark.parametrize("way", NULLS)
def test_a_null_is_data_and_held_to_its_contract(way: str, tmp_path: Path) -> None:
    value, headers = NULLS[way]
    assert seen_of(value, headers, "object", tmp_path / "strict") == []
    assert seen_of(value, headers, ["object", "null"], tmp_path / "nullable") == [None]


@pytest.mark.parametrize("way", NOTHING)
def test_no_data_is_held_to_nothing(way: str, tmp_path: Path) -> None:
    value, headers = NOTHING[way]
    assert seen_of(value, headers, "object", tmp_path) == [None]


@pytest.mark.parametrize("way", [*NULLS, *NOTHING])
def test_a_tombstone_is_a_record_without_a_value(way: str) -> None:
    value, headers = (NULLS | NOTHING)[way]
    trail = Trail("billing")
    trail.consumer("orders", group="billing")(lambda event: None)
    with Harness(trail) as harness:
        harness.deliver_raw("orders", value, headers=headers)
        (span,) = [span for span in harness.spans if span.name.startswith("process")]
    marked = (span.attributes or {}).get("messaging.kafka.message.tombstone", False)
    assert marked is (value is None)
