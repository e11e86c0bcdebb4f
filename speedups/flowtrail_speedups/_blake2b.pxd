"""64 bits of a text."""

from cpython.unicode cimport PyUnicode_AsEncodedString, PyUnicode_Check
from libc.stdint cimport int64_t

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    char* PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)

cdef extern from "_blake2b.h":
    int64_t blake2b_number(const char* text, size_t size) noexcept nogil


cdef inline int64_t hash_of(object text) except 0:
    """64 bits of a text; 0 is left for "none"."""
    cdef int64_t number
    cdef bytes encoded
    if not PyUnicode_Check(text):
        raise TypeError(f"an id is a text, not {type(text).__name__}")
    if PyUnicode_IS_COMPACT_ASCII(text):
        number = blake2b_number(PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text))
    else:
        encoded = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass")
        number = blake2b_number(encoded, len(encoded))
    return number if number != 0 else 1
