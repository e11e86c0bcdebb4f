"""`process` and `process_batch`, for programs that keep their own loop."""

from contextlib import nullcontext, suppress
from typing import Any

import pytest

import flowtrail
from flowtrail.testing import Harness
from flowtrail.wire import Record


def record(offset: int = 0, value: bytes = b"{}") -> Record:
    headers = [("ce_id", b"e-%d" % offset), ("ce_subject", b"o-1"), ("ce_correlationid", b"flow-1")]
    return Record("orders", 0, offset, 1_700_000_000_000, b"o-1", value, headers)


def test_what_is_published_in_the_block_is_there_when_it_ends() -> None:
    trail = flowtrail.Trail("billing")
    with Harness(trail) as flow:
        with trail.process(record(), group="billing") as event:
            trail.publish("payments", {}, type="Paid", subject=event.subject)
        (paid,) = flow.published("payments")
    assert (paid.correlation_id, paid.causation_id) == ("flow-1", "e-0")


def test_a_refused_publication_is_raised_at_the_end_of_the_block() -> None:
    trail = flowtrail.Trail("billing")
    reached = []

    def handle() -> None:
        with trail.process(record()):
            trail.publish("payments", {}, type="Paid")
            reached.append("after it")

    with Harness(trail) as flow:
        flow.broker.refuse("payments", times=1)
        with pytest.raises(flowtrail.PublishError):
            handle()
    assert reached == ["after it"], "publishing in the block doesn't wait"


@pytest.mark.parametrize("retriable", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_the_error_says_whether_trying_again_may_help(inside: bool, retriable: bool) -> None:
    trail = flowtrail.Trail("billing")
    with Harness(trail) as flow:
        flow.broker.refuse("payments", times=1, retriable=retriable)
        block = trail.process(record()) if inside else nullcontext()
        with pytest.raises(flowtrail.PublishError) as refused, block:
            trail.publish("payments", {}, type="Paid")
    assert refused.value.retriable is retriable


def test_the_same_for_a_batch() -> None:
    trail = flowtrail.Trail("billing")

    def handle() -> None:
        with trail.process_batch([record(0), record(1)], group="billing") as batch:
            for member in batch:
                with member as event:
                    trail.publish("payments", {}, type="Paid", subject=event.subject)

    with Harness(trail) as flow:
        flow.broker.refuse("payments", times=1)
        with pytest.raises(flowtrail.PublishError):
            handle()
        handle()
        causes = [paid.causation_id for paid in flow.published("payments")]
    assert causes[-2:] == ["e-0", "e-1"]


def test_one_of_a_batch_that_cannot_be_decoded_fails_alone() -> None:
    trail = flowtrail.Trail("billing")
    handled = []
    with Harness(trail) as flow:
        with trail.process_batch([record(0), record(1, b"{"), record(2)], group="g") as batch:
            for member in batch:
                with suppress(flowtrail.DecodeError), member as event:
                    handled.append(event.id)
            assert [type(member.error).__name__ for member in batch] == [
                "NoneType",
                "DecodeError",
                "NoneType",
            ]
        (span,) = flow.spans
        assert span.attributes["flowtrail.batch.failed"] == 1
        assert flow.metric("messaging_client_consumed_messages_total") == 3
    assert handled == ["e-0", "e-2"]


def test_a_batch_taken_as_a_whole_is_counted_whole() -> None:
    trail = flowtrail.Trail("billing")
    with Harness(trail) as flow:
        with trail.process_batch([record(0), record(1)], group="g") as batch:
            assert [event.id for event in batch.events] == ["e-0", "e-1"]
        assert flow.metric("messaging_client_consumed_messages_total") == 2


def test_what_the_block_raises_is_what_the_caller_sees() -> None:
    trail = flowtrail.Trail("billing")

    def fail(event: flowtrail.Event[Any]) -> None:
        trail.publish("payments", {}, type="Paid")
        raise LookupError(event.id)

    with Harness(trail) as flow:
        flow.broker.refuse("payments", times=1)
        with pytest.raises(LookupError), trail.process(record()) as event:
            fail(event)


def test_what_cannot_be_decoded_is_raised_in_the_span() -> None:
    trail = flowtrail.Trail("billing")
    with Harness(trail) as flow:
        with pytest.raises(flowtrail.DecodeError), trail.process(record(value=b"{")) as event:
            assert event.data
        assert [span.name for span in flow.spans] == ["process orders"]
        assert flow.spans[0].attributes["error.type"] == "flowtrail.errors.DecodeError"
