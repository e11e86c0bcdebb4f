"""Dead letters that are too large, or have nowhere to go: what is left out, who waits, who doesn't."""

import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowtrail
from flowtrail.testing import Harness, MemoryBroker
from flowtrail.wire import Record

TEXT = "x" * 700
VALUE = b"v" * 3000
LIMIT = 3500
"""Room for the record and a few hundred bytes: what is added doesn't fit, step by step."""


def size_of(record: Any) -> int:
    value = getattr(record, "value", None) if isinstance(record, Record) else record.data
    headers = sum(len(name) + len(text) for name, text in record.headers)
    return len(record.key or b"") + len(value or b"") + headers


def died(
    limit: int,
    *,
    value: bytes | None = VALUE,
    key: bytes = b"k",
    own: int = 10,
    timing: flowtrail.Timing | None = None,
    **options: Any,
) -> Any:
    """The dead letter of a record in a broker with that limit, once it arrived there, and the log."""
    trail = flowtrail.Trail("billing", codec=flowtrail.BytesCodec(), timing=timing)
    calls: list[int] = []

    @trail.consumer("orders", retry=flowtrail.Retry(attempts=1), **options)
    def handle(event: flowtrail.Event[Any]) -> None:
        calls.append(event.offset)
        if event.offset == 0:
            raise ValueError(TEXT)

    with Harness(trail) as flow:
        headers = [("ce_id", b"1"), ("mine", b"h" * own)]
        flow.broker.append("orders", key, value, headers)
        flow.broker.append("orders", key, b"next", [("ce_id", b"2")])
        flow.broker.max_record_bytes = limit
        flow.run()
        (letter,) = flow.broker.records("orders.billing.dlq")
        assert flow.committed("billing", "orders") == 2
        lines = [line.getMessage() for line in flow.logs if line.levelno == logging.WARNING]
    assert calls == [0, 1], "nothing is handled twice"
    return letter, [line for line in lines if "too large" in line]


def texts(letter: Record) -> dict[str, bytes | None]:
    return dict(letter.headers)


FULL, _ = died(10**9)
FULL_SIZE = size_of(FULL)
TRACE = len("dlq.error.stacktrace") + len(texts(FULL)["dlq.error.stacktrace"] or b"")
MESSAGE = len("dlq.error.message") + len(TEXT)
MINIMUM = ("dlq.topic", "dlq.partition", "dlq.offset", "dlq.timestamp", "dlq.group")


@pytest.mark.parametrize(
    ("limit", "gone", "said"),
    [
        (FULL_SIZE, set(), None),
        (FULL_SIZE - 1, {"dlq.error.stacktrace"}, "without its stack trace"),
        (FULL_SIZE - TRACE - 1, {"dlq.error.stacktrace", "dlq.error.message"}, "and error message"),
        (
            FULL_SIZE - TRACE - MESSAGE - 1,
            {name for name in texts(FULL) if name.startswith("dlq.") and name not in MINIMUM},
            "all that says why",
        ),
    ],
)
def test_what_was_added_goes_step_by_step(limit: int, gone: set[str], said: str | None) -> None:
    letter, lines = died(limit)
    assert set(texts(FULL)) - set(texts(letter)) == gone
    assert (letter.key, letter.value) == (FULL.key, FULL.value)
    assert texts(letter)["mine"] == texts(FULL)["mine"]
    assert bool(lines) == (said is not None)
    assert said is None or said in lines[-1]


def test_the_value_goes_when_the_minimum_has_no_room() -> None:
    letter, lines = died(len(VALUE) + 40)
    assert letter.value == b"", "a null would be a tombstone"
    assert letter.key == b"k"
    assert texts(letter)["dlq.oversize"] == b"headers-only"
    assert texts(letter)["dlq.error.message"] == TEXT.encode(), "there is room for the reason again"
    assert "without its value" in lines[-1]


def test_what_waited_for_a_letter_is_handled_however_short_a_slice_is() -> None:
    _, lines = died(300, timing=flowtrail.Timing(slice_seconds=0))
    assert lines


def test_a_function_says_where_the_value_is() -> None:
    moved: list[tuple[str, int, bytes | None]] = []

    def aside(record: Record) -> bytes:
        moved.append((record.topic, record.offset, record.value))
        return b"s3://letters/1"

    letter, _ = died(len(VALUE) + 40, oversize=aside)
    assert letter.value == b"s3://letters/1"
    assert texts(letter)["dlq.oversize"] == b"moved"
    assert moved == [("orders", 0, VALUE)], "once"


