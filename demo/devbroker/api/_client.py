"""Who sent a request."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Client:
    """The other end of a connection.

    Attributes:
        host: its address as Kafka shows it in group descriptions ("/127.0.0.1").
    """

    host: str
