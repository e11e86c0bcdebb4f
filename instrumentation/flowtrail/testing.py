"""For tests of services that use flowtrail: handlers without a broker, spans and metrics to look at.

from flowtrail.testing import Harness

def test_a_reserved_order_is_charged():
    with Harness(trail) as flow:
        flow.deliver("inventory", {"total_cents": 500}, type="StockReserved", subject="o-1")
        assert flow.published("payments")[0].data == {"order_id": "o-1", "amount_cents": 500}
"""

from flowtrail._clock import FakeClock
from flowtrail._ids import SeededIds
from flowtrail._testing.capture import Capture, SeededTraceIds
from flowtrail._testing.harness import Harness
from flowtrail._testing.memory import BrokerError, MemoryBroker, MemoryClient

__all__ = [
    "BrokerError",
    "Capture",
    "FakeClock",
    "Harness",
    "MemoryBroker",
    "MemoryClient",
    "SeededIds",
    "SeededTraceIds",
]
