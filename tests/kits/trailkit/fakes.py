"""Stand-ins for the ports that the web side reads from."""

from __future__ import annotations

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.events.topics import PartitionRead, TopicRead
from flowtrail_collector.sagas.model.view import FlowRow, SagaRow, SagaView
from flowtrail_collector.sagas.ports import SagaName

EVENTS = [
    StoredEvent("e1", "OrderPlaced", "orders", 0, 0, "/orders", "ord-1", "flow-1", None, 1000, 1000),
    StoredEvent("e2", "StockReserved", "inventory", 0, 0, "/inventory", "ord-1", "flow-1", "e1", 1010, 1010),
    StoredEvent("e3", "OrderPlaced", "orders", 0, 1, "/orders", "ord/2 <b>", "flow-2", None, 2000, 2000),
    StoredEvent("e4", "CustomerSeen", "customers", 0, 0, "/customers", "cust-1", "flow-1", "e1", 1020, 1020),
    StoredEvent("e5", "CustomerSeen", "customers", 0, 1, "/customers", "cust-1", "flow-2", "e3", 2020, 2020),
]


class FakeReads:
    """`TrailReader` and `Views` over a list of events."""

    def __init__(self):
        self.queries = []
        self.failure = None

    def topics_read(self):
        return [TopicRead("orders", (PartitionRead(0, len(EVENTS), len(EVENTS)),))]

    def events_by_id(self, event_id, limit):
        return [event for event in EVENTS if event.event_id == event_id]

    def events_by_subject(self, subject, limit):
        if self.failure:
            raise self.failure
        return [event for event in EVENTS if event.subject == subject]

    def events_by_correlation(self, correlation_ids, limit):
        return [event for event in EVENTS if event.correlation_id in correlation_ids]

    def events_by_trace(self, trace_id, limit):
        return []

    def dead_letters(self, event_ids, limit):
        return []

    def redriven_by(self, places):
        return {}

    def sagas(self, correlation_ids, subjects, limit):
        return [
            SagaView("fulfilment", event.subject, started_ms=event.time_ms)
            for event in EVENTS
            if event.type == "OrderPlaced"
            and (event.correlation_id in correlation_ids or event.subject in subjects)
        ]

    def list_sagas(self, query):
        self.queries.append(query)
        return [SagaRow(SagaView("fulfilment", "ord-1", "open", 1000), stuck=True, correlation_id="flow-1")]

    def list_dead_letters(self, selection, limit, offset=0, **turn):
        self.queries.append((selection, limit, offset))
        return [DeadLetter("orders.billing.dlq", 0, 0, 5, "e1", None, "ord-1", "flow-1")]

    def known_flows(self):
        return {row.name: ("reserve", "charge") for row in self.list_flows()}

    def list_causes(self, selection, now_ms, limit):
        self.queries.append((selection, limit))
        return []

    def stuck_counts(self):
        return {"fulfilment": 1}

    def count_pending(self):
        return len(self.list_dead_letters(None, 1))

    def letter_values(self):
        return {"topic": ["orders.billing.dlq"], "group": ["billing"]}

    def stuck_causes(self):
        return []

    def ended_lately(self, now_ms, span_ms):
        return []

    def causes_lately(self, now_ms, span_ms, limit):
        return []

    def waited_for(self):
        return {}

    def begins_with(self, prefix, limit):
        names = [
            SagaName(event.subject, event.correlation_id, "fulfilment", "open", event.time_ms)
            for event in EVENTS
        ]
        return [name for name in names if name.id.startswith(prefix)][:limit]

    def list_flows(self):
        return [FlowRow("fulfilment", ("OrderPlaced",), (), (), None, (), {"open": 1})]


class FakeSpans:
    def trace_ids(self, value, limit=100):
        return []

    def spans(self, trace_ids, limit=5000):
        return []

    def count(self, trace_ids):
        return 0
