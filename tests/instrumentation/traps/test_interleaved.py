"""Several consumers in one program, asked in any order: each ends its own record and nobody else's."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiokafka
import confluent_kafka
import kafka as kafka_python
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail._context import current_flow, get_current
from flowtrail._wrap import wrap_consumer
from flowtrail.instrumentor import AIOKafkaInstrumentor, ConfluentKafkaInstrumentor, KafkaPythonInstrumentor
from instrumentation.fakes import (
    FakeAioConsumer,
    FakeConfluentConsumer,
    FakeConsumer,
    FakeMessage,
    aio_record,
    kafka_record,
)
from instrumentation.support import Lab
from waiting import scaled

RECORDS = 3


def _headers(flow: str) -> list[tuple[str, str | bytes | None]]:
    return [("ce_correlationid", flow.encode())]


async def _kafka_iterate(consumer: Any) -> Any:
    return next(consumer, None)


async def _kafka_poll(consumer: Any) -> Any:
    return consumer.poll(timeout_ms=10)


async def _confluent_poll(consumer: Any) -> Any:
    return consumer.poll(0)


async def _confluent_consume(consumer: Any) -> Any:
    return {0: consumer.consume(RECORDS, 0)}


async def _aiokafka_getone(consumer: Any) -> Any:
    return await consumer.getone() if consumer.records else await consumer.getmany(timeout_ms=0)


async def _aiokafka_getmany(consumer: Any) -> Any:
    return await consumer.getmany(timeout_ms=0)


CLIENTS: dict[str, tuple[Callable[[list[Any]], Any], Callable[[Any, int], Any]]] = {
    "kafka": (FakeConsumer, kafka_record),
    "confluent": (FakeConfluentConsumer, FakeMessage),
    "aiokafka": (FakeAioConsumer, aio_record),
}
WAYS: dict[str, Callable[[Any], Any]] = {
    "kafka iterate": _kafka_iterate,
    "kafka poll": _kafka_poll,
    "confluent poll": _confluent_poll,
    "confluent consume": _confluent_consume,
    "aiokafka getone": _aiokafka_getone,
    "aiokafka getmany": _aiokafka_getmany,
}


class Source:
    """One wrapped consumer that is asked for one record after the other."""

    def __init__(
        self, lab: Lab, way: str, name: str, group: str = "g", more: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        make, record = CLIENTS[way.split()[0]]
        self.flows = [f"{name}-{n}" for n in range(RECORDS)]
        self.consumer = wrap_consumer(
            lab.telemetry,
            make([record([*_headers(flow), *more], n) for n, flow in enumerate(self.flows)]),
            group=group,
        )
        self._ask = WAYS[way]
        self._many = way.split()[1] in ("poll", "consume", "getmany") and way != "confluent poll"
        self._list: Iterator[Any] | None = None

    async def step(self) -> str | None:
        """Ask for the next; the flow of what came."""
        if self._many:
            if self._list is None:
                lists = list((await self._ask(self.consumer)).values())
                self._list = iter(lists[0])
            came = next(self._list, None)
        else:
            came = await self._ask(self.consumer)
        return self.flows.pop(0) if came else None

    async def close(self) -> None:
        """Close the consumer."""
        if isinstance(self.consumer, FakeAioConsumer):
            await self.consumer.stop()
        else:
            self.consumer.close()


def flow_id() -> str | None:
    """The current flow's correlation id."""
    flow = current_flow()
    return None if flow is None else flow.correlation_id


async def _run(ways: list[str], steps: list[tuple[int, bool]]) -> None:
    lab = Lab()
    before = dict(get_current())
    sources = [Source(lab, way, f"flow{n}") for n, way in enumerate(ways)]
    in_hand: dict[int, str] = {}  # the model: what each was handed, in the order of handing over
    closed: set[int] = set()
    everything = [(number, True) for number in range(len(ways))]
    for choice, closing in [(choice % len(ways), closing) for choice, closing in steps] + everything:
        if choice in closed:
            continue
        came = None
        if closing:
            closed.add(choice)
            await sources[choice].close()
        else:
            came = await sources[choice].step()
        in_hand.pop(choice, None)
        if came is not None:
            in_hand[choice] = came
        assert flow_id() == next(reversed(in_hand.values()), None)
    assert dict(get_current()) == before


