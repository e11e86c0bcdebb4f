"""Descriptors in a pool of their own, so that two versions of a message don't meet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from flowtrail._extras import load
from flowtrail.contracts._errors import SchemaError
from flowtrail.contracts._format import Reference, bounded, referred
from flowtrail.contracts.protobuf._grammar import File
from flowtrail.contracts.protobuf._kinds import NAMES
from flowtrail.contracts.protobuf._resolving import (
    extension_wrong,
    extensions_of,
    fields_of,
    name_wrong,
    option_wrong,
    type_wrong,
    uses_of,
    visible,
)

_MAX_FILES = 100
_BUILT_IN = re.compile(
    r"(?:google/(?:protobuf|type|rpc|api)(?:/[a-z_]+)*/[a-z_]+|confluent/(?:meta|type/decimal))\.proto"
)
_RUNTIME = re.compile(r"^Couldn't build proto file into descriptor pool:|Error building mini table:")
_TYPE = re.compile(r"(?<= of type )\d+\b")
_QUOTED = re.compile(r"(?<!\w)'([^']+)'")


class Pool:
    """One file and what it imports, known to the runtime.

    Args:
        name: What messages call the file.
        text: The file.
        references: Texts of files that it imports, by the names that it imports them by.

    Attributes:
        file: The file as the runtime has it.
        removals: See `File`; of all files.
        names: Those by which the file's text calls types; empty if it is a descriptor.

    Raises:
        MissingExtraError: protobuf isn't installed.
        SchemaError: The file can't be used.
    """

    def __init__(self, name: str, text: str, references: Mapping[str, str]) -> None:
        self._name = name
        self._references = references
        self._pool: Any = load("google.protobuf.descriptor_pool", "protobuf", "protobuf").DescriptorPool()
        self._added: set[str] = set()
        self._texts: dict[str, str] = {}
        self._needed: dict[str, list[str]] = {}
        self.removals: dict[tuple[str, int], str] = {}
        file = File("contract.proto", name, bounded(name, text))
        self.names = frozenset(file.lines)
        self.file: Any = self._add("contract.proto", file, ())

    def _add(self, path: str, file: File, around: tuple[str, ...]) -> Any:
        for needed in file.proto.dependency:
            line = file.lines.get(needed, 0)
            if needed in (*around, path):
                raise SchemaError(f"{self._name}:{line}: {needed!r} imports itself")
            if needed not in self._added:
                self._import(needed, line, (*around, path))
        self._needed[path] = list(file.proto.dependency)
        self.removals.update(file.removals)
        self._added.add(path)
        try:
            self._pool.AddSerializedFile(file.proto.SerializePartialToString())
            added = self._pool.FindFileByName(path)
        except (TypeError, KeyError, ValueError) as error:
            raise SchemaError(self._said(str(error), file)) from None
        self._check(added, file)
        return added

    def _check(self, added: Any, file: File) -> None:
        """What the runtime doesn't mind."""
        seen = visible(added)
        for field in fields_of(added):
            if said := type_wrong(field, seen):
                line = file.lines.get(f"{field.containing_type.full_name}={field.number}")
                raise SchemaError(f"{file.at(line)}: {said}")
        for name, within in uses_of(file.proto):
            if said := name_wrong(self._pool, name, within):
                raise SchemaError(f"{file.at(file.lines.get(name))}: {said}")
        for field in extensions_of(added):
            if said := extension_wrong(field, proto3=file.proto.syntax == "proto3"):
                raise SchemaError(f"{file.at(file.others.get(field.full_name))}: {said}")
        for own in file.own_options:
            if said := option_wrong(self._pool, own):
                raise SchemaError(f"{file.at(own.value.line)}: {said}")

    def _import(self, path: str, line: int, around: tuple[str, ...]) -> None:
        if len(self._added) >= _MAX_FILES:
            raise SchemaError(f"{self._name}:{line}: more than {_MAX_FILES} files are imported")
        if path in self._references:
            self._texts[path] = text = bounded(path, self._references[path])
            self._add(path, File(path, path, text), around)
            return
        known = _built_in(path)
        if known is None:
            raise SchemaError(f"{self._name}:{line}: import {path!r}: there is no such file")
        self._copy(known)

    @property
    def referred(self) -> Sequence[Reference] | None:
        """What the file imports, and that in turn; but for what comes with Protobuf."""
        return referred("contract.proto", self._needed, self._texts)

    def _copy(self, known: Any) -> None:
        if known.name not in self._added:
            for needed in known.dependencies:
                self._copy(needed)
            self._added.add(known.name)
            self._pool.AddSerializedFile(known.serialized_pb)

    def _said(self, reason: str, file: File) -> str:
        """What the runtime says, with the line of the first name in it that the file uses."""
        reason = " ".join(_RUNTIME.sub("", reason).split())[:200]
        reason = reason.replace("invalid subenum for", "in a map, an enum's first value is 0:")
        reason = _TYPE.sub(lambda match: NAMES.get(int(match[0]), "enum"), reason)
        known = file.others | file.lines
        lines = [known[name] for name in _QUOTED.findall(reason) if name in known]
        return f"{file.at(lines[0] if lines else None)}: {reason}"


def _built_in(path: str) -> Any:
    """The descriptor of a file that comes with protobuf, googleapis-common-protos or confluent-kafka, None without."""
    if not _BUILT_IN.fullmatch(path):
        return None
    module = path.removesuffix(".proto").replace("/", ".") + "_pb2"
    prefix = "confluent_kafka.schema_registry." if path.startswith("confluent/") else ""
    try:
        known = import_module(prefix + module).DESCRIPTOR
    except ImportError:
        return None
    return known if known.name == path else None
