"""Contracts as payloads of an AsyncAPI document, and payloads of a document as contracts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from flowtrail.contracts import Definition, SchemaError, registered

__all__ = [
    "AVRO",
    "PROTOBUF",
    "comparable",
    "content_type_of",
    "defined",
    "payload_of",
    "plain_schema",
    "with_references",
]

AVRO = "application/vnd.apache.avro"
PROTOBUF = "application/vnd.google.protobuf"
_JSON = ("application/schema+json", "application/schema+yaml", "application/vnd.aai.asyncapi",
         "application/vnd.oai.openapi")  # fmt: skip
_ASYNCAPI_DRAFT = "http://json-schema.org/draft-07/schema#"
_VALUES = frozenset({"const", "enum", "default", "examples"})
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_PROTO3 = re.compile(r'^\s*syntax\s*=\s*["\']proto3["\']', re.MULTILINE)
_CONTENT_TYPES = {"json": "application/json", "avro": "application/avro", "protobuf": "application/protobuf"}


def content_type_of(contract: Definition | None) -> str:
    """What the payloads of a contract are; JSON where there is none."""
    return _CONTENT_TYPES["json" if contract is None else contract.format]


def payload_of(contract: Definition, place: str) -> Any:
    """A contract as the payload of a message, with what it refers to in it.

    Args:
        contract: The contract.
        place: Where a JSON Schema will stand in the document, e.g. `#/components/schemas/OrderPlaced.v2`: what
            it refers to in itself stands there, too.
    """
    if contract.format == "avro":
        return {"schemaFormat": f"{AVRO};version=1.9.0", "schema": json.loads(contract.alone)}
    if contract.format == "protobuf":
        version = 3 if _PROTO3.search(contract.alone) else 2
        return {"schemaFormat": f"{PROTOBUF};version={version}", "schema": contract.alone}
    schema = with_references(
        json.loads(contract.text), lambda ref: place + ref[1:] if ref[:1] == "#" else ref
    )
    if isinstance(schema, dict):
        schema.pop("$id", None)  # references would be looked for from there
    return schema


def with_references(schema: Any, change: Callable[[str], str]) -> Any:
    """A JSON Schema with its references changed; what only looks like one, in an example or a default, isn't one."""
    if isinstance(schema, list):
        return [with_references(item, change) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    changed: dict[str, Any] = {}
    for name, value in schema.items():
        if name == "$ref" and isinstance(value, str):
            changed[name] = change(value)
        elif name in _VALUES:
            changed[name] = value
        elif name in _NAMED and isinstance(value, Mapping):
            changed[name] = {key: with_references(item, change) for key, item in value.items()}
        else:
            changed[name] = with_references(value, change)
    return changed


def defined(name: str, type: str, schema_format: str | None, schema: Any) -> Definition | None:
    """The contract that a payload of a document is; None if nobody can tell, as of a format that isn't known.

    Args:
        name: What messages call it.
        type: Of the event.
        schema_format: As the document says it; None for its own format.
        schema: Without references to elsewhere.

    Raises:
        SchemaError: It can't be used.
        MissingExtraError: The format's library isn't installed.
    """
    media = (
        (schema_format or _JSON[0])
        .partition(";")[0]
        .strip()
        .lower()
        .removesuffix("+yaml")
        .removesuffix("+json")
    )
    if media == AVRO:
        text = schema if isinstance(schema, str) else json.dumps(schema)
        return registered("AVRO", name, text, type)
    if media in (PROTOBUF, "application/x-protobuf"):
        if not isinstance(schema, str):
            raise SchemaError(f"{name}: a Protobuf schema is a text")
        return registered("PROTOBUF", name, schema, type)
    if any(known.startswith(media) for known in _JSON):
        return _json_schema(name, type, _of_one_draft(plain_schema(schema)))
    return None


def _json_schema(name: str, type: str, schema: Any) -> Definition:
    """Without `$schema` it is of the newest draft, as contracts are, or else of AsyncAPI's own, which is 7."""
    try:
        return registered("JSON", name, json.dumps(schema), type)
    except SchemaError:
        if not isinstance(schema, dict) or "$schema" in schema:
            raise
        with suppress(SchemaError):
            return registered("JSON", name, json.dumps({"$schema": _ASYNCAPI_DRAFT, **schema}), type)
        raise


def _of_one_draft(schema: Any) -> Any:
    """A schema that files were put together to: each may have said its draft, which only the whole can."""
    drafts: list[str] = []
    made = _without_drafts(schema, drafts)
    return {"$schema": drafts[0], **made} if drafts and isinstance(made, dict) else made


def _without_drafts(schema: Any, drafts: list[str]) -> Any:
    if isinstance(schema, list):
        return [_without_drafts(item, drafts) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$schema"), str):
        drafts.append(schema["$schema"])
    changed: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _NAMED and isinstance(value, dict):
            changed[name] = {key: _without_drafts(item, drafts) for key, item in value.items()}
        elif name != "$schema":
            changed[name] = value if name in _VALUES else _without_drafts(value, drafts)
    return changed


def comparable(contract: Definition) -> Definition:
    """A contract as a document has it: with what it refers to in place."""
    if contract.format == "json" or contract.alone == contract.text:
        return contract
    return registered(contract.format.upper(), "contract", contract.alone)


def plain_schema(schema: Any) -> Any:
    """A JSON Schema without what only documents have: external documentation, extensions, an id."""
    if isinstance(schema, list):
        return [plain_schema(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    changed: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _VALUES:
            changed[name] = value
        elif name in _NAMED and isinstance(value, Mapping):
            changed[name] = {key: plain_schema(item) for key, item in value.items()}
        elif not (name in ("externalDocs", "$id") or (name.startswith("x-") and name != "x-remove-after")):
            changed[name] = plain_schema(value)
    return changed
