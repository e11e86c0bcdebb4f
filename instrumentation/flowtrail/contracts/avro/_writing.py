"""What fastavro is told to write with: the schema without logical types, defaults and namespaces.

Everything that could be decided in more than one way is decided before: data comes as it is written, with the
branch of each union named.
"""

from __future__ import annotations

from typing import Any

from flowtrail.contracts.avro._nodes import Node


def plain(root: Node) -> Any:
    """The schema, as JSON."""
    return _plain(root, set())


def label(branch: Node) -> str:
    """What fastavro calls a branch of a union."""
    return branch.code or branch.kind


def _plain(node: Node, placed: set[str]) -> Any:
    if node.kind == "union":
        return [_plain(branch, placed) for branch in node.branches]
    if node.inner is not None:
        word = "items" if node.kind == "array" else "values"
        return {"type": node.kind, word: _plain(node.inner, placed)}
    if not node.code:
        return node.kind
    if node.code in placed:
        return node.code
    placed.add(node.code)
    named: dict[str, Any] = {"type": node.kind, "name": node.code}
    if node.kind == "record":
        fields = [{"name": part.name, "type": _plain(part.type, placed)} for part in node.fields.values()]
        return {**named, "fields": fields}
    return {**named, "symbols": list(node.symbols)} if node.kind == "enum" else {**named, "size": node.size}
