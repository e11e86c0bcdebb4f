"""Names and types of a drafted flow file, as they may stand in YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Sequence

from flowtrail_collector.wording import printable

__all__ = ["free", "kebab", "yaml_text", "yaml_types"]

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_RESERVED = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def yaml_types(types: Sequence[str]) -> str:
    """A type, or a list of them."""
    if len(types) == 1:
        return yaml_text(types[0])
    return f"[{', '.join(yaml_text(kind) for kind in types)}]"


def yaml_text(text: str) -> str:
    """A text, in quotes where YAML needs them."""
    if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    return json.dumps(printable(text), ensure_ascii=False)


def kebab(kind: str) -> str:
    """`StockReserved` -> `stock-reserved`; whatever can't stand in a name becomes a hyphen."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", kind)
    name = re.sub(r"[^a-z0-9_.-]+", "-", apart.lower()).strip("-")[:90]
    return name if name not in ("", "start") else f"step-{name}".rstrip("-")


def free(name: str, taken: Container[str]) -> str:
    """The name, with a number behind it if it is taken."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    return found
