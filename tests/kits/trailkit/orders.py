"""Orders as the collector would see them, to assemble trails from."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.sagas.model.view import SagaView, StepView
from flowtrail_collector.spans import attributes as names
from flowtrail_collector.spans.model import Resource, Span, SpanEvent, SpanKind, SpanStatus
from flowtrail_collector.trails.model import TrailInputs

START_MS = 1_700_000_000_000
TRACE = "0af7651916cd43dd8448eb211c80319c"
CORRELATION = "flow-1"
ORDER = "ord-1"


@dataclass
class Story:
    """Writes events and spans as services would, on one clock unless told otherwise."""

    trace_id: str = TRACE
    correlation_id: str = CORRELATION
    subject: str = ORDER
    skew_ms: dict[str, float] = field(default_factory=dict)
    start_ms: int = START_MS
    events: list[StoredEvent] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    _number: int = 0

    def _ns(self, service: str, at_ms: float) -> int:
        return int((self.start_ms + at_ms + self.skew_ms.get(service, 0)) * 1_000_000)

    def id(self, event_type: str) -> str:
        """The id of this order's event of a type."""
        return f"{event_type}-{self.subject}"

    def _span_id(self) -> str:
        self._number += 1
        return f"{self._number:016x}"

    def span(self, service, name, kind, start_ms, took_ms, parent=None, error=None, **attributes):
        events = ()
        if error:
            exception = {"exception.type": error[0], "exception.message": error[1]}
            events = (SpanEvent("exception", self._ns(service, start_ms + took_ms), exception),)
            attributes[names.ERROR_TYPE] = error[0]
        span = Span(
            trace_id=self.trace_id,
            span_id=self._span_id(),
            parent_span_id=parent.span_id if parent else None,
            resource=Resource(service),
            name=name,
            kind=kind,
            start_ns=self._ns(service, start_ms),
            end_ns=self._ns(service, start_ms + took_ms),
            status=SpanStatus.ERROR if error else SpanStatus.UNSET,
            status_message=error[1] if error else "",
            attributes=attributes,
            events=events,
        )
        self.spans.append(span)
        return span

    def command(self, service, name, at_ms, took_ms):
        return self.span(service, name, SpanKind.SERVER, at_ms, took_ms)

    def send(self, service, topic, event_type, at_ms, parent=None, causation=None, event_id=None, took_ms=2,
             partition=0, dead_letter=False, subject=None):  # fmt: skip
        """The record and its send span."""
        event_id = event_id or self.id(event_type)
        offset = len(self.events)
        attributes = {
            names.MESSAGE_ID: event_id,
            names.CONVERSATION_ID: self.correlation_id,
            names.DESTINATION: topic,
            names.PARTITION: str(partition),
            names.OFFSET: offset,
            names.OPERATION_TYPE: "send",
            names.EVENT_TYPE: event_type,
            names.EVENT_SUBJECT: subject or self.subject,
        }
        span = self.span(service, f"send {topic}", SpanKind.PRODUCER, at_ms, took_ms, parent, **attributes)
        self.events.append(
            StoredEvent(
                event_id=event_id,
                type=event_type,
                topic=topic,
                partition=partition,
                offset=offset,
                source=f"/{service}",
                subject=subject or self.subject,
                correlation_id=self.correlation_id,
                causation_id=causation,
                time_ms=int(self.start_ms + at_ms + self.skew_ms.get(service, 0)),
                timestamp_ms=int(self.start_ms + at_ms + self.skew_ms.get(service, 0)),
                trace_id=self.trace_id,
                span_id=span.span_id,
                dead_letter=dead_letter,
            )
        )
        return span

    def process(self, service, sent, at_ms, took_ms, attempt=1, error=None):
        """The process span of what `sent` published."""
        shared = {
            name: sent.attributes[name]
            for name in (
                names.MESSAGE_ID, names.CONVERSATION_ID, names.DESTINATION, names.PARTITION, names.OFFSET,
                names.EVENT_TYPE, names.EVENT_SUBJECT,
            )
        }  # fmt: skip
        return self.span(
            service,
            f"process {shared[names.DESTINATION]}",
            SpanKind.CONSUMER,
            at_ms,
            took_ms,
            sent,
            error,
            **shared,
            **{names.GROUP: service, names.OPERATION_TYPE: "process", names.ATTEMPT: attempt},
        )

    def inputs(self, *sagas: SagaView, **changes) -> TrailInputs:
        return TrailInputs(
            events=tuple(self.events),
            spans=tuple(self.spans),
            dead_letters=tuple(self.dead_letters),
            sagas=sagas,
            compensating_types=frozenset({"StockReleased", "OrderCancelled"}),
            is_dead_letter_topic=lambda topic: topic.endswith(".dlq"),
            flow_types=frozenset({"OrderPlaced", "StockReserved", "PaymentCompleted", "PaymentFailed"}),
            **changes,
        )


