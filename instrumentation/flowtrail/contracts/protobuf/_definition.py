"""One message type of a .proto file, as a contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from google.protobuf import message_factory
from google.protobuf.message import DecodeError as RuntimeDecodeError
from google.protobuf.message import EncodeError as RuntimeEncodeError

from flowtrail.contracts._format import Definition
from flowtrail.contracts._violations import WrongError, wrong
from flowtrail.contracts._walks import MAX_DEPTH, Walk
from flowtrail.contracts.protobuf._alone import alone, stands_alone
from flowtrail.contracts.protobuf._kinds import is_map, is_repeated, may_nest_too_deeply
from flowtrail.contracts.protobuf._missing import missing_of
from flowtrail.contracts.protobuf._names import is_source
from flowtrail.contracts.protobuf._pool import Pool
from flowtrail.contracts.protobuf._reading import Read, Reader, completed
from flowtrail.contracts.protobuf._writing import Build, Builder
from flowtrail.errors import DecodeError

_MAX_INDEXES = 32


class ProtobufDefinition:
    """See `Definition`.

    Args:
        text: As it was written.
        pool: Knows the file.
        descriptor: The message.
    """

    format = "protobuf"

    def __init__(self, text: str, pool: Pool, descriptor: Any) -> None:
        self.text = text
        self.references = pool.referred
        self.pool = pool
        self.descriptor = descriptor
        self.deprecated = bool(descriptor.GetOptions().deprecated)
        self.remove_after = pool.removals.get((descriptor.full_name, 0))
        self.frame_prefix = _written(_indexes(descriptor))
        self._class = message_factory.GetMessageClass(descriptor)
        # A field may be named like a method, which an object then doesn't have.
        self._serialized: Callable[[Any], bytes] = self._class.SerializePartialToString
        self._others: dict[bytes, ProtobufDefinition] = {}

    def ready(self) -> ProtobufDefinition:
        """The same, with everything made that may turn out to nest too deeply; raises RecursionError."""
        _ = self._closed, self._data, self._may_nest_too_deeply
        return self

    @cached_property
    def alone(self) -> str:
        """See `Definition`. Comments stay where the text can."""
        if is_source(self.text) and stands_alone(self.descriptor, self.pool.names):
            return self.text
        return alone(self.descriptor, self.pool.removals)

    @cached_property
    def deprecated_fields(self) -> Sequence[tuple[str, ...]]:
        """See `Definition`."""
        return tuple(_deprecated(self.descriptor, (), frozenset(), Walk(MAX_DEPTH)))

    @cached_property
    def _closed(self) -> Build:
        return Builder(closed=True).message(self.descriptor)

    @cached_property
    def _open(self) -> Build:
        return Builder(closed=False).message(self.descriptor)

    @cached_property
    def _may_nest_too_deeply(self) -> bool:
        return may_nest_too_deeply(self.descriptor)

    @cached_property
    def _data(self) -> Read:
        return Reader().message(self.descriptor)

    def unframed(self, rest: bytes) -> tuple[Definition, bytes]:
        """See `Definition`: the indexes of the message, then the message."""
        prefix = self.frame_prefix
        if rest.startswith(prefix):
            return self, rest[len(prefix) :]
        try:
            indexes, at = _read(rest)
            at_hand = self._others.get(rest[:at])
            if at_hand is None:
                at_hand = self._others[rest[:at]] = self._at(indexes)
        except IndexError:
            raise DecodeError("its message index names no message of the schema") from None
        return at_hand, rest[at:]

    def _at(self, indexes: list[int]) -> ProtobufDefinition:
        messages = list(self.pool.file.message_types_by_name.values())
        for index in indexes[:-1]:
            messages = list(messages[index].nested_types)
        return ProtobufDefinition(self.text, self.pool, messages[indexes[-1]])

    def broken_writing(self, data: Any) -> list[str]:
        """See `Definition`."""
        return _broken(self._closed, data)

    def broken_reading(self, data: Any) -> list[str]:
        """See `Definition`."""
        return _broken(self._open, data)

    def completed(self, data: Any) -> Any:
        """See `Definition`. What can be absent and has no default stays absent."""
        return completed(self.descriptor, data)

    def adopted(self, data: Any, written: Definition) -> Any:
        """See `Definition`: fields are told apart by their numbers, so names may have changed."""
        if not isinstance(written, ProtobufDefinition):
            return data
        try:
            return self._data(self._class.FromString(written._serialized(written._open(data))))
        except WrongError as error:
            raise DecodeError(f"not what the contract before takes: {'; '.join(error.lines)}") from None

    def encode(self, data: Any) -> bytes:
        """See `Definition`. A message of a generated class is taken as well."""
        try:
            payload = self._serialized(self._closed(data))
            if self._may_nest_too_deeply:
                self._class.FromString(payload)  # which has a limit that writing doesn't have
        except WrongError as error:
            raise error.as_broken() from None
        except (RecursionError, RuntimeDecodeError, RuntimeEncodeError):
            raise wrong("nested too deeply").as_broken() from None
        return payload

    def decode(self, payload: bytes) -> Any:
        """See `Definition`. Enums by name, times aware, in UTC; absent are fields that can be and are.

        Fields that aren't declared are skipped, even if there are no others: nothing tells those of a newer version,
        or of one before a field was removed, from a foreign payload. That the payload names its contract does.

        Raises:
            DecodeError: It is no message, or lacks what is required.
        """
        name = self.descriptor.full_name
        try:
            message = self._class.FromString(payload)
            data = self._data(message)
        except RuntimeDecodeError as error:
            # Its message is all that tells them apart.
            deep = "depth" in str(error).lower()
            reason = "nested too deeply" if deep else "no Protobuf, or it ends too early"
            raise DecodeError(f"doesn't fit {name}: {reason}") from None
        except RecursionError:
            raise DecodeError(f"doesn't fit {name}: nested too deeply") from None
        except (ValueError, OverflowError) as error:
            raise DecodeError(
                f"doesn't fit {name}: a value out of range ({error.__class__.__name__})"
            ) from None
        if not self._class.IsInitialized(message):
            raise DecodeError(f"doesn't fit {name}: it lacks {', '.join(map('.'.join, missing_of(message)))}")
        return data


def _broken(build: Build, data: Any) -> list[str]:
    try:
        build(data)
    except WrongError as error:
        return error.lines
    except RecursionError:
        return ["(root): nested too deeply"]
    return []


def _deprecated(
    descriptor: Any, path: tuple[str, ...], seen: frozenset[str], walk: Walk
) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    if not walk.enters(descriptor.full_name, seen):
        return found
    for field in descriptor.fields:
        if field.GetOptions().deprecated:
            found.append((*path, field.name))
        if field.message_type is not None and not is_repeated(field) and not is_map(field):
            found += _deprecated(field.message_type, (*path, field.name), seen | {descriptor.full_name}, walk)
    return found


def _indexes(descriptor: Any) -> list[int]:
    """The way to a message from the top of its file, as Confluent's wire format has it."""
    around = descriptor.containing_type
    if around is None:
        return [list(descriptor.file.message_types_by_name).index(descriptor.name)]
    names = [nested.name for nested in around.nested_types]
    return [*_indexes(around), names.index(descriptor.name)]


