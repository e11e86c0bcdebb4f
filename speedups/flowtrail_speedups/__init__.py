"""Compiled counterparts of functions of flowtrail's collector, which uses them where this package is installed."""

from importlib.metadata import version

from flowtrail_speedups._events import EventReader, RecordReader
from flowtrail_speedups._hashes import IdHashes, id_hash
from flowtrail_speedups._instances import Blobs, Intake
from flowtrail_speedups._packs import Packing

__all__ = [
    "INTERFACE",
    "Blobs",
    "EventReader",
    "IdHashes",
    "Intake",
    "Packing",
    "RecordReader",
    "__version__",
    "id_hash",
]

__version__ = version("flowtrail-speedups")

INTERFACE = 2
"""What the collector expects; changes with any change of what is here."""
