"""All formats, by whatever they are asked for with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flowtrail.contracts._format import Format
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
