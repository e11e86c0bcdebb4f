"""Keys that stand twice in one object of a JSON text: parsers keep the last, and say nothing of the others."""

from __future__ import annotations

import json
import re
from typing import Final

_TOKEN: Final = re.compile(r'(?P<text>"(?:\\.|[^"\\])*+")(?P<is_key>\s*+:)?|[{}\[\]]', re.DOTALL)


def key_twice(text: str) -> tuple[int, str, int] | None:
    """The first key that its object has already: its line, itself, and the line of the other. None if all is well."""
    objects: list[dict[str, int]] = []
    line, counted = 1, 0
    for found in _TOKEN.finditer(text):
        if found["text"] is None:
            if found[0] in "{[":
                objects.append({})
            elif objects:
                objects.pop()
        elif found["is_key"] is not None and objects:
            line, counted = line + text.count("\n", counted, found.start()), found.start()
            key = _said(found["text"])
            if key in objects[-1]:
                return line, key, objects[-1][key]
            objects[-1][key] = line
    return None


def _said(text: str) -> str:
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        return text  # which parsing will tell
