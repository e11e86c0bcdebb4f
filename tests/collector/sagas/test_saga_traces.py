"""Ended sagas as OTLP traces, and as exemplars."""

from __future__ import annotations

import gzip

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flowtrail_collector.events.model import Advance, StoredEvent
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.metrics.exposition import Exposition
from flowtrail_collector.sagas.exemplars import SagaExemplars
from flowtrail_collector.sagas.flow_file import load_flows
from flowtrail_collector.sagas.metrics import SagaMetrics
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.sweep import Sweeper
from flowtrail_collector.sagas.traces import OtlpSagaTraces
from flowtrail_collector.spans.decoding import from_protobuf
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.trails.sql import TrailReads
from trailkit.site import FLOWS

START_MS = 1_700_000_000_000


def event(offset, event_type, cause=None, order="order-1"):
    texts = {
        "ce_id": f"{order}-{event_type}",
        "ce_type": event_type,
        "ce_source": "/x",
        "ce_subject": order,
        "ce_correlationid": f"flow-{order}",
        **({"ce_causationid": f"{order}-{cause}"} if cause else {}),
        "traceparent": f"00-{'a' * 31}{offset}-{'b' * 15}{offset}-01",
    }
    headers = [(name, text.encode()) for name, text in texts.items()]
    return Incoming("t", 0, offset, START_MS + offset * 100, None, headers)


@pytest.fixture
def parts(tmp_path):
    """Ends two sagas, one completed and one that never went on; gives what has to be known of it."""
    database = SqliteDatabase(tmp_path / "store.sqlite")
    flows, store = load_flows(FLOWS), SqliteStore(database)
    reads = TrailReads(database, flows)
    sent, answers = [], []

    def receive(request):
        status = answers.pop(0) if answers else 200
        if status == 200:
            assert request.headers["content-encoding"] == "gzip"
            body = gzip.decompress(request.content)
            sent.extend(from_protobuf(body).spans)
            ExportTraceServiceRequest.FromString(body)
        return httpx.Response(status)

    traces = OtlpSagaTraces(
        "http://jaeger", flows, reads.events_by_correlation, transport=httpx.MockTransport(receive)
    )
    exemplars = SagaExemplars(flows, reads.events_by_correlation)
    ended = []

    def on_ended(sagas):
        ended.extend(sagas)
        exemplars.ended(sagas)
        traces.ended(sagas)

    records = [
        event(0, "OrderPlaced"),
        event(1, "StockReserved", "OrderPlaced"),
        event(2, "PaymentCompleted", "StockReserved"),
        event(3, "OrderConfirmed", "PaymentCompleted"),
        event(4, "OrderShipped", "OrderConfirmed"),
        event(5, "OrderPlaced", order="order-2"),
    ]
    Ingest(store, flows).apply(records, [Advance("t", 0, None, 6, START_MS + 3 * 86_400_000)])
    Sweeper(store, flows, on_ended=on_ended).sweep()
    metrics = SagaMetrics(store, flows, exemplar_of=exemplars.of, step_exemplar_of=exemplars.of_step)
    yield traces, sent, answers, ended, metrics
    database.close()


def test_an_ended_saga_is_a_trace_with_a_span_per_step(parts):
    traces, sent, _, ended, _ = parts
    assert sorted(saga.outcome.value for saga in ended) == ["completed", "timed_out"]
    assert traces.send()
    by_trace = {}
    for span in sent:
        by_trace.setdefault(span.trace_id, []).append(span)
    assert len(by_trace) == 2
    completed = next(spans for spans in by_trace.values() if len(spans) == 5)
    (root,) = [span for span in completed if span.parent_span_id is None]
    assert (root.name, root.attributes["flowtrail.outcome"]) == ("order-fulfilment", "completed")
    assert (root.end_ns - root.start_ns) == 400_000_000
    steps = {span.name: span for span in completed if span.parent_span_id == root.span_id}
    assert list(steps) == ["reserve-stock", "charge", "confirm", "ship"]
    assert steps["charge"].links[0].span_id == "b" * 15 + "2"
    assert {span.attributes["flowtrail.outcome"] for span in steps.values()} == {"done"}


def test_a_step_that_never_ended_is_an_error(parts):
    traces, sent, _, _, _ = parts
    traces.send()
    late = [span for span in sent if span.name == "reserve-stock" and span.status.name == "ERROR"]
    assert [span.status_message for span in late] == ["never ended"]
    assert [item.name for item in late[0].events] == ["deadline missed"]


def test_a_receiver_that_is_away_gets_them_later_and_the_same(parts, caplog):
    caplog.set_level("INFO")
    traces, sent, answers, ended, _ = parts
    answers.append(503)
    assert not traces.send()
    assert sent == []
    assert traces.send()
    first = {(span.trace_id, span.span_id) for span in sent}
    traces.ended(ended)
    traces.send()
    assert {(span.trace_id, span.span_id) for span in sent} == first
    assert traces.problem is None
    lines = [record.getMessage() for record in caplog.records if "saga_traces" in record.name]
    assert lines == [
        "saga traces can't be pushed to http://jaeger/v1/traces: HTTP 503",
        "saga traces are pushed to http://jaeger/v1/traces again",
    ]


def test_durations_carry_a_trace_in_openmetrics(parts):
    *_, metrics = parts
    page = b"".join(Exposition([metrics], on_error=lambda part, error: None).page(openmetrics=True).chunks())
    lines = [line for line in page.decode().splitlines() if "trace_id" in line]
    assert any('outcome="completed"' in line and f'trace_id="{"a" * 31}4"' in line for line in lines)
    # A step leads to the trace of the event that ended it.
    assert any('step="charge"' in line and f'trace_id="{"a" * 31}2"' in line for line in lines)
    assert not any("timed_out" in line for line in lines)
    text = b"".join(Exposition([metrics], on_error=lambda part, error: None).page().chunks())
    assert b"trace_id" not in text


def test_finding_traces_costs_little_however_many_end():
    flow = load_flows(FLOWS)
    asked, now = [], [1000.0]

    def events(keys, limit):
        asked.append(keys)
        return [StoredEvent("e", "OrderShipped", "t", 0, 0, trace_id="c" * 32)]

    exemplars = SagaExemplars(flow, events, clock=lambda: now[0])
    name = next(iter(flow.by_name))
    saga = SagaRecord(name, "k", outcome=Outcome.COMPLETED, started_ms=0, ended_ms=3_000)
    for _ in range(100):
        exemplars.ended([saga] * 100)
        now[0] += 0.01
    assert len(asked) == 1
    now[0] += 60
    exemplars.ended([saga])
    assert len(asked) == 2