def completed(**changes) -> TrailInputs:
    """An order that went through, with one retry in billing."""
    story = Story(**changes)
    post = story.command("orders", "POST /orders", 0, 14)
    placed = story.send("orders", "orders", "OrderPlaced", 9, post)
    stock = story.process("inventory", placed, 45, 12)
    reserved = story.send("inventory", "inventory", "StockReserved", 52, stock, story.id("OrderPlaced"))
    error = ("GatewayTimeoutError", "no answer within 50 ms")
    story.process("billing", reserved, 80, 50, error=error)
    charge = story.process("billing", reserved, 235, 40, attempt=2)
    paid = story.send("billing", "payments", "PaymentCompleted", 270, charge, story.id("StockReserved"))
    confirm = story.process("orders", paid, 300, 8)
    confirmed = story.send("orders", "orders", "OrderConfirmed", 305, confirm, story.id("PaymentCompleted"))
    ship = story.process("fulfillment", confirmed, 340, 25)
    shipped = story.send("fulfillment", "shipments", "OrderShipped", 360, ship, story.id("OrderConfirmed"))
    tell = story.process("customers", shipped, 380, 5)
    story.send("customers", "customers", "CustomerNotified", 383, tell, story.id("OrderShipped"))
    steps = tuple(StepView(name, "done") for name in ("reserve-stock", "charge", "confirm", "ship"))
    return story.inputs(
        SagaView(
            "order-fulfilment",
            story.subject,
            "completed",
            story.start_ms + 9,
            story.start_ms + 360,
            steps=steps,
        )
    )


def declined(**changes) -> TrailInputs:
    """An order whose card was declined: stock given back, order cancelled."""
    story = Story(**changes)
    post = story.command("orders", "POST /orders", 0, 14)
    placed = story.send("orders", "orders", "OrderPlaced", 9, post)
    stock = story.process("inventory", placed, 45, 12)
    reserved = story.send("inventory", "inventory", "StockReserved", 52, stock, story.id("OrderPlaced"))
    charge = story.process("billing", reserved, 80, 30)
    failed = story.send("billing", "payments", "PaymentFailed", 100, charge, story.id("StockReserved"))
    release = story.process("inventory", failed, 130, 9)
    story.send("inventory", "inventory", "StockReleased", 135, release, story.id("PaymentFailed"))
    cancel = story.process("orders", failed, 128, 9)
    story.send("orders", "orders", "OrderCancelled", 133, cancel, story.id("PaymentFailed"))
    return story.inputs(
        SagaView("order-fulfilment", story.subject, "compensated", story.start_ms + 9, story.start_ms + 135)
    )


def poisoned(**changes) -> TrailInputs:
    """An order whose payment died in billing, three attempts, then the dead letter topic; redriven later."""
    story = Story(**changes)
    placed = story.send("orders", "orders", "OrderPlaced", 9)
    stock = story.process("inventory", placed, 45, 12)
    reserved = story.send("inventory", "inventory", "StockReserved", 52, stock, story.id("OrderPlaced"))
    error = ("ValueError", "total_cents is negative")
    for attempt, at_ms in enumerate((80, 120, 200), 1):
        last = story.process("billing", reserved, at_ms, 5, attempt, error)
    story.send("billing", "inventory.billing.dlq", "StockReserved", 206, last, story.id("OrderPlaced"),
               story.id("StockReserved"), dead_letter=True)  # fmt: skip
    letter = story.events[-1]
    story.dead_letters.append(
        DeadLetter(
            letter.topic,
            letter.partition,
            letter.offset,
            event_id=letter.event_id,
            event_type=letter.type,
            source_topic="inventory",
            group="billing",
            attempts=3,
            error_type=error[0],
            error_message=error[1],
            failed_ms=story.start_ms + 206,
        )
    )
    open_steps = (
        StepView("reserve-stock", "done"),
        StepView(
            "charge", "open", ("PaymentCompleted", "PaymentFailed"), "billing", story.start_ms + 60_052,
            since_ms=story.start_ms + 52,
        ),
        StepView("ship", "waiting", ("OrderShipped",), "fulfillment"),
        StepView("thank", "waiting", ("NoteSent",), "customers", optional=True),
    )  # fmt: skip
    return story.inputs(
        SagaView("order-fulfilment", story.subject, "open", story.start_ms + 9, steps=open_steps)
    )


def redriven(**changes) -> TrailInputs:
    """The poisoned order after somebody corrected the service and sent the dead letter again."""
    inputs = poisoned(**changes)
    story = Story(**changes)
    story.events, story.spans = list(inputs.events), list(inputs.spans)
    story.dead_letters = list(inputs.dead_letters)
    story._number = len(story.spans)
    again = story.send(
        "flowtrail", "inventory", "StockReserved", 95_000, causation=story.id("OrderPlaced"),
        event_id=story.id("StockReserved"),
    )  # fmt: skip
    charge = story.process("billing", again, 95_030, 35)
    story.send("billing", "payments", "PaymentCompleted", 95_060, charge, story.id("StockReserved"))
    return story.inputs()


def silent(**changes) -> TrailInputs:
    """An order that nobody goes on with: stock is reserved, billing never says anything."""
    story = Story(**changes)
    post = story.command("orders", "POST /orders", 0, 14)
    placed = story.send("orders", "orders", "OrderPlaced", 9, post)
    stock = story.process("inventory", placed, 45, 12)
    story.send("inventory", "inventory", "StockReserved", 52, stock, story.id("OrderPlaced"))
    return story.inputs()
