"""Dead letters as each project writes them, byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.dead_letters.model.conventions import CONVENTIONS
from flowtrail_collector.dead_letters.model.headers import DeadLetterHeaders, read_headers
from flowtrail_collector.dead_letters.model.letter import DeadLetter
from redrivekit.conventions import FIXTURES, SPRING_DLT


@pytest.mark.parametrize("name", FIXTURES)
def test_read_as_written(name):
    headers, expected = FIXTURES[name]
    assert read_headers(headers) == expected


def test_every_convention_has_a_fixture():
    read = {expected.convention for _, expected in FIXTURES.values()}
    assert read == {convention.name for convention in CONVENTIONS}


def test_the_library_writes_what_is_read_here():
    """Our own headers, from the code that writes them."""

    from flowtrail.wire import dead_letters

    written = {
        value for name, value in vars(dead_letters).items() if name.isupper() and isinstance(value, str)
    }
    own = next(convention for convention in CONVENTIONS if convention.name == "flowtrail")
    read = {header for sources in own.fields.values() for header, _ in sources}
    assert read <= written


def test_ours_counts_before_what_was_there_already():
    assert read_headers([*SPRING_DLT, ("dlq.topic", b"orders.retry")]).convention == "flowtrail"


@pytest.mark.parametrize("value", [b"", b"\x00", b"\x00" * 3, b"\x00" * 9, b"x"])
def test_a_number_of_the_wrong_length_is_unknown(value):
    letter = read_headers([("kafka_dlt-original-topic", b"t"), ("kafka_dlt-original-partition", value)])
    assert letter.source_partition is None
    assert letter.source_topic == "t"


@pytest.mark.parametrize("value", [b"", b"-", b"1.5", b"\xff", b"9" * 40, "١٢".encode(), b"1_0"])
def test_text_that_is_no_number_is_unknown(value):
    letter = read_headers([("__connect.errors.topic", b"t"), ("__connect.errors.offset", value)])
    assert letter == DeadLetterHeaders("kafka-connect", "t")


def test_texts_are_capped_and_cleaned():
    letter = read_headers(
        [
            ("dlq.topic", b"a" * 1_000_000),
            ("dlq.error.type", b"Evil\x1b[2J\nError\xff"),
            ("dlq.error.message", b"line 1\nline 2\x00" + b"m" * 10_000),
        ]
    )
    assert letter.source_topic == "a" * 512
    assert letter.error_type == "Evil [2J Error\ufffd"
    assert letter.error_message.startswith("line 1\nline 2 mmm")
    assert len(letter.error_message) == 2_000


@pytest.mark.parametrize(
    "headers",
    [
        None,
        (),
        [],
        5,
        [None],
        [()],
        [("a",)],
        [(b"a", b"b")],
        [("dlq.topic", None)],
        [("dlq.topic", "text")],
        "dlq.topic",
    ],
)
def test_garbage_is_unknown(headers):
    assert read_headers(headers) == DeadLetterHeaders()


NAMES = sorted(
    {name for c in CONVENTIONS for sources in c.fields.values() for name, _ in sources} | {"other"}
)
TEXTS = st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass"))


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.none() | st.binary(max_size=40) | TEXTS)))
def test_nothing_raises_and_everything_fits_the_store(headers):
    letter = read_headers(headers)
    for value in (letter.source_topic, letter.group, letter.error_type, letter.error_message):
        assert value is None or (value and len(value) <= 2_000 and value.encode())
    numbers = (
        letter.source_partition,
        letter.source_offset,
        letter.source_timestamp_ms,
        letter.attempts,
        letter.replays,
        letter.failed_ms,
    )
    for number in numbers:
        assert number is None or -(2**63) <= number < 2**63


@pytest.mark.parametrize("name", FIXTURES)
def test_what_headers_say_is_kept_under_the_same_names(name):
    read = read_headers(FIXTURES[name][0])
    kept = DeadLetter("orders.dlq", 0, 5, 1, "e1", "OrderPlaced", "o1", "f1", "pending", *read)
    assert kept._asdict().items() >= read._asdict().items()
