# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=False
"""From rows to packs, in C: each function says what its counterpart in Python says."""

from cpython.list cimport PyList_CheckExact, PyList_GET_ITEM, PyList_GET_SIZE
from cpython.long cimport PyLong_AsUnsignedLongLongMask, PyLong_Check, PyLong_CheckExact
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport Py_EQ, PyObject, PyObject_RichCompareBool
from cpython.ref cimport Py_INCREF, Py_TYPE
from cpython.set cimport PySet_Add
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM, PyTuple_GET_SIZE, PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_Check, PyUnicode_CheckExact, PyUnicode_Contains
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memchr, memcmp, memset

from flowtrail_speedups._blake2b cimport PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_IS_COMPACT_ASCII
from flowtrail_speedups._hashes cimport IdHashes

cdef extern from "Python.h":
    object PyFrozenSet_New(PyObject* values)
    long long PyLong_AsLongLongAndOverflow(object number, int* overflow) except? -1

cdef enum:
    EVENT_ID = 3
    CORRELATION = 8
    TIME = 10
    TIMESTAMP = 11
    WIDTH = 17

# Of subject, correlation and trace, events that are beside each other mostly have the same.
cdef int[4] IDS = [EVENT_ID, 6, CORRELATION, 12]
_FIELDS = (
    "topic", "partition", "offset", "event_id", "type", "source", "subject", "sequence", "correlation_id",
    "causation_id", "time_ms", "timestamp_ms", "trace_id", "span_id", "dataschema", "key", "dead_letter",
)

ctypedef struct Key:
    uint64_t key
    Py_ssize_t pack


cdef inline bint plain(PyObject* value) noexcept:
    """Whether to compare it runs nobody's code."""
    return (
        <object>value is None or PyUnicode_CheckExact(<object>value) or PyLong_CheckExact(<object>value)
        or type(<object>value) is bool or type(<object>value) is float
    )


cdef inline bint same_text(PyObject* one, PyObject* other) noexcept:
    """Whether two texts are known to be equal."""
    cdef Py_ssize_t size
    if one == other:
        return True
    if not PyUnicode_IS_COMPACT_ASCII(<object>one) or not PyUnicode_IS_COMPACT_ASCII(<object>other):
        return False
    size = PyUnicode_GET_LENGTH(<object>one)
    return size == PyUnicode_GET_LENGTH(<object>other) and memcmp(
        PyUnicode_DATA(<object>one), PyUnicode_DATA(<object>other), size
    ) == 0


cdef Key* in_order(Key* keys, Key* beside, Py_ssize_t count) noexcept nogil:
    """Keys in their order, in one of the two places; equal ones stay in theirs.

    Byte by byte, the last one first: hashes come in no order, so a comparison would be a guess.
    """
    cdef Py_ssize_t[256] starts
    cdef Py_ssize_t place, total, found
    cdef int shift, byte
    for shift in range(0, 64, 8):
        memset(starts, 0, sizeof(starts))
        for place in range(count):
            starts[keys[place].key >> shift & 255] += 1
        if count == 0 or starts[keys[0].key >> shift & 255] == count:
            continue
        total = 0
        for byte in range(256):
            found = starts[byte]
            starts[byte] = total
            total += found
        for place in range(count):
            byte = keys[place].key >> shift & 255
            beside[starts[byte]] = keys[place]
            starts[byte] += 1
        keys, beside = beside, keys
    return keys


def _flow(row):  # of `_are_events`
    return <object>PyTuple_GET_ITEM(row, CORRELATION) or <object>PyTuple_GET_ITEM(row, EVENT_ID)


