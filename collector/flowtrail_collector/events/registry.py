"""Names of schemas from a Confluent-compatible registry.

API: https://docs.confluent.io/platform/current/schema-registry/develop/api.html#schemas
"""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from flowtrail.contracts import Definition, SchemaError, registered
from flowtrail.errors import MissingExtraError
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.events.payloads import PayloadReader
from flowtrail_collector.events.schemas import Problem, Schema, SchemaProblemError

__all__ = ["SchemaRegistry"]

_TIMEOUT_SECONDS = 1.0
_ATTEMPTS = 2
_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 60.0
_UNKNOWN_SECONDS = 60.0
_MAX_CACHED = 10_000
_MAX_BYTES = 4_194_304
_MAX_REFERENCES = 50
_MESSAGE = re.compile(r"^\s*message\s+(\w+)", re.MULTILINE)


class SchemaRegistry:
    """Looks schemas up by id; each once, for what an id means never changes.

    Reading events never waits long for it: a registry that doesn't answer is asked twice, a second each, and
    is then left alone for 5 seconds, after the next failure for 10, up to a minute.

    Args:
        url: Base URL, e.g. `http://localhost:8081`; a user and password in it are used and never shown.
        transport: Another httpx transport, for tests.
        monotonic_seconds: A clock.

    Raises:
        ConfigurationError: Not an HTTP URL.
    """

    def __init__(
        self,
        url: str,
        *,
        transport: httpx.BaseTransport | None = None,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = url.rpartition("@")[2]
        try:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError
            self._http = httpx.Client(
                base_url=url.rstrip("/"),
                timeout=_TIMEOUT_SECONDS,
                transport=transport,
                trust_env=False,
                verify=ssl.create_default_context(),  # the system's authorities, not certifi's
                limits=httpx.Limits(max_keepalive_connections=0),  # each id is asked for once
            )
        except (httpx.InvalidURL, ValueError):  # what they say would show the password
            raise ConfigurationError(
                f"--schema-registry takes an http(s) address, not {self.name!r}"
            ) from None
        self._monotonic_seconds = monotonic_seconds
        self._known: dict[int, Schema] = {}
        self._unknown: dict[int, float] = {}
        self._definitions: dict[str, Definition] = {}
        self._away_until = 0.0
        self._pause_seconds = _PAUSE_SECONDS

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def schema(self, number: int) -> Schema:
        """The schema of an id.

        Raises:
            SchemaProblemError: The registry doesn't know it, or doesn't answer.
        """
        known = self._known.get(number)
        if known is not None:
            return known
        now = self._monotonic_seconds()
        if self._unknown.get(number, 0.0) > now:
            raise SchemaProblemError(Problem.UNKNOWN_SCHEMA)
        if self._away_until > now:
            raise SchemaProblemError(Problem.REGISTRY)
        found = self._asked(number)
        if found is None:
            # It may be registered yet, and a wrong id must not cost a request per record.
            _bound(self._unknown)[number] = now + _UNKNOWN_SECONDS
            raise SchemaProblemError(Problem.UNKNOWN_SCHEMA)
        _bound(self._known)[number] = found
        return found

    def definition(self, number: int) -> Definition | None:
        """The contract of an id, None if the registry doesn't know it.

        Raises:
            SchemaProblemError: The registry doesn't answer, or the schema can't be used.
        """
        return self._defined(f"schema {number}", f"/schemas/ids/{number}", None)

    def named(self, type: str, version: int) -> Definition | None:
        """The contract of an event type, whose subject has its name; None if there is none. Raises likewise."""
        path = f"/subjects/{quote(type, safe='')}/versions/{version}"
        return self._defined(f"{type}/{version}", path, type)

    def _defined(self, name: str, path: str, type: str | None) -> Definition | None:
        known = self._definitions.get(name)
        if known is not None:
            return known
        references: dict[str, str] = {}
        try:
            answer = self._get(path)
            if answer is None:
                return None
            self._refer(answer, references)
            found = registered(answer.get("schemaType"), name, answer["schema"], type, references=references)
        except (SchemaError, MissingExtraError):
            raise SchemaProblemError(Problem.BAD_SCHEMA) from None
        except (httpx.HTTPError, ValueError, RecursionError, AttributeError, KeyError, TypeError):
            raise SchemaProblemError(Problem.REGISTRY) from None
        if len(self._definitions) >= _MAX_CACHED:
            self._definitions.clear()
        self._definitions[name] = found
        return found

    def _asked(self, number: int) -> Schema | None:
        for _ in range(_ATTEMPTS):
            try:
                schema = self._get(f"/schemas/ids/{number}")
                if schema is None:
                    return None
                versions = self._get(f"/schemas/ids/{number}/versions")
                reader = self._reader(number, schema)
            except (httpx.HTTPError, ValueError, RecursionError, AttributeError):
                continue
            self._pause_seconds = _PAUSE_SECONDS
            return Schema(_record_name(schema), _subjects(versions), reader)
        self._away_until = self._monotonic_seconds() + self._pause_seconds
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)
        raise SchemaProblemError(Problem.REGISTRY)

    def _reader(self, number: int, answer: Any) -> PayloadReader | None:
        text = answer.get("schema") if isinstance(answer, dict) else None
        kind = answer.get("schemaType", "AVRO") if isinstance(answer, dict) else None
        if not isinstance(text, str) or kind not in ("AVRO", "PROTOBUF"):
            return None
        references: dict[str, str] = {}
        self._refer(answer, references)
        return PayloadReader(number, kind, text, references)

    def _refer(self, answer: Any, texts: dict[str, str]) -> None:
        """Gather the texts that a schema refers to, and what they refer to."""
        for part in answer.get("references") or ():
            name, subject, version = (part.get(word) for word in ("name", "subject", "version"))
            if name in texts or len(texts) >= _MAX_REFERENCES or not isinstance(version, int):
                continue
            found = self._get(f"/subjects/{quote(str(subject), safe='')}/versions/{version}")
            if isinstance(found, dict) and isinstance(found.get("schema"), str):
                texts[str(name)] = found["schema"]
                self._refer(found, texts)

    def _get(self, path: str) -> Any:
        """The decoded answer, None for "not found"; raises for any other than success."""
        until = self._monotonic_seconds() + _TIMEOUT_SECONDS  # httpx's limit is that of each read
        with self._http.stream("GET", quote(path, safe="/%")) as response:
            if response.status_code == 404:
                return None
            response.raise_for_status()
            body = b""
            for part in response.iter_bytes():
                body += part
                if len(body) > _MAX_BYTES or self._monotonic_seconds() > until:
                    raise ValueError("too large or too slow")
        return json.loads(body)


def _bound(cache: dict[int, Any]) -> dict[int, Any]:
    """The cache with room for one more; what was there first goes first."""
    if len(cache) >= _MAX_CACHED:
        del cache[next(iter(cache))]
    return cache


def _subjects(versions: Any) -> tuple[str, ...]:
    rows = versions if isinstance(versions, list) else []
    names = [row.get("subject") for row in rows if isinstance(row, dict)]
    return tuple(sorted({name for name in names if isinstance(name, str) and name}))


def _record_name(answer: Any) -> str | None:
    text = answer.get("schema") if isinstance(answer, dict) else None
    if not isinstance(text, str):
        return None
    if answer.get("schemaType") == "PROTOBUF":
        match = _MESSAGE.search(text)
        return match[1] if match else None
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(schema, dict):
        return None
    name = schema.get("title") if answer.get("schemaType") == "JSON" else schema.get("name")
    return name.rpartition(".")[2] if isinstance(name, str) and name else None
