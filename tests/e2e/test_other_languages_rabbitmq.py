"""A service in Node takes part in a flow over RabbitMQ by its headers alone, with a real collector beside it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika
import pytest
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

import flowtrail
from rabbitkit import Corner, Following, Place
from servers import ManagedProcess, RabbitServer, UnavailableError, language_command, servers_required
from waiting import until

pytestmark = [pytest.mark.servers, pytest.mark.fetches("node-rabbitmq")]
SPELLINGS = ("cloudEvents_", "cloudEvents:", "ce_", "ce-", "CE_", "CLOUDEVENTS:")
FLOWS = """\
flows:
  order:
    starts: OrderPlaced
    steps:
      charge: {done: PaymentCompleted, by: BILLING, within: 60s}
    completes: PaymentCompleted
"""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class World:
    """The service, a collector, and a service in Python that sees what was paid.

    Args:
        server: Where.
        folder: Where the store and the log go.
    """

    def __init__(self, server: RabbitServer, folder: Path) -> None:
        self.corner = Corner(Place(server.url, f"http://127.0.0.1:{server.management_port}"))
        self.orders, self.payments = self.corner.called("orders"), self.corner.called("payments")
        self.group = self.corner.called("billing")
        self.following = Following(self.corner, folder, flows=FLOWS.replace("BILLING", self.group))
        command, where = language_command("node-rabbitmq")
        environment = {"RABBITMQ_URL": server.url, "TOPIC_PREFIX": f"{self.corner.name}."}
        self.service = ManagedProcess(
            "node", command, ready=self._consumes, output=folder / "node.log", env=environment, cwd=where
        )
        self.trail = flowtrail.Trail(
            "shop", server.url, client="pika", registry=CollectorRegistry(), tracer_provider=TracerProvider()
        )
        self.paid: dict[str | None, list[flowtrail.Event[Any]]] = {}

        @self.trail.consumer(self.payments, types=["PaymentCompleted"], group="ledger")
        def note(event: flowtrail.Event[Any]) -> None:
            self.paid.setdefault(event.subject, []).append(event)

    def place(self, table: dict[str, Any], body: bytes, **properties: Any) -> None:
        """Publish a message as it stands."""
        with self.corner.channel() as channel:
            sent = pika.BasicProperties(headers=table, **properties)
            channel.basic_publish(self.orders, "OrderPlaced", body, sent, mandatory=True)

    def payment(self, order: str) -> flowtrail.Event[Any]:
        """The first payment of an order."""
        until(lambda: order in self.paid, lambda: self.service.last_output(1500))
        return self.paid[order][0]

    def _consumes(self) -> bool:
        return "consuming" in self.service.last_output()


@pytest.fixture(scope="module")
def world(rabbitmq_server: RabbitServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    try:
        world = World(rabbitmq_server, tmp_path_factory.mktemp("node"))
    except UnavailableError as error:
        if servers_required():
            pytest.fail(f"FLOWTRAIL_REQUIRE_SERVERS is set, and {error}", pytrace=False)
        pytest.skip(str(error))
    world.corner.taken_exchange("payments")
    try:
        with world.trail.running():
            assert world.trail.ready(60)
            world.service.start()
            with world.following:
                until(lambda: world.following.problem() == "", world.following.problem)
                bindings = lambda: world.corner.manage("GET", f"queues/%2F/{world.corner.stream}/bindings")  # noqa: E731
                until(
                    lambda: {world.orders, world.payments} <= {each["source"] for each in bindings()},
                    bindings,
                )
                yield world
    finally:
        world.service.kill()
        world.corner.clear()


def test_one_flow_through_python_and_node(world: World) -> None:
    order = f"ÖRD-{uuid.uuid4().hex[:8]}"
    world.trail.publish(world.orders, {"quantity": 3}, type="OrderPlaced", subject=order)
    paid = world.payment(order)
    assert paid.data == {"order_id": order, "total_cents": 1500}
    assert (paid.source, paid.key) == ("/billing", order.encode())

    def trail() -> Any:
        found = world.following.api(f"trails/{order}")
        entries = found["trail"]["entries"] if found else []
        return found["trail"] if sum(entry["kind"] == "publish" for entry in entries) == 2 else None

    found = until(trail, "both events in the trail")
    placed, answered = (entry for entry in found["entries"] if entry["kind"] == "publish")
    assert (placed["event_type"], answered["event_type"]) == ("OrderPlaced", "PaymentCompleted")
    assert answered["causation_id"] == placed["event_id"] == paid.causation_id
    assert found["correlation_ids"] == [paid.correlation_id]
    assert len(found["trace_ids"]) == 1
    until(
        lambda: world.following.api(f"trails/{order}")["trail"]["sagas"][0]["outcome"] == "completed",
        "the saga",
    )


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_attributes_are_read_in_every_spelling(world: World, spelling: str) -> None:
    order = f"spelled-{spelling}"
    said = {"specversion": "1.0", "id": order, "type": "OrderPlaced", "source": "/x", "subject": order}
    table = {spelling + name: value for name, value in said.items()}
    trace = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "tracestate": "a=b"}
    world.place({**table, f"{spelling}correlationid": "flow-1", **trace}, b'{"quantity": 1}')
    paid = world.payment(order)
    assert (paid.correlation_id, paid.causation_id) == ("flow-1", order)
    headers = dict(paid.headers)
    assert {name: headers[name].decode() for name in trace} == trace


def test_the_fewest_headers_will_do(world: World) -> None:
    """What docs/wire.md says of missing ones: AMQP's own message id for the id, that for the flow's."""
    world.place({"ce_type": "OrderPlaced", "ce_subject": "bare"}, b'{"quantity": 2}', message_id="bare-1")
    paid = world.payment("bare")
    assert (paid.correlation_id, paid.causation_id) == ("bare-1", "bare-1")
    assert paid.data == {"order_id": "bare", "total_cents": 1000}


def test_handled_twice_it_answers_with_the_same_event(world: World) -> None:
    table = {"ce_type": "OrderPlaced", "ce_subject": "twice", "ce_id": "twice-1"}
    for _ in range(2):
        world.place(table, b'{"quantity": 2}')
    until(lambda: len(world.paid.get("twice", ())) == 2, "two answers")
    first, second = world.paid["twice"]
    assert first.id == second.id


@pytest.mark.parametrize("body", [b"\xff no JSON", b"{}", b"7"], ids=repr)
def test_what_cannot_be_read_becomes_a_dead_letter(world: World, body: bytes) -> None:
    letters, flow = f"{world.orders}.{world.group}.dlq", f"flow-{body!r}"
    table = {"ce_type": "OrderPlaced", "ce_subject": "bad", "ce_id": flow, "ce_correlationid": flow}
    world.place({**table, "other": 7}, body, reply_to="somewhere", expiration="600000")

    def letter() -> Any:
        found = world.following.api(f"dead-letters?group={world.group}")
        return next((each for each in found["dead_letters"] if each["correlation_id"] == flow), None)

    found = until(letter, lambda: world.service.last_output(1500))
    assert (found["event_type"], found["attempts"]) == ("OrderPlaced", 1)
    assert found["source_topic"] == f"rabbitmq:{world.orders}"
    assert found["error_type"]
    assert found["failed"]
    with world.corner.channel() as channel:
        method, properties, value = channel.basic_get(letters, auto_ack=True)
    assert method is not None
    assert (value, properties.reply_to, properties.expiration) == (body, "somewhere", None)
    assert {**table, "other": 7}.items() <= properties.headers.items()


def test_the_service_ends_when_asked_and_leaves_what_it_has_not_handled(world: World) -> None:
    world.service.stop()
    assert "stopped" in world.service.last_output()
    world.place({"ce_type": "OrderPlaced", "ce_subject": "later", "ce_id": "later-1"}, b'{"quantity": 1}')
    assert "later" not in world.paid
    world.service.start()
    assert world.payment("later").data["total_cents"] == 500
