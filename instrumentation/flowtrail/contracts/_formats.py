"""All formats, by whatever they are asked for with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flowtrail.contracts._errors import SchemaError
from flowtrail.contracts._format import NO_REFERENCES, Definition, Format
from flowtrail.contracts.avro import AVRO
from flowtrail.contracts.json_schema import JSON_SCHEMA
from flowtrail.contracts.protobuf import PROTOBUF

FORMATS: Final[Mapping[str, Format]] = {format.name: format for format in (JSON_SCHEMA, AVRO, PROTOBUF)}
BY_SUFFIX: Final = {format.suffix: format for format in FORMATS.values()}
BY_REGISTRY_TYPE: Final = {format.registry_type: format for format in FORMATS.values()}
_BY_MEDIA_TYPE: Final = {media: format for format in FORMATS.values() for media in format.media_types}


def of_media_type(content_type: str | None) -> Format | None:
    """The format that a `content-type` header names, None if it names none of them."""
    if content_type is None:
        return None
    plain = _BY_MEDIA_TYPE.get(content_type)
    if plain is not None:
        return plain
    media = content_type.partition(";")[0].strip().lower()
    return _BY_MEDIA_TYPE.get(media) or (FORMATS["json"] if media.endswith("+json") else None)


def registered(
    kind: str | None,
    name: str,
    text: str,
    type: str | None = None,
    *,
    references: Mapping[str, str] = NO_REFERENCES,
) -> Definition:
    """The contract that a registry holds.

    Args:
        kind: What the registry calls its format; None is Avro, as in its API.
        name: What messages call it.
        text: As the registry has it.
        type: Event type that it is for.
        references: Texts that it refers to, by the names that it uses.

    Raises:
        MissingExtraError: The format's library isn't installed.
        SchemaError: It can't be used, or has another format.
    """
    format = BY_REGISTRY_TYPE.get(kind or "AVRO")
    if format is None:
        raise SchemaError(f"{name}: the registry holds a schema of type {kind}")
    return format.parse(name, text, type, references)
