"""Hashes of ids, and where they stand in the table `event_ids`.

Hashes are spread over all of a table: in one that grows for ever, each new one would be written into another page.
So the rows are divided into segments, and a hash stands among those of its own: what is written stays together, an
old segment is one range, and to find an id is to look into each of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from struct import Struct

__all__ = ["first_key", "first_row_of", "hash_bits", "id_hash", "key_of", "keys_of", "segment_of"]

_SEGMENT_BITS = 18
_HASH_BITS = 40
_MASK = (1 << _HASH_BITS) - 1
# Nearly two of them are made for each event: one that was begun costs less to copy than to begin.
_begun = blake2b(digest_size=8).copy
_number = Struct("<q").unpack


def id_hash(text: str) -> int:
    """64 bits of an id, signed; 0 is left for "none"."""
    digest = _begun()
    digest.update(text.encode("utf-8", "surrogatepass"))
    number: int = _number(digest.digest())[0]
    return number or 1


def segment_of(row: int) -> int:
    """The segment in which the ids of a pack stand, by its first row."""
    return row >> _SEGMENT_BITS


def first_row_of(segment: int) -> int:
    """The least first row of a pack whose ids stand in a segment."""
    return segment << _SEGMENT_BITS


def key_of(segment: int, hash_: int) -> int:
    """Under which key a hash stands in a segment."""
    return segment << _HASH_BITS | hash_ & _MASK


def keys_of(segment: int, hashes: Iterable[int]) -> set[int]:
    """Under which keys hashes stand in a segment."""
    first = first_key(segment)
    return {first | hash_ & _MASK for hash_ in hashes}


def hash_bits(value: int) -> int:
    """What a hash and its keys have in common."""
    return value & _MASK


def first_key(segment: int) -> int:
    """The least key that may stand in a segment."""
    return segment << _HASH_BITS
