"""Plain data as YAML."""

from __future__ import annotations

from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

__all__ = ["yaml_text"]


def yaml_text(data: Any) -> str:
    """Data as YAML: keys in their order, lines as they are, texts of several lines readable."""
    yaml = YAML(typ="rt")
    yaml.width = 4096
    yaml.default_flow_style = False
    yaml.representer.ignore_aliases = lambda _: True
    stream = StringIO()
    yaml.dump(_readable(data), stream)
    return stream.getvalue()


def _readable(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _readable(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_readable(value) for value in data]
    if isinstance(data, str) and "\n" in data and "\r" not in data and data.isprintable() is False:
        lines = data.split("\n")
        if all(line.isprintable() for line in lines) and not lines[0][:1].isspace():
            return LiteralScalarString(data)
    return data
