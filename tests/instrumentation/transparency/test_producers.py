"""A traced producer sends what a plain one does with the same arguments, and beside it only our headers.

Each case is sent twice, by an untouched client and by a wrapped or instrumented one, and both records are read
back by a third that nobody touched.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import confluent_kafka
import pytest

from devbroker import DevBroker
from flowtrail._wrap import wrap_producer
from flowtrail.instrumentor import AIOKafkaInstrumentor, ConfluentKafkaInstrumentor, KafkaPythonInstrumentor
from instrumentation.support import Lab
from instrumentation.transparency.forms import Form, forms
from instrumentation.transparency.producers import KINDS, MADE_BEFORE, SUBCLASSES, Calls, Kind, noting
from waiting import scaled, until

MUST = {"ce_specversion": b"1.0", "ce_source": b"/lab"}
"""What wire.md says a producer must write, where the value is known; ids and times are looked at one by one."""
OURS = {*MUST, "ce_id", "ce_time", "ce_correlationid", "traceparent"}
pytestmark = [pytest.mark.slow, pytest.mark.sampled(7)]

WAYS = ("wrapped", "instrumented", "instrumented-later")


class Sent(NamedTuple):
    """What came of one call.

    Attributes:
        error: What the call raised, as text; empty if nothing.
        records: What arrived: partition, timestamp, key, value, headers.
        calls: Delivery callbacks that were called.
    """

    error: str
    records: list[tuple[int, Any, Any, Any, list[tuple[str, bytes | None]]]]
    calls: Calls


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    """One embedded broker for all cases, each of which has topics of its own."""
    with DevBroker(partitions=2) as broker:
        yield broker.bootstrap_servers


def _cases(kind: Kind) -> list[Form]:
    return forms(list(kind.parameters), ("topic",))


def _arguments(kind: Kind, form: Form, topic: str, calls: Calls) -> tuple[tuple[Any, ...], dict[str, Any]]:
    values = {
        **kind.values,
        "topic": topic,
        "callback": noting(calls, "callback"),
        "on_delivery": noting(calls, "on_delivery"),
    }
    return form.of(values)


async def _send(producer: Any, kind: Kind, topics: dict[Form, str], calls: Calls) -> dict[Form, str]:
    """Make every call; what each raised."""
    awaited = inspect.iscoroutinefunction(getattr(kind.find(), kind.method))
    errors = dict.fromkeys(topics, "")
    if awaited:
        await producer.start()
    for form, topic in topics.items():
        arguments, named = _arguments(kind, form, topic, calls)
        try:
            answer = getattr(producer, kind.method)(*arguments, **named)
            while awaited and inspect.isawaitable(answer):
                answer = await answer
        except Exception as error:
            errors[form] = f"{type(error).__name__}: {error}".replace(topic, "TOPIC")
    if awaited:
        await producer.stop()
        return errors
    producer.flush(scaled(20))
    if hasattr(producer, "close"):
        producer.close()
    return errors


def _all(
    servers: str, name: str, how: str, wrap: Callable[[Any], Any], label: str, early: bool = False
) -> dict[Form, Sent]:
    kind = KINDS[name]
    topics = {form: f"{name}.{how}.{label}.{number}" for number, form in enumerate(_cases(kind))}
    calls: Calls = []

    async def run() -> dict[Form, str]:
        made = MADE_BEFORE[name, how] if early else SUBCLASSES[how](kind.find(), kind.method)
        return await _send(wrap(kind.make(made, servers, calls)), kind, topics, calls)

    errors = asyncio.run(run())
    records = _read(servers, [topic for form, topic in topics.items() if not errors[form]])
    return {
        form: Sent(errors[form], records.get(topic, []), [call for call in calls if call[2] == topic])
        for form, topic in topics.items()
    }


def _read(servers: str, topics: list[str]) -> dict[str, list[Any]]:
    consumer = confluent_kafka.Consumer({"bootstrap.servers": servers, "group.id": "reader"})
    places = [(topic, partition) for topic in topics for partition in (0, 1)]
    consumer.assign([confluent_kafka.TopicPartition(*place, 0) for place in places])
    found: dict[str, list[Any]] = {}

    def complete() -> bool:
        for message in consumer.consume(100, 0.2):
            assert message.error() is None
            found.setdefault(message.topic() or "", []).append(
                (
                    message.partition(),
                    message.timestamp()[1],
                    message.key(),
                    message.value(),
                    message.headers() or [],
                )
            )
        return len(found) == len(topics)

    until(complete, lambda: f"{len(topics) - len(found)} records")
    consumer.close()
    return found


@cache
def _plain(servers: str, name: str, how: str) -> dict[Form, Sent]:
    return _all(servers, name, how, lambda producer: producer, "plain")


@cache
def _traced(servers: str, name: str, how: str, way: str) -> tuple[dict[Form, Sent], Lab]:
    _plain(servers, name, how)
    lab = Lab()
    if way == "wrapped":
        return _all(servers, name, how, lambda one: wrap_producer(lab.telemetry, one), way), lab
    instrumentors: list[Any] = [
        KafkaPythonInstrumentor(),
        ConfluentKafkaInstrumentor(),
        AIOKafkaInstrumentor(),
    ]
    for instrumentor in instrumentors:
        instrumentor.instrument(tracer_provider=lab.provider, registry=lab.registry, service="lab")
    try:
        return _all(servers, name, how, lambda one: one, way, early=way == "instrumented-later"), lab
    finally:
        for instrumentor in instrumentors:
            instrumentor.uninstrument()


def _matrix() -> Iterator[Any]:
    for name, kind in KINDS.items():
        for how in SUBCLASSES:
            for way in WAYS:
                # A class of C can't be changed in place: its name has to be imported after the instrumentation.
                if (name, how, way) == ("Producer", "itself", "instrumented-later"):
                    continue
                for form in _cases(kind):
                    yield pytest.param(name, how, way, form, id=f"{name}-{how}-{way}-{form}")


@pytest.mark.parametrize(("name", "how", "way", "form"), list(_matrix()))
def test_the_client_gets_what_was_given(servers: str, name: str, how: str, way: str, form: Form) -> None:
    plain = _plain(servers, name, how)[form]
    sent, lab = _traced(servers, name, how, way)
    traced = sent[form]
    assert traced.error == plain.error
    if plain.error:
        assert not form.all & {"key", "value"}, "aiokafka alone refuses a record of nothing"
        return
    assert [which for which, _, _ in traced.calls] == [which for which, _, _ in plain.calls]
    (expected,), (found,) = plain.records, traced.records
    assert found[2:4] == expected[2:4], "key and value"
    if form.all & {"partition", "key"}:
        assert found[0] == expected[0], "partition"
    if form.all & {"timestamp", "timestamp_ms"}:
        assert found[1] == expected[1], "timestamp"
    theirs, ours = found[4][: len(expected[4])], dict(found[4][len(expected[4]) :])
    assert theirs == expected[4]
    assert len(found[4]) == len(theirs) + len(ours), "each of ours once"
    assert MUST.items() <= ours.items()
    assert set(ours) == OURS
    topic = f"{name}.{how}.{way}.{_cases(KINDS[name]).index(form)}"
    assert [span.name for span in lab.spans].count(f"send {topic}") == 1, "traced once"


REFUSED: dict[str, Callable[[str], tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "nothing": lambda _: ((), {}),
    "no topic": lambda _: ((), {"value": b"v"}),
    "unknown name": lambda topic: ((topic,), {"value": b"v", "valeu": b"v"}),
    "given twice": lambda topic: ((topic,), {"topic": topic}),
    "too many": lambda topic: ((topic, *[None] * 20), {}),
}


@pytest.mark.parametrize("refused", REFUSED)
@pytest.mark.parametrize("how", SUBCLASSES)
@pytest.mark.parametrize("name", KINDS)
def test_what_the_client_refuses_it_refuses_in_its_own_words(
    servers: str, name: str, how: str, refused: str
) -> None:
    kind = KINDS[name]
    arguments, named = REFUSED[refused]("refused")

    async def run(wrap: Callable[[Any], Any]) -> str:
        producer = wrap(kind.make(SUBCLASSES[how](kind.find(), kind.method), servers, []))
        awaited = inspect.iscoroutinefunction(getattr(kind.find(), kind.method))
        if awaited:
            await producer.start()
        try:
            answer = getattr(producer, kind.method)(*arguments, **named)
            if awaited:
                await answer
        except Exception as error:
            return re.sub("0x[0-9a-f]+", "", f"{type(error).__name__}: {error}")
        finally:
            if awaited:
                await producer.stop()
            elif hasattr(producer, "close"):
                producer.close()
        return ""

    lab = Lab()
    plain = asyncio.run(run(lambda producer: producer))
    assert asyncio.run(run(lambda producer: wrap_producer(lab.telemetry, producer))) == plain
    assert not lab.value("flowtrail_internal_errors_total")