@given(
    st.lists(st.sampled_from(sorted(WAYS)), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 11), st.sampled_from([False, False, False, True])), max_size=20),
)
def test_the_flow_is_that_of_the_last_record_in_hand(ways: list[str], steps: list[tuple[int, bool]]) -> None:
    asyncio.run(_run(ways, steps))


@pytest.mark.parametrize("client", ["kafka", "confluent"])
def test_threads_that_take_turns_leave_nothing_behind(client: str) -> None:
    way = {"kafka": "kafka iterate", "confluent": "confluent poll"}[client]
    consumer = Source(Lab(), way, "flow").consumer

    def ask() -> str | None:  # in the thread's own context, which a coroutine would only copy
        if client == "kafka":
            next(consumer, None)
        else:
            consumer.poll(0)
        return flow_id()

    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        turns = [thread.submit(ask).result() for thread in (one, other, one, other, one)]
    assert turns == ["flow-0", "flow-1", "flow-2", None, None]


INSTRUMENTORS: list[Callable[[], Any]] = [
    KafkaPythonInstrumentor,
    ConfluentKafkaInstrumentor,
    AIOKafkaInstrumentor,
]


async def _on_a_broker(lab: Lab, servers: str, name: str, around: Callable[[Any], Any]) -> None:
    # Each has a group of its own: one that blocks the loop would keep the others from rebalancing.
    settings = {
        "bootstrap.servers": servers,
        "group.id": f"{name}.confluent",
        "auto.offset.reset": "earliest",
    }
    producer = confluent_kafka.Producer({"bootstrap.servers": servers})
    for client in CLIENTS:
        for n in range(RECORDS):
            flow = f"{client}-{n}"
            producer.produce(f"{name}.{client}", b"{}", headers=_headers(flow), partition=0)
    assert producer.flush(scaled(20)) == 0
    plain = around(
        kafka_python.KafkaConsumer(
            f"{name}.kafka", bootstrap_servers=servers, group_id=f"{name}.kafka", auto_offset_reset="earliest"
        )
    )
    confluent = around(confluent_kafka.Consumer(settings))
    confluent.subscribe([f"{name}.confluent"])
    awaited = around(
        aiokafka.AIOKafkaConsumer(
            f"{name}.aiokafka",
            bootstrap_servers=servers,
            group_id=f"{name}.aiokafka",
            auto_offset_reset="earliest",
        )
    )
    await awaited.start()

    async def poll() -> Any:
        while (message := confluent.poll(0.1)) is None:
            pass
        return message.error() or message

    async def iterate() -> Any:
        return next(plain)

    ask: dict[str, Callable[[], Any]] = {"kafka": iterate, "confluent": poll, "aiokafka": awaited.getone}
    turns = random.Random(7).sample([client for client in CLIENTS for _ in range(RECORDS)], 3 * RECORDS)
    in_hand: dict[str, str] = {}
    for turn, client in enumerate(turns):
        await ask[client]()
        in_hand.pop(client, None)
        in_hand[client] = f"{client}-{turns[:turn].count(client)}"
        assert flow_id() == in_hand[client]
    for client, close in (("confluent", confluent.close), ("aiokafka", awaited.stop), ("kafka", plain.close)):
        ended = close()
        if ended is not None:
            await ended
        del in_hand[client]
        assert flow_id() == next(reversed(in_hand.values()), None)
    assert flow_id() is None


@pytest.mark.parametrize("wrapped", [True, False], ids=["wrapped", "zero code"])
def test_all_clients_on_a_broker(broker: str, topic: Callable[..., str], wrapped: bool) -> None:
    lab, name = Lab(), topic()
    instrumentors = [] if wrapped else [make() for make in INSTRUMENTORS]
    for instrumentor in instrumentors:
        instrumentor.instrument(tracer_provider=lab.provider, registry=lab.registry, service="lab")
    try:
        around = (lambda c: wrap_consumer(lab.telemetry, c, group=name)) if wrapped else (lambda c: c)
        asyncio.run(_on_a_broker(lab, broker, name, around))
    finally:
        for instrumentor in instrumentors:
            instrumentor.uninstrument()
