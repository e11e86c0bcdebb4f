"""Client libraries of brokers behind one Protocol."""

from flowtrail.clients._aiokafka import AiokafkaClient
from flowtrail.clients._choose import choose_client, kind_of
from flowtrail.clients._confluent import ConfluentClient
from flowtrail.clients._kafka_python import KafkaPythonClient
from flowtrail.clients._kinds import KAFKA, RABBITMQ, BrokerKind
from flowtrail.clients._names import NameRule
from flowtrail.clients._port import (
    ChecksTopics,
    Client,
    ClientError,
    CommitRefusedError,
    ConsumerClient,
    Delivered,
    Message,
    OnDelivery,
    Partition,
    ProducerClient,
    ReachedError,
    RebalanceListener,
    RefusedError,
    Subscription,
    TooLargeError,
    UnreachableError,
    UnroutableError,
    unreachable,
)
from flowtrail.clients._topics import has_too_large_headers, is_too_large

__all__ = [
    "KAFKA",
    "RABBITMQ",
    "AiokafkaClient",
    "BrokerKind",
    "ChecksTopics",
    "Client",
    "ClientError",
    "CommitRefusedError",
    "ConfluentClient",
    "ConsumerClient",
    "Delivered",
    "KafkaPythonClient",
    "Message",
    "NameRule",
    "OnDelivery",
    "Partition",
    "ProducerClient",
    "ReachedError",
    "RebalanceListener",
    "RefusedError",
    "Subscription",
    "TooLargeError",
    "UnreachableError",
    "UnroutableError",
    "choose_client",
    "has_too_large_headers",
    "is_too_large",
    "kind_of",
    "unreachable",
]
