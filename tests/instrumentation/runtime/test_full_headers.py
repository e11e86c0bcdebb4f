"""A dead letter whose headers alone are too large: they go, and the value stays."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail._runtime.letters import Contents, DeadLetter
from flowtrail.wire import Header, Record
from flowtrail.wire.amqp_tables import encoded
from flowtrail.wire.dead_letters import MAX_MESSAGE_CHARACTERS, MINIMUM, dead_letter_headers

VALUE = b"what the customer wants"
EVENT: list[Header] = [("ce_id", b"1"), ("ce_type", b"OrderPlaced"), ("amqp.content_encoding", b"gzip")]


def size_of(headers: list[Header]) -> int:
    return len(encoded(dict(headers)))


def failure(message: str) -> ValueError:
    """An error that was raised somewhere, with a stack trace."""
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


def sent(own: list[Header], room: int, message: str = "no") -> tuple[Contents, str | None]:
    """What stands in the dead letter topic of a broker that takes headers of so many bytes."""
    record = Record("orders", 0, 7, 1_700_000_000_000, b"k", VALUE, [*EVENT, *own])
    headers = dead_letter_headers(
        record, group="billing", attempts=3, error=failure(message), failed_at_ns=time.time_ns()
    )
    letter = DeadLetter("orders.billing.dlq", record, headers, "headers-only")
    said = None
    while size_of((contents := letter.contents()).headers) > room:
        said = letter.shrink(in_headers=True)
        assert said is not None, "nothing more could go"
    return contents, said


ALL, _ = sent([], 10**6)
ADDED = size_of(ALL.headers)


@pytest.mark.parametrize(
    ("own", "room", "gone", "said"),
    [
        ([("mine", b"h" * 900)], 10**6, set(), None),
        ([("mine", b"h" * 900)], ADDED + 900, {"dlq.error.stacktrace"}, "its stack trace"),
        ([("mine", b"h" * 9000)], 8000, {"mine"}, "headers of 1024 bytes and more"),
        (
            [(f"k{number}", b"v") for number in range(3000)],
            8000,
            {f"k{number}" for number in range(3000)},
            "headers that are no attributes of an event",
        ),
        (
            [("ce_subject", b"s" * 9000)],
            8000,
            {name for name, _ in ALL.headers if name not in MINIMUM} | {"ce_subject"},
            "headers but those that say where it was",
        ),
    ],
)
def test_headers_go_step_by_step_and_the_value_stays(
    own: list[Header], room: int, gone: set[str], said: str | None
) -> None:
    contents, told = sent(own, room)
    left = dict(contents.headers)
    assert (contents.key, contents.value) == (b"k", VALUE)
    assert "dlq.oversize" not in left
    assert {name for name, _ in [*ALL.headers, *own]} - set(left) == gone
    assert told == said


def test_it_names_the_headers_that_it_lost() -> None:
    contents, _ = sent([("small", b"s"), ("large", b"l" * 5000), ("other", b"o" * 5000)], 4000)
    assert dict(contents.headers)["dlq.left_out"] == b"large, other"
    assert dict(contents.headers)["small"] == b"s"
    many, _ = sent([(f"a long name, number {number}", b"v") for number in range(3000)], 4000)
    assert len(dict(many.headers)["dlq.left_out"] or b"") == MAX_MESSAGE_CHARACTERS


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=9), st.binary(max_size=3000)), max_size=20),
    st.integers(1500, 20_000),
    st.text(max_size=3000),
)
def test_a_letter_always_has_its_value(own: list[Header], room: int, message: str) -> None:
    contents, _ = sent(own, room, message)
    assert contents.value == VALUE
    assert {name for name, _ in contents.headers} >= MINIMUM
