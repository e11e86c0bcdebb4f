"""The events of an instance as a blob: read in one go or one by one, they are what was packed, in the same order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.sagas.sql import blobs
from flowtrail_collector.sagas.sql.blobs import PYTHON

HASHES = st.integers(-(2**63), 2**63 - 1)
# Few characters of one to three bytes, so that blobs of as many bytes have other types in them.
TYPES = st.text("aß€", max_size=4)
PLAIN = st.tuples(HASHES, TYPES, HASHES)
VALUED = st.tuples(HASHES, TYPES, HASHES, st.lists(st.tuples(TYPES, TYPES), max_size=2).map(tuple))


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    monkeypatch.setattr(blobs, "_layouts", {})
    monkeypatch.setattr(blobs, "_kinds", {})


def read(blob):
    return list(PYTHON.unpack(blob).items())


@given(st.lists(st.dictionaries(HASHES, PLAIN | VALUED, max_size=4), max_size=8))
def test_whatever_was_read_before_events_are_what_was_packed(written):
    blobs._layouts.clear()
    blobs._kinds.clear()
    for events in [*written, *written]:
        assert read(PYTHON.pack(events)) == list(events.items())


def of_types(*kinds):
    return {number: (number * 1_000, kind, -number) for number, kind in enumerate(kinds)}


def test_types_as_long_in_another_order_and_cut_otherwise_are_told_apart():
    several = [
        of_types(*kinds) for kinds in (("ab", "c"), ("a", "bc"), ("c", "ab"), ("", "abc"), ("bc", "a"))
    ]
    assert len({len(PYTHON.pack(events)) for events in several}) == 1
    for events in several * 2:
        assert read(PYTHON.pack(events)) == list(events.items())


def test_what_looks_like_the_bytes_of_a_length_is_a_type():
    """The types of one are what lies between those of the other."""
    for events in [of_types("a" * 27, "b"), of_types("a", "b" * 27), of_types("\x01\0" * 13 + "a", "b")] * 2:
        assert read(PYTHON.pack(events)) == list(events.items())


def test_however_many_types_come_what_is_remembered_is_bounded():
    for number in range(3_000):
        for events in (of_types(f"{number:05}"), of_types(*"a" * 30, str(number)), of_types("x" * number)):
            assert read(PYTHON.pack(events)) == list(events.items())
    assert len(blobs._kinds) <= 2_000
    assert max(map(len, blobs._kinds)) <= 20
    assert sum(sum(map(len, names)) for names in blobs._kinds) < 2_000 * 2_000
    for number in range(40):
        PYTHON.unpack(PYTHON.pack(of_types("y" * number, "y" * (100 - number))))
    assert max(map(len, blobs._layouts.values())) <= 3
