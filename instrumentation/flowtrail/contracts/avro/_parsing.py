"""From the text of an Avro schema to nodes; every mistake is one line with the place in the text."""

from __future__ import annotations

import json
import logging
import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from flowtrail.contracts._errors import SchemaError
from flowtrail.contracts._format import Reference, bounded, referred
from flowtrail.contracts.avro._defaults import native
from flowtrail.contracts.avro._nodes import LOGICAL, PRIMITIVES, Field, Node, parts_of, reached

_LOG = logging.getLogger("flowtrail.contracts")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


class Parser:
    """Reads one schema, and what it refers to.

    Args:
        name: What messages call it.
        text: The schema.
        references: Texts of named types that it doesn't define itself, by their full names.

    Attributes:
        json: The schema as JSON; logical types that can't be used are left out of it.
        root: The schema as nodes.
        references: What it refers to, as JSON like itself.
        texts: The same as it was written, by the names that it refers to it by.
    """

    def __init__(self, name: str, text: str, references: Mapping[str, str]) -> None:
        self._name = name
        self._text = bounded(name, text)
        self._references = references
        self._named: dict[str, Node] = {}
        self._defaults: list[tuple[Field, str]] = []
        self.references: list[Any] = []
        self.texts: dict[str, str] = {}
        self._reading = ""  # the name of the text that is being read; the schema itself has none
        self._text_of: dict[str, str] = {}
        self._needed: dict[str, dict[str, None]] = {}
        self.json = self._loaded(self._text)
        try:
            self.root = self._node(self.json, "", "(root)")
        except RecursionError:
            raise SchemaError(f"{name}: nested too deeply") from None
        self._check_ends()
        self._check_defaults()

    def _loaded(self, text: str) -> Any:
        def refuse(constant: str) -> NoReturn:
            line = text.count("\n", 0, text.find(constant)) + 1
            raise SchemaError(f"{self._name}:{line}: no JSON: {constant}")

        try:
            return json.loads(text, parse_constant=refuse)
        except json.JSONDecodeError as error:
            raise SchemaError(f"{self._name}:{error.lineno}: no JSON: {error.msg}") from None
        except RecursionError:
            raise SchemaError(f"{self._name}: nested too deeply") from None

    def _wrong(self, token: Any, what: str) -> NoReturn:
        """Raise, naming the line where the token stands first."""
        at = self._text.find(json.dumps(token)) if token is not None else -1
        line = f":{self._text.count(chr(10), 0, at) + 1}" if at >= 0 else ""
        raise SchemaError(f"{self._name}{line}: {what}")

    def _node(self, schema: Any, space: str, path: str) -> Node:
        if isinstance(schema, str):
            return self._by_name(schema, space, path)
        if isinstance(schema, list):
            return self._union(schema, space, path)
        if not isinstance(schema, dict):
            self._wrong(None, f"{path}: a type is a name, a list or an object, not {type(schema).__name__}")
        kind = schema.get("type")
        if isinstance(kind, dict | list):
            return self._node(kind, space, path)
        if kind in ("record", "error", "enum", "fixed"):
            return self._logical(self._defined(schema, space, path), schema, path)
        if kind in ("array", "map"):
            word = "items" if kind == "array" else "values"
            if word not in schema:
                self._wrong(kind, f"{path}: {kind} without {word!r}")
            inside = f"{'' if path == '(root)' else path}{'[]' if kind == 'array' else '{}'}"
            return Node(kind, inner=self._node(schema[word], space, inside))
        if not isinstance(kind, str):
            self._wrong(None, f"{path}: an object without 'type' is not a type")
        found = self._by_name(kind, space, path)
        return self._logical(found, schema, path) if kind in PRIMITIVES else found

    def _by_name(self, name: str, space: str, path: str) -> Node:  # noqa: RET503 - `_wrong` raises
        if name in PRIMITIVES:
            return Node(name)
        full = name if "." in name or not space else f"{space}.{name}"
        for known in (full, name):
            if known in self._named:
                self._needed.setdefault(self._reading, {})[self._text_of[known]] = None
                return self._named[known]
            if known in self._references:
                return self._referred(known, path)
        self._wrong(name, f"{path}: unknown type {name!r}")

    def _referred(self, name: str, path: str) -> Node:
        self.texts[name] = text = bounded(name, self._references[name])
        document = self._loaded(text)
        self.references.append(document)
        self._needed.setdefault(self._reading, {})[name] = None
        around, self._reading = self._reading, name
        self._node(document, "", path)
        self._reading = around
        if name not in self._named:
            self._wrong(name, f"{path}: the text referred to as {name!r} doesn't define it")
        return self._named[name]

    @property
    def referred(self) -> Sequence[Reference] | None:
        """What the schema refers to, and that in turn."""
        return referred("", self._needed, self.texts)

    def _union(self, schema: list[Any], space: str, path: str) -> Node:
        branches = tuple(self._node(part, space, path) for part in schema)
        labels = [branch.label for branch in branches]
        if "union" in labels:
            self._wrong(None, f"{path}: a union directly within a union")
        if len(set(labels)) != len(labels):
            self._wrong(None, f"{path}: a union holds a type twice")
        if not branches:
            self._wrong(None, f"{path}: a union of nothing")
        return Node("union", branches=branches)

    def _defined(self, schema: dict[str, Any], space: str, path: str) -> Node:
        name, given = schema.get("name"), schema.get("namespace")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            what = (
                f"{name!r} is not a valid type name"
                if "name" in schema
                else f"{_a(schema['type'])} needs a name"
            )
            self._wrong(name, f"{path}: {what}")
        space = name.rpartition(".")[0] if "." in name else given if isinstance(given, str) else space
        full = f"{space}.{name.rpartition('.')[2]}" if space else name
        if full in self._named:
            self._wrong(name, f"{path}: {full!r} is defined twice")
        aliases = tuple(
            alias if "." in alias or not space else f"{space}.{alias}"
            for alias in schema.get("aliases") or ()
            if isinstance(alias, str)
        )
        code = f"T{len(self._named)}"
        node = self._named[full] = Node(str(schema["type"]), full, code, aliases)
        self._text_of[full] = self._reading
        if node.kind == "enum":
            self._symbols(node, schema, path)
        elif node.kind == "fixed":
            size = schema.get("size")
            if not isinstance(size, int) or isinstance(size, bool) or size < 0:
                self._wrong(name, f"{path}: fixed {full!r} needs a size in bytes")
            node.size = size
        else:
            node.kind = "record"
            self._fields(node, schema, space, path)
        return node

    def _symbols(self, node: Node, schema: dict[str, Any], path: str) -> None:
        symbols = schema.get("symbols")
        if not isinstance(symbols, list) or not all(isinstance(name, str) for name in symbols):
            self._wrong(schema["name"], f"{path}: enum {node.name!r} needs symbols")
        if len(set(symbols)) != len(symbols):
            self._wrong(schema["name"], f"{path}: enum {node.name!r} holds a symbol twice")
        node.symbols, node.default = tuple(symbols), schema.get("default")
        if node.default is not None and node.default not in symbols:
            self._wrong(node.default, f"{path}: the default of enum {node.name!r} is none of its symbols")

    def _fields(self, node: Node, schema: dict[str, Any], space: str, path: str) -> None:
        fields = schema.get("fields")
        if not isinstance(fields, list):
            self._wrong(schema["name"], f"{path}: record {node.name!r} needs fields")
        for part in fields:
            name = part.get("name") if isinstance(part, dict) else None
            if not isinstance(name, str) or not _NAME.fullmatch(name) or "." in name:
                unnamed = isinstance(part, dict) and "name" not in part
                what = "a field needs a name" if unnamed else f"{name!r} is not a valid field name"
                self._wrong(name, f"{path}: {what}")
            if name in node.fields:
                self._wrong(name, f"{path}: field {name!r} is there twice")
            if "type" not in part:
                self._wrong(name, f"{path}: field {name!r} has no type")
            inside = name if path == "(root)" else f"{path}.{name}"
            default = (part["default"],) if "default" in part else ()
            after, aliases = part.get("x-remove-after"), part.get("aliases") or ()
            made = node.fields[name] = Field(
                name, self._node(part["type"], space, inside), default, (),
                tuple(alias for alias in aliases if isinstance(alias, str)),
                part.get("deprecated") is True, after if isinstance(after, str) else None,
            )  # fmt: skip
            if default:
                self._defaults.append((made, inside))

    def _check_defaults(self) -> None:
        """After all else: a default may be of a record that wasn't read to its end where it stands."""
        for part, path in self._defaults:
            try:
                part.made = (native(part.type, part.default[0]),)
            except ValueError as error:
                self._wrong(part.name, f"{path}: its default isn't of type {part.type.shown}: {error}")
            except RecursionError:
                self._wrong(part.name, f"{path}: its default never ends")

    def _logical(self, node: Node, schema: dict[str, Any], path: str) -> Node:
        """The specification: what is unknown or invalid is ignored, "and should use the underlying type"."""
        logical = schema.get("logicalType")
        if logical is None:
            return node
        why = self._unusable(node, logical, schema)
        if why:
            _LOG.warning(
                "%s: %s: logical type %.60r %s; read as %s", self._name, path, logical, why, node.kind
            )
            del schema["logicalType"]
            return node
        node.logical = logical
        if logical == "decimal":
            node.precision, node.scale = schema["precision"], schema.get("scale", 0)
        return node

    def _unusable(self, node: Node, logical: Any, schema: dict[str, Any]) -> str:
        if not isinstance(logical, str) or logical not in LOGICAL:
            return "is unknown"
        if node.kind not in LOGICAL[logical]:
            return f"doesn't stand on {node.kind}"
        if logical in ("duration", "uuid") and node.kind == "fixed":
            needed = 12 if logical == "duration" else 16
            return "" if node.size == needed else f"takes {needed} bytes"
        if logical == "decimal":
            precision, scale = schema.get("precision"), schema.get("scale", 0)
            if not isinstance(precision, int) or not isinstance(scale, int) or not 0 <= scale <= precision:
                return "needs a precision and a scale that isn't larger"
            if precision < 1 or (node.kind == "fixed" and precision > _digits(node.size)):
                return "has a precision that doesn't fit"
        return ""

    def _check_ends(self) -> None:
        """Refuse what no finite data fits, or what some bytes could claim any number of."""
        widths = _widths(self.root)
        for node in reached(self.root):
            if node.kind == "record" and widths[id(node)] is None:
                self._wrong(node.name.rpartition(".")[2], f"record {node.name!r} holds itself and never ends")
            if node.kind == "array" and node.inner is not None and widths[id(node.inner)] == 0:
                self._wrong(None, "an array of elements without any bytes: five bytes could claim a billion")