def _written(indexes: list[int]) -> bytes:
    """Their number and they themselves, zigzag varints; the first message is a single zero."""
    if indexes == [0]:
        return b"\x00"
    return b"".join(_varint(number << 1) for number in (len(indexes), *indexes))


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(0x80 | number & 0x7F)
        number >>= 7
    made.append(number)
    return bytes(made)


def _read(rest: bytes) -> tuple[list[int], int]:
    """The indexes at the start of some bytes, and where they end; raises IndexError."""
    count, at = _number(rest, 0)
    if count == 0:
        return [0], at
    if count > _MAX_INDEXES:
        raise IndexError
    indexes = []
    for _ in range(count):
        index, at = _number(rest, at)
        indexes.append(index)
    return indexes, at


def _number(rest: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        byte = rest[at]
        at += 1
        found |= (byte & 0x7F) << shift
        if not byte & 0x80:
            if found & 1:  # a negative one
                raise IndexError
            return found >> 1, at
        shift += 7
        if shift > 28:
            raise IndexError


def shape_of_message(model: Any, descriptor: Any) -> Callable[[Any], Any]:
    """Makes messages of a generated class of data; fields that it doesn't have are left out."""
    build = Builder(closed=False).message(descriptor)

    def shape(data: Any) -> Any:
        if isinstance(data, model):
            return data
        try:
            return build(data)
        except WrongError as error:
            raise DecodeError(f"doesn't fit {descriptor.full_name}: {'; '.join(error.lines)}") from None

    return shape
