"""Java properties files, and references to secrets inside their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import javaproperties

__all__ = ["PropertiesError", "parse_properties", "resolve_references"]

_LINE_END = re.compile(r"\r\n|\r|\n")
_REFERENCE = re.compile(r"\$\{(env|file|directory):([^}]*)\}")


class PropertiesError(ValueError):
    """A properties file or a reference in it can't be read; the message never holds a value."""


def parse_properties(text: str, where: str) -> dict[str, str]:
    """Read ``key=value`` lines as ``java.util.Properties.load`` does.

    Args:
        text: the file's content. UTF-8 is the callers' choice: that is what editors write, what librdkafka takes
            and how Kafka's own ``FileConfigProvider`` reads; files that Java tools write are ASCII, which is
            the same in the Latin-1 of ``load(InputStream)``.
        where: names the file in errors.

    Raises:
        PropertiesError: an escape isn't one; says in which line.
    """
    found: dict[str, str] = {}
    line = 1
    try:
        for element in javaproperties.parse(text):
            if isinstance(element, javaproperties.KeyValue):
                f"{element.key}{element.value}".encode()  # half a surrogate pair is no character
                found[element.key] = element.value
            line += len(_LINE_END.findall(element.source))
    except (javaproperties.InvalidUEscapeError, UnicodeEncodeError):
        # Their own messages hold a piece of the value.
        raise PropertiesError(
            f"{where}, line {line}: \\u takes the four hexadecimal digits of a character; "
            "write \\\\ for a backslash"
        ) from None
    return found


def resolve_references(name: str, value: str, environ: Mapping[str, str]) -> str:
    """Replace ``${env:NAME}``, ``${file:/path}``, ``${file:/path:key}`` and ``${directory:/path:name}``.

    Raises:
        PropertiesError: the variable, file or key does not exist. Only `name` and the reference are told.
    """
    return _REFERENCE.sub(lambda match: _referred(name, match, environ), value)


def _referred(name: str, match: re.Match[str], environ: Mapping[str, str]) -> str:
    provider, target = match[1], match[2]
    if provider == "env":
        if target not in environ:
            raise PropertiesError(f"Kafka setting {name} refers to the variable {target}, which is not set")
        return environ[target]
    path, key = _split(target)
    try:
        if provider == "directory":
            return Path(path, key).read_text("utf-8").strip()
        content = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError, ValueError):
        raise PropertiesError(
            f"Kafka setting {name} refers to the file {target}, which can't be read"
        ) from None
    if not key:
        return content.strip()
    entries = parse_properties(content, path)
    if key not in entries:
        raise PropertiesError(f"Kafka setting {name} refers to {key} in {path}, which has no such key")
    return entries[key]


def _split(target: str) -> tuple[str, str]:
    path, colon, key = target.rpartition(":")
    # "C:\secrets" has a colon too, but not one that a key follows.
    return (path, key) if colon and path and not key.startswith(("\\", "/")) else (target, "")
