"""Contracts from a folder: `TYPE/VERSION.json`, `.avsc` or `.proto`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from flowtrail.contracts._errors import SchemaError
from flowtrail.contracts._format import MAX_TEXT, Definition
from flowtrail.contracts._formats import BY_SUFFIX
from flowtrail.contracts._twice import key_twice

_FORM = f"TYPE/VERSION{' or '.join(BY_SUFFIX)}"
_JSON_TEXTS = (".json", ".avsc")
_ADDRESS = re.compile(r"[\w.-]+:(//.*|\d+(/.*)?)", re.ASCII)
_FULL_NAME = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)


class FolderSource:
    """All contracts of a folder, read at once: `OrderPlaced/1.json`, `OrderPlaced/2.avsc`, ...

    Args:
        path: The folder. Names that start with a dot are passed over; in folders whose names start with an
            underscore are texts that contracts refer to, `_shared/money.proto`, or
            `_shared/shop.Money.avsc` for a named type of Avro.

    Raises:
        MissingExtraError: A format's library isn't installed.
        SchemaError: The folder isn't there, or a file is no contract.
    """

    def __init__(self, path: str | Path) -> None:
        folder = Path(path)
        if path == "" or not folder.is_dir():
            raise SchemaError(_no_folder(str(path)))
        self._schemas: dict[str, dict[int, Definition]] = {}
        for file in sorted(folder.glob("*/*")):
            if file.suffix in BY_SUFFIX and not (_passed_over(file.name) or _passed_over(file.parent.name)):
                self._add(file)
        if not self._schemas:
            raise SchemaError(_no_contracts(folder))

    def _add(self, file: Path) -> None:
        of_type, version = self._schemas.setdefault(file.parent.name, {}), version_of(file)
        if version in of_type:
            raise SchemaError(f"{file}: there is another contract of version {version} beside it")
        of_type[version] = read_file(file)

    def types(self) -> Sequence[str]:
        """All types, sorted."""
        return sorted(self._schemas)

    def versions(self, type: str, *, at_least: int = 0) -> Sequence[int]:
        """Versions of a type, ascending."""
        return sorted(self._schemas.get(type, ()))

    def schema(self, type: str, version: int) -> Definition | None:
        """The contract, None if there is none."""
        return self._schemas.get(type, {}).get(version)


def _no_folder(given: str) -> str:
    """What is named instead of a folder, and what to do."""
    path = Path(given)
    if given == "":
        return "no folder of contracts is named"
    if path.is_file() and path.suffix in BY_SUFFIX:
        above = path.absolute().parent.parent
        return f"{given}: a single contract, not a folder of them: name the one that it is in, {above}"
    if path.is_file():
        return f"{given}: a file, not a folder of contracts ({_FORM})"
    if _ADDRESS.fullmatch(given):
        return f"{given}: no such folder; the address of a registry begins with http:// or https://"
    if path.suffix in BY_SUFFIX:
        return f"{given}: no such file"
    return f"{given}: no such folder of contracts"


def _no_contracts(folder: Path) -> str:
    """Why there are none, and what to do."""
    if any(file.suffix in BY_SUFFIX and file.stem.isdecimal() for file in folder.iterdir()):
        above = folder.absolute().parent
        return f"{folder}: holds the versions of one type: name the folder above it, {above}"
    return f"{folder}: holds no contracts ({_FORM})"


def _passed_over(name: str) -> bool:
    return name.startswith((".", "_"))


def version_of(file: Path) -> int:
    """The version a file's name stands for.

    Raises:
        SchemaError: It is no whole number from 1.
    """
    version = int(file.stem) if file.stem.isascii() and file.stem.isdecimal() else 0
    if version < 1 or str(version) != file.stem:
        digits = re.search(r"[1-9][0-9]*", file.stem)
        number = digits[0] if digits else "1" if file.stem.isdecimal() else f"{file.stem}/1"
        meant = f"{number}{file.suffix}"
        raise SchemaError(f"{file}: a contract's file is named by its version, e.g. {meant}")
    return version


def read_file(file: Path) -> Definition:
    """Read and check one contract; what it refers to is looked for in the folder of all.

    Raises:
        SchemaError: It can't be read, or isn't what its name says.
    """
    format = BY_SUFFIX.get(file.suffix)
    if format is None:
        raise SchemaError(f"{file}: a contract's file ends with {', '.join(BY_SUFFIX)}")
    type, text = file.absolute().parent.name, text_of(file)
    _hold_to_one_value(file, text)
    return format.parse(str(file), text, type, _References(file.absolute().parent.parent))


def _hold_to_one_value(file: Path, text: str) -> None:
    """Of two values under one key the reader would have the last, whatever the author meant."""
    if file.suffix in _JSON_TEXTS and (found := key_twice(text)):
        line, key, first = found
        raise SchemaError(
            f"{file}:{line}: {key[:100]!r} stands in line {first} already, in the same object: leave one out"
        )


def text_of(file: Path) -> str:
    """The text of a file, of as much as a contract may have.

    Raises:
        SchemaError: It can't be read.
    """
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(MAX_TEXT + 1)
    except (OSError, ValueError) as error:
        raise SchemaError(f"{file}: {error}") from None


class _References(dict[str, str]):
    """Texts of a folder, read when a contract names them."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder.resolve()

    def __missing__(self, name: str) -> str:
        file = (self._folder / name).resolve()
        if _FULL_NAME.fullmatch(name):  # a named type of Avro
            file = next(iter(sorted(self._folder.glob(f"_*/{name}.avsc"))), file).resolve()
        if not file.is_relative_to(self._folder) or not file.is_file():
            raise KeyError(name)
        self[name] = text = text_of(file)
        _hold_to_one_value(file, text)
        return text

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and self[name] is not None
        except KeyError:
            return False
