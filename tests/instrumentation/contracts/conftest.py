"""Real registries, the one that all share aside, and what tests of them are given."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contractkit import DIALECTS, ORDER_1, ORDER_2, Dialect, write_json
from flowtrail.contracts import Contracts, RegistrySource
from servers import UnavailableError, servers_required
from servers._apicurio import ApicurioServer
from waiting import scaled


def _start(folder: Path) -> ApicurioServer:
    try:
        server = ApicurioServer(folder)
    except UnavailableError as error:
        if servers_required():
            pytest.fail(f"FLOWTRAIL_REQUIRE_SERVERS is set, and {error}", pytrace=False)
        pytest.skip(str(error))
    server.start()
    return server


@pytest.fixture
def registry_server(tmp_path: Path) -> Iterator[Callable[[], ApicurioServer]]:
    """Starts a registry that the test may kill."""
    servers: list[ApicurioServer] = []

    def start() -> ApicurioServer:
        servers.append(_start(tmp_path))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(params=list(DIALECTS.values()), ids=list(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return request.param


@pytest.fixture
def connect() -> Iterator[Callable[..., RegistrySource]]:
    """Opens sources, and closes them after the test."""
    sources: list[RegistrySource] = []

    def open_source(url: str, **settings: Any) -> RegistrySource:
        sources.append(RegistrySource(url, **{"timeout_seconds": scaled(10), **settings}))
        return sources[-1]

    yield open_source
    for source in sources:
        source.close()


@pytest.fixture
def contracts(tmp_path: Path) -> Contracts:
    """Two versions of an order, and an upcaster between them."""
    made = Contracts.from_folder(write_json(tmp_path, OrderPlaced=[ORDER_1, ORDER_2]))

    @made.upcaster("OrderPlaced", 1, 2)
    def cents(data: Any) -> Any:
        return {"order_id": data["order_id"], "total_cents": data["total"] * 100}

    return made
