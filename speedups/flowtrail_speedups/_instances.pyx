# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=False
"""Events of instances, in C: each function says what its counterpart in Python says."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_CheckExact, PyDict_Contains, PyDict_Next, PyDict_SetItem
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport Py_EQ, PyObject, PyObject_RichCompareBool
from cpython.tuple cimport PyTuple_CheckExact, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from flowtrail_speedups._blake2b cimport PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_IS_COMPACT_ASCII
from flowtrail_speedups._hashes cimport IdHashes

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object number, int* overflow) except? -1

cdef enum:
    EVENT_ID = 3
    TYPE = 4
    SUBJECT = 6
    CAUSATION = 9
    TIMESTAMP = 11
    HEAD = 26  # id hash, time, cause hash, length of the type that follows
    VALUES = 0x8000


cdef inline void put_number(char* at, uint64_t number, int size) noexcept nogil:
    cdef int place
    for place in range(size):
        at[place] = <char>(number >> (8 * place) & 255)


cdef inline uint64_t number_at(const char* at, int size) noexcept nogil:
    cdef uint64_t number = 0
    cdef int place
    for place in range(size):
        number |= <uint64_t><unsigned char>at[place] << (8 * place)
    return number


cdef bint _is_plain(PyObject* event, PyObject* mark) noexcept:
    """Whether it is an event without values, of a type in ASCII."""
    cdef PyObject* kind
    if not PyLong_CheckExact(<object>event) or not PyTuple_CheckExact(<object>mark):
        return False
    if PyTuple_GET_SIZE(<object>mark) != 3:
        return False
    kind = PyTuple_GET_ITEM(<object>mark, 1)
    return (
        PyLong_CheckExact(<object>PyTuple_GET_ITEM(<object>mark, 0))
        and PyLong_CheckExact(<object>PyTuple_GET_ITEM(<object>mark, 2))
        and PyUnicode_CheckExact(<object>kind)
        and PyUnicode_IS_COMPACT_ASCII(<object>kind)
        and PyUnicode_GET_LENGTH(<object>kind) < VALUES
    )


cdef class Blobs:
    """See `flowtrail_collector.sagas.sql.blobs.Blobs`.

    Args:
        python: What it is a counterpart of; does what is unusual.
    """

    cdef object _pack, _unpack

    def __init__(self, python):
        self._pack, self._unpack = python.pack, python.unpack

    def pack(self, events):
        """The bytes of an instance's events."""
        cdef Py_ssize_t place = 0, size = 0, length
        cdef PyObject* event
        cdef PyObject* mark
        cdef PyObject* kind
        cdef int overflow = 0, beyond = 0
        cdef char* at
        if not PyDict_CheckExact(events):
            return self._pack(events)
        while PyDict_Next(events, &place, &event, &mark):
            if not _is_plain(event, mark):
                return self._pack(events)
            size += HEAD + PyUnicode_GET_LENGTH(<object>PyTuple_GET_ITEM(<object>mark, 1))
        blob = PyBytes_FromStringAndSize(NULL, size)
        at = PyBytes_AS_STRING(blob)
        place = 0
        while PyDict_Next(events, &place, &event, &mark):
            kind = PyTuple_GET_ITEM(<object>mark, 1)
            length = PyUnicode_GET_LENGTH(<object>kind)
            put_number(at, PyLong_AsLongLongAndOverflow(<object>event, &overflow), 8)
            beyond |= overflow
            put_number(at + 8, PyLong_AsLongLongAndOverflow(<object>PyTuple_GET_ITEM(<object>mark, 0), &overflow), 8)
            beyond |= overflow
            put_number(at + 16, PyLong_AsLongLongAndOverflow(<object>PyTuple_GET_ITEM(<object>mark, 2), &overflow), 8)
            beyond |= overflow
            put_number(at + 24, length, 2)
            memcpy(at + HEAD, PyUnicode_DATA(<object>kind), length)
            at += HEAD + length
        return blob if not beyond else self._pack(events)

    def unpack(self, blob):
        """The events of an instance."""
        cdef Py_ssize_t size, length, place = 0
        cdef const char* at
        cdef dict events = {}
        if not PyBytes_CheckExact(blob):
            return self._unpack(blob)
        size = PyBytes_GET_SIZE(blob)
        while place < size:
            at = PyBytes_AS_STRING(blob) + place
            if size - place < HEAD:
                return self._unpack(blob)
            length = <Py_ssize_t>number_at(at + 24, 2)
            if length & VALUES or size - place - HEAD < length:
                return self._unpack(blob)
            mark = (
                <int64_t>number_at(at + 8, 8), PyUnicode_DecodeUTF8(at + HEAD, length, NULL),
                <int64_t>number_at(at + 16, 8),
            )
            PyDict_SetItem(events, <int64_t>number_at(at, 8), mark)
            place += HEAD + length
        return events


cdef class Intake:
    """See `flowtrail_collector.sagas.model.intake.take_in`.

    Args:
        row: The class of events.
        retired: The outcome of instances whose flow is gone.
        python: What it is a counterpart of; does what is unusual.
    """

    cdef type _row
    cdef object _retired, _python

    def __init__(self, type row, retired, python):
        IdHashes(row)  # knows its fields
        self._row, self._retired, self._python = row, retired, python

    def take_in(self, saga, event, hashes, counts, now_ms, values=()):
        """Add an event to an instance."""
        if (
            values or type(event) is not self._row or type(hashes) is not IdHashes
            or saga.outcome is self._retired or not self._added(saga, event, hashes, now_ms)
        ):
            self._python(saga, event, hashes, counts, now_ms, values)

    cdef bint _added(self, object saga, object event, IdHashes hashes, object now_ms) except -1:
        """Add it; not if it was there, comes after its effect or is unusual."""
        events = saga.events
        if not PyDict_CheckExact(events):
            return False
        own = hashes.of_row(event)
        if PyDict_Contains(events, own) or _has_effect(events, hashes.of(<object>PyTuple_GET_ITEM(event, EVENT_ID))):
            return False
        causation = <object>PyTuple_GET_ITEM(event, CAUSATION)
        moment = <object>PyTuple_GET_ITEM(event, TIMESTAMP)
        if not moment or not moment < now_ms:
            moment = now_ms
        mark = (moment, <object>PyTuple_GET_ITEM(event, TYPE), hashes.of(causation) if causation else 0)
        PyDict_SetItem(events, own, mark)
        if moment > saga.updated_ms:
            saga.updated_ms = moment
        if not saga.subject:
            saga.subject = <object>PyTuple_GET_ITEM(event, SUBJECT)
        return True


cdef bint _has_effect(dict events, object own) except -1:
    """Whether one of some events was caused by it, as far as is known."""
    cdef Py_ssize_t place = 0
    cdef PyObject* event
    cdef PyObject* mark
    cdef PyObject* cause
    while PyDict_Next(events, &place, &event, &mark):
        if not PyTuple_CheckExact(<object>mark) or PyTuple_GET_SIZE(<object>mark) < 3:
            return True
        cause = PyTuple_GET_ITEM(<object>mark, 2)
        if not PyLong_CheckExact(<object>cause) or PyObject_RichCompareBool(<object>cause, own, Py_EQ):
            return True
    return False
