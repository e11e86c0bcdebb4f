"""A contract that a coroutine is the first to need is fetched beside its loop."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from typing import Any

import pytest

import flowtrail
from flowtrail._runtime import own_loop
from flowtrail._runtime.scope import current_scope
from flowtrail.contracts import Contracts, RegistrySource, RegistryUnavailableError
from flowtrail.errors import ContractError
from flowtrail.wire import Record
from instrumentation.delivery.ground import ground_of
from waiting import scaled, until

pytestmark = pytest.mark.slow  # they wait for a registry that says nothing

CLIENTS = ("kafka-python", "confluent", "aiokafka")
SCHEMA = {"type": "object", "properties": {"cents": {"type": "integer"}}, "required": ["cents"]}


@pytest.fixture
def silence() -> Iterator[str]:
    """Address of a registry that lets everybody connect and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def opened() -> Iterator[Callable[..., flowtrail.Trail]]:
    """Makes trails that are closed at the end, however the test ends."""
    with ExitStack() as trails:

        def make(client: str, broker: str, registry: str, **settings: Any) -> flowtrail.Trail:
            contracts = Contracts.from_registry(registry, registry=settings)
            trail = flowtrail.Trail("billing", broker, client=client, contracts=contracts)
            return trails.enter_context(closing(trail))

        yield make


@pytest.mark.parametrize("client", CLIENTS)
def test_a_registry_that_says_nothing_does_not_stop_the_loop(
    client: str,
    devbroker: str,
    silence: str,
    topic: Callable[..., str],
    opened: Callable[..., flowtrail.Trail],
) -> None:
    trail = opened(client, devbroker, silence, timeout_seconds=scaled(0.5))

    async def main() -> None:
        publication = trail.publish(topic("payments"), {"cents": 5}, type="Paid", version=1)
        assert not publication.done(), "it was waited for, and the loop stood still"
        with pytest.raises(RegistryUnavailableError):
            await publication

    asyncio.run(main())


@pytest.mark.parametrize("client", CLIENTS)
def test_a_handler_whose_registry_says_nothing_is_tried_again(
    client: str,
    devbroker: str,
    silence: str,
    topic: Callable[..., str],
    opened: Callable[..., flowtrail.Trail],
) -> None:
    """As when the broker is away: the record is neither committed nor given up."""
    trail = opened(client, devbroker, silence, timeout_seconds=scaled(0.5), retry_seconds=0.01)
    orders, turned = topic("orders"), []

    @trail.consumer(orders, group=orders, retry=flowtrail.Retry(attempts=1))
    async def pay(event: flowtrail.Event[Any]) -> None:
        publication = trail.publish("payments", {"cents": 5}, type="Paid", version=1)
        turned.append(not publication.done())

    with ground_of(devbroker) as ground:
        ground.create(orders, partitions=1)
        ground.publish(orders, [1])
        with trail.running():
            until(lambda: len(turned) > 1, "a second attempt")
        assert not ground.committed(orders, orders).get(0)
    assert all(turned)


@pytest.mark.servers
@pytest.mark.parametrize("client", CLIENTS)
def test_what_waits_for_its_contract_keeps_its_order_and_its_errors(
    client: str,
    devbroker: str,
    registry: str,
    topic: Callable[..., str],
    opened: Callable[..., flowtrail.Trail],
) -> None:
    type, payments = f"Paid-{uuid.uuid4().hex[:8]}", topic("payments")
    source = RegistrySource(registry)
    source.register(type, SCHEMA)
    source.close()
    trail = opened(client, devbroker, registry)

    async def published(cents: Any) -> None:
        # As soon as the contract has arrived, what breaks it is refused at once.
        await trail.publish(payments, {"cents": cents}, type=type, version=1, key="k")

    async def main() -> None:
        ends = await asyncio.gather(*map(published, (0, 1, "two", 3)), return_exceptions=True)
        assert [isinstance(end, ContractError) for end in ends] == [False, False, True, False]
        with pytest.raises(ContractError):  # it is at hand now
            trail.publish(payments, {}, type=type, version=1)
        await published(4)

    asyncio.run(main())
    trail.close()
    with ground_of(devbroker) as ground:
        found = [trail.codec.decode(message.value(), None) for message in ground.read(payments)]
    assert [event["cents"] for event in found] == [0, 1, 3, 4]


def _record(type: str | None, dataschema: str | None, value: bytes = b'{"cents": 5}') -> Record:
    named = [("ce_type", type), ("ce_dataschema", dataschema), ("ce_id", f"{type}-{dataschema}")]
    headers = [(name, text.encode()) for name, text in named if text is not None]
    return Record("payments", 0, 0, None, b"k", value, headers)


@contextmanager
def _plainly(trail: flowtrail.Trail, record: Record, batch: bool) -> Iterator[Any]:
    if batch:
        with trail.process_batch([record]) as members:
            for member in members:
                with member as event:
                    yield event.data
    else:
        with trail.process(record) as event:
            yield event.data


@asynccontextmanager
async def _awaiting(trail: flowtrail.Trail, record: Record, batch: bool) -> Any:
    if batch:
        async with trail.process_batch([record]) as members:
            for member in members:
                with member as event:
                    yield event.data
    else:
        async with trail.process(record) as event:
            yield event.data


