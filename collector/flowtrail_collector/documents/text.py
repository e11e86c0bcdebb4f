"""Plain data as YAML."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString, SingleQuotedScalarString

__all__ = ["yaml_text"]

# Ends of lines to YAML 1.1 only.
_BREAKS = frozenset("\x85\u2028\u2029")
# What YAML 1.1, which many programs still read, takes for something else than a text; version 1.2, which is
# written here, doesn't. See https://yaml.org/type/.
_OTHER_IN_OLD_YAML = re.compile(
    r"y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF|<<|="
    r"|[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?0x[0-9a-fA-F_]+|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])*"
    r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?\.[0-9_]+(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*"
)


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
        return {_readable(key): _readable(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_readable(value) for value in data]
    if isinstance(data, str) and not _BREAKS.isdisjoint(data):
        return DoubleQuotedScalarString(data)
    if isinstance(data, str) and _OTHER_IN_OLD_YAML.fullmatch(data):
        return SingleQuotedScalarString(data)
    if isinstance(data, str) and "\n" in data and "\r" not in data and data.isprintable() is False:
        lines = data.split("\n")
        if all(line.isprintable() for line in lines) and not lines[0][:1].isspace():
            return LiteralScalarString(data)
    return data
