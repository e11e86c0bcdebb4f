# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=False
"""Hashes of ids, in C: each function says what its counterpart in Python says."""

from cpython.dict cimport PyDict_GetItemWithError, PyDict_SetItem
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport int64_t

from flowtrail_speedups._blake2b cimport hash_of

cdef enum:
    EVENT_ID = 3
    TYPE = 4
    SOURCE = 5

_FIELDS = (
    "topic", "partition", "offset", "event_id", "type", "source", "subject", "sequence", "correlation_id",
    "causation_id", "time_ms", "timestamp_ms", "trace_id", "span_id", "dataschema", "key", "dead_letter",
)


def id_hash(text):
    """See `flowtrail_collector.store.packs.hashes.id_hash`."""
    return hash_of(text)


cdef class IdHashes(dict):
    """See `flowtrail_collector.events.identity.IdHashes`.

    Args:
        row: The class of events, a `NamedTuple`.

    Raises:
        TypeError: It has other fields than these.
    """

    def __init__(self, type row):
        if getattr(row, "_fields", None) != _FIELDS:
            raise TypeError("events have other fields")
        self._row = row

    @property
    def hash_of(self):
        """What gives the hash of an id."""
        return self

    def __call__(self, text):
        return self.of(text)

    def __missing__(self, text):
        return self.of(text)

    def of_event(self, event):
        """What is the same for two events that are the same."""
        if type(event) is self._row:
            return self.of_row(event)
        return self.of(event.event_id) ^ self.of(f"{event.source}\0{event.type}")

    cdef object of_row(self, object event):
        source, kind = <object>PyTuple_GET_ITEM(event, SOURCE), <object>PyTuple_GET_ITEM(event, TYPE)
        cdef int64_t own = self.of(<object>PyTuple_GET_ITEM(event, EVENT_ID))
        return own ^ <int64_t>self.of(f"{source}\0{kind}")

    cdef object of(self, object text):
        cdef PyObject* known = PyDict_GetItemWithError(self, text)
        if known != NULL:
            return <object>known
        number = hash_of(text)
        PyDict_SetItem(self, text, number)
        return number
