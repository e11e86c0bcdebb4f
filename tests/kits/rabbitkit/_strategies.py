"""Properties of messages that Hypothesis makes, most of them as no client would write them."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

from rabbitkit._wire import properties_of, table_of, value_of

_LENGTHS = st.one_of(st.none(), st.integers(0, 2**32 - 1))
_NAMES = st.one_of(st.sampled_from([b"odd", b"cloudEvents_id", b"x-death", b"\xff"]), st.binary(max_size=255))
_SIMPLE = st.one_of(
    st.tuples(st.sampled_from("tbBUusIifLldTDVz?"), st.binary(max_size=9)).map(
        lambda pair: pair[0].encode() + pair[1]
    ),
    st.sampled_from("Tld").flatmap(
        lambda kind: st.integers(0, 2**64 - 1).map(lambda number: value_of(kind, struct.pack(">Q", number)))
    ),
    st.builds(value_of, st.sampled_from("Sx"), st.binary(max_size=6), _LENGTHS),
)
_VALUES: st.SearchStrategy[bytes] = st.recursive(
    _SIMPLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).flatmap(
            lambda each: st.builds(value_of, st.just("A"), st.just(b"".join(each)), _LENGTHS)
        ),
        st.lists(st.tuples(_NAMES, inner), max_size=3).flatmap(
            lambda pairs: st.builds(value_of, st.just("F"), st.just(table_of(pairs)[4:]), _LENGTHS)
        ),
    ),
    max_leaves=8,
)
MANY = st.lists(st.tuples(_NAMES, _VALUES), max_size=4)
"""Headers: their names, and their values as they are on the wire."""

MESSAGES = st.builds(properties_of, MANY, st.integers(0, 2**64 - 1), _LENGTHS)
"""Properties as they are on the wire, flags first."""
