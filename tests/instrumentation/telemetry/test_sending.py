"""Publishing: headers, span, metrics, log line."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta, timezone

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON, ParentBased, TraceIdRatioBased
from opentelemetry.trace import NoOpTracerProvider, SpanKind, StatusCode

from flowtrail._context import capture, restore
from instrumentation.support import Lab, header, record


def test_an_event_carries_all_its_headers() -> None:
    lab = Lab()
    sending = lab.telemetry.sending(
        "orders", type="OrderPlaced", subject="o-1", sequence=3, dataschema="OrderPlaced/2",
        content_type="application/json",
    )  # fmt: skip
    headers = sending.headers
    assert header(headers, "ce_specversion") == "1.0"
    assert header(headers, "ce_id") == sending.event_id
    assert header(headers, "ce_type") == "OrderPlaced"
    assert header(headers, "ce_source") == "/lab"
    assert header(headers, "ce_time") == "2023-11-14T22:13:20.000000Z"
    assert header(headers, "ce_subject") == "o-1"
    assert header(headers, "ce_sequence") == "3"
    assert header(headers, "ce_correlationid") == sending.event_id
    assert header(headers, "ce_causationid") is None
    assert header(headers, "ce_dataschema") == "OrderPlaced/2"
    assert header(headers, "content-type") == "application/json"
    assert header(headers, "traceparent") is not None


def test_a_given_time_keeps_its_moment() -> None:
    moment = datetime(2026, 5, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    sending = Lab().telemetry.sending("t", type="T", time=moment)
    assert header(sending.headers, "ce_time") == "2026-05-01T10:00:00.000000Z"


def test_a_given_id_does_not_name_the_flow() -> None:
    sending = Lab().telemetry.sending("t", type="T", id="1")
    assert sending.event_id == "1"
    assert sending.correlation_id != "1"


def test_span_attributes_are_there_at_creation_and_complete_at_the_end() -> None:
    lab = Lab()
    sending = lab.telemetry.sending(
        "orders", type="OrderPlaced", subject="o-1", key=b"o-1", value_size=2, client_id="c"
    )
    lab.clock.advance(0.25)
    sending.done(partition=4, offset=99)
    span = lab.span("send orders")
    assert span.kind is SpanKind.PRODUCER
    assert span.attributes is not None
    assert dict(span.attributes) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "orders",
        "messaging.client.id": "c",
        "messaging.message.id": sending.event_id,
        "messaging.message.conversation_id": sending.correlation_id,
        "messaging.kafka.message.key": "o-1",
        "messaging.message.body.size": 2,
        "messaging.destination.partition.id": "4",
        "messaging.kafka.offset": 99,
        "cloudevents.event_type": "OrderPlaced",
        "cloudevents.event_subject": "o-1",
    }
    assert lab.value("messaging_client_sent_messages_total", messaging_destination_name="orders") == 1
    assert lab.value("messaging_client_operation_duration_seconds_sum") == 0.25


def test_a_failure_is_on_the_span_and_counted_by_type() -> None:
    lab = Lab()
    sending = lab.telemetry.sending("orders", type="OrderPlaced")
    sending.fail(TimeoutError("no broker"))
    span = lab.span("send orders")
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "TimeoutError"
    assert [event.name for event in span.events] == ["exception"]
    assert lab.value("messaging_client_sent_messages_total", error_type="TimeoutError") == 1


def test_only_the_first_end_counts() -> None:
    lab = Lab()
    sending = lab.telemetry.sending("orders")
    threads = [threading.Thread(target=sending.done) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sending.fail("late")
    assert len(lab.spans) == 1
    assert lab.value("messaging_client_sent_messages_total") == 1


def test_the_log_line_names_the_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "flowtrail")
    lab = Lab()
    sending = lab.telemetry.sending("orders", type="OrderPlaced")
    sending.done(1, 5)
    (line,) = caplog.records
    assert line.name == "flowtrail.publish"
    assert line.levelno == logging.INFO
    assert "publish topic=orders partition=1 offset=5 type=OrderPlaced" in line.getMessage()
    assert vars(line)["correlation_id"] == sending.correlation_id
    assert vars(line)["trace_id"] == header(sending.headers, "traceparent").split("-")[1]  # type: ignore[union-attr]
    assert logging.Formatter("%(asctime)s %(threadName)s %(process)d %(message)s").format(line)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no queue takes it\nat all"), r"error='ValueError: no queue takes it\nat all'"),
        ("_MSG_TIMED_OUT", "error='_MSG_TIMED_OUT'"),
    ],
    ids=["exception", "word"],
)
def test_the_log_line_of_a_failure_says_why(
    caplog: pytest.LogCaptureFixture, error: Exception | str, said: str
) -> None:
    Lab().telemetry.sending("orders", type="OrderPlaced").fail(error)
    (line,) = caplog.records
    assert line.getMessage().endswith(said)


def test_own_log_record_factories_are_used(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "flowtrail")
    factory = logging.getLogRecordFactory()

    class Special(logging.LogRecord):
        pass

    logging.setLogRecordFactory(Special)
    try:
        Lab().telemetry.sending("orders").done()
    finally:
        logging.setLogRecordFactory(factory)
    assert type(caplog.records[0]) is Special


def test_inside_a_handler_the_flow_is_inherited() -> None:
    lab = Lab()
    first = lab.telemetry.sending("orders", type="OrderPlaced")
    first.done()
    with lab.telemetry.processing(record(first.headers)):
        second = lab.telemetry.sending("payments", type="PaymentCompleted")
        second.done()
    assert second.correlation_id == first.event_id
    assert header(second.headers, "ce_causationid") == first.event_id
    assert lab.span("send payments").parent.span_id == lab.span("process orders").context.span_id  # type: ignore[union-attr]
    assert len({span.context.trace_id for span in lab.spans if span.context}) == 1


@pytest.mark.parametrize("cause", ["why", None])
def test_an_event_that_is_passed_on_under_its_own_id_is_not_its_own_cause(cause: str | None) -> None:
    lab = Lab()
    came = [("ce_id", b"e-1"), ("ce_type", b"T"), ("ce_correlationid", b"flow")]
    if cause is not None:
        came.append(("ce_causationid", cause.encode()))
    with lab.telemetry.processing(record(came)):
        passed_on = lab.telemetry.sending("audit", headers=came)
        named = lab.telemetry.sending("audit", type="T", id="e-1")
        other = lab.telemetry.sending("audit", headers=[*came[1:], ("ce_id", b"e-2")])
    assert (header(passed_on.headers, "ce_id"), passed_on.causation_id) == ("e-1", cause)
    assert header(passed_on.headers, "ce_causationid") == cause
    assert header(passed_on.headers, "ce_correlationid") == "flow"
    assert header(named.headers, "ce_causationid") is None
    assert header(other.headers, "ce_causationid") == "e-1"


def test_another_flow_can_be_given() -> None:
    lab = Lab()
    first = lab.telemetry.sending("orders", type="OrderPlaced")
    with lab.telemetry.processing(record(first.headers)):
        captured = capture()
    later = lab.telemetry.sending("payments", type="P", context=captured)
    assert (later.correlation_id, later.causation_id) == (first.correlation_id, first.event_id)
    with restore(captured):
        assert lab.telemetry.sending("payments", type="P").correlation_id == first.correlation_id


def test_the_callers_headers_come_first_and_stay_untouched() -> None:
    lab = Lab()
    theirs = [("a", b"1"), ("traceparent", b"garbage"), ("a", b"2")]
    sending = lab.telemetry.sending("t", headers=theirs)
    assert sending.headers[:2] == [("a", b"1"), ("a", b"2")]
    assert header(sending.headers, "traceparent") != "garbage"
    assert theirs == [("a", b"1"), ("traceparent", b"garbage"), ("a", b"2")]


def test_an_event_that_the_caller_built_keeps_its_identity() -> None:
    lab = Lab()
    theirs = [
        ("ce_id", b"mine"),
        ("ce_type", b"T"),
        ("ce_correlationid", b"flow"),
        ("ce_causationid", b"why"),
    ]
    sending = lab.telemetry.sending("t", headers=theirs)
    assert header(sending.headers, "ce_id") == "mine"
    assert header(sending.headers, "ce_type") == "T"
    assert header(sending.headers, "ce_correlationid") == "flow"
    assert header(sending.headers, "ce_causationid") == "why"


def test_a_forwarded_message_keeps_every_header_but_the_trace() -> None:
    lab = Lab()
    first = lab.telemetry.sending("orders", type="OrderPlaced", headers=[("x", b"y")])
    consumed = record(first.headers)
    with lab.telemetry.processing(consumed):
        again = lab.telemetry.sending("orders.dlq", headers=consumed.headers, forward=True)
        again.done()
    without_trace = [item for item in again.headers if item[0] != "traceparent"]
    assert without_trace == [item for item in first.headers if item[0] != "traceparent"]
    assert header(again.headers, "traceparent") != header(first.headers, "traceparent")
    assert again.event_id == first.event_id


def test_a_forwarded_plain_record_gets_the_identity_it_had() -> None:
    lab = Lab()
    plain = record([("x", b"y")])
    with lab.telemetry.processing(plain):
        again = lab.telemetry.sending("orders.dlq", headers=plain.headers, forward=True)
    assert header(again.headers, "ce_id") == "orders/0/7"
    assert header(again.headers, "ce_correlationid") == "orders/0/7"
    assert header(again.headers, "x") == "y"


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, ParentBased(TraceIdRatioBased(0.0)), TraceIdRatioBased(0.0)])
def test_what_is_not_sampled_still_travels(sampler: object) -> None:
    lab = Lab(sampler=sampler)
    sending = lab.telemetry.sending("orders")
    with lab.telemetry.processing(record(sending.headers)):
        inner = lab.telemetry.sending("payments")
    outer_parts = header(sending.headers, "traceparent").split("-")  # type: ignore[union-attr]
    inner_parts = header(inner.headers, "traceparent").split("-")  # type: ignore[union-attr]
    assert outer_parts[1] == inner_parts[1]
    assert int(outer_parts[3], 16) & 1 == 0
    assert lab.spans == ()


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_shortcuts_decide_as_the_sampler_would(rate: float) -> None:
    sampler = ParentBased(TraceIdRatioBased(rate))
    lab = Lab(sampler=sampler)
    for _ in range(200):
        sending = lab.telemetry.sending("orders")
        trace_id, flags = header(sending.headers, "traceparent").split("-")[1::2]  # type: ignore[union-attr]
        should = sampler.should_sample(None, int(trace_id, 16), "x").decision.is_sampled()
        assert bool(int(flags, 16) & 1) == should


def test_an_unknown_sampler_is_asked() -> None:
    class Own(type(DEFAULT_ON)):  # type: ignore[misc]
        asked = 0

        def should_sample(self, *arguments: object, **named: object) -> object:
            Own.asked += 1
            return super().should_sample(*arguments, **named)

    lab = Lab(sampler=Own(ALWAYS_OFF))
    lab.telemetry.sending("orders").done()
    assert Own.asked == 1
    assert lab.spans == ()


def test_without_a_tracer_the_context_above_travels_on() -> None:
    lab = Lab(tracer_provider=NoOpTracerProvider())
    assert header(lab.telemetry.sending("t").headers, "traceparent") is None
    above = "00-11111111111111111111111111111111-2222222222222222-01"
    with lab.telemetry.processing(record([("traceparent", above.encode())])):
        sending = lab.telemetry.sending("t")
    assert header(sending.headers, "traceparent") == above


def test_baggage_travels_only_by_name() -> None:
    from opentelemetry import baggage, context

    token = context.attach(baggage.set_baggage("secret", "s", baggage.set_baggage("tenant", "a b")))
    try:
        assert header(Lab().telemetry.sending("t").headers, "baggage") is None
        sending = Lab(baggage_keys=["tenant"]).telemetry.sending("t", headers=[("baggage", b"old=1")])
    finally:
        context.detach(token)
    assert header(sending.headers, "baggage") == "tenant=a+b"
