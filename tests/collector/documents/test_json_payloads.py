"""JSON Schemas of every draft in a document: AsyncAPI's own parser takes them, and what was exported agrees."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from documentkit import landscape
from flowtrail.contracts import FolderSource
from flowtrail_collector.documents.asyncapi.comparing import compared
from flowtrail_collector.documents.asyncapi.declared import declared_in
from flowtrail_collector.documents.asyncapi.writing import About, document_of
from flowtrail_collector.documents.contracts import Known
from flowtrail_collector.documents.eventcatalog.pages import Catalog, catalog_files
from flowtrail_collector.documents.landscape import Sent, Topic
from flowtrail_collector.documents.schemas import as_documents_have_it
from flowtrail_collector.documents.text import yaml_text

pytestmark = pytest.mark.slow
LAST = "2026-01-31T10:00:00.000000Z"
OLD, NEW = "http://json-schema.org/draft-0{}/schema#", "https://json-schema.org/draft/{}/schema"


def of(draft: str, **keywords: Any) -> dict[str, Any]:
    return {"$schema": draft, "type": "object", **keywords}


LIMITS = {
    "low": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
    "high": {"maximum": 9, "exclusiveMaximum": False},
}
TUPLE = {"t": {"type": "array", "items": [{"type": "integer"}], "additionalItems": False}}
DRAFTS: dict[str, dict[str, Any]] = {
    "4": of(OLD.format(4), id="https://shop.example/s.json", properties={**LIMITS, **TUPLE, "n": {"$ref": "#/definitions/n"}},
            definitions={"n": {"maximum": 5, "exclusiveMaximum": True}}),
    "4, where only a reference leads": of(
        OLD.format(4), properties={"n": {"$ref": "#/x-parts/n"}}, **{"x-parts": {"n": {"minimum": 5, "exclusiveMinimum": True}}},
    ),
    "6": of(OLD.format(6), properties={**TUPLE, "c": {"const": 1}, "low": {"exclusiveMinimum": 0}}, dependencies={"c": ["low"]}),
    "7": of(OLD.format(7), properties=TUPLE, **{"if": {"required": ["t"]}, "then": {"required": ["u"]}}),
    "2019-09": of(NEW.format("2019-09"), properties={**TUPLE, "n": {"$ref": "#/$defs/n", "minimum": 1}},
                  dependentRequired={"n": ["t"]}, **{"$defs": {"n": {"type": "integer"}}}),
    "2019-09, from the beginning": of(
        NEW.format("2019-09"), properties={"more": {"type": "array", "items": {"$recursiveRef": "#"}}}, **{"$recursiveAnchor": True},
    ),
    "2020-12": of(NEW.format("2020-12"), properties={"t": {"prefixItems": [{"type": "integer"}], "items": False}},
                  unevaluatedProperties=False),
    "2020-12, from the beginning": of(NEW.format("2020-12"), properties={"more": {"$dynamicRef": "#"}}),
    "none said": {"type": "object", "properties": {"more": {"$ref": "#"}, "t": {"prefixItems": [True, False]}}},
}  # fmt: skip
# AsyncAPI's parser looks for references in these, too, so it is not asked.
DATA: dict[str, dict[str, Any]] = {
    "const": {"properties": {"a": {"const": {"$ref": "#/nowhere"}}}},
    "enum": {"properties": {"a": {"enum": [{"$ref": "elsewhere.json"}, None]}}},
    "default": {"properties": {"a": {"type": "object", "additionalProperties": True, "default": {"$ref": "#/nowhere"}}}},
    "examples": {"properties": {"a": {"type": "string"}}, "examples": [{"$ref": "#/nowhere"}]},
    "an annotation": {"properties": {"a": {"type": "string", "x-from": {"$ref": "#/nowhere"}}}, "x-ref": {"$ref": "#/nope"}},
    "a keyword that nobody knows": {"properties": {"a": {"type": "string"}}, "remark": {"$ref": "#/nowhere"}},
    "a field of that name": {"properties": {"$ref": {"type": "string"}, "properties": {"$ref": "#/properties/$ref"}}},
    "a field called default": {"properties": {"default": {"$ref": "#/$defs/d"}}, "$defs": {"d": {"type": "string"}}},
}  # fmt: skip
for _schema in DATA.values():
    _schema.update(type="object")


def exported(folder: Any, schemas: dict[str, dict[str, Any]]) -> tuple[Any, Any, Any]:
    """A document with each of the contracts, what flows, and the contracts."""
    types = [f"Of{number}" for number, _ in enumerate(schemas)]
    for type, schema in zip(types, schemas.values(), strict=True):
        (folder / "contracts" / type).mkdir(parents=True)
        (folder / "contracts" / type / "1.json").write_text(json.dumps(schema), encoding="utf-8")
    known = Known([FolderSource(folder / "contracts")])
    rows = [Sent("orders", type, "1", "shop", 1, first=LAST, last=LAST) for type in types]
    found = landscape(topics=[Topic("orders", 1)], sent=rows, received=[])
    file = folder / "shop.yaml"
    file.write_text(yaml_text(document_of(found, known, About())), encoding="utf-8")
    return file, found, known


@pytest.mark.servers
@pytest.mark.fetches("documents")
def test_asyncapis_parser_takes_every_draft(tmp_path: Any, parsed: Any) -> None:
    file, _, _ = exported(tmp_path, DRAFTS)
    (channel,) = parsed(file)["channels"]
    assert len(channel["messages"]) == len(DRAFTS)


@pytest.mark.parametrize("name", [*DRAFTS, *DATA])
def test_what_was_exported_agrees_with_what_flows(tmp_path: Any, name: str) -> None:
    file, found, known = exported(tmp_path, {name: {**DRAFTS, **DATA}[name]})
    assert compared(declared_in(file), found, known, owner=None, since=LAST, today=date(2026, 2, 1)) == []


@pytest.mark.parametrize("name", [*DRAFTS, *DATA])
def test_an_eventcatalog_has_the_schema_as_it_is(tmp_path: Any, name: str) -> None:
    schema = {**DRAFTS, **DATA}[name]
    _, found, known = exported(tmp_path, {name: schema})
    (text,) = [text for path, text in catalog_files(found, known, Catalog()).items() if "/schema" in path]
    assert json.loads(text) == schema


@pytest.mark.parametrize("name", DATA)
def test_data_stays_as_it_is(tmp_path: Any, name: str) -> None:
    assert as_documents_have_it(DATA[name]) == DATA[name]


def test_exclusive_limits_of_draft_4_are_numbers() -> None:
    made = as_documents_have_it(of(OLD.format(4), properties=LIMITS))
    assert made["$schema"] == OLD.format(7)
    assert made["properties"] == {"low": {"type": "integer", "exclusiveMinimum": 0}, "high": {"maximum": 9}}


def test_another_schema_of_an_old_draft_is_told(tmp_path: Any) -> None:
    file, found, known = exported(tmp_path, {"4": DRAFTS["4"]})
    text = file.read_text(encoding="utf-8")
    assert "exclusiveMinimum: 0" in text
    file.write_text(text.replace("exclusiveMinimum: 0", "exclusiveMinimum: 1"), encoding="utf-8")
    drift = compared(declared_in(file), found, known, owner=None, since=LAST, today=date(2026, 2, 1))
    assert [(item.kind, item.change and item.change.field) for item in drift] == [("schema-drift", "low")]
