"""Compiled counterparts of functions of flowtrail's collector, which uses them where this package is installed."""

from flowtrail_speedups._events import EventReader, RecordReader
from flowtrail_speedups._hashes import IdHashes, id_hash
from flowtrail_speedups._packs import Packing

__all__ = ["INTERFACE", "EventReader", "IdHashes", "Packing", "RecordReader", "id_hash"]

INTERFACE = 1
"""What the collector expects; changes with any change of what is here."""
