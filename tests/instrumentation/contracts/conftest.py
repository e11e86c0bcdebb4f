"""A real registry for the tests of contracts."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servers import UnavailableError, servers_required
from servers._apicurio import ApicurioServer


def _start(folder: Path) -> ApicurioServer:
    try:
        server = ApicurioServer(folder)
    except UnavailableError as error:
        if servers_required():
            pytest.fail(f"FLOWTRAIL_REQUIRE_SERVERS is set, and {error}", pytrace=False)
        pytest.skip(str(error))
    server.start()
    return server


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Confluent-compatible registry: `FLOWTRAIL_TEST_REGISTRY`, else an Apicurio of our own."""
    if running := os.environ.get("FLOWTRAIL_TEST_REGISTRY"):
        yield running
        return
    server = _start(tmp_path_factory.mktemp("apicurio"))
    yield server.url
    server.kill()


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
