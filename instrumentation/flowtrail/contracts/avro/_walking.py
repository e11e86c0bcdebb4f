"""How deep bytes nest, found out without making data of them.

fastavro reads a record within a record by calling itself in C, where nothing counts: bytes that claim a depth
of 100,000 end the process. Only schemas that hold themselves allow that, so only their data is walked first.
"""

from __future__ import annotations

from flowtrail.contracts.avro._nodes import Node
from flowtrail.errors import DecodeError

MAX_DEPTH = 200
_FIXED_WIDTHS = {"null": 0, "boolean": 1, "float": 4, "double": 8}


def check_depth(root: Node, payload: bytes) -> None:
    """Refuse what nests too deeply.

    Raises:
        DecodeError: It does, or it ends too early.
    """
    try:
        _Walk(payload).skip(root, 0)
    except IndexError:
        raise DecodeError("it ends too early, or a union has no such branch") from None
    except RecursionError:
        raise DecodeError(f"nested deeper than {MAX_DEPTH} records") from None


class _Walk:
    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    def skip(self, node: Node, depth: int) -> None:
        if node.kind == "record":
            if depth > MAX_DEPTH:
                raise DecodeError(f"nested deeper than {MAX_DEPTH} records")
            for part in node.fields.values():
                self.skip(part.type, depth + 1)
        elif node.kind == "union":
            branch = self._long()
            if branch < 0:
                raise IndexError
            self.skip(node.branches[branch], depth)
        elif node.inner is not None:
            self._blocks(node, node.inner, depth)
        elif node.kind in ("int", "long", "enum"):
            self._long()
        elif node.kind in ("bytes", "string"):
            self._skip_bytes(self._long())
        else:
            self._skip_bytes(node.size if node.kind == "fixed" else _FIXED_WIDTHS[node.kind])

    def _blocks(self, node: Node, inner: Node, depth: int) -> None:
        while (count := self._long()) != 0:
            if count < 0:
                self._long()
            for _ in range(abs(count)):
                if node.kind == "map":
                    self._skip_bytes(self._long())
                self.skip(inner, depth)

    def _skip_bytes(self, count: int) -> None:
        self._at += count
        if count < 0 or self._at > len(self._payload):
            raise IndexError

    def _long(self) -> int:
        shift = found = 0
        while True:
            byte = self._payload[self._at]
            self._at += 1
            found |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return (found >> 1) ^ -(found & 1)
            shift += 7
            if shift > 63:
                raise IndexError
