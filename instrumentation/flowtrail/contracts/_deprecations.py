"""What is deprecated and still in use."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flowtrail.contracts._format import Definition
from flowtrail.contracts._values import fields_of

_LOG = logging.getLogger("flowtrail.contracts")
_MAX_NOTED = 1000


@dataclass(frozen=True, slots=True)
class Deprecation:
    """Something deprecated that is still in use.

    Attributes:
        type: Event type.
        version: Contract version.
        field: Path of the field with dots, None if the whole version is deprecated.
        side: `publish` or `consume`.
    """

    type: str
    version: int
    field: str | None
    side: str


class Deprecations:
    """Tells of what is deprecated and in use: in the log once, to whoever wants to know every time.

    Args:
        tell: Is told every time.
    """

    def __init__(self, tell: Callable[[Deprecation], None] | None) -> None:
        self._tell = tell
        self._noted: set[Deprecation] = set()

    def tell(self, deprecation: Deprecation) -> None:
        """Something deprecated was used."""
        if deprecation not in self._noted and len(self._noted) < _MAX_NOTED:
            self._noted.add(deprecation)
            what = f"field {deprecation.field}" if deprecation.field else "the whole version"
            _LOG.warning(
                "%s/%s: %s is deprecated and still in use (%s)",
                deprecation.type, deprecation.version, what, deprecation.side,
            )  # fmt: skip
        if self._tell is not None:
            self._tell(deprecation)


def used(contract: Definition, data: Any, side: str) -> Sequence[str | None]:
    """What data uses that its contract calls deprecated: fields; None is the whole version."""
    if not (contract.deprecated or contract.deprecated_fields):
        return ()
    whole: list[str | None] = [None] if contract.deprecated else []
    # A default fills every absent field in for readers, so only what is published tells of use.
    fields = contract.deprecated_fields if side == "publish" else ()
    return whole + [".".join(path) for path in fields if _holds(data, path)]


def _holds(data: Any, path: tuple[str, ...]) -> bool:
    """Whether data has a field at this path."""
    for name in path:
        fields = fields_of(data)
        if fields is None or name not in fields:
            return False
        data = fields[name]
    return True
