"""Asking a Confluent-compatible schema registry, through confluent-kafka's client."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flowtrail import _fork
from flowtrail.contracts._errors import NotARegistryError, RegistryUnavailableError
from flowtrail.errors import ConfigurationError, MissingExtraError

_T = TypeVar("_T")
_URL = re.compile(r"https?://[^/]", re.IGNORECASE)
_NOT_FOUND = ("40401", "40402", "40403")
"""A subject, a version, a schema that isn't there."""


class RegistryClient:
    """One registry. After it failed to answer, everything fails at once until `retry_seconds` have passed.

    Args:
        url: Base URL; a user and password in it are used and never shown.
        retry_seconds: How long a registry that didn't answer is left alone.
        settings: Of confluent-kafka's client.

    Attributes:
        api: The client.
        name: The registry, for messages.

    Raises:
        ConfigurationError: The URL isn't one, or the client refuses a setting.
        MissingExtraError: confluent-kafka's registry client isn't installed.
    """

    def __init__(self, url: str, retry_seconds: float, settings: Mapping[str, Any]) -> None:
        try:
            from confluent_kafka.schema_registry import SchemaRegistryClient
        except ImportError as error:
            raise MissingExtraError(error.name or "confluent_kafka", "contracts") from None
        if not isinstance(url, str) or not _URL.match(url):
            # A password without an address around it isn't shown either.
            shown = str(url).rpartition("@")[2][:200]
            raise ConfigurationError(f"a registry's URL begins with http:// or https://, not {shown!r}")
        given = {"url": url, **settings}
        self._connect: Callable[[], Any] = lambda: SchemaRegistryClient(dict(given))
        try:
            self.api: Any = self._connect()
        except (TypeError, ValueError) as error:  # a setting that it doesn't have, or of another type
            raise ConfigurationError(f"the registry's client refuses its settings: {brief(error)}") from None
        self.name = url.rpartition("@")[2]
        self._retry_seconds = retry_seconds
        self._away_until = 0.0
        self._is_registry = False

    def forked(self) -> None:
        """Two processes that talk over one connection would get each other's answers."""
        _fork.leave_behind(self.api)
        self.api = self._connect()

    @property
    def is_away(self) -> bool:
        """Whether asking fails at once."""
        return time.monotonic() < self._away_until

    def ask(self, what: str, call: Callable[[], _T]) -> _T | None:
        """Call the registry; None if it has no such thing.

        Raises:
            RegistryUnavailableError: It doesn't answer, or what answers is no registry.
            SchemaRegistryError: It refuses what it was given (409, 422).
        """
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        if self.is_away:
            raise self._unavailable(what, "it didn't answer a moment ago")
        try:
            return call()
        except SchemaRegistryError as error:
            if error.http_status_code == 404:
                self._hold_to_a_registry(error)
                return None
            if error.http_status_code in (409, 422):
                raise
            # Wrong credentials and a proxy's 502 aren't the data's fault: the event can be tried again.
            reason = f"HTTP {error.http_status_code}: {brief(error)}"
        except Exception as error:  # noqa: BLE001 - the client's HTTP library is its own affair
            reason = f"{type(error).__name__}: {brief(error)}"
        self._away_until = time.monotonic() + self._retry_seconds
        raise self._unavailable(what, reason)

    def subjects(self) -> list[str]:
        """All of them, sorted. Raises as `ask` does."""
        found = self.ask("its subjects", self.api.get_subjects)
        if not isinstance(found, list):
            raise self._none("isn't a list")
        return sorted(found)

    def _hold_to_a_registry(self, error: Any) -> None:
        """A wrong path answers 404 to everything, and would pass for a registry without any contracts.

        Registries say by a code what isn't there; one that doesn't has to have a list of subjects.
        """
        if self._is_registry or str(error.error_code) in _NOT_FOUND:
            return
        reason = "answers 404"
        try:
            self._is_registry = isinstance(self.api.get_subjects(), list)
            reason = "isn't a list"
        except Exception as other:  # noqa: BLE001 - the client's HTTP library is its own affair
            # Whoever may not list the subjects, or gets no answer, can't tell.
            if getattr(other, "http_status_code", None) != 404:
                return
        if not self._is_registry:
            raise self._none(reason)

    def _none(self, reason: str) -> NotARegistryError:
        self._away_until = time.monotonic() + self._retry_seconds
        return NotARegistryError(
            f"{self.name} is no schema registry ({self.name.rstrip('/')}/subjects {reason}): "
            "is the path right? Apicurio's is /apis/ccompat/v7"
        )

    def _unavailable(self, what: str, reason: str) -> RegistryUnavailableError:
        return RegistryUnavailableError(f"schema registry {self.name} can't be asked for {what}: {reason}")


def brief(error: Exception) -> str:
    """What an error of the client says, in one line."""
    text = " ".join(str(getattr(error, "error_message", None) or error).split())
    return text if len(text) <= 200 else f"{text[:197]}..."
