"""Contracts from a Confluent-compatible schema registry, through confluent-kafka's client."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from flowtrail import _fork
from flowtrail.contracts._source import RegistryUnavailableError, Schema, SchemaError
from flowtrail.contracts._validator import check_schema, parsed
from flowtrail.errors import ContractError, MissingExtraError

_T = TypeVar("_T")
_UNKNOWN_SECONDS = 60.0
_MAX_UNKNOWN = 1000
_MAX_TYPE_LENGTH = 200


class RegistrySource:
    """Schemas of a registry: the subject of a type, the registry's own version numbers.

    Schemas never change, so each is fetched once. While the registry is away, what was fetched keeps
    working, and everything else fails at once until `retry_seconds` have passed.

    Args:
        url: Base URL, e.g. `http://localhost:8081`; a user and password in it are used and never shown.
        subject: Makes the subject of a type; default: the type itself (Confluent's RecordNameStrategy).
        types: The only types to ask for; None asks for any type that an event names.
        timeout_seconds: Of one request.
        retry_seconds: How long a registry that didn't answer is left alone.
        settings: Further settings of confluent-kafka's client, e.g. `basic.auth.user.info`.

    Raises:
        MissingExtraError: confluent-kafka's registry client isn't installed.
    """

    def __init__(
        self,
        url: str,
        *,
        subject: Callable[[str], str] = str,
        types: Collection[str] | None = None,
        timeout_seconds: float = 5.0,
        retry_seconds: float = 5.0,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            from confluent_kafka.schema_registry import SchemaRegistryClient
        except ImportError as error:
            raise MissingExtraError(error.name or "confluent_kafka", "contracts") from None
        given = {"url": url, "timeout": timeout_seconds, "max.retries": 0, **(settings or {})}
        self._connect: Callable[[], Any] = lambda: SchemaRegistryClient(dict(given))
        self._client: Any = self._connect()
        self._name = url.rpartition("@")[2]
        self._subject = subject
        self._types = None if types is None else frozenset(types)
        self._retry_seconds = retry_seconds
        self._versions: dict[str, Sequence[int]] = {}
        self._schemas: dict[tuple[str, int], Schema] = {}
        self._unknown: dict[tuple[str, int], float] = {}
        self._away_until = 0.0
        self._lock = threading.Lock()
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        """Two processes that talk over one connection would get each other's answers."""
        _fork.free(self._lock)
        _fork.leave_behind(self._client)
        self._client = self._connect()

    def types(self) -> Sequence[str]:
        """The types given, else all subjects of the registry."""
        if self._types is not None:
            return sorted(self._types)
        return sorted(self._ask("its subjects", self._client.get_subjects) or ())

    def versions(self, type: str, *, at_least: int = 0) -> Sequence[int]:
        """Versions of a type, ascending; asked for once, and again when a newer one turns up."""
        known = self._versions.get(type, ())
        if (known and known[-1] >= at_least) or self._hopeless(type, at_least):
            return known
        try:
            found = self._ask(type, lambda: self._client.get_versions(self._subject(type)))
        except RegistryUnavailableError:
            if known:
                return known
            raise
        if not found or max(found) < at_least:
            self._remember_unknown(type, at_least)
        if found:
            self._versions[type] = known = sorted(found)
        return known

    def schema(self, type: str, version: int) -> Schema | None:
        """The schema; fetched once."""
        known = self._schemas.get((type, version))
        if known is not None or version not in self.versions(type, at_least=version):
            return known
        found = self._ask(f"{type}/{version}", lambda: self._client.get_version(self._subject(type), version))
        if found is None:
            return None
        schema = _parsed(f"{type}/{version}", found.schema)
        self._schemas[type, version] = schema
        return schema

    def at_hand(self, type: str, version: int | None) -> bool:
        """Whether `schema` and `versions` answer at once, with what is known or with an error."""
        if (type, version) in self._schemas or time.monotonic() < self._away_until:
            return True
        known = self._versions.get(type, ())
        if version is None:
            return bool(known) or self._hopeless(type, 0)
        passed_over = bool(known) and known[-1] >= version and version not in known
        return passed_over or self._hopeless(type, version)

    def register(self, type: str, schema: Schema) -> int:
        """Register a contract, and hand back its version.

        Raises:
            ContractError: The registry refuses it (409: incompatible with the version before; 422: invalid).
            RegistryUnavailableError: It doesn't answer.
        """
        from confluent_kafka.schema_registry import Schema as RegistrySchema
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        check_schema(type, schema)
        body = RegistrySchema(json.dumps(schema), "JSON")

        def register() -> int:
            self._client.register_schema(self._subject(type), body)
            return int(self._client.lookup_schema(self._subject(type), body).version)

        try:
            version = self._ask(type, register)
        except SchemaRegistryError as error:
            word = "incompatible with the versions before" if error.http_status_code == 409 else "invalid"
            raise ContractError(
                type, None, [f"{self._name} refuses it ({error.http_status_code}, {word}): {_brief(error)}"]
            ) from error
        with self._lock:
            self._versions.pop(type, None)
            self._unknown.clear()
        return version or 0

    def close(self) -> None:
        """Close the connections; what is cached keeps working, asking for more fails."""
        self._client.close()

    def _hopeless(self, type: str, at_least: int) -> bool:
        if len(type) > _MAX_TYPE_LENGTH or (self._types is not None and type not in self._types):
            return True
        asked = self._unknown.get((type, at_least))
        return asked is not None and time.monotonic() - asked < _UNKNOWN_SECONDS

    def _remember_unknown(self, type: str, version: int) -> None:
        # Type names come from records, so what is remembered of them has a bound.
        with self._lock:
            if len(self._unknown) >= _MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown[type, version] = time.monotonic()

    def _ask(self, what: str, call: Callable[[], _T]) -> _T | None:
        """Call the registry; None if it has no such thing."""
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        if time.monotonic() < self._away_until:
            raise self._unavailable(what, "it didn't answer a moment ago")
        try:
            return call()
        except SchemaRegistryError as error:
            if error.http_status_code == 404:
                return None
            if error.http_status_code in (409, 422):
                raise
            # Wrong credentials and a proxy's 502 aren't the data's fault: the event can be tried again.
            reason = f"HTTP {error.http_status_code}: {_brief(error)}"
        except Exception as error:  # noqa: BLE001 - the client's HTTP library is its own affair
            reason = f"{type(error).__name__}: {_brief(error)}"
        self._away_until = time.monotonic() + self._retry_seconds
        raise self._unavailable(what, reason)

    def _unavailable(self, what: str, reason: str) -> RegistryUnavailableError:
        return RegistryUnavailableError(f"schema registry {self._name} can't be asked for {what}: {reason}")


def _parsed(name: str, registered: Any) -> Schema:
    if registered.schema_type != "JSON":
        raise SchemaError(f"{name}: the registry holds a schema of type {registered.schema_type}, not JSON")
    return parsed(name, registered.schema_str)


def _brief(error: Exception) -> str:
    text = " ".join(str(getattr(error, "error_message", None) or error).split())
    return text if len(text) <= 200 else f"{text[:197]}..."
