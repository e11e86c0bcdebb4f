"""Compiled counterparts of functions of flowtrail's collector, which uses them where this package is installed."""

from importlib.metadata import version

from flowtrail_speedups._events import EventReader, RecordReader

__all__ = ["INTERFACE", "EventReader", "RecordReader", "__version__"]

__version__ = version("flowtrail-speedups")

INTERFACE = 1
"""What the collector expects; changes with any change of what is here."""
