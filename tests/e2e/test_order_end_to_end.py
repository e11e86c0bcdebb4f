"""Orders go through five services; what is on the wire, in the trail and in the metrics agrees."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from e2e.shop import DECLINED_CUSTOMER, SCARCE_SKU, SERVICES, TOPICS, Shop, causal_chain, settled, trace_id
from servers._process import wait_for

pytestmark = pytest.mark.servers

ONE_OF_EACH = {"started": 3, "open": 0, "completed": 1, "compensated": 1, "failed": 1, "timed_out": 0}


def wire_headers(shop: Shop, order_id: str) -> list[dict[str, str]]:
    """Headers of every record about an order, decoded by hand from the topics' bytes."""
    consumer = KafkaConsumer(bootstrap_servers=shop.bootstrap_servers, consumer_timeout_ms=1_000)
    partitions = [
        TopicPartition(shop.topic(name), number)
        for name in TOPICS
        for number in consumer.partitions_for_topic(shop.topic(name)) or ()
    ]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    found: list[dict[str, str]] = []
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        for records in consumer.poll(timeout_ms=500).values():
            for record in records:
                names = [name for name, _ in record.headers]
                assert len(names) == len(set(names)), f"repeated headers: {names}"
                headers = {name: value.decode() for name, value in record.headers}
                if headers.get("ce_subject") == order_id:
                    found.append(headers)
    consumer.close()
    return found


def test_ids_on_the_wire_and_one_trace_through_all_services(shop: Shop) -> None:
    completed = shop.place()
    compensated = shop.place(customer=DECLINED_CUSTOMER)
    failed = shop.place(sku=SCARCE_SKU, quantity=50)
    assert settled(shop, ONE_OF_EACH), (shop.outcomes(), shop.collector.last_output())

    wire = wire_headers(shop, completed)
    assert len({header["ce_correlationid"] for header in wire}) == 1
    assert len({trace_id(header["traceparent"]) for header in wire}) == 1
    assert all(header["ce_specversion"] == "1.0" for header in wire)
    chain = causal_chain(wire)
    chain.pop("CustomerNotified")
    assert chain == {
        "OrderPlaced": None,
        "StockReserved": "OrderPlaced",
        "PaymentCompleted": "StockReserved",
        "OrderConfirmed": "PaymentCompleted",
        "OrderShipped": "OrderConfirmed",
    }
    chain = causal_chain(wire_headers(shop, compensated))
    assert chain["PaymentFailed"] == "StockReserved"
    assert chain["StockReleased"] == "PaymentFailed"
    assert chain["OrderCancelled"] == "PaymentFailed"
    assert causal_chain(wire_headers(shop, failed))["OrderCancelled"] == "StockReservationFailed"

    for order in (completed, compensated):
        assert wait_for(lambda order=order: _trail_is_whole(shop, order), 20), shop.api(
            f"/api/v1/trails/{order}"
        )


def _trail_is_whole(shop: Shop, order: str) -> bool:
    found = shop.api(f"/api/v1/trails/{order}")
    if found is None:
        return False
    trail = found["trail"]
    kinds = {entry["kind"] for entry in trail["entries"]}
    expected = (
        set(SERVICES) if trail["sagas"][0]["outcome"] == "completed" else set(SERVICES) - {"fulfillment"}
    )
    return (
        set(trail["services"]) == expected
        and len(trail["trace_ids"]) == len(trail["correlation_ids"]) == 1
        and {"command", "publish", "queue", "process"} <= kinds
        and _in_causal_order(trail)
    )


def _in_causal_order(trail: dict[str, Any]) -> bool:
    seen: set[str] = set()
    for entry in trail["entries"]:
        if entry.get("parent") is not None and entry["parent"] not in seen:
            return False
        seen.add(entry["id"])
    return True


@pytest.mark.parametrize(
    "order",
    [
        {"customer_id": "CUS-0001", "lines": [{"sku": "MUG-BLUE", "quantity": -1}]},
        {"customer_id": "CUS-0001", "lines": [{"sku": "NO-SUCH-SKU", "quantity": 1}]},
        {"customer_id": "CUS-0001", "lines": []},
        {"lines": [{"sku": "MUG-BLUE", "quantity": 1}]},
        b"{not json",
        [],
    ],
    ids=["negative", "unknown sku", "no lines", "no customer", "not json", "not an object"],
)
def test_a_bad_order_is_refused_in_one_line_and_starts_nothing(small_shop: Shop, order: Any) -> None:
    status, answer = small_shop.post(order)
    assert 400 <= status < 500
    assert list(answer) == ["error"]
    assert "\n" not in answer["error"]
    assert small_shop.metric("flowtrail_saga_started_total") == 0
