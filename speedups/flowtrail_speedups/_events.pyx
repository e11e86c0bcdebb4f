# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=False
"""From messages to records to rows, in C: each function says what its counterpart in Python says."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.list cimport PyList_CheckExact, PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_CheckExact, PyTuple_GET_ITEM, PyTuple_GET_SIZE, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_DecodeASCII, PyUnicode_DecodeUTF8
from libc.string cimport memchr, memcmp

cdef extern from "Python.h":
    object PyObject_CallMethodNoArgs(object, object)
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    char* PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    ctypedef struct PyTypeObject:
        object (*tp_alloc)(PyTypeObject*, Py_ssize_t)

_ROW_FIELDS = (
    "topic", "partition", "offset", "event_id", "type", "source", "subject", "sequence", "correlation_id",
    "causation_id", "time_ms", "timestamp_ms", "trace_id", "span_id", "dataschema", "key", "dead_letter",
)
_RECORD_FIELDS = (
    "topic", "partition", "offset", "timestamp_ms", "key", "headers", "dead_letter", "retry", "value",
)

cdef enum:
    ID = 0
    TYPE = 1
    SOURCE = 2
    SUBJECT = 3
    CORRELATION = 4
    CAUSATION = 5
    SCHEMA = 6
    JOINED = 7  # so many texts share one limit
    SEQUENCE = 7
    TIME = 8
    PARENT = 9
    CONTENT = 10
    KNOWN = 11
    OTHER = 11
    UNUSUAL = 12
    MAX_OTHERS = 24
    MAX_JOINED = 256
    MAX_DIGITS = 18
    MAX_MOMENT = 64
    MAX_KEY = 256

cdef long long DAY_MS = 86_400_000


cdef inline int which(const char* name, Py_ssize_t size) noexcept nogil:
    """Which header a name is; those that an envelope is also read from in another spelling are unusual."""
    if size == 5:
        return ID if memcmp(name, b"ce_id", 5) == 0 else OTHER
    if size == 7:
        if memcmp(name, b"ce_type", 7) == 0:
            return TYPE
        return TIME if memcmp(name, b"ce_time", 7) == 0 else OTHER
    if size == 9:
        return SOURCE if memcmp(name, b"ce_source", 9) == 0 else OTHER
    if size == 10:
        return SUBJECT if memcmp(name, b"ce_subject", 10) == 0 else OTHER
    if size == 11:
        if memcmp(name, b"traceparent", 11) == 0:
            return PARENT
        if memcmp(name, b"ce_sequence", 11) == 0:
            return SEQUENCE
        return UNUSUAL if memcmp(name, b"contentType", 11) == 0 else OTHER
    if size == 12:
        if memcmp(name, b"content-type", 12) == 0:
            return CONTENT
        return UNUSUAL if memcmp(name, b"Content-Type", 12) == 0 else OTHER
    if size == 13:
        return SCHEMA if memcmp(name, b"ce_dataschema", 13) == 0 else OTHER
    if size == 14:
        return CAUSATION if memcmp(name, b"ce_causationid", 14) == 0 else OTHER
    if size == 16:
        return CORRELATION if memcmp(name, b"ce_correlationid", 16) == 0 else OTHER
    return OTHER


cdef inline bint printable(const char* text, Py_ssize_t size) noexcept nogil:
    """Whether it is printable ASCII throughout."""
    cdef Py_ssize_t place
    for place in range(size):
        if text[place] < 0x20 or text[place] > 0x7e:
            return False
    return True


cdef inline bint same(PyObject* one, PyObject* other) noexcept:
    """Whether two `bytes` are equal."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(<object>one)
    return size == PyBytes_GET_SIZE(<object>other) and memcmp(
        PyBytes_AS_STRING(<object>one), PyBytes_AS_STRING(<object>other), size
    ) == 0


cdef inline object text_of(PyObject* value):
    return PyUnicode_DecodeASCII(PyBytes_AS_STRING(<object>value), PyBytes_GET_SIZE(<object>value), NULL)


