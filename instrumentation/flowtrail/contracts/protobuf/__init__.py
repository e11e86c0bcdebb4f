"""Contracts that are .proto files, written and read by the protobuf runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flowtrail._extras import load
from flowtrail.contracts._change import Change
from flowtrail.contracts._errors import SchemaError
from flowtrail.contracts._format import NO_REFERENCES
from flowtrail.contracts.protobuf._comparing import compare
from flowtrail.contracts.protobuf._pool import Pool

if TYPE_CHECKING:
    from flowtrail.contracts.protobuf._definition import ProtobufDefinition

__all__ = ["PROTOBUF", "ProtobufFormat", "message_shape"]


class ProtobufFormat:
    """Protobuf, proto2 and proto3; see `Format`."""

    name = "protobuf"
    suffix = ".proto"
    registry_type = "PROTOBUF"
    content_type = "application/protobuf"
    media_types = frozenset({
        "application/protobuf", "application/x-protobuf", "application/vnd.google.protobuf",
        "application/x-google-protobuf",
    })  # fmt: skip
    names_itself = False

    def parse(
        self, name: str, text: str, type: str | None = None, references: Mapping[str, str] = NO_REFERENCES
    ) -> ProtobufDefinition:
        """See `Format`; the contract is the message named like the type, else the first of the file."""
        load("google.protobuf", "protobuf", "protobuf")
        from flowtrail.contracts.protobuf._definition import ProtobufDefinition

        pool = Pool(name, text, references)
        messages = pool.file.message_types_by_name
        if not messages:
            raise SchemaError(f"{name}: it holds no message")
        plain = (type or "").rpartition(".")[2]
        found = messages[plain] if plain in messages else next(iter(messages.values()))
        try:
            return ProtobufDefinition(text, pool, found).ready()
        except RecursionError:
            raise SchemaError(f"{name}: nested too deeply") from None

    def compare(self, old: Any, new: Any, *, today: date | None = None) -> list[Change]:
        """See `Format`."""
        removals = old.pool.removals
        return compare(old.descriptor, new.descriptor, removals=removals, today=today)

    def same_bytes(self, old: Any, new: Any) -> bool:
        """See `Format`: Protobuf carries the numbers of its fields."""
        return True


PROTOBUF = ProtobufFormat()


@lru_cache(maxsize=256)
def message_shape(model: Any) -> Callable[[Any], Any] | None:
    """How to make a message of a generated class of decoded data; None if the model is no such class."""
    descriptor = getattr(model, "DESCRIPTOR", None)
    if not isinstance(model, type) or descriptor is None or not hasattr(model, "SerializeToString"):
        return None
    from flowtrail.contracts.protobuf._definition import shape_of_message

    return shape_of_message(model, descriptor)
