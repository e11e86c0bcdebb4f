"""What the wrapped clients of RabbitMQ do alike: headers into a message's table, deliveries as records."""

from __future__ import annotations

from typing import Any

from flowtrail._context import FLOW_KEY, get_current
from flowtrail._telemetry import MessageTracer, OutgoingMessage, Processing, Telemetry
from flowtrail._telemetry.routes import ProcessRoute
from flowtrail._telemetry.spans import SPAN_KEY
from flowtrail._wrap.scope import Receiver
from flowtrail.wire import CORRELATION_ALIASES, Envelope
from flowtrail.wire.amqp import PREFIX, TIMESTAMP_MS, own_table, pairs_of, table_of
from flowtrail.wire.deliveries import Delivery, first_offset, group_of, topic_of
from flowtrail.wire.read_table import read_table
from flowtrail.wire.write import now_text

SYSTEM = "rabbitmq"
_MANY_ROUTES = 1000
_ID, _CORRELATION_ID, _SPECVERSION, _SOURCE, _TIME = (
    PREFIX + name for name in ("id", "correlationid", "specversion", "source", "time")
)


class Sender:
    """Starts publications.

    Args:
        telemetry: Where to report.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry
        self._tracer = MessageTracer(telemetry, None)
        self._routes = self._tracer.routes
        self._new_id = telemetry.ids.new_id
        self._time_ns = telemetry.time_ns
        self._baggage = bool(telemetry.baggage_keys)
        self._source = (telemetry.source_header[1] or b"").decode()

    def start(
        self, exchange: str, routing_key: str, body: Any, table: Any
    ) -> tuple[OutgoingMessage, dict[str, Any]]:
        """A publication, and the table of headers to send.

        Args:
            exchange: Exchange to publish to.
            routing_key: As given.
            body: As given.
            table: The program's own headers; stays as it is.
        """
        topic = exchange or topic_of(exchange, routing_key)
        current = get_current()
        if table or self._baggage or current.get(FLOW_KEY) is not None:
            return self._other(topic, routing_key, body, table)
        # The first message of a flow: what is the same on the wire is made without a detour over bytes.
        telemetry = self.telemetry
        route = self._routes.get(topic) or self._tracer.route(topic)
        outgoing = OutgoingMessage(telemetry, route, routing_key, body is None)
        event_id = outgoing.event_id = self._new_id()
        now_ns = self._time_ns()
        ours: dict[str, Any] = {
            _ID: event_id,
            _CORRELATION_ID: event_id,
            _SPECVERSION: "1.0",
            _SOURCE: self._source,
            _TIME: now_text(now_ns).decode(),
            TIMESTAMP_MS: now_ns // 1_000_000,
        }
        if telemetry.tracing or SPAN_KEY in current:
            outgoing.trace_as_text(current, ours)
        return outgoing, ours

    def _other(
        self, topic: str, routing_key: str, body: Any, table: Any
    ) -> tuple[OutgoingMessage, dict[str, Any]]:
        """A message with headers of the program's, or one that another message caused."""
        if not table and not self._baggage:
            outgoing = self._tracer.start(topic, body, routing_key, None)
            return outgoing, own_table(outgoing.headers, self._time_ns() // 1_000_000)  # type: ignore[arg-type]
        outgoing = self._tracer.start(topic, body, routing_key, pairs_of(table) if table else None)
        return outgoing, table_of(outgoing.headers, self._time_ns() // 1_000_000)


class Deliveries:
    """Makes records of what one consumer is handed.

    Args:
        receiver: Keeps its handlings.
        group: The group of all its queues; None if their names say it.
        type_name: What the client calls the property `type`.
    """

    def __init__(self, receiver: Receiver, group: str | None, type_name: str = "type") -> None:
        self.receiver = receiver
        self._group = group
        self._type_name = type_name
        self._first = first_offset()
        self._routes: dict[tuple[str, str], ProcessRoute] = {}
        self._plain_aliases = receiver.telemetry.correlation_aliases == CORRELATION_ALIASES

    def hand_over(self, queue: str, message: Any, properties: Any, body: bytes) -> None:
        """A message goes to the program, which asks for the next one when it is done.

        Args:
            queue: Where it waited.
            message: Has its exchange, routing key and delivery tag.
            properties: As the client has them, with the table of headers.
            body: Its body.
        """
        try:
            record, route, envelope = self._read(queue, message, properties, body)
            self.receiver.hand_over(record, route, envelope)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            self.receiver.telemetry.internal_error("receive", failure)

    def handling(self, queue: str, message: Any, properties: Any, body: bytes) -> Processing | None:
        """A message goes to a function of the program's; see `hand_over`.

        Returns:
            The handling, to be entered; None if telemetry itself failed.
        """
        telemetry = self.receiver.telemetry
        try:
            record, route, envelope = self._read(queue, message, properties, body)
            return Processing(telemetry, route, record, envelope)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            telemetry.internal_error("receive", failure)
            return None

    def _read(
        self, queue: str, message: Any, properties: Any, body: bytes
    ) -> tuple[Delivery, ProcessRoute, Envelope]:
        """A delivery as a record, what it shares with others of its queue and exchange, and what it says."""
        routing_key = message.routing_key or ""
        topic = message.exchange or topic_of("", routing_key)
        offset = self._first + (message.delivery_tag or 0)
        record = Delivery(topic, queue, offset, routing_key, properties, body, self._type_name)
        route = self._routes.get((topic, queue)) or self._route(topic, queue)
        envelope = read_table(properties.headers, properties.content_type) if self._plain_aliases else None
        return record, route, envelope or self.receiver.telemetry.read(record)

    def _route(self, topic: str, queue: str) -> ProcessRoute:
        if len(self._routes) > _MANY_ROUTES:  # exchanges made of ids, by mistake
            self._routes.clear()
        route = self._routes[topic, queue] = self.receiver.route(topic, self._group or group_of(queue, topic))
        return route