def _digits(size: int) -> int:
    return len(str(2 ** (8 * size - 1) - 1)) - 1 if size else 0


def _widths(root: Node) -> dict[int, int | None]:
    """The fewest bytes that a value of each node takes: 0, 1 for anything more, None if there is no end."""
    nodes = reached(root)
    widths: dict[int, int | None] = {id(node): None for node in nodes}
    around: dict[int, list[Node]] = {id(node): [] for node in nodes}
    for node in nodes:
        for part in parts_of(node):
            around[id(part)].append(node)
    waiting = deque(reversed(nodes))
    while waiting:
        node = waiting.popleft()
        width = _width(node, widths)
        if width != widths[id(node)]:
            widths[id(node)] = width
            waiting.extend(around[id(node)])
    return widths


def _width(node: Node, widths: Mapping[int, int | None]) -> int | None:
    if node.kind == "record":
        parts = [widths[id(part.type)] for part in node.fields.values()]
        return None if None in parts else int(any(parts))
    if node.kind == "union":
        return None if all(widths[id(branch)] is None for branch in node.branches) else 1
    return 0 if node.kind == "null" or (node.kind == "fixed" and node.size == 0) else 1


def _a(kind: object) -> str:
    """A kind of type with its article."""
    return f"{'an' if str(kind)[:1] in 'aeiou' else 'a'} {kind}"
