"""How RabbitMQ is reached and what is read there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.settings.checks import Section, check_pattern, is_http

__all__ = ["Copy", "RabbitConfig"]

Copy = Literal["routed", "published"]

_EXAMPLE = "amqp://user@host:5672/vhost"
_MIN_BYTES = 1_000_000
_PORTS = {"amqp": 15672, "amqps": 15671}


@dataclass(frozen=True, slots=True)
class RabbitConfig(Section):
    """How RabbitMQ is reached and what is read there.

    Attributes:
        url: `amqp://user@host:port/vhost`, or `amqps://`; empty for no RabbitMQ.
        password: The user's, unless it stands in the URL.
        management: Base URL of the management API; empty: on the same host, at its usual port.
        exchanges: Pattern of the exchanges whose events are followed; it has to fit the whole name.
        copy: What of their events is followed: `routed`, what they route to somebody's queue; `published`, also what nobody
            takes, which the server then neither returns nor sends to an alternate exchange.
        queue: Name of the stream that keeps a copy of it.
        max_age_seconds: How long the stream keeps it.
        max_bytes: Size beyond which the oldest of it goes.
    """

    url: str = field(default="", repr=False)
    password: str | None = field(default=None, repr=False)
    management: str = field(default="", repr=False)
    exchanges: str = r"(?!amq\.).+"
    copy: Copy = "routed"
    queue: str = "flowtrail.events"
    max_age_seconds: float = 86400.0
    max_bytes: int = 2_000_000_000

    @property
    def vhost(self) -> str:
        """The virtual host; `/` unless the URL names another one."""
        path = urlsplit(self.url).path
        return unquote(path[1:]) if len(path) > 1 else "/"

    @property
    def credentials(self) -> tuple[str, str]:
        """User and password; RabbitMQ's own `guest` unless something else is given."""
        parts = urlsplit(self.url)
        user = unquote(parts.username) if parts.username else "guest"
        in_url = unquote(parts.password) if parts.password is not None else None
        return user, self.password or in_url or "guest"

    @property
    def is_password_given(self) -> bool:
        """Whether the password isn't just RabbitMQ's own for `guest`."""
        return bool(self.password or urlsplit(self.url).password)

    @property
    def shown(self) -> str:
        """The address for messages, without user and password; empty for no RabbitMQ."""
        if not self.url:
            return ""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        port = parts.port or (5671 if parts.scheme == "amqps" else 5672)
        return f"{host}:{port}/{quote(self.vhost, safe='')}"

    @property
    def management_url(self) -> str:
        """Base URL of the management API, without a slash at its end."""
        if self.management:
            return self.management.rstrip("/")
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if parts.scheme == 'amqps' else 'http'}://{host}:{_PORTS[parts.scheme]}"

    def validate(self) -> None:
        if not self.url:
            return
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            shown = re.sub(r"//[^@/]*@", "//", self.url)
            raise ConfigurationError(f"--rabbitmq takes an address such as {_EXAMPLE}, not {shown!r}")
        check_pattern(self.exchanges, "--rabbitmq-exchanges")
        if self.management and (not is_http(self.management) or "@" in self.management):
            raise ConfigurationError(
                "--rabbitmq-management takes an address such as http://localhost:15672; user and password are those of"
                " --rabbitmq"
            )
        if not self.queue or len(self.queue.encode()) > 255 or self.queue.startswith("amq."):
            raise ConfigurationError(
                "--rabbitmq-queue takes the name of a queue, of 255 bytes at most, that doesn't begin with amq."
            )
        if self.max_age_seconds < 60:
            raise ConfigurationError("--rabbitmq-max-age: the copy must be kept for at least a minute")
        if self.max_bytes < _MIN_BYTES:
            raise ConfigurationError("--rabbitmq-max-size: the copy needs at least a megabyte, such as 2GB")
