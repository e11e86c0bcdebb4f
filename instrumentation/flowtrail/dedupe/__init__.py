"""Recognising events that were handled before."""

from flowtrail.dedupe._memory import MemoryDedupe
from flowtrail.dedupe._port import Dedupe, Identified, event_key
from flowtrail.dedupe._sqlite import SqliteDedupe

__all__ = ["Dedupe", "Identified", "MemoryDedupe", "SqliteDedupe", "event_key"]
