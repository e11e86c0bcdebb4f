"""Data with the defaults of what it lacks."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from flowtrail.contracts.avro._branches import Branch
from flowtrail.contracts.avro._nodes import Node


def completed(node: Node, tree: Any) -> Any:
    """The data of a tree, complete. Fields that are declared nowhere stay; the tree stays as it is."""
    while node.kind == "union":
        if type(tree) is Branch:
            node, tree = node.branches[tree.number], tree.value
        else:
            others = [branch for branch in node.branches if branch.kind != "null"]
            if tree is None or len(others) != 1:
                return tree
            node = others[0]
    inner = node.inner
    if node.kind == "array" and inner is not None and isinstance(tree, list):
        items = list(tree)
        for place, item in enumerate(items):  # a comprehension is another frame
            items[place] = completed(inner, item)
        return items
    if node.kind not in ("record", "map") or not isinstance(tree, Mapping):
        return tree
    full = dict(tree)
    if inner is not None:
        for name, item in tree.items():
            full[name] = completed(inner, item)
    for part in node.fields.values():
        if part.name in full:
            full[part.name] = completed(part.type, full[part.name])
        elif part.made:
            full[part.name] = copy.deepcopy(part.made[0])
    return full
