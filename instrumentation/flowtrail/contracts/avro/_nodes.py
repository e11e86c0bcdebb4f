"""An Avro schema as a tree of nodes, its names resolved: what checking, resolving and comparing walk over.

Specification: https://avro.apache.org/docs/1.12.0/specification/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

PRIMITIVES: Final = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
# "Logical types": what each may stand on.
LOGICAL: Final[Mapping[str, frozenset[str]]] = {
    "decimal": frozenset({"bytes", "fixed"}),
    "big-decimal": frozenset({"bytes"}),
    "uuid": frozenset({"string", "fixed"}),
    "date": frozenset({"int"}),
    "time-millis": frozenset({"int"}),
    "time-micros": frozenset({"long"}),
    "timestamp-millis": frozenset({"long"}),
    "timestamp-micros": frozenset({"long"}),
    "timestamp-nanos": frozenset({"long"}),
    "local-timestamp-millis": frozenset({"long"}),
    "local-timestamp-micros": frozenset({"long"}),
    "local-timestamp-nanos": frozenset({"long"}),
    "duration": frozenset({"fixed"}),
}


@dataclass(eq=False, slots=True)
class Field:
    """A field of a record.

    Attributes:
        default: In a tuple, as the schema has it; empty if there is none.
        made: The same as data, as readers get it.
        remove_after: What `x-remove-after` says.
    """

    name: str
    type: Node
    default: tuple[Any, ...] = ()
    made: tuple[Any, ...] = ()
    aliases: tuple[str, ...] = ()
    deprecated: bool = False
    remove_after: str | None = None


@dataclass(eq=False, slots=True)
class Node:
    """A type.

    Attributes:
        kind: A primitive's name, or `record`, `enum`, `array`, `map`, `union`, `fixed`.
        name: Full name of a named type.
        code: What fastavro is told instead, so that nothing hangs on namespaces.
        fields: Of a record, by name.
        symbols: Of an enum.
        default: Of an enum: what readers take for symbols that they don't know.
        inner: Items of an array, values of a map.
        branches: Of a union.
        size: Of a fixed.
        logical: The logical type, empty if there is none.
        precision: Of a decimal, digits.
        scale: Of a decimal, digits after the point.
    """

    kind: str
    name: str = ""
    code: str = ""
    aliases: tuple[str, ...] = ()
    fields: dict[str, Field] = field(default_factory=dict)
    symbols: tuple[str, ...] = ()
    default: str | None = None
    inner: Node | None = None
    branches: tuple[Node, ...] = ()
    size: int = 0
    logical: str = ""
    precision: int = 0
    scale: int = 0

    @property
    def shown(self) -> str:
        """What lines call it."""
        if self.logical == "decimal":
            return f"decimal({self.precision},{self.scale})"
        return self.logical or self.name or self.kind

    @property
    def label(self) -> str:
        """What tells it apart within a union."""
        return self.name or self.kind


def reached(node: Node) -> list[Node]:
    """A node and all that it is made of, each once."""
    found: dict[int, Node] = {}
    waiting = [node]
    while waiting:
        at = waiting.pop()
        if id(at) in found:
            continue
        found[id(at)] = at
        waiting.extend(parts_of(at))
    return list(found.values())


def holds_itself(root: Node) -> bool:
    """Whether a value of some type in there can hold another of the same, to any depth."""
    open_, done = set[int](), set[int]()
    waiting = [(root, False)]
    while waiting:
        node, left = waiting.pop()
        if left:
            open_.discard(id(node))
            done.add(id(node))
        elif id(node) in open_:
            return True
        elif id(node) not in done:
            open_.add(id(node))
            waiting.append((node, True))
            waiting.extend((part, False) for part in parts_of(node))
    return False


def parts_of(node: Node) -> list[Node]:
    """What a node is made of directly."""
    inner = [node.inner] if node.inner is not None else []
    return [*(part.type for part in node.fields.values()), *inner, *node.branches]


def in_bytes(number: int) -> str:
    """A length for people: `1 byte`, `2 bytes`."""
    return f"{number} byte" if number == 1 else f"{number} bytes"
