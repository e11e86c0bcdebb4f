"""Contracts from a Confluent-compatible schema registry."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from inspect import signature
from typing import Any

from flowtrail import _fork
from flowtrail._checks import check_seconds
from flowtrail.contracts._comparing import defined
from flowtrail.contracts._errors import RegistryUnavailableError, SchemaError
from flowtrail.contracts._format import Definition, Reference
from flowtrail.contracts._formats import FORMATS, registered
from flowtrail.contracts._registry_client import RegistryClient, brief
from flowtrail.errors import ConfigurationError, ContractError

_UNKNOWN_SECONDS = 60.0
_PUBLISHERS_SECONDS = 3.0
"""Whoever publishes asks again sooner: its types are its own program's, not whatever records name."""
_MAX_UNKNOWN = 1000
_MAX_KNOWN = 10_000
_MAX_TYPE_LENGTH = 200
_MAX_REFERENCES = 100


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
        ConfigurationError: The URL isn't one, or an argument isn't what it has to be.
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
        check_seconds("timeout_seconds", timeout_seconds)
        check_seconds("retry_seconds", retry_seconds)
        given = {"timeout": timeout_seconds, "max.retries": 0, **(settings or {})}
        self._client = RegistryClient(url, retry_seconds, given)
        self._subject = subject
        self._types = None if types is None else frozenset(types)
        self._versions: dict[str, Sequence[int]] = {}
        self._schemas: dict[tuple[str, int], Definition] = {}
        self._ids: dict[tuple[str, int], int] = {}
        self._by_id: dict[int, Definition] = {}
        self._unusable: dict[str, str] = {}
        self._version_of_id: dict[tuple[str, int], int | None] = {}
        self._unknown: dict[tuple[str, int], float] = {}
        self._lock = threading.Lock()
        _fork.in_child(self._forked)

    @classmethod
    def of(cls, url: str, arguments: Mapping[str, Any]) -> RegistrySource:
        """With arguments from elsewhere; raises `ConfigurationError` for one that there isn't."""
        known = list(signature(cls).parameters)[1:]
        for name in arguments:
            if name not in known:
                meant = get_close_matches(str(name), known, 1)
                advice = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(known)}"
                raise ConfigurationError(f"registry= has no argument {str(name)[:100]!r}: {advice}")
        return cls(url, **arguments)

    def _forked(self) -> None:
        _fork.free(self._lock)
        self._client.forked()

    def types(self) -> Sequence[str]:
        """The types given, else all subjects of the registry."""
        if self._types is not None:
            return sorted(self._types)
        return self._client.subjects()

    def versions(self, type: str, *, at_least: int = 0) -> Sequence[int]:
        """Versions of a type, ascending; asked for once, and again when a newer one turns up."""
        known = self._versions.get(type, ())
        if (known and known[-1] >= at_least) or self._hopeless(type, at_least):
            return known
        try:
            found = self._client.ask(type, lambda: self._client.api.get_versions(self._subject(type)))
        except RegistryUnavailableError:
            if known:
                return known
            raise
        if not found or max(found) < at_least:
            self._remember_unknown(type, at_least)
        if found:
            self._versions[type] = known = sorted(found)
        return known

    def schema(self, type: str, version: int) -> Definition | None:
        """The contract; fetched once."""
        known = self._schemas.get((type, version))
        if known is not None or version not in self.versions(type, at_least=version):
            return known
        name, subject = f"{type}/{version}", self._subject(type)
        if name in self._unusable:
            raise SchemaError(self._unusable[name])
        found = self._client.ask(f"{type}/{version}", lambda: self._client.api.get_version(subject, version))
        if found is None:
            return None
        definition = self._defined(f"{type}/{version}", type, found.schema)
        self._schemas[type, version] = definition
        self._ids[type, version] = found.schema_id
        return definition

    def id_of(self, type: str, version: int) -> int | None:
        """The registry's id of a contract, None if there is no such contract.

        Raises:
            RegistryUnavailableError: The registry is away and the contract isn't cached.
        """
        self.schema(type, version)
        return self._ids.get((type, version))

    def by_id(self, id: int) -> Definition | None:
        """The contract that an id stands for, whatever its subject; fetched once. None if there is none.

        Raises:
            RegistryUnavailableError: The registry is away and the contract isn't cached.
            SchemaError: What is there can't be used.
        """
        known = self._by_id.get(id)
        if known is not None or self._is_unknown("", id):
            return known
        if (name := f"schema {id}") in self._unusable:
            raise SchemaError(self._unusable[name])
        found = self._client.ask(f"the schema of id {id}", lambda: self._client.api.get_schema(id))
        if found is None:
            self._remember_unknown("", id)
            return None
        definition = self._defined(f"schema {id}", None, found)
        if len(self._by_id) < _MAX_KNOWN:
            self._by_id[id] = definition
        return definition

    def version_by_id(self, type: str, id: int) -> int | None:
        """The version of a type that an id stands for, None if it is none of its versions; asked for once.

        Raises:
            RegistryUnavailableError: The registry is away and hasn't said yet.
        """
        key = type, id
        if key not in self._version_of_id:
            if self._hopeless(type, 0):
                return None
            found = self._client.ask(
                f"the versions of id {id}", lambda: self._client.api.get_schema_versions(id)
            )
            subject = self._subject(type)
            own = [row.version for row in found or () if row.subject == subject]
            if len(self._version_of_id) >= _MAX_KNOWN:
                return max(own, default=None)
            self._version_of_id[key] = max(own, default=None)
        return self._version_of_id[key]

    def id_at_hand(self, type: str | None, id: int) -> bool:
        """Whether `by_id` and `version_by_id` answer at once, with what is known or with an error."""
        if self._client.is_away or self._is_unknown("", id):
            return True
        return id in self._by_id and (type is None or (type, id) in self._version_of_id)

    def at_hand(self, type: str, version: int | None) -> bool:
        """Whether `schema` and `versions` answer at once, with what is known or with an error."""
        if (type, version) in self._schemas or self._client.is_away:
            return True
        known = self._versions.get(type, ())
        if version is None:
            return bool(known) or self._hopeless(type, 0)
        passed_over = bool(known) and known[-1] >= version and version not in known
        return passed_over or self._hopeless(type, version)

    def look_again(self, type: str, version: int | None, *, seconds: float = _PUBLISHERS_SECONDS) -> None:
        """Before publishing: forget that a type or version isn't there, once it was last asked for `seconds` ago."""
        if not self._unknown:  # almost always
            return
        for key in {(type, version or 0), (type, 0)}:
            if not self._is_unknown(*key, seconds):
                self._unknown.pop(key, None)

    def register(self, type: str, contract: Definition | Mapping[str, Any]) -> int:
        """Register a contract, and hand back its version; a mapping is a JSON Schema.

        What it refers to is registered before it, under the name that it refers to it by.

        Raises:
            ContractError: The registry refuses it (409: incompatible with the version before; 422: invalid), or
                has earlier versions in another format.
            RegistryUnavailableError: It doesn't answer.
        """
        definition = defined(type, contract)
        kind = FORMATS[definition.format].registry_type
        subject, needs = self._subject(type), definition.references
        self._hold_to_format(type, kind)
        # Registries know nothing that is registered later.
        own = Reference(subject, definition.alone if needs is None else definition.text, needs or ())
        version = self._registered(type, kind, own, {})
        with self._lock:
            self._versions.pop(type, None)
            self._unknown.clear()
        return version

    def _hold_to_format(self, type: str, kind: str) -> None:
        """Apicurio would keep the text under the format of the versions before, and nobody could read it."""
        subject = self._subject(type)
        before = self._client.ask(type, lambda: self._client.api.get_versions(subject))
        if not before:
            return
        found = self._client.ask(type, lambda: self._client.api.get_version(subject, max(before)))
        has = kind if found is None else found.schema.schema_type or "AVRO"
        if has != kind:
            said = f"{self._client.name} has version {max(before)} as {has}: a type keeps its format in a registry"
            raise ContractError(type, None, [f"{said}, so {kind} takes a type of its own"])

    def _registered(self, type: str, kind: str, text: Reference, known: dict[str, int]) -> int:
        """Register a text as the subject of its name; the version, which is asked for once of each."""
        from confluent_kafka.schema_registry import Schema as RegistrySchema
        from confluent_kafka.schema_registry import SchemaReference
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        needs = [
            SchemaReference(
                part.name, part.name, known.get(part.name) or self._registered(type, kind, part, known)
            )
            for part in text.references
        ]
        body = RegistrySchema(text.text, kind, needs)

        def register() -> int:
            self._client.api.register_schema(text.name, body)
            return int(self._client.api.lookup_schema(text.name, body).version)

        try:
            known[text.name] = version = self._client.ask(type, register) or 0
        except SchemaRegistryError as error:
            word = "incompatible with the versions before" if error.http_status_code == 409 else "invalid"
            what = "it" if text.name == self._subject(type) else f"{text.name}, to which it refers"
            said = f"{self._client.name} refuses {what} ({error.http_status_code}, {word}): {brief(error)}"
            raise ContractError(type, None, [said]) from error
        return version

    def close(self) -> None:
        """Close the connections; what is cached keeps working, asking for more fails."""
        self._client.api.close()

    def _defined(self, name: str, type: str | None, found: Any) -> Definition:
        """The contract; what can't be used now never will be."""
        texts: dict[str, str] = {}
        try:
            self._refer(name, found, texts)
            return registered(found.schema_type, name, found.schema_str, type, references=texts)
        except SchemaError as error:
            said = f"{error} (schema registry {self._client.name})"
            if len(self._unusable) < _MAX_KNOWN:
                self._unusable[name] = said
            raise SchemaError(said) from error

    def _refer(self, name: str, schema: Any, texts: dict[str, str]) -> None:
        """Gather the texts that a schema refers to, and what they refer to."""
        for part in schema.references or ():
            if part.name in texts:
                continue
            if len(texts) >= _MAX_REFERENCES:
                raise SchemaError(f"{name}: it refers to more than {_MAX_REFERENCES} other schemas")
            found = self._client.ask(
                part.name, partial(self._client.api.get_version, part.subject, part.version)
            )
            if found is None:
                raise SchemaError(
                    f"{name}: the registry has no {part.subject} {part.version} that it refers to"
                )
            texts[part.name] = found.schema.schema_str
            self._refer(name, found.schema, texts)

    def _hopeless(self, type: str, at_least: int) -> bool:
        if len(type) > _MAX_TYPE_LENGTH or (self._types is not None and type not in self._types):
            return True
        return self._is_unknown(type, at_least)

    def _is_unknown(self, type: str, number: int, seconds: float = _UNKNOWN_SECONDS) -> bool:
        asked = self._unknown.get((type, number))
        return asked is not None and time.monotonic() - asked < seconds

    def _remember_unknown(self, type: str, version: int) -> None:
        # Type names come from records, so what is remembered of them has a bound.
        with self._lock:
            if len(self._unknown) >= _MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown[type, version] = time.monotonic()
