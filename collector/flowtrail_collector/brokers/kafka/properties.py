"""Java properties files, and references to secrets inside their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["PropertiesError", "parse_properties", "resolve_references"]

_ENTRY = re.compile(r"((?:\\.|[^\s=:\\])+)\s*[=:\s]?\s*(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_REFERENCE = re.compile(r"\$\{(env|file|directory):([^}]*)\}")
_CONTROL = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}


class PropertiesError(ValueError):
    """A properties file or a reference in it can't be read; the message never holds a value."""


def parse_properties(text: str) -> dict[str, str]:
    """Read ``key=value`` lines by the rules of ``java.util.Properties.load``.

    Source of the rules: the class's documentation (comments, continuation lines, escapes).
    """
    found: dict[str, str] = {}
    pending = ""
    for raw in [*text.splitlines(), ""]:
        line = raw.lstrip()
        if not pending and (not line or line[0] in "#!"):
            continue
        # A backslash continues the line unless it is itself escaped.
        if (len(line) - len(line.rstrip("\\"))) % 2:
            pending += line[:-1]
            continue
        match = _ENTRY.match(pending + line)
        pending = ""
        if match:
            found[_unescaped(match[1])] = _unescaped(match[2]).strip()
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
    entries = parse_properties(content)
    if key not in entries:
        raise PropertiesError(f"Kafka setting {name} refers to {key} in {path}, which has no such key")
    return entries[key]


def _split(target: str) -> tuple[str, str]:
    path, colon, key = target.rpartition(":")
    # "C:\secrets" has a colon too, but not one that a key follows.
    return (path, key) if colon and path and not key.startswith(("\\", "/")) else (target, "")


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else _CONTROL.get(code, code)

    return _ESCAPE.sub(one, text)
