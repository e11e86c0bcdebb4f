"""Handling: span around the handler, flow inside, metrics, log line."""

from __future__ import annotations

import logging
from contextlib import suppress

import pytest
from opentelemetry import trace
from opentelemetry.trace import NoOpTracerProvider, SpanKind, StatusCode

from flowtrail._codec import JsonCodec
from flowtrail._context import capture, current_event, extract, inject, restore
from flowtrail._runtime.own_loop import process, process_batch
from flowtrail.errors import DecodeError
from instrumentation.support import Lab, header, record

CODEC = JsonCodec()


def decode(_envelope: object, value: bytes) -> object:
    return CODEC.decode(value)


def test_the_process_span_is_the_child_of_the_send_span() -> None:
    lab = Lab()
    sending = lab.telemetry.sending("orders", type="OrderPlaced", subject="o-1")
    sending.done(0, 7)
    timestamp_ms = lab.clock.time_ns() // 1_000_000
    lab.clock.advance(2)
    with lab.telemetry.processing(record(sending.headers, timestamp_ms=timestamp_ms), group="billing"):
        lab.clock.advance(0.5)
    send, handled = lab.span("send orders"), lab.span("process orders")
    assert handled.kind is SpanKind.CONSUMER
    assert handled.parent is not None
    assert handled.parent.span_id == send.context.span_id
    assert handled.parent.is_remote
    assert handled.attributes is not None
    assert dict(handled.attributes) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "orders",
        "messaging.consumer.group.name": "billing",
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 7,
        "messaging.message.id": sending.event_id,
        "messaging.message.conversation_id": sending.correlation_id,
        "messaging.kafka.message.key": "k",
        "cloudevents.event_type": "OrderPlaced",
        "cloudevents.event_subject": "o-1",
    }
    assert handled.end_time - handled.start_time >= 0  # type: ignore[operator]
    group = {"messaging_consumer_group_name": "billing"}
    assert lab.value("messaging_client_consumed_messages_total", **group) == 1
    assert lab.value("messaging_process_duration_seconds_sum", **group) == 0.5
    assert lab.value("flowtrail_queue_duration_seconds_sum", **group) == 2


def test_links_on_request() -> None:
    lab = Lab(links_only=True)
    sending = lab.telemetry.sending("orders")
    sending.done()
    with lab.telemetry.processing(record(sending.headers)):
        pass
    send, handled = lab.span("send orders"), lab.span("process orders")
    assert handled.parent is None
    assert handled.context.trace_id != send.context.trace_id
    assert [link.context.span_id for link in handled.links] == [send.context.span_id]


def test_the_event_is_current_inside_and_only_inside() -> None:
    lab = Lab()
    assert current_event() is None
    with process(lab.telemetry, record([("ce_id", b"e")], value=b'{"a":1}'), decode=decode) as event:
        assert current_event() is event
        assert (event.id, event.correlation_id, event.data) == ("e", "e", {"a": 1})
        assert trace.get_current_span().is_recording()
    assert current_event() is None
    assert not trace.get_current_span().is_recording()


def test_an_exception_is_recorded_and_goes_on() -> None:
    lab = Lab()
    with pytest.raises(ValueError, match="no"), lab.telemetry.processing(record(), group="g"):
        raise ValueError("no")
    span = lab.span("process orders")
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ValueError"
    assert [event.name for event in span.events] == ["exception"]
    assert lab.value("messaging_process_duration_seconds_count", error_type="ValueError") == 1


def test_undecodable_data_fails_inside_the_span() -> None:
    lab = Lab()
    with pytest.raises(DecodeError), process(lab.telemetry, record(value=b"{"), decode=decode):
        pass
    assert lab.span("process orders").status.status_code is StatusCode.ERROR


