"""The shortest way to a message whose type isn't known: what wrapped and patched producers send."""

from __future__ import annotations

from typing import Any

from flowtrail._context import FLOW_KEY, get_current
from flowtrail._telemetry.identity import SPECVERSION_HEADER, identify, required
from flowtrail._telemetry.outgoing import OutgoingEvent, OutgoingMessage
from flowtrail._telemetry.routes import SendRoute
from flowtrail._telemetry.spans import SPAN_KEY
from flowtrail._telemetry.telemetry import Telemetry
from flowtrail.wire import Header, names
from flowtrail.wire.write import now_text

_ID, _CORRELATION_ID, _TIME = names.ID, names.CORRELATION_ID, names.TIME


class MessageTracer:
    """Traces the messages of one producer.

    Args:
        telemetry: Where to report.
        client_id: The client's own id.

    Attributes:
        routes: By topic, what is the same for all messages to it.
    """

    def __init__(self, telemetry: Telemetry, client_id: str | None) -> None:
        self.telemetry = telemetry
        self._client_id = client_id
        self._new_id = telemetry.ids.new_id
        self._time_ns = telemetry.time_ns
        self._source = telemetry.source_header
        self.routes: dict[str, SendRoute] = {}

    def start(self, topic: str, value: Any, key: Any, headers: Any) -> OutgoingMessage:
        """Like `Telemetry.sending` without a type; short for messages without headers of their own."""
        telemetry = self.telemetry
        if headers or telemetry.baggage_keys:
            return telemetry.sending(
                topic, key=key, tombstone=value is None, headers=headers, client_id=self._client_id
            )
        route = self.routes.get(topic)
        if route is None:
            route = self.route(topic)
        current = get_current()
        flow: Any = current.get(FLOW_KEY)
        ours: list[Header]
        if flow is None:
            message = OutgoingMessage(telemetry, route, key, value is None)
            event_id = message.event_id = self._new_id()
            id_header = event_id.encode()
            ours = [
                (_ID, id_header),
                (_CORRELATION_ID, id_header),
                SPECVERSION_HEADER,
                self._source,
                (_TIME, now_text(self._time_ns())),
            ]
        else:
            message = event = OutgoingEvent(telemetry, route, key, value is None)
            ours = identify(event, flow, None, telemetry.ids)
            ours += required(self._source, self._time_ns())
        if telemetry.tracing or SPAN_KEY in current:
            message.trace(current, ours)
        message.headers = ours
        return message

    def route(self, topic: str) -> SendRoute:
        """What is the same for all messages to a topic; kept in `routes`."""
        if len(self.routes) > 1000:  # topics made of ids, by mistake
            self.routes.clear()
        route = self.routes[topic] = self.telemetry.send_route(topic, self._client_id)
        return route
