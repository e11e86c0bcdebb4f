"""Recognising events that were handled before."""

from flowtrail.dedupe._memory import MemoryDedupe
from flowtrail.dedupe._port import Dedupe, Identified, event_key

__all__ = ["Dedupe", "Identified", "MemoryDedupe", "event_key"]
