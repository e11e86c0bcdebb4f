"""A record is handled once, by whoever has it, and fails by its own exceptions only."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from opentelemetry import trace

from flowtrail._context import current_event, current_flow
from flowtrail._wrap import wrap_consumer
from instrumentation.fakes import FakeAioConsumer, aio_record
from instrumentation.support import Lab
from instrumentation.traps.test_interleaved import RECORDS, WAYS, Source, flow_id

LISTS = ["kafka poll", "confluent consume", "aiokafka getmany"]


@pytest.mark.parametrize("way", LISTS)
@pytest.mark.parametrize("looked_at", range(RECORDS + 1))
def test_a_list_that_is_looped_over_twice(way: str, looked_at: int) -> None:
    lab = Lab()
    source = Source(lab, way, "flow")

    async def program() -> list[Any]:
        (records,) = list((await WAYS[way](source.consumer)).values())
        for number, _ in enumerate(records):
            if number == looked_at:
                break
        found = [(flow_id(), trace.get_current_span().get_span_context().trace_id) for _ in records]
        assert current_flow() is None
        return found

    found = asyncio.run(program())
    assert [flow for flow, _ in found] == source.flows
    handled = [span for span in lab.spans if span.name == "process orders"]
    assert {span.context.trace_id for span in handled if span.context} == {trace_id for _, trace_id in found}
    assert len(handled) == RECORDS
    assert lab.value("messaging_client_consumed_messages_total") == RECORDS


@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("fails", [False, True])
def test_only_an_exception_that_began_after_the_hand_over_counts(way: str, fails: bool) -> None:
    lab = Lab()
    source = Source(lab, way, "flow")

    async def program() -> None:
        try:
            raise ConnectionError("the cache is away")
        except ConnectionError:
            await source.step()
            if not fails:
                await source.step()
                return
            try:
                raise ValueError("bad")
            except ValueError:
                await source.step()

    asyncio.run(program())
    first, *_ = [span for span in lab.spans if span.name == "process orders"]
    assert first.status.description == ("bad" if fails else None)


FETCHES: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "wait_for": lambda consumer: asyncio.wait_for(consumer.getone(), 60),
    "create_task": lambda consumer: asyncio.create_task(consumer.getone()),
    "gather": lambda consumer: asyncio.gather(consumer.getone()),
}


@pytest.mark.parametrize("name", sorted(FETCHES))
def test_what_a_task_only_fetched_is_handled_by_who_awaits_it(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    lab = Lab()
    consumer = wrap_consumer(lab.telemetry, FakeAioConsumer([aio_record((), n) for n in range(RECORDS)]))

    async def program() -> None:
        for number in range(RECORDS):
            await FETCHES[name](consumer)
            await asyncio.sleep(0)  # the fetching task is over
            assert len(lab.spans) == number, "the record before is done, this one isn't"
        await consumer.stop()

    with caplog.at_level(logging.WARNING, "flowtrail"):
        asyncio.run(program())
    assert len(lab.spans) == RECORDS
    inline = name == "wait_for" and sys.version_info >= (3, 12)
    said = [entry for entry in caplog.messages if "asyncio.timeout" in entry]
    assert len(said) == (0 if inline else 1)


def test_a_time_limit_around_the_call_keeps_the_flow() -> None:
    lab = Lab()
    consumer = wrap_consumer(lab.telemetry, FakeAioConsumer([aio_record((), 5)]))

    async def program() -> None:
        async with asyncio.timeout(60):
            await consumer.getone()
        event = current_event()
        assert event is not None
        assert event.offset == 5
        await consumer.stop()

    asyncio.run(program())
