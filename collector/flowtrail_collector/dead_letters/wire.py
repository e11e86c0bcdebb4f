"""Puts dead letters together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flowtrail_collector.dead_letters.desk import RedriveDesk
from flowtrail_collector.dead_letters.lists import DeadLetterLists
from flowtrail_collector.dead_letters.mending.desk import MendingDesk
from flowtrail_collector.dead_letters.mending.ports import Contracts
from flowtrail_collector.dead_letters.mending.web import mending_routes
from flowtrail_collector.dead_letters.metrics import DeadLetterMetrics
from flowtrail_collector.dead_letters.ports import DeadLetterFigures, RecordMover
from flowtrail_collector.dead_letters.redrive_metrics import RedriveMetrics
from flowtrail_collector.dead_letters.redriver import Redriver
from flowtrail_collector.dead_letters.sql.edits import SqlEdits
from flowtrail_collector.dead_letters.sql.jobs import SqlRedrive
from flowtrail_collector.dead_letters.web.routes import DeskRoutes, dead_letter_routes
from flowtrail_collector.runtime.slices import Wired
from flowtrail_collector.store.sql import Database

__all__ = ["DeadLetters", "wire"]


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Dead letters, put together.

    Attributes:
        desk: What people may ask for.
        redriver: What moves them.
        mending: What people may ask of payloads; None where those aren't shown.
        wired: Parts, metrics and routes.
    """

    desk: RedriveDesk
    redriver: Redriver
    mending: MendingDesk | None
    wired: Wired


def wire(
    database: Database,
    mover: Callable[[], RecordMover],
    *,
    lists: DeadLetterLists,
    figures: DeadLetterFigures,
    depths: Callable[[], Mapping[str, int]],
    contracts: Contracts | None,
) -> DeadLetters:
    """Put them together.

    Args:
        database: Where jobs and their audit are.
        mover: Makes what reads and publishes records; the desk and the redriver have one each.
        lists: Lists dead letters.
        figures: What metrics show of them.
        depths: Records retained by dead letter topic.
        contracts: What payloads are read and checked by; None: they aren't shown.
    """
    jobs = SqlRedrive(database)
    redriver = Redriver(jobs, mover())
    desk = RedriveDesk(jobs, mover(), on_job=redriver.wake)
    mending: MendingDesk | None = None
    if contracts is not None:
        mending = MendingDesk(jobs, SqlEdits(database), mover(), contracts, on_job=redriver.wake)
    wired = Wired(
        parts_for_all=[redriver],
        sources_for_all=[DeadLetterMetrics(figures, depths), RedriveMetrics(jobs)],
        routes=[
            *DeskRoutes(desk, lambda: redriver.problem, lists).routes(),
            *dead_letter_routes(lists),
            *mending_routes(mending),
        ],
    )
    return DeadLetters(desk, redriver, mending, wired)
