"""The stream gets a message exactly if somebody's queue does, whatever is bound to what."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.brokers.rabbitmq.plan import Plan, plan_of
from flowtrail_collector.settings import RabbitConfig

STREAM = "flowtrail.events"
Bound = tuple[str, str, str, str, Mapping[str, Any]]  # source, destination, its type, key, arguments
MESSAGES = [
    (key, headers)
    for key in ("", "a", "b", "a.b", "b.a.b")
    for headers in ({}, {"kind": "x"}, {"kind": "x", "size": 1})
]


def told(bindings: Iterable[Bound]) -> list[dict[str, Any]]:
    """As the management API has them."""
    names = ("source", "destination", "destination_type", "routing_key", "arguments")
    return [dict(zip(names, each, strict=True)) for each in bindings]


def planned(
    kinds: Mapping[str, str], bindings: Iterable[Bound], refused: Collection[str] = (), **settings: Any
) -> Plan:
    exchanges = [{"name": name, "type": kind} for name, kind in {"": "direct", **kinds}.items()]
    config = RabbitConfig("amqp://localhost", **settings)
    default = [("", queue, "queue", queue, {}) for queue in ("mine", STREAM)]
    return plan_of(config, exchanges, told([*default, *bindings]), refused)


def of_stream(plan: Plan) -> list[Bound]:
    return [(each.exchange, STREAM, "queue", each.key, each.table) for each in plan.wanted]


def matches(
    kind: str, pattern: str, arguments: Mapping[str, Any], key: str, headers: Mapping[str, Any]
) -> bool:
    """Whether a binding takes a message, as https://www.rabbitmq.com/docs/exchanges has it."""
    if kind == "fanout":
        return True
    if kind == "direct":
        return pattern == key
    if kind == "headers":
        asked = {name: value for name, value in arguments.items() if not name.startswith("x-")}
        met = [headers.get(name) == value for name, value in asked.items()]
        return any(met) if arguments.get("x-match") == "any" else all(met)
    words = [re.escape(word).replace(r"\*", r"[^.]+").replace(r"\#", "#") for word in pattern.split(".")]
    expression = (
        r"\.".join(words).replace(r"#\.", r"([^.]*\.)*").replace(r"\.#", r"(\.[^.]*)*").replace("#", ".*")
    )
    return re.fullmatch(expression, key) is not None


def reached(
    kinds: Mapping[str, str], bindings: Collection[Bound], exchange: str, key: str, headers: Mapping[str, Any]
) -> set[str]:
    """The queues that a message gets into."""
    queues: set[str] = set()
    waiting, passed = [exchange], {exchange}
    while waiting:
        here = waiting.pop()
        for source, destination, kind, pattern, arguments in bindings:
            if source != here or not matches(kinds[here], pattern, arguments, key, headers):
                continue
            if kind == "queue":
                queues.add(destination)
            elif destination not in passed:
                passed.add(destination)
                waiting.append(destination)
    return queues


KINDS = st.fixed_dictionaries(
    {
        name: st.sampled_from(["topic", "fanout", "direct", "headers"])
        for name in ("orders", "payments", "audit")
    }
)
ARGUMENTS = st.sampled_from(
    [
        {},
        {"kind": "x"},
        {"x-match": "any", "kind": "x", "size": 1},
        {"x-match": "all", "kind": "x", "size": 1},
    ]
)
BINDINGS = st.lists(
    st.tuples(
        st.sampled_from(["orders", "payments", "audit"]),
        st.one_of(
            st.tuples(st.sampled_from(["billing", "shipping"]), st.just("queue")),
            st.tuples(st.sampled_from(["orders", "payments", "audit"]), st.just("exchange")),
        ),
        st.sampled_from(["", "a", "b", "a.b", "#", "*.b", "a.#", "#.b"]),
        ARGUMENTS,
    ).map(lambda each: (each[0], *each[1], each[2], each[3])),
    max_size=7,
)


@given(KINDS, BINDINGS)
def test_what_reaches_a_queue_is_copied_and_nothing_else(
    kinds: dict[str, str], bindings: list[Bound]
) -> None:
    plan = planned(kinds, bindings)
    assert plan.problems == {}
    with_stream = [*bindings, *of_stream(plan)]
    for exchange in kinds:
        ever = False
        for key, headers in MESSAGES:
            queues = reached(kinds, bindings, exchange, key, headers)
            ever = ever or bool(queues)
            taken = reached(kinds, with_stream, exchange, key, headers)
            assert taken == (queues | {STREAM} if queues else set()), (exchange, key, headers)
        assert not (ever and exchange in plan.unheard)


