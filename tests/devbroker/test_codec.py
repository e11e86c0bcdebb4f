"""Our reading and writing of messages against kio's own, in every version we speak."""

import io
import itertools
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kio.index import load_entity_schema
from kio.serial import entity_reader, entity_writer
from kio.static.constants import EntityType

from devbroker.codec import Body, MalformedError, decode_body, decode_request, encode_body
from devbroker.schema import VERSIONS, Api, FieldShape, Kind, Struct, message

_PLAIN = {
    "string": "text",
    "bytes": b"bytes",
    "records": b"records",
    "bool": True,
    "float64": 1.5,
    "uuid": __import__("uuid").UUID(int=7),
    "error_code": 3,
    "datetime_i64": 1_700_000_000_000,
}


_EVERY_API = pytest.mark.parametrize("api", list(VERSIONS), ids=lambda api: api.name.lower())


def _messages(api: Api) -> Iterator[tuple[int, Kind]]:
    oldest, newest = VERSIONS[api]
    kinds: tuple[Kind, Kind] = ("request", "response")
    yield from itertools.product(range(oldest, newest + 1), kinds)


def _filled(shape: Struct) -> dict[str, Any]:
    """A value for every field that this version has."""
    return {field.name: _value(field) for field in shape.fields}


def _value(field: FieldShape) -> Any:
    value = _filled(field.type) if isinstance(field.type, Struct) else _PLAIN.get(field.type, 42)
    return [value, value] if field.array else value


def _plain(entity: Any) -> Any:
    """A kio entity, or a decoded body, as plain values in our units."""
    if isinstance(entity, timedelta):
        return round(entity.total_seconds() * 1000)
    if isinstance(entity, datetime):
        return round((entity - datetime.fromtimestamp(0, UTC)) / timedelta(milliseconds=1))
    if isinstance(entity, IntEnum):
        return int(entity)
    if isinstance(entity, list | tuple):
        return [_plain(item) for item in entity]
    if hasattr(entity, "__dataclass_fields__"):
        return {field.name: _plain(getattr(entity, field.name)) for field in fields(entity)}
    if hasattr(entity, "__dict__"):
        return {name: _plain(value) for name, value in vars(entity).items()}
    return entity


@pytest.mark.slow
@_EVERY_API
def test_kio_reads_what_we_write_and_we_read_what_kio_writes(api: Api) -> None:
    for version, kind in _messages(api):
        shape = message(api, version, kind)
        entity_type = EntityType.request if kind == "request" else EntityType.response
        schema = cast("Any", load_entity_schema)(api.name.lower(), version, entity_type)
        values = _filled(shape)
        data = encode_body(api, version, kind, values)
        entity, size = entity_reader(schema)(data, 0)
        assert size == len(data)
        assert _plain(entity) == _plain(values)
        written = io.BytesIO()
        entity_writer(schema)(written, entity)
        body = decode_body(api, version, kind, written.getvalue())
        assert _plain(_present(shape, body)) == _plain(values)


def _present(shape: Struct, body: Body) -> dict[str, Any]:
    """The fields of a decoded structure that this version has."""
    present = {}
    for field in shape.fields:
        value = getattr(body, field.name)
        if isinstance(field.type, Struct):
            inner = field.type
            value = [_present(inner, item) for item in value] if field.array else _present(inner, value)
        present[field.name] = value
    return present


@_EVERY_API
def test_the_empty_message_has_its_defaults_in_every_version(api: Api) -> None:
    for version, kind in _messages(api):
        body = decode_body(api, version, kind, encode_body(api, version, kind, {}))
        assert set(vars(body)) == message(api, version, kind).names


def test_a_misspelt_name_is_an_error() -> None:
    with pytest.raises(ValueError, match="bootstrap"):
        encode_body(Api.METADATA, 9, "response", {"bootstrap": 1})
    topic = {"name": "t", "partitions": [{"leder_id": 1}]}
    with pytest.raises(ValueError, match="leder_id"):
        encode_body(Api.METADATA, 9, "response", {"topics": [topic]})


_SPOKEN = st.sampled_from(
    [(api, version) for api, (oldest, newest) in VERSIONS.items() for version in range(oldest, newest + 1)]
)


@given(spoken=_SPOKEN, body=st.binary(max_size=200))
@example(spoken=(Api.METADATA, 1), body=b"\xff\xff" + b"\x7f\xff\xff\xff")
@example(spoken=(Api.METADATA, 9), body=b"\xff\xff\x00" + b"\xff\xff\xff\xff\x0f")
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_a_request_or_malformed(spoken: tuple[Api, int], body: bytes) -> None:
    api, version = spoken
    frame = api.to_bytes(2, "big") + version.to_bytes(2, "big") + bytes(4) + body
    try:
        request = decode_request(frame)
    except MalformedError:
        return
    assert (request.api, request.version) == spoken


@_EVERY_API
def test_a_message_cut_short_is_malformed(api: Api) -> None:
    for version, kind in _messages(api):
        data = encode_body(api, version, kind, _filled(message(api, version, kind)))
        for size in range(0, len(data), 7):
            with pytest.raises(MalformedError):
                decode_body(api, version, kind, data[:size])
