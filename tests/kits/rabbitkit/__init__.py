"""RabbitMQ for tests of the collector: a corner of a real server, and a collector that follows it."""

from rabbitkit._clients import CLIENTS, change_client
from rabbitkit._corner import Corner, Place
from rabbitkit._following import Following

__all__ = ["CLIENTS", "Corner", "Following", "Place", "change_client"]
