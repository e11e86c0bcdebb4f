"""The contracts that a program has met so far, and what is known of them."""

from __future__ import annotations

from flowtrail.contracts._comparing import compare, defined
from flowtrail.contracts._format import Definition
from flowtrail.contracts._source import Source


class Shelf:
    """Definitions by type and version, asked for once.

    Args:
        source: Where they come from.

    Attributes:
        known: Those that were asked for, by type and version.
        types: Their types.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.known: dict[tuple[str, int], Definition] = {}
        self.types: set[str] = set()
        self._compatible: dict[tuple[str, int, int], bool] = {}

    def contract(self, type: str, version: int) -> Definition | None:
        """A contract, None if there is none.

        Raises:
            RegistryUnavailableError: The registry is away and the contract isn't cached.
        """
        found = self.known.get((type, version))
        if found is None:
            schema = self.source.schema(type, version)
            if schema is None:
                return None
            found = self.known[type, version] = defined(f"{type}/{version}", schema)
            self.types.add(type)
        return found

    def nearest(self, type: str, version: int) -> tuple[int, Definition] | None:
        """The contract to read a version with: its own, else that of the newest known one before it."""
        contract = self.contract(type, version)
        if contract is None:
            older = [known for known in self.source.versions(type) if known < version]
            if not older:
                return None
            version = older[-1]
            contract = self.contract(type, version)
        return None if contract is None else (version, contract)

    def is_compatible(self, type: str, old: int, new: int) -> bool:
        """Whether no upcaster is needed from one version to the other."""
        found = self._compatible.get((type, old, new))
        if found is None:
            before, after = self.contract(type, old), self.contract(type, new)
            found = before is not None and after is not None and not compare(before, after)
            self._compatible[type, old, new] = found
        return found


def number_of(version: str | int | None) -> int | None:
    """A version as a number; None for anything else that a header may hold."""
    if isinstance(version, int):
        return version
    if version is None or not (version.isascii() and version.isdecimal() and len(version) <= 9):
        return None
    return int(version)
