"""The contracts of what flows: from a folder, from a registry, or from both."""

from __future__ import annotations

from collections.abc import Sequence

from flowtrail.contracts import Definition, SchemaError, Source

__all__ = ["Known"]


class Known:
    """Contracts by type and version.

    Args:
        sources: Where to look, in this order.

    Attributes:
        missing: What was asked for and isn't there, as people write it, in the order of asking.
        unusable: Why a contract that is there can't be used, in the order of asking.
    """

    def __init__(self, sources: Sequence[Source] = ()) -> None:
        self._sources = sources
        self.missing: dict[str, None] = {}
        self.unusable: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._sources)

    def of(self, type: str, version: str | None) -> Definition | None:
        """The contract of a version; where none is named, of the newest there is. None if it can't be used.

        Raises:
            RegistryUnavailableError: The registry doesn't answer.
        """
        for source in self._sources:
            versions = source.versions(type)
            wanted = versions[-1] if version is None and versions else int(version or 0)
            try:
                found = source.schema(type, wanted) if wanted in versions else None
            except SchemaError as error:
                self.unusable[str(error)] = None
                return None
            if found is not None:
                return found
        if self._sources:
            self.missing[type if version is None else f"{type} {version}"] = None
        return None

    def written_with(self, type: str, version: str | None, *, is_mapped: bool) -> Definition | None:
        """The contract that events were written with; None if there is none, or nobody can tell.

        Args:
            type: Of the events.
            version: That they name.
            is_mapped: Whether a mapping says what they are: then their payloads may have a registry's id.

        Raises:
            RegistryUnavailableError: The registry doesn't answer.
        """
        found = self.of(type, version) if self else None
        # Without a version nobody could read Avro or Protobuf: those events are something else.
        unreadable = version is None and not is_mapped
        return None if found is not None and unreadable and found.format != "json" else found
