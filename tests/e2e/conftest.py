"""A running shop, once on the embedded broker and once on a real Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.shop import Shop


@pytest.fixture
def shop(broker: str, tmp_path: Path) -> Iterator[Shop]:
    """Five services and a collector, started and ready."""
    running = Shop(broker, tmp_path)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def small_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop on an embedded broker that the tests of a module share: none of them gets an order placed."""
    from devbroker import DevBroker

    with DevBroker() as broker:
        running = Shop(broker.bootstrap_servers, tmp_path_factory.mktemp("shop"))
        try:
            running.start()
            yield running
        finally:
            running.stop()
