"""Contracts of a real Apicurio Registry."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from flowtrail.contracts import (
    ContractNotFoundError,
    Contracts,
    RegistrySource,
    RegistryUnavailableError,
    _registry,
    compare,
)
from flowtrail.errors import ContractError
from flowtrail_collector.events.mapping import FIELDS
from flowtrail_collector.events.registry import SchemaRegistry
from flowtrail_collector.events.schemas import SchemaProblemError
from flowtrail_collector.events.sources import Subject
from flowtrail_collector.sagas.flow_file import parse_flows
from servers import free_port
from servers._apicurio import ApicurioServer
from waiting import scaled

pytestmark = pytest.mark.servers

V1: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["order_id"],
    "additionalProperties": False,
    "properties": {"order_id": {"type": "string"}},
}
V2 = {**V1, "properties": {**V1["properties"], "currency": {"type": "string", "default": "EUR"}}}
BROKEN = {**V1, "properties": {"order_id": {"type": "integer"}}}


Connect = Callable[..., RegistrySource]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Opens sources, and closes them after the test."""
    sources: list[RegistrySource] = []

    def open_source(url: str, **settings: Any) -> RegistrySource:
        sources.append(RegistrySource(url, **settings))
        return sources[-1]

    yield open_source
    for source in sources:
        source.close()


def _type() -> str:
    return f"OrderPlaced{uuid.uuid4().hex[:8]}"


def _compatibility(source: RegistrySource, subject: str, level: str) -> None:
    source._client.api.set_compatibility(subject_name=subject, level=level)


def test_versions_come_from_the_registry(registry: str, connect: Connect) -> None:
    type, source = _type(), connect(registry)
    assert source.register(type, V1) == 1
    assert source.register(type, V2) == 2
    contracts = Contracts(connect(registry))
    contracts.validate_publish(type, 1, {"order_id": "7"})
    with pytest.raises(ContractError, match="order_id: type should be string"):
        contracts.validate_publish(type, 2, {"order_id": 7})
    assert contracts.read(type, "1", {"order_id": "7"}) == ({"order_id": "7", "currency": "EUR"}, "2")
    assert type in source.types()
    assert contracts.read("Nobody's", "1", {"a": 1}) == ({"a": 1}, "1")


@pytest.mark.parametrize("first", ["publish", "at_hand", "read"])
def test_a_type_that_was_just_registered_is_published_within_seconds(
    registry: str, connect: Connect, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """A type or version that wasn't there is asked for again, and by publishers soon."""
    now = 1_000.0
    monkeypatch.setattr(_registry, "time", SimpleNamespace(monotonic=lambda: now))
    type, source, other = _type(), connect(registry), connect(registry)
    contracts = Contracts(source, strict=True)
    asked: list[int] = []
    get = source._client.api.get_versions
    monkeypatch.setattr(source._client.api, "get_versions", lambda name: asked.append(1) or get(name))
    for version, schema in ((1, V1), (2, V2)):
        if first == "read":
            contracts.read(type, str(version), {"order_id": "7"})
        with pytest.raises(ContractNotFoundError):
            contracts.validate_publish(type, version, {"order_id": "7"})
        assert other.register(type, schema) == version
        before = len(asked)
        for _ in range(20):
            with pytest.raises(ContractNotFoundError):
                contracts.validate_publish(type, version, {"order_id": "7"})
        assert contracts.at_hand(type, version)
        assert len(asked) == before
        now += 3.1
        if first == "at_hand":
            assert not contracts.at_hand(type, version)
        contracts.validate_publish(type, version, {"order_id": "7"})
        assert len(asked) <= before + 2


def test_readers_ask_again_after_a_minute(
    registry: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(_registry, "time", SimpleNamespace(monotonic=lambda: now))
    type, source, other = _type(), connect(registry), connect(registry)
    contracts = Contracts(source)
    assert contracts.read(type, "1", {"order_id": "7"}) == ({"order_id": "7"}, "1")
    other.register(type, V1)
    now += 59
    assert source.schema(type, 1) is None
    now += 2
    assert source.schema(type, 1) is not None


def test_an_incompatible_registration_is_refused(registry: str, connect: Connect) -> None:
    type, source = _type(), connect(registry)
    source.register(type, V1)
    _compatibility(source, type, "BACKWARD")
    with pytest.raises(ContractError, match="409, incompatible"):
        source.register(type, BROKEN)
    assert source.versions(type) == [1]


def test_the_registry_passes_a_removal_that_the_rules_refuse(registry: str, connect: Connect) -> None:
    """BACKWARD looks at readers of old data only; a reader that isn't deployed yet is nobody's concern."""
    type, source = _type(), connect(registry)
    opened = {name: part for name, part in V2.items() if name != "additionalProperties"}
    without = {**opened, "properties": V1["properties"]}
    source.register(type, opened)
    _compatibility(source, type, "BACKWARD")
    assert source.register(type, without) == 2
    assert [change.rule for change in compare(opened, without)] == ["removed-without-deprecation"]


def test_a_registry_that_is_away(registry_server: Callable[[], ApicurioServer], connect: Connect) -> None:
    server = registry_server()
    type, other = _type(), _type()
    for name in (type, other):
        connect(server.url).register(name, V1)
    contracts = Contracts(connect(server.url, timeout_seconds=2))
    contracts.validate_publish(type, 1, {"order_id": "7"})
    server.kill()
    contracts.validate_publish(type, 1, {"order_id": "8"})
    assert contracts.read(type, "1", {"order_id": "8"})[1] == "1"
    with pytest.raises(RegistryUnavailableError, match=f"can't be asked for {other}"):
        contracts.validate_publish(other, 1, {"order_id": "7"})
    started = time.monotonic()
    with pytest.raises(RegistryUnavailableError, match="a moment ago"):
        contracts.validate_publish(other, 1, {"order_id": "7"})
    assert time.monotonic() - started < scaled(0.5)


def test_a_registry_that_was_never_there() -> None:
    contracts = Contracts.from_registry(f"http://user:secret@127.0.0.1:{free_port()}")
    with pytest.raises(RegistryUnavailableError) as caught:
        contracts.read("OrderPlaced", 1, json.loads("{}"))
    assert "secret" not in str(caught.value)


def test_the_collector_names_events_by_their_schema_id(registry: str, connect: Connect) -> None:
    """Here because a registry takes ten seconds to start."""
    type, source = _type(), connect(registry)
    source.register(type, {**V1, "title": f"shop.{type}"})
    number = source._client.api.get_latest_version(type).schema_id
    payload = number.to_bytes(5, "big") + json.dumps({"order_id": "o-7"}).encode()
    text = "mapping: {t: {type: {schema: %s}, correlation: {field: $.order_id}}}"
    lookup = SchemaRegistry(registry)
    for kind in ("name", "subject"):
        mapping = parse_flows(text % kind).mapping.of("t")
        assert mapping is not None
        values = mapping.values(Subject("t", None, None, lambda: payload), FIELDS, lookup.schema)
        assert (values.found, values.problem) == ({"type": type, "correlation": "o-7"}, None)
    with pytest.raises(SchemaProblemError, match="unknown_schema"):
        lookup.schema(2**31 - 1)
    lookup.close()
