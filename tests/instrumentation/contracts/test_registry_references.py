"""What a contract refers to goes to the registry with it, in all formats."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference
from confluent_kafka.schema_registry.error import SchemaRegistryError

from contractkit import REFERRING, Referring
from flowtrail.contracts import Contracts, RegistrySource, SchemaError
from flowtrail.contracts.folder import read_file
from flowtrail.errors import ContractError

Connect = Callable[..., RegistrySource]
SHARING = {name: case for name, case in REFERRING.items() if case.shared}
CIRCLES = {"avro: two shared types that hold each other", "avro: the contract within what it takes"}


class Holding:
    """Stands in for the registry's client, and keeps what it is given as a registry would."""

    def __init__(self) -> None:
        self.subjects: dict[str, list[Any]] = {}
        self.refused = ""

    def register_schema(self, subject: str, schema: Any) -> int:
        for part in schema.references:
            if len(self.subjects.get(part.subject, ())) < part.version:
                raise SchemaRegistryError(422, 42201, f"there is no {part.subject} {part.version}")
        if subject == self.refused:
            raise SchemaRegistryError(409, 409, "incompatible")
        versions = self.subjects.setdefault(subject, [])
        if schema not in versions:
            versions.append(schema)
        return versions.index(schema) + 1

    def lookup_schema(self, subject: str, schema: Any) -> Any:
        return SchemaReference(subject, subject, self.subjects[subject].index(schema) + 1)

    def get_versions(self, subject: str) -> list[int]:
        return [*range(1, len(self.subjects.get(subject, ())) + 1)]

    def get_version(self, subject: str, version: int) -> Any:
        return SimpleNamespace(schema=self.subjects[subject][version - 1])

    def close(self) -> None:
        """There is nothing to close."""


@pytest.fixture
def holding(connect: Connect) -> tuple[RegistrySource, Holding]:
    source = connect("http://127.0.0.1:1")
    source._client.api.close()
    source._client.api = holding = Holding()
    return source, holding


@pytest.mark.slow
@pytest.mark.parametrize("name", SHARING)
def test_references_are_registered_before_what_refers_to_them(
    name: str, holding: tuple[RegistrySource, Holding], tmp_path: Path
) -> None:
    (source, registry), case = holding, SHARING[name]
    definition = read_file(case.write(tmp_path))
    for _ in range(2):  # again is the same
        assert source.register("Order", definition) == 1
    assert {len(versions) for versions in registry.subjects.values()} == {1}
    (registered,) = registry.subjects["Order"]
    if name in CIRCLES:  # a registry holds nothing that is registered later
        assert (registered.references, registered.schema_str) == ([], definition.alone)
        return
    assert registered.schema_str == definition.text
    texts = {texts[0].schema_str for subject, texts in registry.subjects.items() if subject != "Order"}
    assert texts == set(case.shared.values())
    assert registered.references


def test_a_text_that_many_ways_lead_to_is_registered_once(
    holding: tuple[RegistrySource, Holding], tmp_path: Path
) -> None:
    """Each of 60 takes both before it: 2 to the power of 60 ways lead to the first."""
    source, registry = holding
    shared = {}
    for number in range(60):
        kinds = [f"shop.R{each}" for each in (number - 1, number - 2) if each >= 0] or ["int"]
        fields = [{"name": f"f{place}", "type": ["null", kind]} for place, kind in enumerate(kinds)]
        record = {"type": "record", "name": f"R{number}", "namespace": "shop", "fields": fields}
        shared[f"_shared/shop.R{number}.avsc"] = json.dumps(record)
    order = {"type": "record", "name": "Order", "fields": [{"name": "x", "type": "shop.R59"}]}
    case = Referring(".avsc", json.dumps(order), {}, frozenset(), shared)
    source.register("Order", read_file(case.write(tmp_path)))
    assert len(registry.subjects) == 61


def test_the_reference_that_is_refused_is_named(
    holding: tuple[RegistrySource, Holding], tmp_path: Path
) -> None:
    source, registry = holding
    registry.refused = "shop.Money"
    with pytest.raises(ContractError, match=r"refuses shop\.Money, to which it refers \(409, incompatible"):
        source.register("Order", read_file(SHARING["avro: a shared type"].write(tmp_path)))
    assert registry.subjects == {}


@pytest.mark.servers
@pytest.mark.slow
@pytest.mark.parametrize("name", SHARING)
def test_a_real_registry_hands_the_references_on(
    name: str, registry: str, connect: Connect, tmp_path: Path
) -> None:
    case, type = SHARING[name], f"Order{uuid.uuid4().hex[:8]}"
    connect(registry).register(type, read_file(case.write(tmp_path)))
    contracts = Contracts(connect(registry), framing="confluent")
    packed = contracts.pack(type, 1, case.data)
    assert packed is not None
    unpacked = Contracts(connect(registry)).unpack(type, None, None, packed.value)
    assert unpacked is not None
    assert unpacked.version == "1"
    if case.suffix == ".avsc":
        assert unpacked.data == case.data


@pytest.mark.servers
@pytest.mark.slow
def test_json_of_a_real_registry_that_refers_elsewhere_is_one_line(registry: str, connect: Connect) -> None:
    """References of JSON Schema stay within the schema (docs/contracts.md): half a contract would check half."""
    client, type = connect(registry)._client.api, f"Order{uuid.uuid4().hex[:8]}"
    draft = {"$schema": "http://json-schema.org/draft-07/schema#"}  # by which the registry knows what it is
    client.register_schema(f"{type}-money", Schema(json.dumps({**draft, "type": "integer"}), "JSON"))
    text = json.dumps({**draft, "type": "object", "properties": {"total": {"$ref": "money.json"}}})
    reference = SchemaReference("money.json", f"{type}-money", 1)
    client.register_schema(type, Schema(text, "JSON", [reference]))
    with pytest.raises(SchemaError) as caught:
        Contracts(connect(registry)).pack(type, 1, {"total": 1})
    assert "$ref 'money.json': only references within the schema (#/...) are followed" in str(caught.value)
    assert "\n" not in str(caught.value)
