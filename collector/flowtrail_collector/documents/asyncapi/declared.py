"""What an AsyncAPI 3 document declares: messages on channels, and who sends and receives them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowtrail_collector.documents.asyncapi.extensions import SERVICE, TYPE, VERSION, VERSION_IN_NAME
from flowtrail_collector.documents.asyncapi.files import At, Files
from flowtrail_collector.documents.asyncapi.mistakes import DocumentError, Place
from flowtrail_collector.documents.schemas import is_json_schema

__all__ = ["Channel", "Declared", "Message", "Operation", "Payload", "declared_in"]

_DATASCHEMA = re.compile(r"/(\d{1,9})$")
_ADDRESS = re.compile(r"^(\w{2,}):/")  # a path has lost the second stroke
_TYPE_HEADERS = ("ce_type", "cloudEvents_type", "type")
_SCHEMA_HEADERS = ("ce_dataschema", "cloudEvents_dataschema")


@dataclass(frozen=True, slots=True)
class Payload:
    """A message's payload: its format as the document names it, its schema without references to elsewhere."""

    format: str | None
    schema: Any
    place: Place


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a channel; `version` is None where the document names none."""

    type: str
    version: str | None
    payload: Payload | None
    place: Place


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel; its `address` is a topic or an exchange, as its broker calls it."""

    name: str
    address: str
    messages: tuple[Message, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Operation:
    """Something a service does.

    Attributes:
        name: In the document.
        sends: Or else it receives.
        address: Of the channel.
        types: Of the messages.
        service: Who does, if the operation says so.
        groups: Consumer groups that its bindings name.
        place: Where it stands.
        answers: Of a reply, the types that it answers; of anything else none.
    """

    name: str
    sends: bool
    address: str
    types: frozenset[str]
    service: str | None
    groups: frozenset[str]
    place: Place
    answers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Declared:
    """A document. `channels_place` is where its channels are."""

    title: str
    channels: tuple[Channel, ...]
    operations: tuple[Operation, ...]
    channels_place: Place


def declared_in(path: Path) -> Declared:
    """Read a document.

    Raises:
        DocumentError: It can't be used.
    """
    if reason := _no_document(path):
        named = _ADDRESS.sub(r"\1://", str(path))
        raise DocumentError(Place(named), reason)
    files = Files(path)
    return _Reader(files).document()


def _no_document(path: Path) -> str:
    """What is named instead of a document, and what to do; empty if it may be one."""
    if path.is_dir():
        return "it is a folder: name the document in it"
    if _ADDRESS.match(str(path)):
        return "it isn't fetched: save the document as a file, and name that"
    if not path.exists():
        return "there is no such file"
    if path.suffix in (".avsc", ".proto"):
        return "it is a contract, not an AsyncAPI document: `flowtrail contracts check` compares contracts"
    return ""


class _Reader:
    def __init__(self, files: Files) -> None:
        self._files = files
        self._types: dict[tuple[Path, int], str] = {}

    def document(self) -> Declared:
        root = self._files.root
        self._check_version(root)
        channels = root.of("channels")
        found = tuple(self._channel(name, at) for name, at in self._followed(channels))
        by_key = {
            self._key(at): channel for (_, at), channel in zip(self._followed(channels), found, strict=True)
        }
        operations = tuple(
            operation
            for name, at in self._followed(root.of("operations"))
            for operation in self._operations(name, at, by_key)
        )
        title = self._files.followed(root.of("info")).text("title") or ""
        return Declared(title, found, operations, self._files.place(channels))

    def _check_version(self, root: At) -> None:
        place = self._files.place(root)
        if not isinstance(root.value, Mapping):
            raise DocumentError(
                place, "it isn't an AsyncAPI document: that is a mapping with `asyncapi: 3.0.0`"
            )
        version = root.value.get("asyncapi")
        at = self._files.place(root.of("asyncapi"))
        if version is None:
            raise DocumentError(place, "it isn't an AsyncAPI document: `asyncapi: 3.0.0` is missing")
        if str(version).startswith(("1.", "2.")):
            message = (
                f"AsyncAPI {version} isn't read: convert it with `npx @asyncapi/cli convert -t 3.0.0 FILE`"
            )
            raise DocumentError(at, message)
        if not str(version).startswith("3."):
            raise DocumentError(at, f"AsyncAPI {str(version)[:40]} isn't known: versions 3.x are read")

    def _followed(self, at: At) -> Iterator[tuple[str, At]]:
        for name, member in self._files.followed(at).members():
            yield name, self._files.followed(member)

    def _key(self, at: At) -> tuple[Path, int]:
        return at.path, id(at.value)

    def _channel(self, name: str, at: At) -> Channel:
        address = at.text("address") or _binding_name(at) or name
        messages = tuple(self._message(key, message) for key, message in self._followed(at.of("messages")))
        return Channel(name, address, messages, self._files.place(at))

    def _message(self, key: str, at: At) -> Message:
        type, version = self._identity(key, at)
        self._types[self._key(at)] = type
        payload = self._files.followed(at.of("payload"))
        found = None
        if payload.value is not None:
            found = self._payload(payload)
        return Message(type, version, found, self._files.place(at))

    def _identity(self, key: str, at: At) -> tuple[str, str | None]:
        """Type and version: as the extension says, as its headers say, as its name says."""
        named = at.text("name") or key
        stated = at.text(TYPE)
        types = [stated] if stated else self._constants(at.of("headers"), _TYPE_HEADERS)
        schemas = self._constants(at.of("headers"), _SCHEMA_HEADERS)
        in_name = VERSION_IN_NAME.search(named) or VERSION_IN_NAME.search(key)
        suffix = in_name[1] if in_name else None
        is_said, version = _said_version(at, schemas)
        # What looks like a version in the name of a type that says so itself is the type's own.
        if not is_said and not (types and types[0] == named):
            version = suffix
        if types:
            return types[0], version
        return VERSION_IN_NAME.sub("", named) if version == suffix else named, version

    def _constants(self, at: At, names: tuple[str, ...], depth: int = 0) -> list[str]:
        """What headers with these names are said to be."""
        at = self._files.followed(at)
        if depth > 8 or not isinstance(at.value, Mapping):
            return []
        if at.value.get("schemaFormat") is not None:
            return self._constants(at.of("schema"), names, depth + 1)
        found = []
        for name in names:
            header = self._files.followed(self._files.followed(at.of("properties")).of(name))
            if isinstance(header.value, Mapping):
                values = [header.value.get("const"), *(header.value.get("enum") or ())[:1]]
                found += [str(value) for value in values if isinstance(value, str)]
        for part in at.of("allOf").items():
            found += self._constants(part, names, depth + 1)
        return found

    def _payload(self, at: At) -> Payload | None:
        place = self._files.place(at)
        if isinstance(at.value, Mapping) and "schema" in at.value and "schemaFormat" in at.value:
            schema, named = self._files.followed(at.of("schema")), at.text("schemaFormat")
            return Payload(named, self._files.plain(schema, is_json_schema=is_json_schema(named)), place)
        return Payload(None, self._files.plain(at), place)

    def _operations(
        self, name: str, at: At, channels: Mapping[tuple[Path, int], Channel]
    ) -> Iterator[Operation]:
        """An operation, and its reply: whoever receives the one sends the other."""
        action = at.text("action")
        if action not in ("send", "receive"):
            message = f"operation {name[:80]}: action is `send` or `receive`"
            raise DocumentError(self._files.place(at), message)
        sends, service, place = action == "send", at.text(SERVICE), self._files.place(at)
        channel, types = self._used(f"operation {name[:80]}", at, channels)
        groups = frozenset(self._groups(at))
        yield Operation(name, sends, channel.address, types, service, groups, place)
        reply = self._files.followed(at.of("reply"))
        if reply.of("channel").value is not None:  # else the request itself says where to
            back, answer = self._used(f"the reply of operation {name[:80]}", reply, channels)
            yield Operation(name, not sends, back.address, answer, service, frozenset(), place, types)

    def _used(
        self, what: str, at: At, channels: Mapping[tuple[Path, int], Channel]
    ) -> tuple[Channel, frozenset[str]]:
        """The channel that an operation or a reply is about, and the types of its messages."""
        channel = channels.get(self._key(self._files.followed(at.of("channel"))))
        if channel is None:
            raise DocumentError(
                self._files.place(at.of("channel")), f"{what}: its channel is none of `channels`"
            )
        if at.of("messages").value is None:
            return channel, frozenset(message.type for message in channel.messages)
        messages = [self._files.followed(message) for message in at.of("messages").items()]
        return channel, frozenset(self._type_of(item) for item in messages)

    def _type_of(self, at: At) -> str:
        known = self._types.get(self._key(at))
        return known if known is not None else self._identity(at.text("name") or "", at)[0]

    def _groups(self, at: At) -> Iterator[str]:
        bindings = self._files.followed(at.of("bindings"))
        group = self._files.followed(self._files.followed(bindings.of("kafka")).of("groupId"))
        if isinstance(group.value, str):
            yield str(group.value)
        if isinstance(group.value, Mapping):
            values = [group.value.get("const"), *(group.value.get("enum") or ())]
            yield from (str(value) for value in values if isinstance(value, str))


def _said_version(at: At, schemas: list[str]) -> tuple[bool, str | None]:
    """Whether a message says which version it is, other than by its name, and which; it may be none."""
    stated = at.value.get(VERSION, "") if isinstance(at.value, Mapping) else ""
    if stated is None or str(stated).isdecimal():
        return True, None if stated is None else str(stated)
    of_schema = _DATASCHEMA.search(schemas[0]) if schemas else None
    return of_schema is not None, of_schema[1] if of_schema else None


def _binding_name(at: At) -> str | None:
    """The topic or exchange that the bindings of a channel without an address name."""
    bindings = at.of("bindings")
    amqp = bindings.of("amqp")
    return (
        bindings.of("kafka").text("topic")
        or amqp.of("exchange").text("name")
        or amqp.of("queue").text("name")
    )
