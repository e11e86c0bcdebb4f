"""An order that crosses Kafka and RabbitMQ is one trail, one saga, one map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from starlette.testclient import TestClient

import flowtrail
from flowtrail_collector.settings import LagSettings
from rabbitkit import Corner, Following
from trailkit.web import served
from waiting import scaled, until

pytestmark = pytest.mark.servers

FLOWS = """\
flows:
  fulfilment:
    starts: OrderPlaced
    steps:
      charge: {done: PaymentCompleted, by: billing, within: 60s}
      ship: {done: OrderShipped, by: shipping, within: 1s}
    completes: OrderShipped
"""
Made = Callable[[str, str, str], flowtrail.Trail]


@pytest.fixture
def following(corner: Corner, tmp_path: Path, devbroker: str) -> Iterator[Following]:
    lag = LagSettings(interval_seconds=1.0)
    following = Following(corner, tmp_path, kafka=devbroker, lag=lag, flows=FLOWS)
    following.start()
    yield following
    following.stop()


@pytest.fixture
def made(following: Following) -> Iterator[Made]:
    """Makes services whose spans the collector gets."""
    with ExitStack() as stack:
        url = stack.enter_context(served(following.collector.app))

        def make(service: str, servers: str, client: str) -> flowtrail.Trail:
            provider = TracerProvider(resource=Resource.create({"service.name": service}))
            provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces")))
            stack.callback(provider.shutdown)
            return flowtrail.Trail(service, servers, client=client, tracer_provider=provider)

        yield make


def test_payment_over_rabbitmq_and_shipment_over_kafka_are_one_order(
    corner: Corner, following: Following, devbroker: str, made: Made
) -> None:
    orders, payments, shipments = (corner.called(name) for name in ("orders", "payments", "shipments"))
    billing, paying = made("billing", devbroker, "kafka-python"), made("billing", corner.place.url, "pika")
    shipping, handing = (
        made("shipping", corner.place.url, "pika"),
        made("shipping", devbroker, "kafka-python"),
    )

    @billing.consumer(orders, types=["OrderPlaced"], group="billing")
    def charge(event: flowtrail.Event) -> None:
        paying.publish(payments, {"cents": 5}, type="PaymentCompleted", subject=event.subject)

    @shipping.consumer(payments, types=["PaymentCompleted"], group="shipping")
    def ship(event: flowtrail.Event) -> None:
        handing.publish(shipments, {}, type="OrderShipped", subject=event.subject)

    shop = made("orders", devbroker, "kafka-python")
    with closing(shop), closing(paying), closing(handing), billing.running():
        with shipping.running():
            assert shipping.ready(scaled(40))
            assert billing.ready(scaled(40))
            until(lambda: corner.followed() == {payments}, "the exchange")
            shop.publish(orders, {}, type="OrderPlaced", subject="ORD-1", wait=False)
            trail = until(lambda: shipped(following, "ORD-1"), "the trail")
        kinds = {(each["kind"], each.get("topic")) for each in trail["entries"]}
        for topic in (orders, f"rabbitmq:{payments}"):
            assert ("queue", topic) in kinds
        assert {topic for kind, topic in kinds if kind == "publish"} == {
            orders, f"rabbitmq:{payments}", shipments,
        }  # fmt: skip
        assert [each["outcome"] for each in trail["sagas"]] == ["completed"]
        page = TestClient(following.collector.app, base_url="http://127.0.0.1").get("/map").text
        assert f"rabbitmq:{payments}" in page
        shop.publish(orders, {}, type="OrderPlaced", subject="ORD-2", wait=False)
        queue = f"{payments}.shipping"
        # At first it may be said to be behind: that nobody reads takes a while to tell.
        expected = f"ship waits for shipping, which has no consumers on queue {queue}"
        until(
            lambda: stuck(following, "ORD-2", queue).startswith(expected),
            lambda: stuck(following, "ORD-2", queue),
        )


def shipped(following: Following, order: str) -> dict[str, Any] | None:
    """The trail of an order whose shipment and both waits are known."""
    found = ((following.api(f"trails/{order}") or {}).get("trail")) or {"entries": []}
    types = {each.get("event_type") for each in found["entries"]}
    waits = [each for each in found["entries"] if each["kind"] == "queue"]
    ended = [each["outcome"] for each in found.get("sagas", ())] == ["completed"]
    return found if "OrderShipped" in types and len(waits) >= 2 and ended else None


def stuck(following: Following, order: str, queue: str) -> str:
    """Why an order is stuck, once the queue is named."""
    for each in following.api("sagas?stuck=true")["sagas"]:
        if each["key"] == order and queue in (each["reason"] or ""):
            return str(each["reason"])
    return ""
