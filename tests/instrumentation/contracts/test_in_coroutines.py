"""A contract that a coroutine is the first to need is fetched beside its loop."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import flowtrail
from flowtrail.contracts import Contracts, RegistrySource, RegistryUnavailableError
from flowtrail.errors import ContractError
from instrumentation.delivery.ground import ground_of
from waiting import scaled, until

CLIENTS = ("kafka-python", "confluent", "aiokafka")
SCHEMA = {"type": "object", "properties": {"cents": {"type": "integer"}}, "required": ["cents"]}


@pytest.fixture
def silence() -> Iterator[str]:
    """Address of a registry that lets everybody connect and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def _trail(client: str, broker: str, registry: str, **settings: Any) -> flowtrail.Trail:
    contracts = Contracts.from_registry(registry, registry=settings)
    return flowtrail.Trail("billing", broker, client=client, contracts=contracts)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_registry_that_says_nothing_does_not_stop_the_loop(
    client: str, devbroker: str, silence: str, topic: Callable[..., str]
) -> None:
    trail = _trail(client, devbroker, silence, timeout_seconds=scaled(0.5))

    async def main() -> None:
        publication = trail.publish(topic("payments"), {"cents": 5}, type="Paid", version=1)
        assert not publication.done(), "it was waited for, and the loop stood still"
        with pytest.raises(RegistryUnavailableError):
            await publication

    asyncio.run(main())
    trail.close()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_handler_whose_registry_says_nothing_is_tried_again(
    client: str, devbroker: str, silence: str, topic: Callable[..., str]
) -> None:
    """As when the broker is away: the record is neither committed nor given up."""
    trail = _trail(client, devbroker, silence, timeout_seconds=scaled(0.5), retry_seconds=0.01)
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
@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS)
def test_what_waits_for_its_contract_keeps_its_order_and_its_errors(
    client: str, devbroker: str, registry: str, topic: Callable[..., str]
) -> None:
    type, payments = f"Paid-{uuid.uuid4().hex[:8]}", topic("payments")
    source = RegistrySource(registry)
    source.register(type, SCHEMA)
    source.close()
    trail = _trail(client, devbroker, registry)

    async def main() -> None:
        under_way = [
            trail.publish(payments, {"cents": cents}, type=type, version=1, key="k")
            for cents in (0, 1, "two", 3)
        ]
        ends = await asyncio.gather(*under_way, return_exceptions=True)
        assert [isinstance(end, ContractError) for end in ends] == [False, False, True, False]
        with pytest.raises(ContractError):  # it is at hand now
            trail.publish(payments, {}, type=type, version=1)
        await trail.publish(payments, {"cents": 4}, type=type, version=1, key="k")

    asyncio.run(main())
    trail.close()
    with ground_of(devbroker) as ground:
        found = [trail.codec.decode(message.value(), None) for message in ground.read(payments)]
    assert [event["cents"] for event in found] == [0, 1, 3, 4]
