"""Ended sagas as OTLP traces of their own: whole orders in Jaeger, even for services without tracing.

One trace per instance: a span for the whole, beneath it one per step with its outcome, linked to the span of
the event that ended the step where that event tells one. Ids follow from flow and key, so an instance that is
sent twice is the same trace twice.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.metrics.otlp import SCOPE, OtlpSender, attributes_of
from flowtrail_collector.sagas.model.assessment import Outcome, StepProgress, StepState
from flowtrail_collector.sagas.model.flows import Flow, Flows
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lateness import step_of
from flowtrail_collector.sagas.model.recurrence import stand
from flowtrail_collector.spans import attributes as names

__all__ = ["OtlpSagaTraces"]

logger = logging.getLogger("flowtrail_collector.saga_traces")

_SERVICE = "flowtrail-sagas"
_PER_REQUEST = 100
_MAX_WAITING = 20_000
_RETRY_SECONDS = 5.0
_MILLION = 1_000_000
Events = Callable[[Sequence[str], int], list[StoredEvent]]


class OtlpSagaTraces:
    """A `Part` that sends each ended instance as a trace.

    Args:
        endpoint: Base URL of an OTLP/HTTP receiver, or the whole address ending in `/v1/traces`.
        flows: The flows of the flow file.
        events: Finds the events of correlation ids, at most so many.
        headers: Sent along (authorisation); never logged.
        transport: Another httpx transport, for tests.
    """

    name = "saga traces"
    # A receiver that is away must not make the collector unready.
    problem: str | None = None

    def __init__(
        self,
        endpoint: str,
        flows: Flows,
        events: Events,
        *,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._sender = OtlpSender(
            endpoint, "traces", what="saga traces", logger=logger, headers=headers, transport=transport
        )
        self._flows = flows
        self._events = events
        self._waiting: deque[SagaRecord] = deque(maxlen=_MAX_WAITING)

    def ended(self, sagas: Iterable[SagaRecord]) -> None:
        """Take instances that have just ended; while the receiver is away, the last 20,000 wait."""
        self._waiting.extend(sagas)

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set."""
        while not stop.is_set():
            if not self._waiting:
                stop.wait(0.5)
            elif not self.send():
                stop.wait(_RETRY_SECONDS)
        self.send()

    def send(self) -> bool:
        """Send some of those that wait.

        Returns:
            Whether the receiver took them; else they go on waiting.
        """
        batch = [self._waiting.popleft() for _ in range(min(_PER_REQUEST, len(self._waiting)))]
        request = self._request(batch)
        if request is None or self._sender.send([request]):
            return True
        # At the front again, as far as there is room: what is oldest goes first.
        for saga in reversed(batch[: _MAX_WAITING - len(self._waiting)]):
            self._waiting.appendleft(saga)
        return False

    def _request(self, sagas: Sequence[SagaRecord]) -> ExportTraceServiceRequest | None:
        request = ExportTraceServiceRequest()
        part = request.resource_spans.add()
        part.resource.attributes.extend(attributes_of({"service.name": _SERVICE}))
        scope = part.scope_spans.add()
        scope.scope.name = SCOPE
        for saga in sagas:
            flow = self._flows.by_name.get(saga.flow)
            if flow is not None and saga.started_ms is not None:
                _saga_spans(scope, flow, saga, _own(saga, self._events([saga.key], 200)))
        return request if scope.spans else None


def _own(saga: SagaRecord, events: Sequence[StoredEvent]) -> Sequence[StoredEvent]:
    """Of the events under an instance's key, those that aren't another instance's."""
    if saga.instance == 1 and not saga.followed:
        return events
    moments = {mark[0] for mark in saga.events.values()}
    return [event for event in events if event.timestamp_ms in moments]


def _saga_spans(scope: ScopeSpans, flow: Flow, saga: SagaRecord, events: Sequence[StoredEvent]) -> None:
    """Add the spans of one instance that has started, linked to those that published its events."""
    trace_id = _digest(saga, "")[:16]
    started_ms = saga.started_ms or 0
    ended_ms = saga.ended_ms or saga.updated_ms
    texts = {
        "flowtrail.flow": flow.name,
        names.OUTCOME: saga.outcome.value,
        names.CONVERSATION_ID: saga.key,
        names.EVENT_SUBJECT: saga.subject or "",
    }
    root = _span(scope, trace_id, _digest(saga, "root")[:8], flow.name, started_ms, ended_ms, texts)
    if saga.outcome in (Outcome.FAILED, Outcome.TIMED_OUT):
        root.status.code, root.status.message = Status.STATUS_CODE_ERROR, saga.outcome.value
    _link(root, next((event for event in events if event.type in flow.starts), None))
    for progress in stand(flow, saga).steps:
        if progress.state is not StepState.WAITING and progress.since_ms is not None:
            _step_span(scope, root, saga, progress, events, ended_ms)


def _step_span(
    scope: ScopeSpans,
    root: Span,
    saga: SagaRecord,
    progress: StepProgress,
    events: Sequence[StoredEvent],
    ended_ms: int,
) -> None:
    step = progress.step
    since_ms = progress.since_ms or 0
    until_ms = progress.until_ms if progress.until_ms is not None else max(ended_ms, since_ms)
    texts = {
        "flowtrail.flow": saga.flow,
        "flowtrail.step": step.name,
        names.OUTCOME: progress.state.value,
        names.GROUP: step.by or "",
    }
    span_id = _digest(saga, "step " + step.name)[:8]
    span = _span(scope, root.trace_id, span_id, step.name, since_ms, until_ms, texts)
    span.parent_span_id = root.span_id
    if progress.state is StepState.FAILED:
        span.status.code = Status.STATUS_CODE_ERROR
    elif progress.state is StepState.OPEN:
        span.status.code, span.status.message = Status.STATUS_CODE_ERROR, "never ended"
    if step.name in map(step_of, saga.breached):
        span.events.add(name="deadline missed", time_unix_nano=(progress.deadline_ms or until_ms) * _MILLION)
    if progress.undone_ms is not None:
        span.events.add(name="undone", time_unix_nano=progress.undone_ms * _MILLION)
    _link(span, next((event for event in events if event.type in (*step.done, *step.failed)), None))
    _link(span, next((event for event in events if event.type in step.undone), None))


def _span(
    scope: ScopeSpans,
    trace_id: bytes,
    span_id: bytes,
    name: str,
    start_ms: int,
    end_ms: int,
    texts: Mapping[str, str],
) -> Span:
    return scope.spans.add(
        trace_id=trace_id,
        span_id=span_id,
        name=name,
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=max(1, start_ms * _MILLION),
        end_time_unix_nano=max(1, start_ms * _MILLION, end_ms * _MILLION),
        attributes=attributes_of({name: text for name, text in texts.items() if text}),
    )


def _link(span: Span, event: StoredEvent | None) -> None:
    if event is not None and event.trace_id and event.span_id:
        link = span.links.add(trace_id=bytes.fromhex(event.trace_id), span_id=bytes.fromhex(event.span_id))
        link.attributes.extend(attributes_of({names.MESSAGE_ID: event.event_id}))


def _digest(saga: SagaRecord, part: str) -> bytes:
    number = (str(saga.instance),) if saga.instance > 1 else ()
    text = "\0".join((saga.flow, saga.key, *number, part))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