def test_retries_count_once_as_consumed() -> None:
    lab = Lab()
    for attempt in (1, 2, 3):
        with lab.telemetry.processing(record(), attempt=attempt) as processing:
            processing.outcome = "retry" if attempt < 3 else "ok"
    assert lab.value("messaging_client_consumed_messages_total") == 1
    assert lab.value("messaging_process_duration_seconds_count") == 3
    attempts = [span.attributes.get("flowtrail.attempt") for span in lab.spans if span.attributes]
    assert attempts == [None, 2, 3]


def test_clock_skew_is_zero_and_counted() -> None:
    lab = Lab()
    future = lab.clock.time_ns() // 1_000_000 + 5000
    with lab.telemetry.processing(record(timestamp_ms=future)):
        pass
    assert lab.value("flowtrail_queue_duration_seconds_sum") == 0
    assert lab.value("flowtrail_queue_duration_seconds_count") == 1
    assert lab.value("flowtrail_clock_skew_total") == 1


def test_a_tombstone() -> None:
    lab = Lab()
    with process(lab.telemetry, record(value=None), decode=decode) as event:
        assert event.data is None
    attributes = lab.span("process orders").attributes
    assert attributes is not None
    assert attributes["messaging.kafka.message.tombstone"] is True


def test_dropped_headers_are_counted() -> None:
    lab = Lab()
    with lab.telemetry.processing(record([("ce_id", b"\xff"), ("traceparent", b"nonsense")])):
        pass
    assert lab.value("flowtrail_dropped_headers_total", reason="encoding") == 1
    assert lab.value("flowtrail_dropped_headers_total", reason="value") == 1


def test_the_log_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "flowtrail")
    lab = Lab()
    with lab.telemetry.processing(record([("ce_id", b"e"), ("ce_correlationid", b"c")]), group="g"):
        pass
    (line,) = caplog.records
    assert "consume topic=orders partition=0 offset=7 group=g" in line.getMessage()
    assert "correlation_id=c" in line.getMessage()
    assert "outcome=ok" in line.getMessage()


class _Sayless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no such card"), "error='ValueError: no such card'"),
        (ValueError(), "error='ValueError'"),
        (
            ValueError("a\nconsume topic=other \x1b[31m"),
            r"error='ValueError: a\nconsume topic=other \x1b[31m'",
        ),
        (ValueError("x" * 10_000), f"error='ValueError: {'x' * 288}'"),
        (_Sayless(), "which has no message>'"),
    ],
    ids=["message", "none", "lines", "long", "broken"],
)
@pytest.mark.parametrize("how", ["raised", "failed"])
def test_the_log_line_of_a_failure_says_why(
    caplog: pytest.LogCaptureFixture, error: Exception, said: str, how: str
) -> None:
    lab = Lab()
    with suppress(type(error)), lab.telemetry.processing(record()) as processing:
        if how == "raised":
            raise error
        processing.fail(error)
        processing.outcome = "dead_letter"
    (line,) = caplog.records
    assert line.getMessage().endswith(said)
    assert "\n" not in line.getMessage()
    assert f"outcome={'error' if how == 'raised' else 'dead_letter'} " in line.getMessage()


def test_internal_failures_are_counted_logged_once_and_kept_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("FLOWTRAIL_RAISE_INTERNAL_ERRORS", raising=False)
    monkeypatch.setattr("flowtrail._telemetry.logs._reported", set())
    lab = Lab()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(lab.telemetry.starter, "begin", broken)
    for _ in range(3):
        with lab.telemetry.processing(record()):
            pass
    assert lab.value("flowtrail_internal_errors_total", where="processing") == 3
    assert len([line for line in caplog.records if line.levelno == logging.ERROR]) == 1


def test_inject_and_extract_are_opposites() -> None:
    lab = Lab()
    sending = lab.telemetry.sending("orders", type="T")
    with lab.telemetry.processing(record(sending.headers)):
        carried = inject([("x", b"1"), ("ce_correlationid", b"old")])
        inside = capture()
    assert header(carried, "x") == "1"
    found = extract(carried)
    assert (found.correlation_id, found.causation_id) == (inside.correlation_id, inside.causation_id)
    with restore(found):
        later = lab.telemetry.sending("payments", type="P")
    assert later.correlation_id == sending.correlation_id
    assert later.causation_id == sending.event_id
    assert header(later.headers, "traceparent").split("-")[1] == header(carried, "traceparent").split("-")[1]  # type: ignore[union-attr]


