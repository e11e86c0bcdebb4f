"""Contracts that are Avro schemas, written and read by fastavro."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cached_property
from io import BytesIO
from typing import Any

from flowtrail._extras import load
from flowtrail.contracts._change import Change
from flowtrail.contracts._errors import SchemaError
from flowtrail.contracts._format import NO_REFERENCES, BrokenError, Definition
from flowtrail.contracts._values import Written
from flowtrail.contracts._violations import WrongError, wrong
from flowtrail.contracts._walks import MAX_DEPTH, Walk
from flowtrail.contracts.avro._branches import data_of, has_open, tree_of
from flowtrail.contracts.avro._checking import Compiler, Prepare
from flowtrail.contracts.avro._comparing import compare
from flowtrail.contracts.avro._completing import completed
from flowtrail.contracts.avro._inlining import inlined
from flowtrail.contracts.avro._nodes import Field, Node, holds_itself
from flowtrail.contracts.avro._parsing import Parser
from flowtrail.contracts.avro._reading import MAX_LEVELS, Reader
from flowtrail.contracts.avro._resolving import Resolve, Resolver
from flowtrail.contracts.avro._writing import plain
from flowtrail.errors import DecodeError

__all__ = ["AVRO", "AvroDefinition", "AvroFormat"]

_MAX_RESOLVERS = 100


class AvroDefinition:
    """One Avro schema; see `Definition`.

    Args:
        text: As it was written.
        parsed: Read and checked.
        library: fastavro.
    """

    format = "avro"

    def __init__(self, text: str, parsed: Parser, library: Any) -> None:
        self.text = text
        self.root: Node = parsed.root
        top = parsed.json if isinstance(parsed.json, dict) else {}
        self.deprecated = top.get("deprecated") is True
        after = top.get("x-remove-after")
        self.remove_after = after if isinstance(after, str) else None
        self._texts = list(parsed.texts.values())
        self.references = parsed.referred
        self._schema = library.parse_schema(plain(self.root))
        self._write = library.schemaless_writer
        self._read = Reader(self.root).read
        self._has_open = has_open(self.root)
        self._recursive = holds_itself(self.root)
        self._resolvers: dict[int, tuple[Node, Resolve]] = {}

    frame_prefix = b""

    @cached_property
    def alone(self) -> str:
        """See `Definition`."""
        if not self._texts:
            return self.text
        documents = [json.loads(text) for text in self._texts]
        return json.dumps(inlined(json.loads(self.text), documents), ensure_ascii=False)

    def ready(self) -> AvroDefinition:
        """The same, with everything made that may turn out to nest too deeply; raises RecursionError."""
        _ = self._closed
        return self

    def unframed(self, rest: bytes) -> tuple[Definition, bytes]:
        """See `Definition`."""
        return self, rest

    @cached_property
    def deprecated_fields(self) -> Sequence[tuple[str, ...]]:
        """See `Definition`."""
        return tuple(_deprecated(self.root, (), frozenset(), Walk(MAX_DEPTH)))

    @cached_property
    def _closed(self) -> Prepare:
        return Compiler(closed=True).compiled(self.root)

    @cached_property
    def _read_tree(self) -> Callable[[bytes], Any]:
        return Reader(self.root, trees=True).read

    @cached_property
    def _open(self) -> Prepare:
        return Compiler(closed=False).compiled(self.root)

    def broken_writing(self, data: Any) -> list[str]:
        """See `Definition`."""
        return _broken(self._closed, data)

    def broken_reading(self, data: Any) -> list[str]:
        """See `Definition`."""
        return _broken(self._open, data)

    def completed(self, data: Any) -> Any:
        """See `Definition`. Fields that are declared nowhere stay, as an upcaster left them."""
        return completed(self.root, self._tree(data))

    def _tree(self, data: Any) -> Any:
        """Data with the branches of unions: those it was read as, else those it would be written as."""
        if isinstance(data, Written) and data.by is self:
            return self._read_tree(data.source) if isinstance(data.source, bytes) else data.source
        if not self._has_open:
            return data
        for prepare in (self._closed, self._open):
            try:
                return tree_of(self.root, data, prepare(data))
            except Exception:  # noqa: BLE001, S112 - whatever a program's values raise; it isn't judged here
                continue
        return data

    def adopted(self, data: Any, written: Definition) -> Any:
        """See `Definition`: as the specification resolves a writer's and a reader's schema."""
        if isinstance(data, Written):
            written = data.by
        if not isinstance(written, AvroDefinition):
            return data
        try:
            tree = self._resolver(written)(written._tree(data))
            return self._knowing(data_of(tree), tree) if self._has_open else tree
        except RecursionError:
            raise DecodeError("nested too deeply") from None

    def _resolver(self, written: AvroDefinition) -> Resolve:
        known = self._resolvers.get(id(written.root))
        if known is None:
            if len(self._resolvers) >= _MAX_RESOLVERS:
                self._resolvers.clear()
            # The node is kept, so that no other can take its id.
            known = self._resolvers[id(written.root)] = (
                written.root, Resolver(_default_of).resolve(written.root, self.root)
            )  # fmt: skip
        return known[1]

    def encode(self, data: Any) -> bytes:
        """See `Definition`."""
        into = BytesIO()
        try:
            self._write(into, self._schema, self._closed(data))
        except WrongError as error:
            raise error.as_broken() from None
        except RecursionError:
            raise wrong("nested too deeply").as_broken() from None
        except (ValueError, TypeError, OverflowError) as error:
            raise BrokenError([f"(root): fastavro can't write it: {error.__class__.__name__}"]) from None
        payload = into.getvalue()
        if self._recursive:
            self._check_readable(payload)
        return payload

    def _check_readable(self, payload: bytes) -> None:
        """Only what holds itself can be written and not be read: it may nest too deeply."""
        try:
            self._read(payload)
        except DecodeError:
            raise wrong(f"nested too deeply: more than {MAX_LEVELS} levels").as_broken() from None

    def decode(self, payload: bytes) -> Any:
        """See `Definition`."""
        data = self._read(payload)
        return self._knowing(data, payload) if self._has_open else data

    def _knowing(self, data: Any, source: Any) -> Written:
        """Data with its payload, or its tree: what says of which types of unions it is."""
        made = Written(data)
        made.by, made.source = self, source
        return made


def _broken(prepare: Prepare, data: Any) -> list[str]:
    try:
        prepare(data)
    except WrongError as error:
        return error.lines
    except RecursionError:
        return ["(root): nested too deeply"]
    return []


def _default_of(part: Field) -> Any:
    default = part.made[0]
    if not has_open(part.type):
        return default
    return tree_of(part.type, default, Compiler(closed=True).compiled(part.type)(default))


def _deprecated(node: Node, path: tuple[str, ...], seen: frozenset[int], walk: Walk) -> list[tuple[str, ...]]:
    if node.kind == "union":
        return [found for branch in node.branches for found in _deprecated(branch, path, seen, walk)]
    found: list[tuple[str, ...]] = []
    if node.kind == "record" and walk.enters(id(node), seen):
        for part in node.fields.values():
            if part.deprecated:
                found.append((*path, part.name))
            found += _deprecated(part.type, (*path, part.name), seen | {id(node)}, walk)
    return found


class AvroFormat:
    """Avro; see `Format`."""

    name = "avro"
    suffix = ".avsc"
    registry_type = "AVRO"
    content_type = "application/avro"
    media_types = frozenset({
        "application/avro", "avro/binary", "application/x-avro", "application/vnd.apache.avro",
        "application/vnd.apache.avro+binary", "application/x-avro-binary",
    })  # fmt: skip
    names_itself = False

    def parse(
        self, name: str, text: str, type: str | None = None, references: Mapping[str, str] = NO_REFERENCES
    ) -> AvroDefinition:
        """See `Format`; it refers to named types by their full names, in a folder without `.avsc`."""
        library = load("fastavro", "fastavro", "avro")
        parsed = Parser(name, text, references)
        if parsed.root.kind != "record":
            raise SchemaError(f"{name}: a contract is a record, and this is of type {parsed.root.kind}")
        try:
            return AvroDefinition(text, parsed, library).ready()
        except RecursionError:
            raise SchemaError(f"{name}: nested too deeply") from None
        except Exception as error:  # noqa: BLE001 - it knows some twenty kinds
            reason = " ".join(str(error).split())[:200] or error.__class__.__name__
            raise SchemaError(f"{name}: fastavro can't use it: {reason}") from None

    def compare(self, old: Any, new: Any, *, today: date | None = None) -> list[Change]:
        """See `Format`."""
        return compare(old.root, new.root, today=today)

    def same_bytes(self, old: Any, new: Any) -> bool:
        """See `Format`: nothing in the bytes says what they are."""
        return _canonical(old.root) == _canonical(new.root)


def _canonical(root: Node) -> str:
    """What of a schema decides how data is written: kinds, order, symbols, sizes; names of records don't."""
    seen: dict[int, int] = {}

    def plain(node: Node) -> Any:
        if id(node) in seen:
            return seen[id(node)]
        if node.kind == "record":
            seen[id(node)] = len(seen)
        return [
            node.kind, node.logical, node.precision, node.scale, node.size, list(node.symbols),
            None if node.inner is None else plain(node.inner), [plain(branch) for branch in node.branches],
            [[part.name, plain(part.type)] for part in node.fields.values()],
        ]  # fmt: skip

    return json.dumps(plain(root))


AVRO = AvroFormat()
