"""Puts keeping by outcome together."""

from __future__ import annotations

import time
from collections.abc import Callable

from flowtrail_collector.keeping.model import Policy
from flowtrail_collector.keeping.service import TrailKeeper
from flowtrail_collector.keeping.sql import Sparing, SqlKeeping
from flowtrail_collector.runtime.retention import Forgetter, RetentionKeeper
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.settings import RetentionConfig
from flowtrail_collector.settings.keep import parse_keep
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.store.pruner import SqlPruner
from flowtrail_collector.store.sql import Database

__all__ = ["wire"]


def wire(
    config: RetentionConfig,
    flows: Flows,
    database: Database,
    spans: SqlSpans,
    watermark_ms: Callable[[], int | None],
    time_seconds: Callable[[], float] = time.time,
    *,
    history: Forgetter | None = None,
) -> RetentionKeeper:
    """What forgets: by age and size, and before that by outcome, if the settings say so; history by its own rules."""
    pruner = SqlPruner(database)
    by_age: SqlPruner | None = None
    keeper: TrailKeeper | None = None
    if kept := parse_keep(config.keep):
        policy = Policy(kept, int(config.forget_after_seconds * 1000), int(config.sagas_seconds * 1000))
        keeping = SqlKeeping(database, spans)
        keeper = TrailKeeper(policy, flows, keeping, watermark_ms, time_seconds)
        if policy.outcomes:
            sparing = Sparing(keeper.spare, spans)
            by_age = SqlPruner(database, spare=sparing.flows, besides=policy.outcomes)
            spans.spare_with(sparing.traces)
    return RetentionKeeper(
        pruner,
        spans,
        events_seconds=config.events_seconds,
        sagas_seconds=config.sagas_seconds,
        max_bytes=config.max_bytes,
        by_age=by_age,
        forgetter=keeper,
        history=history,
        time_seconds=time_seconds,
    )
