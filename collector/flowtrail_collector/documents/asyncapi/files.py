"""Reads the files of an AsyncAPI document and follows its references: within a file, and to files beside it.

Nothing is fetched, nothing outside of the document's own folder is read, and references that lead back to where
they began end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from flowtrail.contracts.json_schema.places import held_by
from flowtrail_collector.documents.asyncapi.mistakes import DocumentError, Place

__all__ = ["MAX_BYTES", "At", "Files"]

MAX_BYTES = 2_000_000
"""Of one file."""
_MAX_FILES = 100
_MAX_HOPS = 100
_MAX_NODES = 100_000
_TEXTS = (".proto",)


@dataclass(frozen=True, slots=True)
class At:
    """A value of a document, and where it stands.

    Attributes:
        value: As it was read.
        path: Its file.
        line: From 1.
    """

    value: Any
    path: Path
    line: int = 1

    def of(self, name: Any) -> At:
        """The member of a mapping or a list, None where there is none."""
        if isinstance(self.value, Mapping):
            return At(self.value.get(name), self.path, _line(self.value, name, self.line))
        if isinstance(self.value, list) and isinstance(name, int) and 0 <= name < len(self.value):
            return At(self.value[name], self.path, _line(self.value, name, self.line))
        return At(None, self.path, self.line)

    def members(self) -> Iterator[tuple[str, At]]:
        """The members of a mapping, without extensions; nothing of anything else."""
        if isinstance(self.value, Mapping):
            for name in self.value:
                if isinstance(name, str) and not name.startswith("x-"):
                    yield name, self.of(name)

    def items(self) -> Iterator[At]:
        """The items of a list; nothing of anything else."""
        if isinstance(self.value, list):
            for number in range(len(self.value)):
                yield self.of(number)

    def text(self, name: str) -> str | None:
        """The text that a member is, None if it is none."""
        value = self.value.get(name) if isinstance(self.value, Mapping) else None
        return str(value) if isinstance(value, str) and value else None


class Files:
    """The files of a document.

    Args:
        path: The document itself; what it refers to lies in its folder or below.
        value: What stands in it, if that was read already.

    Attributes:
        root: The document.

    Raises:
        DocumentError: It can't be read.
    """

    def __init__(self, path: Path, value: Any = None) -> None:
        self._named = path
        self._folder = path.absolute().resolve().parent
        self._read: dict[Path, At] = {}
        self._nodes = 0
        resolved = path.absolute().resolve()
        if value is not None:
            self._read[resolved] = At(value, resolved)
        self.root = self._file(resolved, Place(str(path)))

    def place(self, at: At) -> Place:
        """Where a value stands, by the file's name as people know it."""
        return Place(str(self._named.parent / at.path.relative_to(self._folder)), at.line)

    def followed(self, at: At) -> At:
        """A value, behind all references that stand in its place.

        Raises:
            DocumentError: One leads nowhere, out of the folder, or around in a circle.
        """
        for _ in range(_MAX_HOPS):
            if not is_reference(at.value):
                return at
            at = self.target(at)
        raise DocumentError(self.place(at), "references lead around in a circle")

    def target(self, at: At) -> At:
        """What a reference names.

        Raises:
            DocumentError: Nothing that may be read.
        """
        ref: str = at.value["$ref"]
        here = At(at.value, at.path, _line(at.value, "$ref", at.line))
        file, _, pointer = ref.partition("#")
        found = self._beside(here, file) if file else self._read[at.path]
        for step in pointer.split("/")[1:]:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if is_reference(found.value):
                found = self.followed(found)
            found = found.of(int(name) if isinstance(found.value, list) and name.isdecimal() else name)
            if found.value is None:
                raise DocumentError(self.place(here), f"{_short(ref)} leads nowhere")
        return found

    def plain(self, at: At, *, is_json_schema: bool = True) -> Any:
        """A schema as plain data, with what it refers to in place; what refers to itself is put into `$defs`.

        Args:
            at: The schema.
            is_json_schema: Whether references are only where JSON Schema has schemas; else they are anywhere.

        Raises:
            DocumentError: A reference can't be followed, or all of it is too much.
        """
        parts = _Parts(self, is_json_schema)
        try:
            found = parts.plain(at, ())
        except RecursionError:
            raise DocumentError(self.place(at), "it is nested too deeply") from None
        if parts.defs and isinstance(found, dict):
            found["$defs"] = {**found.get("$defs", {}), **parts.defs}
        return found

    def count(self, at: At) -> None:
        """Note that a node was looked at."""
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise DocumentError(self.place(at), f"its references make more than {_MAX_NODES:,} values of it")

    def _beside(self, here: At, file: str) -> At:
        if ":" in file.partition("/")[0] or file.startswith(("/", "\\")):
            message = f"{_short(file)} isn't fetched: put the file beside the document"
            raise DocumentError(self.place(here), message)
        path = (here.path.parent / unquote(file)).resolve()
        if not path.is_relative_to(self._folder):
            message = f"{_short(file)} isn't read: it lies outside of the document's folder"
            raise DocumentError(self.place(here), message)
        return self._file(path, self.place(here))

    def _file(self, path: Path, place: Place) -> At:
        known = self._read.get(path)
        if known is None:
            if len(self._read) >= _MAX_FILES:
                raise DocumentError(place, f"it refers to more than {_MAX_FILES} files")
            text = _text_of(path, place)
            value = text if path.suffix in _TEXTS else _loaded(text, self._shown(path))
            known = self._read[path] = At(value, path)
        return known

    def _shown(self, path: Path) -> str:
        return str(self._named.parent / path.relative_to(self._folder))


