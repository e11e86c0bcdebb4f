"""What the wrapped clients of RabbitMQ do alike: headers into a message's table, deliveries as records."""

from __future__ import annotations

from typing import Any

from opentelemetry.context import Context

from flowtrail._context import FLOW_KEY, get_current
from flowtrail._telemetry import MessageTracer, OutgoingMessage, Processing, Telemetry
from flowtrail._telemetry.routes import ProcessRoute
from flowtrail._telemetry.spans import SPAN_KEY
from flowtrail._wrap.scope import Receiver
from flowtrail.wire import CORRELATION_ALIASES, Envelope, Header
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
        if table or self._baggage:
            outgoing = self._tracer.start(topic, body, routing_key, pairs_of(table) if table else None)
            return outgoing, table_of(outgoing.headers, self._time_ns() // 1_000_000)
        current = get_current()
        if current.get(FLOW_KEY) is None:
            return self._first(topic, routing_key, body, current)
        outgoing = self._tracer.start(topic, body, routing_key, None)
        return outgoing, own_table(outgoing.headers, self._time_ns() // 1_000_000)  # type: ignore[arg-type]

    def _first(
        self, topic: str, routing_key: str, body: Any, current: Context
    ) -> tuple[OutgoingMessage, dict[str, Any]]:
        """The first message of a flow: what is the same on the wire is made without a detour over bytes."""
        outgoing = self._tracer.first(topic, routing_key, body is None)
        event_id, now_ns = outgoing.event_id, self._time_ns()
        table: dict[str, Any] = {
            _ID: event_id,
            _CORRELATION_ID: event_id,
            _SPECVERSION: "1.0",
            _SOURCE: self._source,
            _TIME: now_text(now_ns).decode(),
            TIMESTAMP_MS: now_ns // 1_000_000,
        }
        if self.telemetry.tracing or SPAN_KEY in current:
            headers: list[Header] = []
            outgoing.trace(current, headers)
            for name, data in headers:
                table[name] = (data or b"").decode()
        return outgoing, table


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
            record = self._record(queue, message, properties, body)
            self.receiver.hand_over(record, self._route(record), self._envelope(record, properties))
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            self.receiver.telemetry.internal_error("receive", failure)

    def handling(self, queue: str, message: Any, properties: Any, body: bytes) -> Processing | None:
        """A message goes to a function of the program's; see `hand_over`.

        Returns:
            The handling, to be entered; None if telemetry itself failed.
        """
        telemetry = self.receiver.telemetry
        try:
            record = self._record(queue, message, properties, body)
            return Processing(telemetry, self._route(record), record, self._envelope(record, properties))
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            telemetry.internal_error("receive", failure)
            return None

    def _record(self, queue: str, message: Any, properties: Any, body: bytes) -> Delivery:
        routing_key = message.routing_key or ""
        return Delivery(
            message.exchange or topic_of("", routing_key),
            queue,
            self._first + (message.delivery_tag or 0),
            routing_key,
            properties,
            body,
            self._type_name,
        )

    def _envelope(self, record: Delivery, properties: Any) -> Envelope:
        plain = read_table(properties.headers, properties.content_type) if self._plain_aliases else None
        return plain or self.receiver.telemetry.read(record)

    def _route(self, record: Delivery) -> ProcessRoute:
        place = record.topic, record.queue
        route = self._routes.get(place)
        if route is None:
            if len(self._routes) > _MANY_ROUTES:  # exchanges made of ids, by mistake
                self._routes.clear()
            group = self._group or group_of(record.queue, record.topic)
            route = self._routes[place] = self.receiver.route(record.topic, group)
        return route