def test_a_function_that_fails_is_asked_again() -> None:
    asked: list[int] = []

    def aside(record: Record) -> bytes:
        asked.append(record.offset)
        if len(asked) < 3:
            raise ConnectionError("the store is away")
        return b"there"

    letter, _ = died(len(VALUE) + 40, oversize=aside)
    assert (letter.value, asked) == (b"there", [0, 0, 0])


@pytest.mark.parametrize("own", [5000, 100_000])
def test_huge_headers_of_its_own_leave_a_reference(own: int) -> None:
    letter, _ = died(LIMIT, own=own)
    found = texts(letter)
    assert {name: found[name] for name in MINIMUM} == {
        "dlq.topic": b"orders",
        "dlq.partition": b"0",
        "dlq.offset": b"0",
        "dlq.timestamp": texts(FULL)["dlq.timestamp"],
        "dlq.group": b"billing",
    }
    assert found["dlq.oversize"] == b"reference"


def test_a_tombstone_stays_one() -> None:
    letter, _ = died(800, value=None)
    assert letter.value is None
    assert "dlq.oversize" not in texts(letter)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    room=st.integers(300, 14_000),
    value=st.binary(max_size=6000) | st.none(),
    key=st.binary(min_size=1, max_size=3000),
    own=st.integers(0, 4000),
)
def test_a_letter_always_arrives_and_says_where_it_was(
    room: int, value: bytes | None, key: bytes, own: int
) -> None:
    letter, lines = died(room, value=value, key=key, own=own)
    found = texts(letter)
    assert (found["dlq.topic"], found["dlq.offset"]) == (b"orders", b"0")
    if "dlq.oversize" not in found:
        assert (letter.key, letter.value, found["mine"]) == (key, value, b"h" * own)
    assert bool(lines) == ("dlq.error.stacktrace" not in found)


def test_a_record_too_large_for_its_retry_topic_is_given_up_without_running_again() -> None:
    trail = flowtrail.Trail("billing", codec=flowtrail.BytesCodec())
    calls: list[tuple[int, int]] = []

    @trail.consumer("orders", retry=flowtrail.Retry(topics=[1, 1]))
    def handle(event: flowtrail.Event[Any]) -> None:
        calls.append((event.offset, event.attempt))
        raise ValueError("no")

    with Harness(trail) as flow:
        flow.broker.append("orders", b"k", VALUE, [("ce_id", b"1")])
        flow.broker.max_record_bytes = len(VALUE) + 90
        flow.run()
        (letter,) = flow.broker.records("orders.billing.dlq")
        assert texts(letter)["dlq.topic"] == b"orders"
        assert flow.committed("billing", "orders") == 1
    assert calls == [(0, 1)]


@pytest.mark.parametrize("batch", [None, 10])
@pytest.mark.parametrize("retriable", [True, False])
@pytest.mark.parametrize("times", [1, 3, 12])
@pytest.mark.parametrize("topics", [None, [1]])
def test_those_behind_one_that_cannot_be_passed_on_wait_and_run_once(
    batch: int | None, retriable: bool, times: int, topics: list[float] | None
) -> None:
    trail = flowtrail.Trail("billing")
    calls: list[tuple[int, int]] = []

    def work(event: flowtrail.Event[Any]) -> None:
        calls.append((event.offset, event.attempt))
        if event.offset == 1:
            raise ValueError("no")

    def each(events: flowtrail.Batch[Any]) -> None:
        for member in events:
            with member as event:
                work(event)

    retry = flowtrail.Retry(attempts=1, topics=topics)
    trail.consumer("orders", retry=retry, batch=batch)(work if batch is None else each)
    with Harness(trail) as flow:
        flow.broker.refuse(
            "orders.billing.retry.1" if topics else "orders.billing.dlq", times, retriable=retriable
        )
        for number in range(6):
            flow.broker.append("orders", b"k", b"{}", [("ce_id", b"%d" % number)])
        began = flow.clock.monotonic_ns()
        flow.run()
        assert (flow.clock.monotonic_ns() - began) / 1e9 >= 0.4 * times, (
            "it is not tried again without a rest"
        )
        assert flow.committed("billing", "orders") == 6
        assert len(flow.broker.records("orders.billing.dlq")) == 1
        assert flow.metric("flowtrail_dead_letters_total") == 1
    again = [(1, 2)] if topics else []
    assert sorted(calls) == sorted([(number, 1) for number in range(6)] + again)


def test_a_memory_broker_has_a_limit_like_a_real_one() -> None:
    broker = MemoryBroker(max_record_bytes=10)
    broker.append("t", b"k", b"123456789", [])
    with pytest.raises(Exception, match="too large"):
        broker.append("t", b"k", b"1234567890", [])