class _Parts:
    """Puts what is referred to in place, for one value."""

    def __init__(self, files: Files, is_json_schema: bool) -> None:
        self._files = files
        self._is_json_schema = is_json_schema
        self._names: dict[tuple[Path, int], str] = {}
        self.defs: dict[str, Any] = {}

    def plain(self, at: At, within: tuple[tuple[Path, int], ...]) -> Any:
        self._files.count(at)
        if is_reference(at.value):
            return self._referred(at, within)
        if isinstance(at.value, Mapping):
            return {str(name): self._member(str(name), at.of(name), within) for name in at.value}
        if isinstance(at.value, list):
            return [self.plain(item, within) for item in at.items()]
        return _scalar(at.value)

    def _member(self, name: str, at: At, within: tuple[tuple[Path, int], ...]) -> Any:
        """What stands under a keyword: only schemas refer to anything."""
        held = held_by(name, at.value) if self._is_json_schema else "schema"
        if held == "data":
            return self._data(at)
        if held != "names":
            return self.plain(at, within)
        self._files.count(at)
        return {str(key): self.plain(at.of(key), within) for key in at.value}

    def _data(self, at: At) -> Any:
        self._files.count(at)
        if isinstance(at.value, Mapping):
            return {str(name): self._data(at.of(name)) for name in at.value}
        if isinstance(at.value, list):
            return [self._data(item) for item in at.items()]
        return _scalar(at.value)

    def _referred(self, at: At, within: tuple[tuple[Path, int], ...]) -> Any:
        target = self._files.followed(self._files.target(at))
        key = target.path, id(target.value)
        if key in within:
            name = self._names.setdefault(key, f"part{len(self._names) + 1}")
            return {"$ref": f"#/$defs/{name}"}
        found = self.plain(target, (*within, key))
        name = self._names.get(key, "")
        if name:
            self.defs[name] = found
            found = {"$ref": f"#/$defs/{name}"}
        beside = {
            str(key): self._member(str(key), at.of(key), within)
            for key in at.value
            if key not in ("$ref", "description", "summary")
        }
        return {"allOf": [found], **beside} if beside else found


def is_reference(value: Any) -> bool:
    """Whether it is one, not a field that happens to be called like that."""
    return isinstance(value, Mapping) and isinstance(value.get("$ref"), str)


def _scalar(value: Any) -> Any:
    """Numbers and texts as Python has them: those of the YAML library know how they were written."""
    if isinstance(value, bool) or value is None:
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return str(value)  # a date


def _line(value: Any, name: Any, otherwise: int) -> int:
    try:
        marks = value.lc
        return int((marks.key(name) if isinstance(value, Mapping) else marks.item(name))[0]) + 1
    except (AttributeError, KeyError, TypeError, IndexError):
        return otherwise


def _text_of(path: Path, place: Place) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DocumentError(place, f"can't read {path.name}: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise DocumentError(
            place, f"{path.name} is larger than {MAX_BYTES:,} bytes: split it with references"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DocumentError(place, f"{path.name} isn't UTF-8: save it as that") from None


def _loaded(text: str, file: str) -> Any:
    try:
        # The round-trip loader knows lines, and makes no objects of any kind.
        return YAML(typ="rt").load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        if text.lstrip().startswith(("{", "[")):
            try:
                return json.loads(text)  # YAML takes no tabs
            except (ValueError, RecursionError):
                pass
        mark = error.problem_mark or error.context_mark if isinstance(error, MarkedYAMLError) else None
        if isinstance(error, RecursionError):
            raise DocumentError(Place(file), "it is nested too deeply") from None
        reason = error.problem or error.context if isinstance(error, MarkedYAMLError) else str(error)
        message = f"it is neither YAML nor JSON: {(reason or 'no reason given').splitlines()[0]}"
        raise DocumentError(Place(file, mark.line + 1 if mark else 1), message) from None


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
