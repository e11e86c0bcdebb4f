"""The lag poller: reads offsets in the background and keeps figures ready to serve."""

from __future__ import annotations

from flowtrail_collector.lag._collection import LagCollection
from flowtrail_collector.lag._poller import LagPoller
from flowtrail_collector.lag._settings import LagSettings
from flowtrail_collector.lag._timestamps import TimestampLog
from flowtrail_collector.lag._view import LagView

__all__ = ["LagCollection", "LagPoller", "LagSettings", "LagView", "TimestampLog"]
