"""One description of a contract, written as JSON Schema, Avro and Protobuf."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FieldKind:
    """A field of a contract.

    Attributes:
        name: Its name.
        kind: `text`, `whole`, or the fields of an object.
        number: In Protobuf.
        default: In a tuple; without one the field is required where a format knows that.
        deprecated: Whether it is.
        remove_after: Until when it has to stay.
    """

    name: str
    kind: str | tuple[FieldKind, ...]
    number: int
    default: tuple[Any, ...] = ()
    deprecated: bool = False
    remove_after: str | None = None


@dataclass(frozen=True)
class Dialect:
    """How a format writes contracts."""

    name: str
    suffix: str
    registry_type: str
    content_type: str
    broken: Mapping[str, str] = field(default_factory=dict)

    def text(self, type: str, fields: Sequence[FieldKind], *, deprecated: bool = False) -> str:
        """A contract."""
        if self.name == "json":
            return json.dumps({**_json(fields), **({"deprecated": True} if deprecated else {})})
        if self.name == "avro":
            return json.dumps({**_avro(type, fields), **({"deprecated": True} if deprecated else {})})
        return f'syntax = "proto3";\npackage shop;\n{_proto(type, fields, deprecated)}'


def _json(fields: Sequence[FieldKind]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for part in fields:
        kinds: dict[str, dict[str, Any]] = {"text": {"type": "string"}, "whole": {"type": "integer"}}
        schema = dict(kinds[part.kind]) if isinstance(part.kind, str) else _json(part.kind)
        if part.default:
            schema["default"] = part.default[0]
        properties[part.name] = _marked(schema, part)
    required = [part.name for part in fields if not part.default and not part.deprecated]
    return {"type": "object", "properties": properties, "required": required}


def _avro(name: str, fields: Sequence[FieldKind]) -> dict[str, Any]:
    made = []
    for part in fields:
        kind: Any = {"text": "string", "whole": "long"}[part.kind] if isinstance(part.kind, str) else None
        whole: dict[str, Any] = {"name": part.name, "type": kind or _avro(part.name.title(), part.kind)}  # type: ignore[arg-type]
        if part.default:
            whole["default"] = part.default[0]
        elif part.deprecated:
            whole.update(type=["null", whole["type"]], default=None)
        made.append(_marked(whole, part))
    return {"type": "record", "name": name, "namespace": "shop", "fields": made}


def _marked(schema: dict[str, Any], part: FieldKind) -> dict[str, Any]:
    if part.deprecated:
        schema["deprecated"] = True
    if part.remove_after:
        schema["x-remove-after"] = part.remove_after
    return schema


def _proto(name: str, fields: Sequence[FieldKind], deprecated: bool = False) -> str:
    lines = ["  option deprecated = true;"] if deprecated else []
    for part in fields:
        if isinstance(part.kind, str):
            kind = {"text": "string", "whole": "int64"}[part.kind]
        else:
            kind = part.name.title()
            lines.append(_proto(kind, part.kind))
        after = f" // x-remove-after: {part.remove_after}" if part.remove_after else ""
        mark = " [deprecated = true]" if part.deprecated else ""
        optional = "optional " if part.deprecated and isinstance(part.kind, str) else ""
        lines.append(f"  {optional}{kind} {part.name} = {part.number}{mark};{after}")
    body = "\n".join(lines)
    return f"message {name} {{\n{body}\n}}\n"


DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect("json", ".json", "JSON", "application/json", {
            "no JSON": "{", "no schema": '{"type": "objekt"}', "no object": "[]",
            "a reference to nothing": '{"properties": {"a": {"$ref": "#/$defs/none"}}}',
        }),
        Dialect("avro", ".avsc", "AVRO", "application/avro", {
            "no JSON": '{"type":\n"record",', "no record": '"string"',
            "an unknown type": '{"type": "record", "name": "A", "fields": [\n{"name": "x", "type": "Foo"}]}',
            "without end": '{"type": "record", "name": "A", "fields": [{"name": "x", "type": "A"}]}',
            "a wrong default":
                '{"type": "record", "name": "A", "fields": [{"name": "x", "type": "int", "default": "s"}]}',
            "elements without bytes": '{"type": "record", "name": "A", "fields": [{"name": "x", "type": '
                '{"type": "array", "items": "null"}}]}',
        }),
        Dialect("protobuf", ".proto", "PROTOBUF", "application/protobuf", {
            "no word": 'syntax = "proto3"; $', "no end": "message A {", "no message": 'syntax = "proto3";',
            "an unknown type": 'syntax = "proto3";\nmessage A {\n  strin x = 1;\n}',
            "a number twice": 'syntax = "proto3"; message A { string a = 1; string b = 1; }',
            "an import of nothing": 'import "x.proto"; message A {}',
            "an edition": 'edition = "2023"; message A {}',
        }),
    )
}  # fmt: skip


def write(folder: Path, dialect: Dialect, type: str, *versions: Sequence[FieldKind] | str) -> Path:
    """Write versions of a type into a folder of contracts, from 1; hands back the folder."""
    (folder / type).mkdir(parents=True, exist_ok=True)
    for number, version in enumerate(versions, 1):
        text = version if isinstance(version, str) else dialect.text(type, version)
        (folder / type / f"{number}{dialect.suffix}").write_text(text, encoding="utf-8")
    return folder
