"""Payloads that are made and read by their contracts, with or without a registry's id in front.

Confluent's wire format: a zero byte, the schema's id in four bytes, for Protobuf the indexes of the message,
then the data. https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html
Without it the record says which contract it is: `ce_dataschema`, as CloudEvents has it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from flowtrail.contracts._format import Definition
from flowtrail.contracts._formats import FORMATS, of_media_type
from flowtrail.contracts._registry import RegistrySource
from flowtrail.contracts._shelf import Shelf, number_of
from flowtrail.errors import ConfigurationError, DecodeError, EncodeError

CONFLUENT: Final = "confluent"
CLOUDEVENTS: Final = "cloudevents"
OWN: Final = "own"
"""The format of a codec that knows nothing of contracts."""
_FRAME = 5


class Packed(NamedTuple):
    """A payload as it goes out."""

    value: bytes
    content_type: str


class Unpacked(NamedTuple):
    """A payload as it came in.

    Attributes:
        data: What it holds.
        version: Of the contract it was written with, None if nobody knows.
        fits: Whether the contract has nothing more to say: JSON can be read without looking at it.
    """

    data: Any
    version: str | None
    fits: bool = True


class Payloads:
    """Makes and reads payloads.

    Args:
        shelf: Knows the contracts.
        framing: `confluent`: with the registry's id in front; `cloudevents`: without; None: with it for Avro
            and Protobuf of a registry, without it for everything else.

    Raises:
        ConfigurationError: Ids are asked for, and there is no registry that has some.
    """

    def __init__(self, shelf: Shelf, framing: str | None) -> None:
        self._shelf = shelf
        self._registry = shelf.source if isinstance(shelf.source, RegistrySource) else None
        if framing not in (None, CONFLUENT, CLOUDEVENTS):
            raise ConfigurationError(f"framing is {CONFLUENT!r} or {CLOUDEVENTS!r}, not {framing!r}")
        if framing == CONFLUENT and self._registry is None:
            raise ConfigurationError(
                "framing 'confluent' writes a registry's ids: use Contracts.from_registry"
            )
        self._framing = framing
        self._always_framed = framing == CONFLUENT
        self._binary_framed = framing is None and self._registry is not None

    def pack(
        self, type: str, version: int, contract: Definition, data: Any, wanted: str | None
    ) -> Packed | None:
        """Data as its contract writes it; None if that is left to the codec.

        Raises:
            BrokenError: The data breaks the contract.
            EncodeError: The topic's codec is another than the contract's.
        """
        format = FORMATS[contract.format]
        if wanted is not None and wanted != format.name:
            if wanted in (OWN, "json"):
                return None
            raise EncodeError(f"{type}/{version} is a contract in {format.name}, and the codec is {wanted}")
        framed = self._always_framed or (self._binary_framed and not format.names_itself)
        payload = contract.encode(data)
        if framed and self._registry is not None:
            id = self._registry.id_of(type, version) or 0
            payload = b"\x00" + id.to_bytes(4, "big") + contract.frame_prefix + payload
        return Packed(payload, format.content_type)

    def unpack(
        self,
        type: str | None,
        version: str | int | None,
        content_type: str | None,
        value: bytes,
        wanted: str | None,
    ) -> Unpacked | None:
        """What a payload holds; None if the codec knows, as for plain JSON.

        Raises:
            DecodeError: It isn't what it should be, or its contract isn't known.
            RegistryUnavailableError: The registry is away and the contract isn't cached.
            SchemaError: Its contract can't be used.
        """
        named = of_media_type(content_type)
        format = named.name if named is not None else wanted
        if wanted == OWN or (format == "json" and value[:1] != b"\x00"):
            return None
        number = number_of(version)
        if value[:1] == b"\x00" and self._registry is not None and len(value) >= _FRAME:
            found = self._framed(self._registry, type, number, value)
            if found is not None:
                return found
        if format == "json":
            return None
        contract = self._contract(type, version, number, format)
        if contract is None or FORMATS[contract.format].names_itself:
            return None
        return Unpacked(_decoded(contract, value), None if version is None else str(version))

    def _contract(
        self, type: str | None, version: str | int | None, number: int | None, format: str | None
    ) -> Definition | None:
        """The contract that a payload without an id was written with."""
        if type is not None and number is not None:
            found = self._shelf.nearest(type, number)
            if found is not None:
                if found[0] != number and found[1].format == "avro":
                    raise DecodeError(
                        f"{type}/{version}: this contract isn't here, and Avro can only be read with it"
                    )
                return found[1]
        if format in (None, "json"):
            return None
        of_type = type or "an event without a type"
        said = "the event names no version" if version is None else f"there is no contract {version}"
        raise DecodeError(f"{of_type}: {said}, and {format} can only be read with its contract")

    def _framed(
        self, registry: RegistrySource, type: str | None, number: int | None, value: bytes
    ) -> Unpacked | None:
        """What a payload with an id in front holds; None if it only looks like one."""
        id = int.from_bytes(value[1:_FRAME], "big")
        own = registry.id_of(type, number) if type is not None and number is not None else None
        if own is not None and own != id and self._framing == CLOUDEVENTS:
            return None
        contract = registry.by_id(id)
        if contract is None:
            if own is not None:
                return None
            raise DecodeError(f"the registry knows no schema of id {id}")
        if own == id:
            version: int | None = number
        else:
            version = registry.version_by_id(type, id) if type is not None else None
        contract, payload = contract.unframed(value[_FRAME:])
        fits = not FORMATS[contract.format].names_itself
        return Unpacked(_decoded(contract, payload), None if version is None else str(version), fits)

    def at_hand(self, type: str | None, value: bytes | None) -> bool:
        """Whether the registry needn't be asked about the id that a payload begins with."""
        id = self._id(value)
        return id is None or self._registry is None or self._registry.id_at_hand(type, id)

    def version_of(self, type: str | None, value: bytes | None) -> int | None:
        """The version that a payload says by its id, asked of the registry; None if it says none.

        Raises:
            RegistryUnavailableError: The registry is away and hasn't said yet.
        """
        id = self._id(value)
        if id is None or self._registry is None:
            return None
        contract = self._registry.by_id(id)
        return self._registry.version_by_id(type, id) if contract is not None and type is not None else None

    def _id(self, value: bytes | None) -> int | None:
        if not isinstance(value, bytes) or self._registry is None or len(value) < _FRAME:
            return None
        return int.from_bytes(value[1:_FRAME], "big") if value[0] == 0 else None


def _decoded(contract: Definition, payload: bytes) -> Any:
    """What a payload holds; whatever a format's library finds wrong with it is wrong with the payload."""
    try:
        return contract.decode(payload)
    except DecodeError:
        raise
    except Exception as error:
        raise DecodeError(f"not what its contract writes: {error.__class__.__name__}") from error
