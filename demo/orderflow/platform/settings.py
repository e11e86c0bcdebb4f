"""Settings of a service, from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TOPICS = ("orders", "inventory", "payments", "shipments", "customers", "campaigns")
SERVICES = ("orders", "inventory", "billing", "fulfillment", "customers")
LATER_SERVICES = ("recommendations", "campaigns")

_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


class SettingsError(Exception):
    """A setting is missing or wrong; the message says which."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one service.

    Attributes:
        service: Which one.
        bootstrap_servers: `host:port`, several joined by commas.
        folder: Where its SQLite file lies.
        namespace: Prefix of all topics and groups, so that runs on a shared broker don't meet; may be empty.
    """

    service: str
    bootstrap_servers: str
    folder: Path
    namespace: str = ""

    @classmethod
    def of(cls, service: str, environment: Mapping[str, str]) -> Settings:
        """Read `KAFKA_BOOTSTRAP_SERVERS`, `ORDERFLOW_FOLDER` and `ORDERFLOW_NAMESPACE`.

        Raises:
            SettingsError: One of them is missing or wrong.
        """
        servers = environment.get("KAFKA_BOOTSTRAP_SERVERS", "").strip()
        if not servers:
            raise SettingsError("no broker given: set KAFKA_BOOTSTRAP_SERVERS to host:port")
        folder = Path(environment.get("ORDERFLOW_FOLDER") or ".")
        if not folder.is_dir():
            raise SettingsError(f"ORDERFLOW_FOLDER: {folder} is no folder")
        return cls(service, servers, folder, checked_namespace(environment.get("ORDERFLOW_NAMESPACE", "")))

    @property
    def database(self) -> Path:
        """The service's own SQLite file."""
        return self.folder / f"{self.service}.sqlite"

    @property
    def group(self) -> str:
        """Consumer group of the service."""
        return qualified(self.namespace, self.service)

    def topic(self, name: str) -> str:
        """Topic of that name on this broker."""
        return qualified(self.namespace, name)


def qualified(namespace: str, name: str) -> str:
    """A topic's or group's name on the broker."""
    return f"{namespace}.{name}" if namespace else name


def checked_namespace(text: str) -> str:
    """A namespace, possibly empty.

    Raises:
        SettingsError: It would not make a topic name.
    """
    if text and not _NAMESPACE.fullmatch(text):
        raise SettingsError(f"ORDERFLOW_NAMESPACE is small letters, digits and dashes, not {text!r}")
    return text