BATCH = pytest.mark.parametrize("batch", [False, True], ids=["one record", "a batch"])


@BATCH
def test_a_block_does_not_stop_the_loop_while_the_registry_says_nothing(
    silence: str, batch: bool, opened: Callable[..., flowtrail.Trail]
) -> None:
    trail = opened("confluent", "127.0.0.1:1", silence, timeout_seconds=scaled(0.5), retry_seconds=0.01)

    async def handle() -> None:
        async with _awaiting(trail, _record("Paid", "Paid/1"), batch):
            raise AssertionError("without its contract nobody knows what it is")

    async def main() -> None:
        handling = asyncio.create_task(handle())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not handling.done(), "the loop stood still until the registry was given up"
        with pytest.raises(RegistryUnavailableError):
            await handling

    asyncio.run(main())


def test_one_of_a_batch_whose_contract_cannot_be_had_fails_alone(
    silence: str, opened: Callable[..., flowtrail.Trail]
) -> None:
    trail = opened("confluent", "127.0.0.1:1", silence, timeout_seconds=scaled(0.5), retry_seconds=60)
    records = [_record("Paid", "Paid/1"), _record("Paid", None), _record(None, None)]

    async def main() -> list[Any]:
        async with trail.process_batch(records) as batch:
            found: list[Any] = []
            for member in batch:
                try:
                    with member as event:
                        found.append(event.data)
                except RegistryUnavailableError as error:
                    found.append(type(error))
            return found

    assert asyncio.run(main()) == [RegistryUnavailableError, {"cents": 5}, {"cents": 5}]


@BATCH
@pytest.mark.parametrize("on_loop", [False, True])
def test_a_plain_block_says_so_where_it_stops_a_loop(
    silence: str,
    batch: bool,
    on_loop: bool,
    caplog: pytest.LogCaptureFixture,
    opened: Callable[..., flowtrail.Trail],
) -> None:
    trail = opened("confluent", "127.0.0.1:1", silence, timeout_seconds=scaled(0.5))
    own_loop._say_once.cache_clear()

    def handle() -> None:
        with _plainly(trail, _record("Paid", "Paid/1"), batch):
            pass

    async def main() -> None:
        handle()

    with caplog.at_level(logging.WARNING, "flowtrail"), pytest.raises(RegistryUnavailableError):
        asyncio.run(main()) if on_loop else handle()
    assert any("write `async with" in line for line in caplog.messages) == on_loop


@BATCH
def test_a_block_waits_for_acknowledgements_beside_the_loop(batch: bool) -> None:
    trail = flowtrail.Trail("billing", "127.0.0.1:1")

    async def main() -> None:
        acknowledged = []
        async with _awaiting(trail, _record(None, None), batch):
            scope = current_scope()
            assert scope is not None
            assert scope.begin()
            end = [lambda: acknowledged.append(True), scope.end]
            asyncio.get_running_loop().call_later(0.05, lambda: [step() for step in end])
        assert acknowledged

    asyncio.run(main())
    trail.close()


@pytest.mark.servers
@BATCH
def test_whatever_is_asked_of_the_registry_is_asked_beside_the_loop(
    registry: str, batch: bool, opened: Callable[..., flowtrail.Trail]
) -> None:
    """And what comes of it is what a thread without a loop gets."""
    known, odd = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("Paid", "Odd"))
    source = RegistrySource(registry)
    source.register(known, SCHEMA)
    source.register(
        known,
        {**SCHEMA, "properties": {**SCHEMA["properties"], "currency": {"type": "string", "default": "EUR"}}},
    )
    source.close()
    named = [
        (type, dataschema, value)
        for type, dataschema in (
            *((known, f"{known}/{version}") for version in (1, 2, 9, "x")),
            (known, None), (odd, f"{odd}/1"), (odd, known), (None, None),
        )
        for value in (b'{"cents": 5}', b'{"cents": "five"}', b"{}")
    ]  # fmt: skip
    asked_by: list[int] = []

    def trail_of() -> flowtrail.Trail:
        trail = opened("confluent", "127.0.0.1:1", registry)
        assert trail.contracts is not None
        asks = trail.contracts.source._client  # type: ignore[attr-defined]
        plain = asks.ask

        def noting(*arguments: Any) -> Any:
            asked_by.append(threading.get_ident())
            return plain(*arguments)

        asks.ask = noting  # type: ignore[attr-defined]
        return trail

    def plainly(trail: flowtrail.Trail, record: Record) -> Any:
        try:
            with _plainly(trail, record, batch) as data:
                return data
        except flowtrail.errors.DecodeError as error:
            return str(error)

    async def awaiting(trail: flowtrail.Trail, record: Record) -> Any:
        try:
            async with _awaiting(trail, record, batch) as data:
                return data
        except flowtrail.errors.DecodeError as error:
            return str(error)

    async def main() -> None:
        for order in (named, named[::-1]):
            trail, other = trail_of(), trail_of()
            for case in order:
                expected = await asyncio.to_thread(plainly, other, _record(*case))
                asked_by.clear()
                assert await awaiting(trail, _record(*case)) == expected, case
                assert threading.get_ident() not in asked_by, case
                asked_by.clear()
                assert await awaiting(trail, _record(*case)) == expected, case
                assert not asked_by, f"{case} again"
            trail.close()
            other.close()

    asyncio.run(main())
