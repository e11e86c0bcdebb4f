"""Instances under one key, moved event by event without a store."""

from __future__ import annotations

from collections import Counter

from flowtrail_collector.sagas.model.assessment import Outcome, add_event, assess
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.intake import reopen
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date, settle
from flowtrail_collector.sagas.model.recurrence import instance_of
from flowtrail_collector.sagas.model.shapes import Looked, Shapes
from flowtrail_collector.sagas.sql.glances import glances_of
from flowtrail_collector.sagas.sql.rows import NAMES, to_record, to_row
from sagakit.interpreter import Became

__all__ = ["GLANCED", "Played", "glances", "looked_at", "stand"]

GLANCED = ("key", "outcome", "started_ms", "waiting", "waiting_since_ms", "next_deadline_ms", "breached", "flags",
           "events")  # fmt: skip
"""The columns of a glance."""
_PLACES = [NAMES.index(name) for name in GLANCED]


def glances(sagas):
    """Kept instances at a glance."""
    rows = [to_row(saga) for saga in sagas]
    return glances_of([row[place] for place in _PLACES] for row in rows)


def looked_at(flow, sagas, watermark_ms):
    """What comes of a look at kept instances."""
    looked, shapes = Looked(), Shapes(flow)
    for alike in glances(sagas):
        shapes.look(alike, watermark_ms, looked)
    return looked


def stand(saga, looked):
    """Let an instance stand as a look says."""
    for standing, key in looked.standings:
        if key == saga.row_key:
            for name, value in standing._asdict().items():
                setattr(saga, name, value)
    for due_ms, key in looked.due:
        if key == saga.row_key:
            saga.next_deadline_ms = due_ms


def _is_due(saga, watermark_ms):
    return saga.next_deadline_ms is not None and saga.next_deadline_ms <= watermark_ms


class Played:
    """Takes events, and looks at what time has decided."""

    def __init__(self, flow):
        self.flow, self.counts = flow, Counter()
        self.saga, self.earlier = SagaRecord("f", "k"), []

    def take(self, event, mark):
        saga = instance_of(self.saga, self.earlier, event, mark[0])
        add_event(saga.events, event, mark)
        saga.updated_ms = max(saga.updated_ms, mark[0])
        bring_up_to_date(self.flow, saga, self.counts)

    def sweep(self, watermark_ms):
        """Look at what asked to be looked at by then."""
        for saga in [saga for saga in self.earlier if _is_due(saga, watermark_ms)]:
            assert settle(self.flow, saga, watermark_ms, self.counts) == []
        if _is_due(self.saga, watermark_ms):
            self.earlier += settle(self.flow, self.saga, watermark_ms, self.counts)

    def change(self, flow, watermark_ms):
        """Look at what is open by the rules of another flow file, at a glance where that is enough."""
        self.flow, saga = flow, self.saga
        if saga.outcome not in (Outcome.OPEN, Outcome.RETIRED):
            return
        looked = looked_at(flow, [saga], watermark_ms)
        if looked.closer:
            reopen(saga)
            self.earlier += settle(flow, saga, watermark_ms, self.counts)
        stand(saga, looked)
        for step, count in looked.missed.items():
            self.counts["saga_deadline_breaches", (flow.name, step)] += count

    def restart(self):
        """What is kept is all that is left."""
        self.saga, *self.earlier = [to_record(to_row(saga)) for saga in (self.saga, *self.earlier)]

    def outcome(self):
        """Everything there is, in no order that depends on how it came in."""
        records = [*self.earlier, self.saga]
        for saga in records:
            saga.events = dict(sorted(saga.events.items()))
        return records, self.counts

    def became(self):
        """How each instance ended, and what was counted in all."""
        found = []
        for saga in (*self.earlier, self.saga):
            over = saga.outcome is not Outcome.OPEN
            found.append(
                Became(
                    saga.outcome.value,
                    saga.ended_ms,
                    saga.started_ms,
                    saga.repeated_starts if over else len(assess(self.flow, saga.events).restarts),
                    saga.late_events,
                    saga.conflict,
                )
            )
        names = ("started", "repeated_starts", "late_events", "conflicts")
        counted = {name: self.counts["saga_" + name, (self.flow.name,)] for name in names}
        assert counted == {
            "started": sum(item.started is not None for item in found),
            "repeated_starts": sum(item.repeated for item in found),
            "late_events": sum(item.late for item in found),
            "conflicts": sum(item.conflict for item in found),
        }
        ended = {name[1][1]: count for name, count in self.counts.items() if name[0] == "saga_ended"}
        assert ended == Counter(item.outcome for item in found if item.outcome != "open")
        return found