cdef inline int number(const char* text, int digits) noexcept nogil:
    """The number that some digits give, -1 if they aren't."""
    cdef int found = 0, place
    for place in range(digits):
        if text[place] < 48 or text[place] > 57:
            return -1
        found = found * 10 + text[place] - 48
    return found


cdef long long moment_of(const char* text, Py_ssize_t size) noexcept nogil:
    """Milliseconds since the epoch of `2026-01-02T03:04:05.123456Z`, of 3 or no decimals, too; -1 of all else.

    As Python does: `int(datetime.timestamp() * 1000)`, in doubles.
    """
    cdef int year, month, day, hour, minute, second, micros = 0, era
    cdef long long days, total
    if size not in (20, 24, 27) or text[4] != 45 or text[7] != 45 or text[10] != 84:  # - and T
        return -1
    if text[13] != 58 or text[16] != 58 or text[size - 1] != 90:  # : and Z
        return -1
    year, month, day = number(text, 4), number(text + 5, 2), number(text + 8, 2)
    hour, minute, second = number(text + 11, 2), number(text + 14, 2), number(text + 17, 2)
    if size > 20:
        if text[19] != 46:
            return -1
        micros = number(text + 20, <int>size - 21)
        if size == 24 and micros > 0:
            micros *= 1000
    if year < 1970 or year > 2200 or month < 1 or month > 12 or day < 1 or hour < 0 or hour > 23:
        return -1
    if minute < 0 or minute > 59 or second < 0 or second > 59 or micros < 0:
        return -1
    if day > 28 and not (
        day <= (31 if month in (1, 3, 5, 7, 8, 10, 12) else 30 if month != 2
                else 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28)
    ):
        return -1
    # Days since the epoch: https://howardhinnant.github.io/date_algorithms.html#days_from_civil
    if month <= 2:
        year -= 1
    era = year // 400
    year -= era * 400
    days = era * 146097 + year * 365 + year // 4 - year // 100 - 719468
    days += (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    total = ((days * 24 + hour) * 60 + minute) * 60 + second
    return <long long>((<double>(total * 1_000_000 + micros) / 1e6) * 1000.0)


cdef inline bint hexadecimal(const char* text, int size) noexcept nogil:
    """Whether it is lower-case hexadecimal and not zero."""
    cdef bint nonzero = False
    cdef int place
    cdef char found
    for place in range(size):
        found = text[place]
        if not (48 <= found <= 57 or 97 <= found <= 102):
            return False
        nonzero = nonzero or found != 48
    return nonzero


cdef inline void put(object row, Py_ssize_t place, object value):
    Py_INCREF(value)
    PyTuple_SET_ITEM(row, place, value)


cdef class EventReader:
    """Reads rows from records; see `flowtrail_collector.events.reading.read_plain_event`.

    Args:
        row: The class of rows, a `NamedTuple`.
        record: That of records.
        event_time: From the text of a moment and a record's timestamp to the time of an event.
        trace_context: From a `traceparent` to the ids of trace and span.

    Raises:
        TypeError: The classes have other fields than these.
    """

    cdef type _row, _record
    cdef object _event_time, _trace_context

    def __init__(self, type row, type record, event_time, trace_context):
        if getattr(row, "_fields", None) != _ROW_FIELDS or getattr(record, "_fields", None) != _RECORD_FIELDS:
            raise TypeError("rows or records have other fields")
        self._row, self._record = row, record
        self._event_time, self._trace_context = event_time, trace_context

    def read(self, record):
        """The row of an event as flowtrail itself writes them; None if anything about it is unusual."""
        if type(record) is not self._record:
            return None
        return self._read(record)

    cdef object _read(self, object record):
        cdef PyObject* known[KNOWN]
        cdef PyObject* others[MAX_OTHERS]
        cdef PyObject* pair
        cdef PyObject* name
        cdef PyObject* value
        cdef int kind, beside = 0, other
        cdef Py_ssize_t place, size, joined = 0
        headers = <object>PyTuple_GET_ITEM(record, 5)
        if not PyList_CheckExact(headers):
            return None
        for kind in range(KNOWN):
            known[kind] = NULL
        for place in range(PyList_GET_SIZE(headers)):
            pair = PyList_GET_ITEM(headers, place)
            if not PyTuple_CheckExact(<object>pair) or PyTuple_GET_SIZE(<object>pair) != 2:
                return None
            name, value = PyTuple_GET_ITEM(<object>pair, 0), PyTuple_GET_ITEM(<object>pair, 1)
            if not PyUnicode_CheckExact(<object>name) or not PyUnicode_IS_COMPACT_ASCII(<object>name):
                return None
            size = PyUnicode_GET_LENGTH(<object>name)
            kind = which(PyUnicode_DATA(<object>name), size)
            if kind == OTHER:
                if beside == MAX_OTHERS:
                    return None
                for other in range(beside):
                    if PyUnicode_GET_LENGTH(<object>others[other]) == size and memcmp(
                        PyUnicode_DATA(<object>others[other]), PyUnicode_DATA(<object>name), size
                    ) == 0:
                        return None
                others[beside] = name
                beside += 1
                continue
            if kind == UNUSUAL or known[kind] != NULL or not PyBytes_CheckExact(<object>value):
                return None
            known[kind] = value
            size = PyBytes_GET_SIZE(<object>value)
            if size == 0 or size > MAX_JOINED:
                return None
            if kind != CONTENT and not printable(PyBytes_AS_STRING(<object>value), size):
                return None
            if kind < JOINED:
                joined += size
        for kind in range(CORRELATION + 1):
            if known[kind] == NULL:
                return None
        if joined > MAX_JOINED:
            return None
        if known[CONTENT] != NULL and not (
            PyBytes_GET_SIZE(<object>known[CONTENT]) == 16
            and memcmp(PyBytes_AS_STRING(<object>known[CONTENT]), b"application/json", 16) == 0
        ):
            return None
        return self._filled(record, known)

    cdef object _filled(self, object record, PyObject** known):
        cdef object sequence = None, own = text_of(known[ID]), key, row
        cdef object timestamp = <object>PyTuple_GET_ITEM(record, 3)
        cdef tuple trace
        cdef Py_ssize_t size
        if known[SEQUENCE] != NULL:
            size = PyBytes_GET_SIZE(<object>known[SEQUENCE])
            if size > MAX_DIGITS or not (<bytes>known[SEQUENCE]).isdigit():
                return None
            sequence = int(<bytes>known[SEQUENCE])
        if known[TIME] != NULL and PyBytes_GET_SIZE(<object>known[TIME]) > MAX_MOMENT:
            return None
        key = <object>PyTuple_GET_ITEM(record, 4)
        if key is not None:
            if not PyBytes_CheckExact(key):
                return None
            size = PyBytes_GET_SIZE(key)
            key = PyUnicode_DecodeUTF8(PyBytes_AS_STRING(key), min(size, MAX_KEY), "replace") if size else None
        trace = self._trace(known[PARENT])
        row = (<PyTypeObject*>self._row).tp_alloc(<PyTypeObject*>self._row, 17)
        put(row, 0, <object>PyTuple_GET_ITEM(record, 0))
        put(row, 1, <object>PyTuple_GET_ITEM(record, 1))
        put(row, 2, <object>PyTuple_GET_ITEM(record, 2))
        put(row, 3, own)
        put(row, 4, text_of(known[TYPE]))
        put(row, 5, text_of(known[SOURCE]))
        put(row, 6, text_of(known[SUBJECT]))
        put(row, 7, sequence)
        put(row, 8, text_of(known[CORRELATION]))
        put(row, 9, None if known[CAUSATION] == NULL or same(known[CAUSATION], known[ID])
            else text_of(known[CAUSATION]))
        put(row, 10, self._time(known[TIME], timestamp))
        put(row, 11, timestamp)
        put(row, 12, trace[0])
        put(row, 13, trace[1])
        put(row, 14, None if known[SCHEMA] == NULL else text_of(known[SCHEMA]))
        put(row, 15, key)
        put(row, 16, <object>PyTuple_GET_ITEM(record, 6))
        return row

    cdef object _time(self, PyObject* said, object timestamp):
        cdef long long moment
        if said == NULL:
            return timestamp
        moment = moment_of(PyBytes_AS_STRING(<object>said), PyBytes_GET_SIZE(<object>said))
        if moment < 0:
            return self._event_time(text_of(said), timestamp)
        if timestamp is not None and moment - DAY_MS > <long long>timestamp:
            return timestamp
        return moment

    cdef tuple _trace(self, PyObject* said):
        cdef const char* text
        if said == NULL:
            return None, None
        text = PyBytes_AS_STRING(<object>said)
        if (
            PyBytes_GET_SIZE(<object>said) != 55
            or text[0] == 45 or text[1] == 45 or text[2] != 45 or text[35] != 45 or text[52] != 45
            or not hexadecimal(text + 3, 32) or not hexadecimal(text + 36, 16)
        ):
            return self._trace_context(text_of(said))
        return PyUnicode_DecodeASCII(text + 3, 32, NULL), PyUnicode_DecodeASCII(text + 36, 16, NULL)


cdef class RecordReader:
    """Makes records of messages; see `flowtrail_collector.brokers.kafka.tail.records.records_of`.

    Args:
        record: The class of records, a `NamedTuple`.
        unreadable: Told of a message whose headers can't be had; gives what counts in their place.

    Raises:
        TypeError: It has other fields than these.
    """

    cdef type _record
    cdef object _unreadable

    def __init__(self, type record, unreadable):
        if getattr(record, "_fields", None) != _RECORD_FIELDS:
            raise TypeError("records have other fields")
        self._record, self._unreadable = record, unreadable

    def read(self, list messages, Py_ssize_t start, reading, positions, kind, list records, dict last):
        """Append the records among messages; ends at the first message that is an error.

        Returns:
            Its place, or the number of messages.
        """
        cdef Py_ssize_t place, count = len(messages)
        cdef object partition_place = None, topic = None, record = None, dead = None, retry = None
        cdef long long partition = -1, next_offset = -1, offset
        cdef bint wanted = False
        cdef tuple timestamp
        for place in range(start, count):
            message = messages[place]
            if message.error() is not None:
                break
            found, part = message.topic() or "", message.partition() or 0
            if partition_place is None or part != partition or found != topic:
                if record is not None:
                    last[partition_place] = record
                    record = None
                topic, partition = found, part
                partition_place = (found, part)
                wanted = partition_place in reading
                if wanted:
                    next_offset = positions[partition_place].next_offset
                    dead, retry = kind(found)
            number = message.offset() or 0
            if not wanted or <long long>number < next_offset:
                continue
            timestamp = message.timestamp()
            try:
                # Unlike Cython's own call this one checks for a result beside an exception: a list with a hole.
                headers = PyObject_CallMethodNoArgs(message, "headers")
            except (SystemError, ValueError):
                headers = self._unreadable(message)
            record = (<PyTypeObject*>self._record).tp_alloc(<PyTypeObject*>self._record, 9)
            put(record, 0, topic)
            put(record, 1, partition_place[1])
            put(record, 2, number)
            put(record, 3, timestamp[1] if timestamp[0] and timestamp[1] >= 0 else None)
            put(record, 4, message.key())
            put(record, 5, headers)
            put(record, 6, dead)
            put(record, 7, retry)
            put(record, 8, message.value)
            records.append(record)
        else:
            place = count
        if record is not None:
            last[partition_place] = record
        return place
