"""Three Kafka clients behind one blocking interface, for suites that hold a broker to all of them."""

from servers.clients._aiokafka import AioKafka
from servers.clients._base import WAIT_SECONDS, Driver, Member, Message, Place, Received, consume
from servers.clients._confluent import Confluent
from servers.clients._kafka_python import KafkaPython

DRIVERS: tuple[Driver, ...] = (KafkaPython(), Confluent(), AioKafka())

__all__ = [
    "DRIVERS",
    "WAIT_SECONDS",
    "AioKafka",
    "Confluent",
    "Driver",
    "KafkaPython",
    "Member",
    "Message",
    "Place",
    "Received",
    "consume",
]
