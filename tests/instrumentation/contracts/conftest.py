"""A real registry that a test of contracts may kill; the one that all share is in the tests' own conftest."""

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
