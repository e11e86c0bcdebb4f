"""Hashes of ids."""


cdef class IdHashes(dict):
    cdef type _row
    cdef object of(self, object text)
    cdef object of_row(self, object event)
