"""An order as JSON Schema in two versions, and folders of such contracts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ORDER_1: dict[str, Any] = {
    "type": "object",
    "required": ["order_id", "total"],
    "properties": {
        "order_id": {"type": "string"},
        "total": {"type": "integer", "minimum": 0},
        "note": {"type": "string", "deprecated": True},
    },
}
ORDER_2: dict[str, Any] = {
    "type": "object",
    "required": ["order_id", "total_cents"],
    "properties": {
        "order_id": {"type": "string"},
        "total_cents": {"type": "integer"},
        "currency": {"type": "string", "default": "EUR"},
    },
}


def write_json(folder: Path, **types: list[dict[str, Any]]) -> Path:
    """Write versions of types into a folder of contracts, each from 1; hands back the folder."""
    for type, versions in types.items():
        (folder / type).mkdir(parents=True, exist_ok=True)
        for number, schema in enumerate(versions, 1):
            (folder / type / f"{number}.json").write_text(json.dumps(schema))
    return folder
