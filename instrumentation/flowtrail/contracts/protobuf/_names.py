"""Texts that a descriptor holds in a form of its own, and descriptors that are a text."""

from __future__ import annotations

import base64
from typing import Any

from flowtrail._extras import load


def entry_of(name: str) -> str:
    """What the message of a map's entries is called."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Entry"


def json_name_of(name: str) -> str:
    """What a field is called in JSON unless it says otherwise."""
    first, *others = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in others)


def quoted(text: str) -> str:
    """A text as it stands in a .proto file."""
    plain = "".join(
        char if ord(char) >= 32 and char not in '\\"\x7f' else f"\\{ord(char):03o}" for char in text
    )
    return f'"{plain}"'


def default_text(is_bytes: bool, value: str | bytes) -> str:
    """A default as a descriptor holds it: of bytes escaped as in C, everything else as it is written."""
    if isinstance(value, str):
        return value
    if not is_bytes:
        return value.decode("utf-8", "replace")
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b"\\\"'" else f"\\{byte:03o}" for byte in value
    )


def is_source(text: str) -> bool:
    """Whether a text can be a .proto file: there is none without one of these."""
    return "{" in text or ";" in text


def fill_from_base64(proto: Any, text: str) -> None:
    """Read what Confluent's serializer for Python registers: the descriptor itself, in base64.

    Raises:
        ValueError: It isn't that.
    """
    broken = load("google.protobuf.message", "protobuf", "protobuf").DecodeError
    path = proto.name
    try:
        proto.ParseFromString(base64.b64decode(text, validate=True))
    except ValueError:
        raise ValueError("neither a .proto file nor a descriptor in base64") from None
    except broken:
        raise ValueError("in base64, and no descriptor") from None
    proto.name = path
