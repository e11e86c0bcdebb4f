"""Contracts from a folder: `TYPE/VERSION.json`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flowtrail.contracts._source import Schema, SchemaError
from flowtrail.contracts._validator import parsed


class FolderSource:
    """All contracts of a folder, read at once: `OrderPlaced/1.json`, `OrderPlaced/2.json`, ...

    Args:
        path: The folder. Names that start with a dot are passed over.

    Raises:
        MissingExtraError: jsonschema isn't installed.
        SchemaError: The folder isn't there, or a file is no contract.
    """

    def __init__(self, path: str | Path) -> None:
        folder = Path(path)
        if not folder.is_dir():
            raise SchemaError(f"{folder}: no such folder of contracts")
        self._schemas: dict[str, dict[int, Schema]] = {}
        for file in sorted(folder.glob("*/*.json")):
            if file.name.startswith(".") or file.parent.name.startswith("."):
                continue
            self._schemas.setdefault(file.parent.name, {})[version_of(file)] = read_file(file)
        if not self._schemas:
            raise SchemaError(f"{folder}: holds no contracts (TYPE/VERSION.json)")

    def types(self) -> Sequence[str]:
        """All types, sorted."""
        return sorted(self._schemas)

    def versions(self, type: str, *, at_least: int = 0) -> Sequence[int]:
        """Versions of a type, ascending."""
        return sorted(self._schemas.get(type, ()))

    def schema(self, type: str, version: int) -> Schema | None:
        """The schema, None if there is none."""
        return self._schemas.get(type, {}).get(version)


def version_of(file: Path) -> int:
    """The version a file's name stands for.

    Raises:
        SchemaError: It is no whole number from 1.
    """
    version = int(file.stem) if file.stem.isascii() and file.stem.isdecimal() else 0
    if version < 1 or str(version) != file.stem:
        raise SchemaError(f"{file}: a contract's file is named by its version, e.g. 1.json")
    return version


def read_file(file: Path) -> Schema:
    """Read and check one contract.

    Raises:
        SchemaError: It can't be read, or isn't a JSON Schema.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise SchemaError(f"{file}: {error}") from None
    return parsed(str(file), text)
