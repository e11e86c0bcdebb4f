"""A corner of a real server for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rabbitkit import Corner, Following, Place
from servers import RabbitServer


@pytest.fixture(scope="session")
def rabbit_place(request: pytest.FixtureRequest) -> Place:
    """A server that the tests share: one that runs already, else one of our own."""
    running = os.environ.get("FLOWTRAIL_TEST_RABBITMQ"), os.environ.get("FLOWTRAIL_TEST_RABBITMQ_MANAGEMENT")
    if running[0] and running[1]:
        return Place(running[0], running[1])
    server: RabbitServer = request.getfixturevalue("rabbitmq_server")
    return Place(server.url, f"http://127.0.0.1:{server.management_port}")


@pytest.fixture
def corner(rabbit_place: Place) -> Iterator[Corner]:
    """Names of this test's own; what is there under them goes afterwards."""
    corner = Corner(rabbit_place)
    yield corner
    corner.clear()


@pytest.fixture
def following(corner: Corner, tmp_path: Path) -> Iterator[Following]:
    """A collector that follows the corner; the test starts it."""
    following = Following(corner, tmp_path)
    yield following
    following.stop()


@pytest.fixture
def user(corner: Corner) -> str:
    """A user with its name as password, who may see everything and do nothing."""
    corner.manage("PUT", f"users/{corner.name}", {"password": corner.name, "tags": "monitoring"})
    return corner.name
