"""The lag poller: reads offsets in the background and keeps figures ready to serve."""

from __future__ import annotations

from flowtrail_collector.lag.collection import LagCollection
from flowtrail_collector.lag.poller import LagPoller
from flowtrail_collector.lag.timestamps import TimestampLog
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.settings import LagSettings

__all__ = ["LagCollection", "LagPoller", "LagSettings", "LagView", "TimestampLog"]
