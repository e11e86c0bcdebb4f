"""What flows in the shop, and its contracts."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from flowtrail_collector.app import build_collector
from flowtrail_collector.catalog.sql import SqlCatalog
from flowtrail_collector.documents.landscape import Landscape, Received, Sent, Server, Topic
from flowtrail_collector.settings import CollectorConfig, KafkaConfig
from flowtrail_collector.store.packs.learning import Learning
from flowtrail_collector.topology.sql import SqlTopology
from storekit import EVENT
from trailkit.web import served

FLOWS = """
flows:
  order-fulfilment:
    starts: OrderPlaced
    steps:
      reserve-stock: {done: StockReserved, failed: StockReservationFailed, by: inventory, undone: StockReleased}
      charge: {done: PaymentCompleted, failed: PaymentFailed, by: billing}
      ship: {done: OrderShipped, by: fulfillment}
    completes: OrderShipped
    cancels: OrderCancelled
"""
_LINE = {
    "type": "object",
    "required": ["sku"],
    "properties": {
        "sku": {"type": "string"},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
    },
}
_ORDER = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://shop.example/OrderPlaced",
    "type": "object",
    "required": ["order_id", "lines"],
    "properties": {
        "order_id": {"type": "string"},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
        "first": {"$ref": "#/$defs/Line"},
        "note": {"type": "string", "default": "#/none", "deprecated": True, "x-remove-after": "2026-01-01"},
    },
    "$defs": {"Line": _LINE},
}
_STOCK = {
    "type": "record",
    "name": "StockReserved",
    "namespace": "shop",
    "fields": [
        {"name": "order_id", "type": "string"},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    ],
}
_PAYMENT = """syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
message PaymentCompleted {
  string order_id = 1;
  int64 amount_cents = 2;
  google.protobuf.Timestamp paid_at = 3;
}
"""
CONTRACTS: Mapping[str, str] = {
    "OrderPlaced/1.json": json.dumps({**_ORDER, "required": ["order_id"]}),
    "OrderPlaced/2.json": json.dumps(_ORDER),
    "StockReserved/1.avsc": json.dumps(_STOCK),
    "PaymentCompleted/1.proto": _PAYMENT,
    "OrderShipped/1.json": json.dumps({"type": "object", "properties": {"order_id": {"type": "string"}}}),
}


class Record(NamedTuple):
    """An event of the shop; its id is its type in that version, its cause one of these."""

    topic: str
    type: str
    version: str | None
    service: str
    cause: str | None = None


RECORDS: Sequence[Record] = (
    Record("orders", "OrderPlaced", "1", "orders"),
    Record("orders", "OrderPlaced", "2", "orders"),
    Record("inventory", "StockReserved", "1", "inventory", "OrderPlaced 2"),
    Record("payments", "PaymentCompleted", "1", "billing", "StockReserved 1"),
    Record("rabbitmq:shipments", "OrderShipped", "1", "fulfillment", "PaymentCompleted 1"),
)
_READS = (
    ("orders", "inventory", {"OrderPlaced"}),
    ("inventory", "billing", {"StockReserved"}),
    ("payments", "fulfillment", {"PaymentCompleted"}),
    ("rabbitmq:shipments", "customers", None),
)


def write_contracts(folder: Path, contracts: Mapping[str, str] = CONTRACTS) -> Path:
    """A folder of contracts."""
    for name, text in contracts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def landscape(*, last: str = "2026-01-31T10:00:00.000000Z", **changed: Any) -> Landscape:
    """What flows, as the collector's API would tell it."""
    sent = [
        Sent(row.topic, row.type, row.version, row.service, 10, 10, 10, "2026-01-01T00:00:00.000000Z", last)
        for row in RECORDS
    ]
    received = [
        Received(topic, service, service, None if types is None else frozenset(types), last)
        for topic, service, types in _READS
    ]
    topics = [Topic(name, 3) for name in dict.fromkeys(row.topic for row in RECORDS)]
    given: dict[str, Any] = {
        "servers": [Server("kafka", "one:9092,two:9092"), Server("rabbitmq", "rabbit:5672")],
        "topics": topics, "sent": sent, "received": received, "since": "2026-01-01T00:00:00.000000Z",
    }  # fmt: skip
    return Landscape(**{**given, **changed})


@contextlib.contextmanager
def flowing(folder: Path, records: Sequence[Record] = RECORDS) -> Iterator[str]:
    """The URL of a collector that has read the shop's events and learned from them; it reaches no broker."""
    flows = folder / "flows.yaml"
    flows.write_text(FLOWS, encoding="utf-8")
    config = CollectorConfig(KafkaConfig("127.0.0.1:9"), flows=flows, store=folder / "store.sqlite")
    collector = build_collector(config)
    try:
        now_ms = int(time.time() * 1000)
        rows = [
            EVENT._replace(
                topic=row.topic, offset=number, event_id=f"{row.type} {row.version}", type=row.type,
                source=f"/{row.service}", causation_id=row.cause, timestamp_ms=now_ms + number, key="o1",
                dataschema=None if row.version is None else f"{row.type}/{row.version}",
            )
            for number, row in enumerate(records)
        ]  # fmt: skip
        with collector.store.unit() as unit:
            unit.add_events(rows)
        learning = Learning(
            collector.database, (SqlTopology(collector.database), SqlCatalog(collector.database))
        )
        while learning.learn():
            pass
        with served(collector.app) as url:
            yield url
    finally:
        collector.close()
