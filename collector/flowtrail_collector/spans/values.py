"""Attributes and texts of OTLP, capped; whatever doesn't fit is named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from flowtrail_collector.spans.model import AttributeValue

__all__ = ["MAX_NAME_LENGTH", "Lost", "attributes_of", "capped", "short", "tell", "without_unknown"]

MAX_TEXT_LENGTH = 4_096
MAX_NAME_LENGTH = 256
MAX_ATTRIBUTES = 128
_MAX_DEPTH = 4

# What couldn't be kept of what is, one phrase each.
Lost = set[str]

_Capped = TypeVar("_Capped", str, bytes)


def attributes_of(pairs: Sequence[KeyValue], lost: Lost, depth: int = 0) -> dict[str, AttributeValue]:
    """Attributes by name.

    Args:
        pairs: As received.
        lost: Takes what isn't kept of them.
        depth: How many values stand around these.
    """
    result: dict[str, AttributeValue] = {}
    for pair in pairs:
        if len(result) >= MAX_ATTRIBUTES:
            lost.add(f"attributes beyond {MAX_ATTRIBUTES}")
            break
        # Texts are nearly all there is, and this is the hottest part of the receiver: each access costs.
        key, value = pair.key, pair.value
        text = value.string_value
        if len(key) > MAX_NAME_LENGTH or not key:
            key = _key(pair, lost)
        if not text:
            result[key] = _value(value, depth, lost)
        elif len(text) <= MAX_TEXT_LENGTH:
            result[key] = text
        else:
            result[key] = capped(text, lost)
    if len(result) < len(pairs) and len(result) < MAX_ATTRIBUTES:
        lost.add("all but the last of attributes with the same name")
    return result


def tell(attributes: dict[str, AttributeValue], name: str, value: str | int, lost: Lost) -> None:
    """Put what OTLP says beside the attributes among them, unless its name is taken; see `spans.attributes`."""
    if name in attributes:
        lost.add(f"{name} where an attribute has that name")
    else:
        attributes[name] = capped(value, lost) if isinstance(value, str) else value


def short(name: str, lost: Lost) -> str:
    """A name, capped."""
    if len(name) > MAX_NAME_LENGTH:
        lost.add(f"the ends of names beyond {MAX_NAME_LENGTH} characters")
    return name[:MAX_NAME_LENGTH]


def capped(value: _Capped, lost: Lost) -> _Capped:
    """A text or bytes, capped."""
    if len(value) > MAX_TEXT_LENGTH:
        lost.add(f"the ends of values beyond {MAX_TEXT_LENGTH} characters or bytes")
    return value[:MAX_TEXT_LENGTH]


def without_unknown(message: Message, lost: Lost) -> None:
    """Name it where a sender knows more fields of this message than we do."""
    if len(UnknownFieldSet(message)):
        lost.add("fields that are not in this version of OTLP")


def _key(pair: KeyValue, lost: Lost) -> str:
    if pair.key_strindex:
        lost.add("names that stand in a table of texts")
    without_unknown(pair, lost)
    return short(pair.key, lost)


def _value(value: AnyValue, depth: int, lost: Lost) -> AttributeValue:
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return capped(value.string_value, lost)
    if kind == "bool_value":
        return value.bool_value
    if kind == "int_value":
        return value.int_value
    if kind == "double_value":
        return value.double_value if math.isfinite(value.double_value) else str(value.double_value)
    if kind == "bytes_value":
        return capped(value.bytes_value, lost)
    if kind is None:
        without_unknown(value, lost)
        return None
    if kind == "string_value_strindex":
        lost.add("values that stand in a table of texts")
        return None
    if depth >= _MAX_DEPTH:
        lost.add(f"values more than {_MAX_DEPTH} deep")
        return None
    if kind == "array_value":
        without_unknown(value.array_value, lost)
        values = value.array_value.values
        if len(values) > MAX_ATTRIBUTES:
            lost.add(f"items of lists beyond {MAX_ATTRIBUTES}")
        return [_value(item, depth + 1, lost) for item in values[:MAX_ATTRIBUTES]]
    without_unknown(value.kvlist_value, lost)
    return attributes_of(value.kvlist_value.values, lost, depth + 1)
