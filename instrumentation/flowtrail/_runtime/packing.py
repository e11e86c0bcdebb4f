"""Payloads whose contract has to be asked for first, while nobody may wait for it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

from flowtrail._codec import Codec, FormatCodec
from flowtrail.clients import Message
from flowtrail.contracts import Packed
from flowtrail.errors import EncodeError

_CONTENT_TYPE = "content-type"


def written_meanwhile(
    codec: Codec, data: Any, pack: Callable[[], Packed | None]
) -> tuple[bytes, str, Callable[[], Packed | None]]:
    """What the codec makes of data, in case its contract turns out to leave that to it.

    Args:
        codec: The topic's.
        data: To be published.
        pack: Asks the contract.

    Returns:
        The bytes, empty if the codec can't; the content type; and `pack`, which then has to make them.

    Raises:
        EncodeError: The codec can't, and no contract makes payloads in its place.
    """
    try:
        return codec.encode(data), codec.content_type, pack
    except EncodeError as error:
        if not isinstance(codec, FormatCodec):
            raise
        refusal = error

    def must_pack() -> Packed | None:
        packed = pack()
        if packed is None:
            raise refusal
        return packed

    return b"", codec.content_type, must_pack


def snapshot(data: Any) -> Any:
    """Data as it is now; it is written only when its contract is there."""
    try:
        return copy.deepcopy(data)
    except Exception:  # noqa: BLE001 - an object that can't be copied is taken as it is
        return data


def as_packed(message: Message, packed: Packed | None) -> Message:
    """A message with the payload that its contract made, if it made one."""
    if packed is None:
        return message
    others = [(name, value) for name, value in message.headers if name != _CONTENT_TYPE]
    headers = [*others, (_CONTENT_TYPE, packed.content_type.encode())]
    return dataclasses.replace(message, value=packed.value, headers=headers)
