"""Everything that can be wrong with a flow file is said with its line and column."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.sagas.flow_file import FlowFileError, load_flows, parse_flows

FLOW = """\
flows:
  orders:
    starts: OrderPlaced
    steps:
      reserve: {done: StockReserved, within: 30s}
      charge:
        done: [PaymentCompleted, Paid]
        after: reserve
    completes: OrderShipped
    cancels: OrderCancelled
"""

WRONG = [
    # what to replace, by what, line, column, words of the message
    ("within: 30s}", "times: {event: N}}", 5, 38, "'times' needs 'field'"),
    ("within: 30s}", "times: {field: $.n}}", 5, 38, "'times' needs 'event'"),
    ("within: 30s}", "times: {event: N, field: n}}", 5, 56, "'field' takes a path"),
    ("within: 30s}", "times: {event: N, field: 3}}", 5, 56, "'field' takes a path"),
    ("within: 30s}", "times: {event: [], field: $.n}}", 5, 46, "'event' must be"),
    ("within: 30s}", "times: {event: N, field: $.n, more: 1}}", 5, 68, "'times' has no key 'more'"),
    ("within: 30s}", "times: 0}", 5, 38, "or name an 'event' and its 'field'"),
    ("within: 30s}", "of: $.id}", 5, 38, "'of' takes a field of the payload"),
    ("within: 30s}", "of: {}}", 5, 38, "'of' needs 'field'"),
    ("within: 30s}", "of: {field: $}}", 5, 43, "'field' takes a path"),
    ("within: 30s}", "of: {from: key}}", 5, 43, "'of' has no key 'from'"),
    ("flows:\n", "flow:\n", 1, 1, "expected a mapping with the key 'flows'"),
    ("flows:\n", "more: 1\nflows:\n", 1, 1, "the file has no key 'more'"),
    ("  orders:", "  a b:", 2, 3, "a flow's name is made of"),
    ("  orders:", "  start:", 2, 3, "isn't 'start'"),
    ("    starts: OrderPlaced", "    start: OrderPlaced", 3, 5, "did you mean 'starts'?"),
    ("    starts: OrderPlaced\n", "", 2, 3, "flow 'orders' needs 'starts'"),
    ("    completes: OrderShipped\n", "", 2, 3, "flow 'orders' needs 'completes'"),
    ("starts: OrderPlaced", "starts: 5", 3, 5, "'starts' must be an event type or a list of them"),
    ("starts: OrderPlaced", "starts: []", 3, 5, "'starts' must be"),
    ("starts: OrderPlaced", "starts: ' '", 3, 5, "'starts' must be"),
    ("starts: OrderPlaced", "starts: {a: b}", 3, 5, "'starts' must be"),
    ("starts: OrderPlaced", "starts: OrderShipped", 9, 5, "can't be in both 'starts' and 'completes'"),
    ("starts: OrderPlaced", "starts: OrderCancelled", 10, 5, "can't be in both 'starts' and 'cancels'"),
    ("completes: OrderShipped", "completes: OrderCancelled", 10, 5, "in both 'completes' and 'cancels'"),
    ("within: 30s", "within: soon", 5, 38, "'within' must be a duration"),
    ("within: 30s", "within: 30", 5, 38, "'within' must be a duration"),
    ("within: 30s", "within: 0s", 5, 38, "'within' must be a duration"),
    ("within: 30s", "within: null", 5, 38, "'within' must be a duration"),
    ("within: 30s", "witin: 30s", 5, 38, "did you mean 'within'?"),
    ("within: 30s", "optional: perhaps", 5, 38, "'optional' must be true or false"),
    ("within: 30s", "by: [a]", 5, 38, "'by' must be the name of a consumer group"),
    ("{done: StockReserved, within: 30s}", "{by: inventory}", 5, 7, "step 'reserve' needs 'done'"),
    ("{done: StockReserved, within: 30s}", "StockReserved", 5, 7, "step 'reserve' must be a mapping"),
    ("done: [PaymentCompleted, Paid]", "done: [StockReserved]", 6, 7, "already used by step 'reserve'"),
    ("within: 30s", "times: 0", 5, 38, "'times' must be a whole number from 1 to 1000"),
    ("within: 30s", "times: yes", 5, 38, "'times' must be a whole number"),
    ("within: 30s", "was: 5", 5, 38, "'was' must be the name, or the names"),
    ("within: 30s", "was: charge", 5, 38, "'charge' is, or was, step 'charge': it can be only one"),
    ("within: 30s", "was: reserve", 5, 38, "'reserve' is, or was, step 'reserve'"),
    (
        "within: 30s",
        "was: [hold, hold], by: hold}\n      bill: {done: X, was: hold",
        6,
        23,
        "was, step 'reserve'",
    ),
    ("within: 30s", "instead_of: charge", 5, 38, "step 'charge' doesn't stand before step 'reserve'"),
    ("within: 30s", "instead_of: [a]", 5, 38, "'instead_of' must be the name of a step"),
    ("after: reserve", "instead_of: reserv", 8, 9, "did you mean 'reserve'?"),
    ("after: reserve", "instead_of: charge", 8, 9, "doesn't stand before step 'charge'"),
    (
        "after: reserve",
        "after: reserve\n        instead_of: reserve",
        8,
        9,
        "stands instead of 'reserve' and has its 'after'",
    ),
    (
        "    cancels:",
        "    correlate: order\n    cancels:",
        10,
        5,
        "'correlate' must be one of correlation, subject, key",
    ),
    ("after: reserve", "after: reserv", 8, 9, "did you mean 'reserve'?"),
    ("after: reserve", "after: charge", 8, 9, "doesn't stand before step 'charge'"),
    ("after: reserve", "after: [1]", 8, 9, "'after' must be"),
    ("      charge:", "      reserve:", 6, 7, "duplicate key"),
    ("{done: StockReserved, within: 30s}", "{done: StockReserved", 6, 13, "expected ',' or '}'"),
    ("starts: OrderPlaced", "starts: *nobody", 3, 13, "undefined alias"),
    ("starts: OrderPlaced", "starts: !!python/name:os.system OrderPlaced", 3, 5, "'starts' must be"),
]


@pytest.mark.parametrize(("old", "new", "line", "column", "words"), WRONG)
def test_said_with_line_and_column(old, new, line, column, words):
    assert old in FLOW
    with pytest.raises(FlowFileError) as raised:
        parse_flows(FLOW.replace(old, new, 1), "my.yaml")
    message = str(raised.value)
    assert message.startswith(f"my.yaml:{line}:{column}: "), message
    assert (raised.value.line, raised.value.column) == (line, column)
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "1:1"),
        ("[]", "1:1"),
        ("flows:", "1:1"),
        ("flows: {}", "1:1"),
        ("flows: [a]", "1:1"),
        ("flows:\n  orders:\n", "2:3"),
        ("flows:\n  orders: {starts: A, completes: B, steps: [x]}", "2:37"),
        ("flows:\n  5: {starts: A, completes: B}", "2:3"),
        ("\tflows: 1", "1:1"),
        ("flows: \x00", "1:1"),
        pytest.param("a: " + "[" * 3_000, "1:1", marks=pytest.mark.slow(6)),
    ],
)
def test_malformed_altogether(text, place):
    with pytest.raises(FlowFileError) as raised:
        parse_flows(text, "my.yaml")
    assert str(raised.value).startswith(f"my.yaml:{place}: "), raised.value


@given(st.text(max_size=60) | st.text("flows: {}[]ab\n-&*!|>'\"", max_size=80))
def test_no_text_raises_anything_else(text):
    with contextlib.suppress(FlowFileError):
        parse_flows(text)


def test_a_good_file_says_what_it_says():
    flow = parse_flows(FLOW).by_name["orders"]
    assert flow.starts == ("OrderPlaced",)
    assert [(step.name, step.done, step.after, step.within_ms) for step in flow.steps] == [
        ("reserve", ("StockReserved",), (), 30_000),
        ("charge", ("PaymentCompleted", "Paid"), ("reserve",), None),
    ]


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("500ms", 500), ("30s", 30_000), ("1.5m", 90_000), ("2h", 7_200_000), ("1d", 86_400_000),
     ("2w", 1_209_600_000), (" 5 s ", 5_000)],
)  # fmt: skip
def test_durations(text, milliseconds):
    flows = parse_flows(f"flows: {{f: {{starts: A, completes: B, within: '{text}'}}}}")
    assert flows.by_name["f"].within_ms == milliseconds


def test_files_that_cannot_be_read(tmp_path):
    for make, words in (
        (lambda path: None, "No such file"),
        (lambda path: path.mkdir(), "directory"),
        (lambda path: path.write_bytes(b"flows: \xff"), "not UTF-8"),
        (lambda path: path.write_bytes(b"#" * 1_000_001), "larger than"),
    ):
        path = tmp_path / f"{words[:3]}.yaml"
        make(path)
        with pytest.raises(ConfigurationError, match=words):
            load_flows(path)
