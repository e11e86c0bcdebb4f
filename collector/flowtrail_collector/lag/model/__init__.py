"""Consumer lag as arithmetic: offsets in, records behind, seconds waited and a judgement out."""

from __future__ import annotations

from flowtrail_collector.lag.model._columns import CommittedOffset, GroupColumns
from flowtrail_collector.lag.model._history import NOTHING_TO_READ, PartitionHistory
from flowtrail_collector.lag.model._layout import TopicSlice
from flowtrail_collector.lag.model._losses import Losses
from flowtrail_collector.lag.model._partitions import PartitionTable
from flowtrail_collector.lag.model._reading import (
    GroupJudge,
    GroupReading,
    TopicSums,
    max_known,
    sum_known,
)
from flowtrail_collector.lag.model._status import UNKNOWN_STATUS, Status, status_of, worst
from flowtrail_collector.lag.model._uncommitted import (
    NOTHING_UNCOMMITTED,
    Uncommitted,
    UncommittedPartition,
    UncommittedWatch,
)

__all__ = [
    "NOTHING_TO_READ",
    "NOTHING_UNCOMMITTED",
    "UNKNOWN_STATUS",
    "CommittedOffset",
    "GroupColumns",
    "GroupJudge",
    "GroupReading",
    "Losses",
    "PartitionHistory",
    "PartitionTable",
    "Status",
    "TopicSlice",
    "TopicSums",
    "Uncommitted",
    "UncommittedPartition",
    "UncommittedWatch",
    "max_known",
    "status_of",
    "sum_known",
    "worst",
]
