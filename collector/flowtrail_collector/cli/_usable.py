"""States of the contracts without the types that can't be used: one bad subject of a registry costs one line."""

from __future__ import annotations

from collections.abc import Sequence

from flowtrail.contracts import Definition, SchemaError, Source

__all__ = ["Usable"]


class Usable:
    """States of the contracts, side by side.

    Args:
        sources: As they are.

    Attributes:
        sources: Without the types that one of them has in a form that can't be used.
        unusable: Why not, a line for each contract.

    Raises:
        RegistryUnavailableError: A registry doesn't answer.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.unusable: list[str] = []
        bad = {type for source in sources for type in source.types() if not self._reads(source, type)}
        self.sources: list[Source] = [_Without(source, bad) for source in sources] if bad else list(sources)

    def _reads(self, source: Source, type: str) -> bool:
        before = len(self.unusable)
        for version in source.versions(type):
            try:
                source.schema(type, version)
            except SchemaError as error:
                if str(error) not in self.unusable:
                    self.unusable.append(str(error))
                before = -1
        return before == len(self.unusable)


class _Without:
    """A source that has no contracts of some types."""

    def __init__(self, source: Source, types: set[str]) -> None:
        self._source, self._left_out = source, types

    def types(self) -> Sequence[str]:
        return [type for type in self._source.types() if type not in self._left_out]

    def versions(self, type: str, *, at_least: int = 0) -> Sequence[int]:
        return () if type in self._left_out else self._source.versions(type, at_least=at_least)

    def schema(self, type: str, version: int) -> Definition | None:
        return None if type in self._left_out else self._source.schema(type, version)
