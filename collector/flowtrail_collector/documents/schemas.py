"""Contracts as payloads of an AsyncAPI document, and payloads of a document as contracts."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from flowtrail.contracts import Definition, SchemaError, registered
from flowtrail.contracts.json_schema.places import rewritten, schemas_in

__all__ = [
    "AVRO",
    "PROTOBUF",
    "as_documents_have_it",
    "comparable",
    "content_type_of",
    "defined",
    "is_json_schema",
    "payload_of",
    "plain_schema",
]

AVRO = "application/vnd.apache.avro"
PROTOBUF = "application/vnd.google.protobuf"
_JSON = ("application/schema+json", "application/schema+yaml", "application/vnd.aai.asyncapi",
         "application/vnd.oai.openapi")  # fmt: skip
_ASYNCAPI_DRAFT = "http://json-schema.org/draft-07/schema#"
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
    schema = as_documents_have_it(json.loads(contract.text))
    for _, part in list(schemas_in(schema)):
        if isinstance(part, dict) and str(part.get("$ref", ""))[:1] == "#":
            part["$ref"] = place + part["$ref"][1:]
    return schema


def as_documents_have_it(schema: Any) -> Any:
    """A JSON Schema as AsyncAPI reads it, which is by draft 7, and as a part of a document.

    Draft 4 says otherwise how limits are exclusive. References are from the schema's own root, so an id, from where
    they would be looked for, is left out, and one to wherever validation began is one to the root.
    """
    made = copy.deepcopy(schema)
    is_oldest = "draft-04" in str(made.get("$schema", "")) if isinstance(made, dict) else False
    for _, part in list(schemas_in(made)):
        if isinstance(part, dict):
            _modernise(part, is_oldest)
    return made


def _modernise(part: dict[str, Any], is_oldest: bool) -> None:
    for name in ("id" if is_oldest else "$id", "$recursiveAnchor", "$dynamicAnchor"):
        if isinstance(part.get(name), (str, bool)):
            del part[name]
    for name in ("$recursiveRef", "$dynamicRef"):
        if isinstance(part.get(name), str):
            reference = {"$ref": part.pop(name)}
            if "$ref" in part:
                part["allOf"] = [*part.get("allOf", ()), reference]
            else:
                part.update(reference)
    if not is_oldest:
        return
    if "$schema" in part:
        part["$schema"] = _ASYNCAPI_DRAFT
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if part.pop(exclusive, False) is True and limit in part:
            part[exclusive] = part.pop(limit)


def is_json_schema(schema_format: str | None) -> bool:
    """Whether a payload's format is JSON Schema, in which references are only where schemas are."""
    return any(known.startswith(_media(schema_format)) for known in _JSON)


def _media(schema_format: str | None) -> str:
    media = (schema_format or _JSON[0]).partition(";")[0].strip().lower()
    return media.removesuffix("+yaml").removesuffix("+json")


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
    media = _media(schema_format)
    if media == AVRO:
        text = schema if isinstance(schema, str) else json.dumps(schema)
        return registered("AVRO", name, text, type)
    if media in (PROTOBUF, "application/x-protobuf"):
        if not isinstance(schema, str):
            raise SchemaError(f"{name}: a Protobuf schema is a text")
        return registered("PROTOBUF", name, schema, type)
    if is_json_schema(schema_format):
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

    def without_draft(part: Mapping[str, Any]) -> dict[str, Any]:
        if isinstance(part.get("$schema"), str):
            drafts.append(part["$schema"])
        return {name: value for name, value in part.items() if name != "$schema"}

    made = rewritten(schema, without_draft)
    return {"$schema": drafts[0], **made} if drafts and isinstance(made, dict) else made


def comparable(contract: Definition) -> Definition:
    """A contract as a document has it: with what it refers to in place."""
    if contract.format == "json" or contract.alone == contract.text:
        return contract
    return registered(contract.format.upper(), "contract", contract.alone)


def plain_schema(schema: Any) -> Any:
    """A JSON Schema without what only documents have: external documentation, extensions, an id."""

    def is_kept(name: str) -> bool:
        return name not in ("externalDocs", "$id") and (not name.startswith("x-") or name == "x-remove-after")

    return rewritten(schema, lambda part: {name: value for name, value in part.items() if is_kept(name)})
