"""Payloads: bytes on the wire, data in the handler."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol, get_type_hints, is_typeddict
from uuid import UUID

from flowtrail.errors import DecodeError, EncodeError


class Codec(Protocol):
    """Turns data into a record's value and back."""

    @property
    def content_type(self) -> str:
        """What is written into the `content-type` header."""
        ...

    def encode(self, data: Any) -> bytes:
        """Data to bytes.

        Raises:
            EncodeError: The data can't be represented.
        """
        ...

    def decode(self, payload: bytes, content_type: str | None) -> Any:
        """Bytes to data; `content_type` is what the record says it holds, None if it says nothing.

        Raises:
            DecodeError: The bytes aren't what they should be.
        """
        ...


class JsonCodec:
    """UTF-8 JSON; dataclasses, pydantic models, dates, UUIDs and decimals are understood on the way out."""

    content_type = "application/json"

    def encode(self, data: Any) -> bytes:
        """Data to compact JSON; see `Codec.encode`."""
        try:
            return json.dumps(
                data, default=_jsonable, separators=(",", ":"), ensure_ascii=False, allow_nan=False
            ).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise EncodeError(f"not representable as JSON: {error}") from error

    def decode(self, payload: bytes, content_type: str | None = None) -> Any:
        """JSON to data; see `Codec.decode`."""
        try:
            # RFC 8259: JSON between systems is UTF-8. `json` would guess UTF-16 and complain about that.
            return json.loads(payload.decode())
        except (ValueError, RecursionError) as error:
            raise DecodeError(f"not JSON: {error}", content_type=content_type) from error


class BytesCodec:
    """Payloads stay the bytes they are."""

    content_type = "application/octet-stream"

    def encode(self, data: Any) -> bytes:
        """Bytes pass through; see `Codec.encode`."""
        if isinstance(data, bytes | bytearray | memoryview):
            return bytes(data)
        raise EncodeError(f"BytesCodec takes bytes, not {type(data).__name__}")

    def decode(self, payload: bytes, content_type: str | None = None) -> Any:
        """Bytes pass through; see `Codec.decode`."""
        return payload


def _jsonable(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


def as_model(data: Any, model: Any) -> Any:
    """Shape decoded data into the type a handler asked for with `Event[Model]`.

    Args:
        data: What the codec decoded.
        model: A pydantic model, a dataclass, a TypedDict (checked for missing keys), or anything else, which
            leaves the data as it is.

    Raises:
        DecodeError: The data doesn't fit; names what is wrong.
    """
    validate = getattr(model, "model_validate", None)
    try:
        if callable(validate):
            return validate(data)
        if dataclasses.is_dataclass(model) and isinstance(model, type):
            return _as_dataclass(data, model)
        if is_typeddict(model):
            missing = sorted(model.__required_keys__ - set(data))
            if missing:
                raise DecodeError(f"{model.__name__} lacks {', '.join(missing)}")
    except (TypeError, ValueError) as error:
        raise DecodeError(f"not a {getattr(model, '__name__', model)}: {error}") from error
    return data


def _as_dataclass(data: Any, model: type[Any]) -> Any:
    hints = get_type_hints(model)
    known = {
        field.name: as_model(data[field.name], hints.get(field.name))
        for field in dataclasses.fields(model)
        if field.init and field.name in data
    }
    return model(**known)
