"""Which type of a union data was written as: what the bytes say, and the data alone can't.

A record and a map, two records of the same fields, a symbol and a text look alike once they are read. So whoever
resolves schemas goes by trees: data in which each value of such a union stands in a `Branch`.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, NamedTuple

from flowtrail.contracts.avro._nodes import Node, reached
from flowtrail.contracts.avro._writing import label


class Branch(NamedTuple):
    """A value of a union.

    Attributes:
        number: Which of the union's types it is of, from 0.
        value: What is in there, a tree itself.
    """

    number: int
    value: Any


def is_open(node: Node) -> bool:
    """Whether a union's values have to say of which type they are: of one type and null, they do without."""
    return sum(branch.kind != "null" for branch in node.branches) > 1


def has_open(root: Node) -> bool:
    """Whether there is such a union anywhere in a schema."""
    return any(is_open(node) for node in reached(root))


def tree_of(node: Node, data: Any, written: Any) -> Any:
    """The tree of plain data.

    Args:
        node: Its type.
        data: What a program made of it.
        written: The same as it would be written, with the branch of each union named.
    """
    if node.kind == "union":
        name, inner = written
        number = next(at for at, branch in enumerate(node.branches) if label(branch) == name)
        branch = node.branches[number]
        named = type(data) is tuple and len(data) == 2 and data[0] == branch.label
        made = tree_of(branch, data[1] if named else data, inner)
        return Branch(number, made) if is_open(node) else made
    if node.inner is not None and isinstance(data, Mapping):
        tree = dict(data)
        for name, item in data.items():  # a comprehension is another frame
            tree[name] = tree_of(node.inner, item, written[name])
        return tree
    if node.inner is not None and isinstance(data, list | tuple | Set):
        items = []
        for item, as_written in zip(data, written, strict=True):
            items.append(tree_of(node.inner, item, as_written))
        return items
    if node.kind == "record" and isinstance(data, Mapping):
        tree = dict(data)
        for name, part in node.fields.items():
            if name in tree:
                tree[name] = tree_of(part.type, tree[name], written[name])
        return tree
    return data


def data_of(tree: Any) -> Any:
    """The data of a tree, which shares no list and no mapping with it."""
    if type(tree) is Branch:
        tree = tree.value
    if type(tree) is dict:
        made = {}
        for name, item in tree.items():
            made[name] = data_of(item)
        return made
    if type(tree) is list:
        items = []
        for item in tree:
            items.append(data_of(item))
        return items
    return tree
