"""Names of schemas, and a registry that is away, slow, or answers nonsense."""

from __future__ import annotations

import json

import httpx
import pytest

from flowtrail_collector.app import build_collector
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.events.registry import SchemaRegistry
from flowtrail_collector.events.schemas import Problem, SchemaProblemError
from flowtrail_collector.settings import CollectorConfig, KafkaConfig

PROTO = 'syntax = "proto3"; package shop;\nmessage OrderSent { string id = 1; }\nmessage Other {}'
SCHEMAS = {
    1: {"schema": json.dumps({"type": "record", "name": "shop.OrderPlaced", "fields": []})},
    2: {"schema": json.dumps({"title": "PaymentCompleted"}), "schemaType": "JSON"},
    3: {"schema": PROTO, "schemaType": "PROTOBUF"},
    4: {"schema": '"string"'},
    5: {"schema": "{" * 10},
    6: {},
}


class Registry:
    """Answers as told, and counts what it is asked."""

    def __init__(self):
        self.asked = []
        self.now = 1_000.0
        self.away = False
        self.lookup = SchemaRegistry(
            "http://user:secret@registry",
            transport=httpx.MockTransport(self.answer),
            monotonic_seconds=lambda: self.now,
        )

    def answer(self, request):
        self.asked.append(request.url.path)
        if self.away:
            raise httpx.ConnectTimeout("away")
        number, _, versions = request.url.path.removeprefix("/schemas/ids/").partition("/")
        if int(number) not in SCHEMAS:
            return httpx.Response(404, json={"error_code": 40403})
        rows = [
            {"subject": "b-value", "version": 1},
            {"subject": "a-value", "version": 2},
            {"subject": None},
            7,
        ]
        return httpx.Response(200, json=rows if versions else SCHEMAS[int(number)])

    def problem(self, number):
        with pytest.raises(SchemaProblemError) as caught:
            self.lookup.schema(number)
        return caught.value.problem


@pytest.fixture
def registry():
    made = Registry()
    yield made
    made.lookup.close()


def test_records_of_each_kind_of_schema_have_a_name(registry):
    names = [registry.lookup.schema(number).name for number in SCHEMAS]
    assert names == ["OrderPlaced", "PaymentCompleted", "OrderSent", None, None, None]
    assert registry.lookup.schema(1)[:2] == ("OrderPlaced", ("a-value", "b-value"))


def test_a_schema_is_asked_for_once(registry):
    for _ in range(3):
        registry.lookup.schema(1)
    assert registry.asked == ["/schemas/ids/1", "/schemas/ids/1/versions"]


def test_an_unknown_schema_is_asked_for_once_a_minute(registry):
    assert [registry.problem(99) for _ in range(3)] == [Problem.UNKNOWN_SCHEMA] * 3
    assert len(registry.asked) == 1
    registry.now += 61
    registry.problem(99)
    assert len(registry.asked) == 2


def test_a_registry_that_is_away_is_left_alone_for_longer_and_longer(registry):
    registry.lookup.schema(1)
    registry.asked.clear()
    registry.away = True
    pauses = []
    for _ in range(6):
        before = registry.now
        assert [registry.problem(2) for _ in range(100)] == [Problem.REGISTRY] * 100
        assert len(registry.asked) == 2  # tried twice
        registry.asked.clear()
        while not registry.asked:
            registry.now += 1
            registry.problem(2)
        registry.asked.clear()
        pauses.append(registry.now - before)
        registry.now += pauses[-1] * 2 + 1  # the pause of that attempt
    assert pauses[0] == 5
    assert max(pauses) == 60
    assert registry.lookup.schema(1).name == "OrderPlaced"  # what is known stays
    registry.away = False
    registry.now += 120
    assert registry.lookup.schema(2).name == "PaymentCompleted"


def slowly(registry):
    registry.now += 0.3
    yield b" "


ANSWERS = {
    "an error": lambda registry: httpx.Response(500),
    "a redirect": lambda registry: httpx.Response(302, headers={"location": "http://elsewhere"}),
    "no JSON": lambda registry: httpx.Response(200, content=b"<html>"),
    "deep JSON": lambda registry: httpx.Response(200, content=b"[" * 100_000),
    "too much": lambda registry: httpx.Response(200, content=b" " * 5_000_000),
    "drop by drop": lambda registry: httpx.Response(
        200, content=(c for _ in range(9) for c in slowly(registry))
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_nonsense_counts_as_being_away(answer):
    registry = Registry()
    lookup = SchemaRegistry(
        "http://registry",
        transport=httpx.MockTransport(lambda request: ANSWERS[answer](registry)),
        monotonic_seconds=lambda: registry.now,
    )
    with pytest.raises(SchemaProblemError) as caught:
        lookup.schema(1)
    assert caught.value.problem is Problem.REGISTRY
    lookup.close()
    registry.lookup.close()


@pytest.mark.parametrize("url", ["registry:8081", "ftp://registry", "http://", "http://user:secret@[x"])
def test_a_wrong_address_is_said_without_its_password(url):
    with pytest.raises(ConfigurationError) as caught:
        SchemaRegistry(url)
    assert "secret" not in str(caught.value)


def test_a_mapping_by_schema_needs_a_registry(tmp_path):
    flows = tmp_path / "flows.yaml"
    flows.write_text("mapping: {t: {type: {schema: name}}}\n")
    config = CollectorConfig(KafkaConfig("127.0.0.1:1"), flows=flows, store=tmp_path / "store.sqlite")
    with pytest.raises(ConfigurationError, match="--schema-registry"):
        build_collector(config)
