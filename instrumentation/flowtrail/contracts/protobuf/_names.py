"""Texts that a descriptor holds in a form of its own."""

from __future__ import annotations


def entry_of(name: str) -> str:
    """What the message of a map's entries is called."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Entry"


def default_text(is_bytes: bool, value: str | bytes) -> str:
    """A default as a descriptor holds it: of bytes escaped as in C, everything else as it is written."""
    if isinstance(value, str):
        return value
    if not is_bytes:
        return value.decode("utf-8", "replace")
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b"\\\"'" else f"\\{byte:03o}" for byte in value
    )