@given(KINDS, BINDINGS, st.sets(st.sampled_from(["payments", "audit"])))
def test_what_exchanges_that_may_not_be_read_pass_on_is_copied_where_it_comes_from(
    kinds: dict[str, str], bindings: list[Bound], refused: set[str]
) -> None:
    plan = planned(kinds, bindings, refused)
    with_stream = [*bindings, *(each for each in of_stream(plan) if each[0] not in refused)]
    for key, headers in MESSAGES:
        if queues := reached(kinds, bindings, "orders", key, headers):
            taken = reached(kinds, with_stream, "orders", key, headers)
            assert taken == queues | {STREAM}, (key, headers)


PATTERNS = st.sampled_from(["orders", "orders|audit", "payments"])


@given(KINDS, BINDINGS, PATTERNS)
def test_what_is_followed_goes_through_others_and_is_copied_only_where_a_queue_takes_it(
    kinds: dict[str, str], bindings: list[Bound], pattern: str
) -> None:
    plan = planned(kinds, bindings, exchanges=pattern)
    with_stream = [*bindings, *of_stream(plan)]
    for exchange in kinds:
        for key, headers in MESSAGES:
            queues = reached(kinds, bindings, exchange, key, headers)
            taken = reached(kinds, with_stream, exchange, key, headers)
            if re.fullmatch(pattern, exchange):
                assert taken == (queues | {STREAM} if queues else set()), (exchange, key, headers)
            else:  # what the stream gets of these is left out when it is read
                assert bool(queues) == bool(taken), (exchange, key, headers)


@pytest.mark.parametrize("last", ["queue", "exchange"])
def test_what_a_hash_shares_out_is_copied_on_both_sides_of_it_as_it_goes_on(last: str) -> None:
    kinds = {"orders": "topic", "shared": "x-consistent-hash", "late": "topic"}
    ends: dict[str, list[Bound]] = {
        "queue": [("shared", "mine", "queue", "1", {})],
        "exchange": [("shared", "late", "exchange", "1", {}), ("late", "mine", "queue", "a", {})],
    }
    plan = planned(kinds, [("orders", "shared", "exchange", "#", {}), *ends[last]], exchanges="orders")
    assert {(each.exchange, each.key) for each in plan.wanted} == (
        {("orders", "#")} if last == "queue" else {("late", "a")}
    )


@pytest.mark.parametrize("odd", ["undefined", "Not UTF-8, base64 is: /w=="])
def test_what_the_management_api_doesnt_tell_is_a_problem_and_no_binding(odd: str) -> None:
    bindings = [
        ("orders", "mine", "queue", "", {"kind": odd}),
        ("orders", "mine", "queue", "", {"kind": "x"}),
    ]
    plan = planned({"orders": "headers"}, bindings)
    assert [each.table["kind"] for each in plan.wanted] == ["x"]
    assert "management API" in plan.problems["orders"]
    assert planned({"orders": "topic"}, bindings).problems == {}, (
        "where arguments mean nothing, nothing is missed"
    )


@given(KINDS, BINDINGS)
def test_once_it_is_bound_there_is_nothing_left_to_do(kinds: dict[str, str], bindings: list[Bound]) -> None:
    plan = planned(kinds, bindings)
    again = planned(kinds, [*bindings, *of_stream(plan)])
    assert (again.missing, again.surplus) == ([], [])


@given(KINDS, BINDINGS)
def test_two_collectors_are_nobody_to_each_other(kinds: dict[str, str], bindings: list[Bound]) -> None:
    plan = planned(kinds, bindings)
    of_other = [(each[0], "their.events", *each[2:]) for each in of_stream(plan)]
    assert set(planned(kinds, [*bindings, *of_other]).wanted) == set(plan.wanted)


@pytest.mark.parametrize(
    ("kind", "key", "arguments"),
    [("topic", "#", {}), ("fanout", "", {}), ("headers", "", {"x-match": "all"})],
)
def test_all_that_is_published_is_copied_where_that_is_asked_for(
    kind: str, key: str, arguments: Mapping[str, Any]
) -> None:
    (binding,) = planned({"orders": kind}, [], copy="published").wanted
    assert (binding.exchange, binding.key) == ("orders", key)
    assert binding.table.items() >= arguments.items()


def test_of_an_exchange_that_matches_every_header_only_what_has_them_is_copied() -> None:
    strict = {"x-match": "all-with-x", "x-kind": "x"}
    (binding,) = planned({"orders": "headers"}, [("orders", "mine", "queue", "", strict)]).wanted
    assert binding.table == strict


def test_what_the_stream_was_bound_with_before_is_given_up() -> None:
    plan = planned({"orders": "topic"}, [("orders", STREAM, "queue", "#", {})])
    assert [(each.exchange, each.key) for each in plan.surplus] == [("orders", "#")]
    assert plan.missing == []
