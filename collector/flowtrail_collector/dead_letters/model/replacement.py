"""What somebody puts in place of parts of a dead letter before it is sent back; the letter itself stays as it is."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flowtrail.wire import Header

__all__ = ["Replacement"]


@dataclass(frozen=True, slots=True)
class Replacement:
    """New parts of a record. What isn't named is sent as it is.

    Attributes:
        parts: The new `key` and `value`, of those that are replaced.
        headers: New values by name; None takes a header away.
    """

    parts: Mapping[str, bytes | None] = field(default_factory=dict)
    headers: Mapping[str, bytes | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.parts or self.headers)

    @property
    def named(self) -> str:
        """What it replaces, without what it puts there: `value, header tenant`."""
        return ", ".join([*sorted(self.parts), *(f"header {name}" for name in self.headers)])

    def headers_after(self, headers: Sequence[Header]) -> list[Header]:
        """A record's headers with the new ones in place of all that have their names."""
        kept = [header for header in headers if header[0] not in self.headers]
        new = [(name, value) for name, value in self.headers.items() if value is not None]
        return [*kept, *new]

    def dumped(self) -> str:
        """As text, for the store."""
        return json.dumps(
            {
                "parts": {name: _text(value) for name, value in self.parts.items()},
                "headers": {name: _text(value) for name, value in self.headers.items()},
            }
        )

    @classmethod
    def loaded(cls, text: str) -> Replacement:
        """The one that `dumped` made a text of."""
        found = json.loads(text)
        parts, headers = (
            {name: None if value is None else b64decode(value) for name, value in found[part].items()}
            for part in ("parts", "headers")
        )
        return cls(parts, headers)


def _text(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode()