def test_extract_never_raises() -> None:
    assert extract(None).correlation_id is None
    assert extract({"X-Correlation-ID": "abc"}).correlation_id == "abc"
    assert extract([("traceparent", b"\xff"), 5]).correlation_id is None


def test_without_a_tracer_everything_else_works() -> None:
    lab = Lab(tracer_provider=NoOpTracerProvider())
    with lab.telemetry.processing(record([("ce_id", b"e")])):
        event = current_event()
        assert event is not None
        assert lab.telemetry.sending("t").causation_id == "e"
    assert lab.value("messaging_client_consumed_messages_total") == 1


def test_a_batch_has_one_span_links_and_each_messages_flow() -> None:
    lab = Lab()
    sendings = [lab.telemetry.sending("orders", type="T") for _ in range(3)]
    for sending in sendings:
        sending.done()
    records = [record(sending.headers, offset=number) for number, sending in enumerate(sendings)]
    published = []
    with process_batch(lab.telemetry, records, group="g") as batch:
        for item in batch:
            with item as event:
                assert current_event() is event
                published.append(lab.telemetry.sending("out", type="O"))
                if event.offset == 1:
                    item.fail(ValueError("this one"))
    span = lab.span("process orders")
    assert span.parent is None
    assert [link.context.span_id for link in span.links] == [
        one.context.span_id for one in lab.spans if one.name == "send orders" and one.context
    ]
    assert span.attributes is not None
    assert span.attributes["messaging.batch.message_count"] == 3
    assert span.attributes["flowtrail.batch.failed"] == 1
    assert [one.correlation_id for one in published] == [one.correlation_id for one in sendings]
    assert lab.value("messaging_client_consumed_messages_total") == 3
    assert lab.value("messaging_process_duration_seconds_count") == 1


def test_polls_that_bring_nothing_leave_no_span() -> None:
    lab = Lab()
    with lab.telemetry.polling(group="g"):
        pass
    with lab.telemetry.polling(group="g") as operation:
        operation.received("orders", 5)
    with lab.telemetry.committing(["orders"], group="g"):
        pass
    assert [span.name for span in lab.spans] == ["poll orders", "commit orders"]
    assert [span.kind for span in lab.spans] == [SpanKind.CLIENT, SpanKind.CLIENT]


@pytest.mark.parametrize("flags", ["00", "02"])
def test_an_unsampled_trace_goes_on_under_its_own_ids(flags: str) -> None:
    lab = Lab()
    above = f"00-{'1' * 32}-{'2' * 16}-{flags}"
    with lab.telemetry.processing(record([("traceparent", above.encode()), ("tracestate", b"a=1")])):
        inner = lab.telemetry.sending("out")
        context = trace.get_current_span().get_span_context()
    assert context.trace_id == int("1" * 32, 16)
    assert not context.trace_flags.sampled
    assert header(inner.headers, "traceparent") == above
    assert header(inner.headers, "tracestate") == "a=1"
    assert lab.spans == ()


def test_an_unsampled_trace_without_an_id_is_none() -> None:
    lab = Lab()
    above = f"00-{'0' * 32}-{'0' * 16}-00"
    with lab.telemetry.processing(record([("traceparent", above.encode())])):
        assert not trace.get_current_span().get_span_context().is_valid
        inner = lab.telemetry.sending("out")
    assert header(inner.headers, "traceparent") not in (None, above)


def test_waiting_in_the_queue_is_observed_through_any_clients_record() -> None:
    from instrumentation.fakes import aio_record, kafka_record

    lab = Lab()
    for consumed in (kafka_record(), aio_record()):
        with lab.telemetry.processing(consumed):
            pass
    assert lab.value("flowtrail_queue_duration_seconds_count") == 2
