"""An in-memory Kafka-protocol broker for development and tests.

It speaks enough of the protocol for kafka-python, confluent-kafka, aiokafka and the Java clients:
topics, idempotent producers, consumer groups, admin calls. It has no transactions, no security and
no disk, and listens on loopback only.
"""

from devbroker.broker import Settings
from devbroker.runner import DevBroker
from devbroker.server import AddressError

__all__ = ["AddressError", "DevBroker", "Settings"]