cdef class Packing:
    """See `flowtrail_collector.store.packs.writing.Packing`.

    Args:
        fields: Of events, in their order.
        python: What it is a counterpart of; does what is unusual.
        first_key: From the first row of a pack to the least key of its segment.
        mask: The bits of a hash that are in its keys.

    Raises:
        TypeError: Events have other fields than these.
    """

    cdef object _has_nul, _ordered, _columns_of, _newest_ms, _hashes_of, _id_rows, _first_key
    cdef uint64_t _mask

    def __init__(self, fields, python, first_key, uint64_t mask):
        if fields != _FIELDS:
            raise TypeError("events have other fields")
        self._ordered, self._columns_of, self._newest_ms = python.ordered, python.columns_of, python.newest_ms
        self._hashes_of, self._id_rows = python.hashes_of, python.id_rows
        self._has_nul, self._first_key, self._mask = python.has_nul, first_key, mask

    def has_nul(self, row):
        """Whether there is a NUL in a text of an event."""
        cdef Py_ssize_t place
        cdef PyObject* value
        if not PyTuple_Check(row):
            return self._has_nul(row)
        for place in range(PyTuple_GET_SIZE(row)):
            value = PyTuple_GET_ITEM(row, place)
            if not PyUnicode_Check(<object>value):
                continue
            if PyUnicode_IS_COMPACT_ASCII(<object>value):
                if memchr(PyUnicode_DATA(<object>value), 0, PyUnicode_GET_LENGTH(<object>value)) != NULL:
                    return True
            elif PyUnicode_Contains(<object>value, "\0"):
                return True
        return False

    def ordered(self, rows):
        """Events of one flow beside each other; otherwise they keep their order."""
        cdef list found = list(rows)
        if not _are_events(found):
            return self._ordered(found)
        found.sort(key=_flow)
        return found

    def columns_of(self, rows):
        """The columns of a pack."""
        cdef Py_ssize_t place
        cdef list columns
        if not _are_events(rows):
            return self._columns_of(rows)
        columns = []
        for place in range(WIDTH):
            column = _column(rows, place)
            if column is None:
                return self._columns_of(rows)
            columns.append((<tuple>column)[0])
        return columns

    def newest_ms(self, rows):
        """When the last of some events was recorded."""
        cdef Py_ssize_t place
        cdef PyObject* row
        cdef PyObject* moment
        cdef long long newest = 0, found
        cdef int overflow = 0
        if not _are_events(rows):
            return self._newest_ms(rows)
        for place in range(PyList_GET_SIZE(rows)):
            row = PyList_GET_ITEM(rows, place)
            moment = PyTuple_GET_ITEM(<object>row, TIMESTAMP)
            if <object>moment is None:
                moment = PyTuple_GET_ITEM(<object>row, TIME)
            if <object>moment is None:
                found = 0
            elif PyLong_CheckExact(<object>moment):
                found = PyLong_AsLongLongAndOverflow(<object>moment, &overflow)
            else:
                return self._newest_ms(rows)
            if overflow:
                return self._newest_ms(rows)
            if place == 0 or found > newest:
                newest = found
        return newest

    def hashes_of(self, rows, hash_of):
        """The hashes of all ids of some events."""
        cdef IdHashes known
        cdef Py_ssize_t place
        cdef PyObject* row
        cdef PyObject* text
        cdef PyObject* before[4]
        cdef int which
        if type(hash_of) is not IdHashes or not _are_events(rows):
            return self._hashes_of(rows, hash_of)
        known = hash_of
        for which in range(4):
            before[which] = NULL
        found = PyFrozenSet_New(NULL)
        for place in range(PyList_GET_SIZE(rows)):
            row = PyList_GET_ITEM(rows, place)
            for which in range(4):
                text = PyTuple_GET_ITEM(<object>row, IDS[which])
                if <object>text is None:
                    continue
                if not PyUnicode_CheckExact(<object>text):
                    return self._hashes_of(rows, hash_of)
                if before[which] != NULL and same_text(before[which], text):
                    continue
                before[which] = text
                PySet_Add(found, known.of(<object>text))
        return found

    def id_rows(self, packs):
        """The rows of `event_ids` for packs with their first rows, in the order of the table."""
        cdef list numbered = list(packs)
        cdef Py_ssize_t count = 0
        cdef Key* keys
        for _, pack in numbered:
            count += len(pack.hashes)
        keys = <Key*>PyMem_Malloc(max(count, 1) * 2 * sizeof(Key))
        if keys == NULL:
            raise MemoryError
        try:
            if not self._filled(numbered, keys, count):
                return self._id_rows(numbered)
            return _rows(numbered, in_order(keys, keys + count, count), count)
        finally:
            PyMem_Free(keys)

    cdef bint _filled(self, list numbered, Key* keys, Py_ssize_t room) except -1:
        """Fill in all keys; not if packs aren't in their order or their numbers too large."""
        cdef Py_ssize_t place, count = 0
        cdef int overflow = 0
        cdef int64_t first, row, before = 0
        for place in range(len(numbered)):
            first_row, pack = numbered[place]
            hashes = pack.hashes
            if (
                not PyTuple_Check(numbered[place]) or not PyLong_CheckExact(first_row)
                or type(hashes) is not frozenset
            ):
                return False
            row = PyLong_AsLongLongAndOverflow(first_row, &overflow)
            if overflow or (place and row < before):
                return False
            before = row
            first = PyLong_AsLongLongAndOverflow(self._first_key(first_row), &overflow)
            if overflow or first < 0:
                return False
            for hash_ in <frozenset>hashes:
                if count == room:
                    return False
                keys[count].key = <uint64_t>first | PyLong_AsUnsignedLongLongMask(hash_) & self._mask
                keys[count].pack = place
                count += 1
        return count == room


cdef bint _are_events(object rows) noexcept:
    """Whether it is a list of events, and not an empty one."""
    cdef Py_ssize_t place
    cdef PyObject* row
    if not PyList_CheckExact(rows) or PyList_GET_SIZE(rows) == 0:
        return False
    for place in range(PyList_GET_SIZE(rows)):
        row = PyList_GET_ITEM(rows, place)
        if not PyTuple_Check(<object>row) or PyTuple_GET_SIZE(<object>row) != WIDTH:
            return False
    return True


cdef tuple _column(list rows, Py_ssize_t column):
    """One column, as the only value of a tuple; None if comparing its values may run anybody's code."""
    cdef Py_ssize_t place, count = PyList_GET_SIZE(rows)
    cdef PyObject* first = PyTuple_GET_ITEM(<object>PyList_GET_ITEM(rows, 0), column)
    cdef PyObject* value
    cdef bint number = PyLong_Check(<object>first), same = True
    cdef object values
    for place in range(1, count):
        value = PyTuple_GET_ITEM(<object>PyList_GET_ITEM(rows, place), column)
        if value == first:
            continue
        if not plain(value) or not plain(first):
            return None
        if number and Py_TYPE(<object>value) != Py_TYPE(<object>first):  # `True` is 1
            same = False
        elif not PyObject_RichCompareBool(<object>value, <object>first, Py_EQ):
            same = False
        if not same:
            break
    if same:
        return (<object>first,)
    values = PyTuple_New(count)
    for place in range(count):
        value = PyTuple_GET_ITEM(<object>PyList_GET_ITEM(rows, place), column)
        Py_INCREF(<object>value)
        PyTuple_SET_ITEM(values, place, <object>value)
    return (values,)


cdef list _rows(list numbered, Key* keys, Py_ssize_t count):
    """Rows of sorted keys; what is there twice stands once."""
    cdef list rows = []
    cdef Py_ssize_t place
    for place in range(count):
        if place and keys[place].key == keys[place - 1].key and keys[place].pack == keys[place - 1].pack:
            continue
        rows.append((keys[place].key, (<tuple>numbered[keys[place].pack])[0]))
    return rows
