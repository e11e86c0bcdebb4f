"""Records are made of messages alike in Python and in C: the contract of `records_of`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE, Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail_collector.brokers.kafka.tail.records import RecordsOf, records_of, records_reader
from flowtrail_collector.events.model import Position
from flowtrail_collector.events.reading import Incoming
from headerkit.names import write_bad_names
from waiting import scaled, wait_for

READING = {("a", 0), ("a", 1), ("b", 0)}
POSITIONS = {("a", 0): Position(5, 0), ("a", 1): Position(0, 0), ("b", 0): Position(7, 0), ("c", 0): Position(0, 0)}  # fmt: skip
KINDS = {"a": (False, False), "b": (True, False)}


@dataclass(frozen=True)
class Given:
    """A message as the client gives it."""

    at: tuple[Any, Any] = ("a", 0)
    number: Any = 9
    moment: tuple[int, int] = (TIMESTAMP_CREATE_TIME, 1_000)
    own_key: bytes | None = b"k"
    pairs: list[tuple[str, bytes | None]] | None = field(default_factory=lambda: [("ce_id", b"e")])
    wrong: object = None

    def error(self) -> object:
        return self.wrong

    def topic(self) -> Any:
        return self.at[0]

    def partition(self) -> Any:
        return self.at[1]

    def offset(self) -> Any:
        return self.number

    def timestamp(self) -> tuple[int, int]:
        return self.moment

    def key(self) -> bytes | None:
        return self.own_key

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self.pairs

    def value(self) -> bytes | None:
        return b"value"


@pytest.fixture(params=["python", "compiled"])
def made(request: pytest.FixtureRequest) -> RecordsOf:
    if request.param == "python":
        return records_of
    compiled: ModuleType = request.getfixturevalue("compiled")
    return records_reader(compiled)


def taken(made: RecordsOf, messages: list[Any], start: int = 0) -> tuple[int, list[Incoming], dict[Any, Any]]:
    """Where it ended, the records, and the last of each partition."""
    records: list[Incoming] = []
    last: dict[Any, Incoming] = {}
    place = made(messages, start, READING, POSITIONS, KINDS.__getitem__, records, last)
    return place, records, last


def test_a_record_holds_what_its_message_holds(made: RecordsOf) -> None:
    message = Given()
    place, (record,), last = taken(made, [message])
    assert place == 1
    assert record[:8] == ("a", 0, 9, 1_000, b"k", [("ce_id", b"e")], False, False)
    assert type(record) is Incoming
    assert record.value is not None
    assert record.value() == b"value"
    assert last == {("a", 0): record}


def test_it_ends_at_an_error(made: RecordsOf) -> None:
    messages = [Given(), Given(wrong="gone"), Given(number=10), Given(wrong="gone, too")]
    place, records, last = taken(made, messages)
    assert (place, [record.offset for record in records]) == (1, [9])
    assert last["a", 0] is records[-1]
    place, records, last = taken(made, messages, 2)
    assert (place, [record.offset for record in records]) == (3, [10])
    assert last["a", 0] is records[-1]
    assert taken(made, messages, 4) == (4, [], {})
    assert taken(made, []) == (0, [], {})


@pytest.mark.parametrize(
    ("message", "offset"),
    [
        (Given(number=4), None),  # before its position
        (Given(number=5), 5),
        (Given(("a", 1), 0), 0),
        (Given(("a", 1), None), 0),  # as the client types it
        (Given(("b", 0), 6), None),
        (Given(("c", 0), 9), None),  # isn't being read
        (Given((None, None)), None),
    ],
)
def test_what_was_in_flight_is_left_out(made: RecordsOf, message: Given, offset: int | None) -> None:
    place, records, _ = taken(made, [message])
    assert place == 1
    assert [record.offset for record in records] == ([] if offset is None else [offset])


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ((TIMESTAMP_NOT_AVAILABLE, 5), None),
        ((TIMESTAMP_CREATE_TIME, -1), None),
        ((TIMESTAMP_CREATE_TIME, 0), 0),
        ((TIMESTAMP_CREATE_TIME, 2**62), 2**62),
    ],
)
def test_a_timestamp_that_is_none(made: RecordsOf, moment: tuple[int, int], expected: int | None) -> None:
    _, (record,), _ = taken(made, [Given(moment=moment)])
    assert record.timestamp_ms == expected


@pytest.mark.parametrize(
    "error", [SystemError("a result"), ValueError("?"), UnicodeDecodeError("u", b"", 0, 1, "")]
)
def test_headers_that_the_client_cant_give_are_none(made: RecordsOf, error: Exception) -> None:
    class Headless(Given):
        def headers(self) -> Any:
            raise error

    place, records, _ = taken(made, [Given(), Headless(number=10), Given(number=11)])
    assert place == 3
    assert [(r.offset, r.headers) for r in records] == [
        (9, [("ce_id", b"e")]),
        (10, None),
        (11, [("ce_id", b"e")]),
    ]


@pytest.mark.slow
def test_a_header_name_that_isnt_utf_8_costs_one_record_its_headers(
    made: RecordsOf,
    broker: str,
    topic: Callable[[str], str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr("flowtrail_collector.brokers.kafka.messages._Said.at", -math.inf)
    name = topic("names")
    admin = AdminClient({"bootstrap.servers": broker})  # kept until the answer is there
    (made_topic,) = admin.create_topics([NewTopic(name, 1, 1)]).values()
    made_topic.result(scaled(20))
    write_bad_names(broker, name)
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "names"})
    consumer.assign([TopicPartition(name, 0, 0)])
    messages: list[Any] = []
    wait_for(lambda: messages.extend(consumer.consume(200, 0.2)) or len(messages) >= 200, scaled(30))
    consumer.close()
    records: list[Incoming] = []
    place = made(messages, 0, {(name, 0)}, {(name, 0): Position(0, 0)}, lambda _: (False, False), records, {})
    assert place == len(records) == 200
    # So many that Python's own call would have been specialised, which no longer looks for an exception.
    assert [r.headers for r in records] == [None if n % 2 else [("good", b"v")] for n in range(200)]
    (line,) = [message for message in caplog.messages if "isn't UTF-8" in message]
    assert f"{name}-0@1:" in line


def test_a_message_that_fails_fails_it(made: RecordsOf) -> None:
    class Broken(Given):
        def key(self) -> Any:
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        taken(made, [Given(), Broken()])


MESSAGES = st.lists(
    st.builds(
        Given,
        st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 1)),
        st.integers(0, 12),
        st.tuples(st.integers(0, 2), st.integers(-1, 3)),
        st.none() | st.binary(max_size=2),
        st.none() | st.lists(st.tuples(st.text(max_size=2), st.none() | st.binary(max_size=2)), max_size=2),
        st.sampled_from([None, None, None, None, "gone"]),
    ),
    max_size=12,
)


@pytest.mark.slow
@given(MESSAGES, st.integers(0, 3))
@settings(max_examples=500, deadline=None)
def test_both_take_the_same(compiled: ModuleType, messages: list[Given], start: int) -> None:
    start = min(start, len(messages))
    assert taken(records_reader(compiled), messages, start) == taken(records_of, messages, start)
