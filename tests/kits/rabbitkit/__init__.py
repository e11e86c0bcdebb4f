"""RabbitMQ for tests of the collector: a corner of a real server, and a collector that follows it."""

from rabbitkit._clients import CLIENTS, change_client
from rabbitkit._corner import Corner, Place, send
from rabbitkit._following import Following
from rabbitkit._hostile import HOSTILE, hostile
from rabbitkit._strategies import MANY, MESSAGES
from rabbitkit._wire import RawProperties, nested, properties_of, table_of, value_of

__all__ = [
    "CLIENTS", "HOSTILE", "MANY", "MESSAGES", "Corner", "Following", "Place", "RawProperties", "change_client", "hostile", "nested",
    "properties_of", "send", "table_of", "value_of",
]  # fmt: skip
