"""The clients that the conformance suite runs every statement with."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from servers.clients import Driver


@pytest.fixture(params=["kafka-python", "confluent-kafka", "aiokafka"])
def driver(request: pytest.FixtureRequest) -> "Driver":
    """Each of the client libraries in turn."""
    from servers.clients import DRIVERS

    return next(driver for driver in DRIVERS if driver.name == request.param)
