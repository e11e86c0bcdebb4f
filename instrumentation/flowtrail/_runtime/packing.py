"""Payloads whose contract has to be asked for first, while nobody may wait for it."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from flowtrail._codec import Codec
from flowtrail.clients import Message
from flowtrail.contracts import Packed
from flowtrail.errors import EncodeError

_CONTENT_TYPE = "content-type"


def written_meanwhile(codec: Codec, data: Any) -> tuple[bytes | None, str]:
    """What the codec makes of data, in case its contract turns out to leave that to it, and the content type.

    The bytes are empty if the codec can't: then its contract will have to.
    """
    try:
        return codec.encode(data), codec.content_type
    except EncodeError:
        return b"", codec.content_type


def snapshot(data: Any) -> Any:
    """Data as it is now; it is written only when its contract is there."""
    try:
        return copy.deepcopy(data)
    except Exception:  # noqa: BLE001 - an object that can't be copied is taken as it is
        return data


def as_packed(message: Message, packed: Packed | None) -> Message:
    """A message with the payload that its contract made.

    Raises:
        EncodeError: Neither contract nor codec could make one.
    """
    if packed is None:
        if message.value == b"":
            raise EncodeError("not representable as JSON, and it has no contract in another format")
        return message
    others = [(name, value) for name, value in message.headers if name != _CONTENT_TYPE]
    headers = [*others, (_CONTENT_TYPE, packed.content_type.encode())]
    return dataclasses.replace(message, value=packed.value, headers=headers)
