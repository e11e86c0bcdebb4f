"""What lists and trails read, whatever the store: a subclass has a fixture `database`, opened anew."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest

from flowtrail_collector.dead_letters.model.headers import DeadLetterHeaders
from flowtrail_collector.dead_letters.model.letter import DeadLetter, Selection
from flowtrail_collector.events.model import Advance
from flowtrail_collector.sagas.json import saga_json
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.filters import SagaFilter
from flowtrail_collector.sagas.model.flows import Flow, Flows, Step
from flowtrail_collector.sagas.model.histories import History
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.route import Route
from flowtrail_collector.sagas.model.view import STATES
from flowtrail_collector.store.sql import Database
from flowtrail_collector.trails.sql import TrailReads
from storekit import EVENT

FLOWS = Flows.of(
    [
        Flow("a", ("Placed",), (Step("x", ("X",)), Step("xy", ("XY",), after=("x",))), ("Shipped",)),
        Flow("b", ("Placed",), (Step("x", ("X",)),), ("Shipped",)),
    ]
)
SAGAS = 400


def some_sagas(dice):
    """Instances of all kinds, many of them changed within the same millisecond."""
    records = []
    for number in range(SAGAS):
        outcome = dice.choice([Outcome.OPEN, Outcome.OPEN, *Outcome])
        waiting = dice.choice([(), ("x",), ("xy",), ("x", "xy")]) if outcome is Outcome.OPEN else ()
        records.append(
            SagaRecord(
                dice.choice("ab"),
                f"f{number}",
                subject=dice.choice([None, f"o{number}", "shared"]),
                outcome=outcome,
                started_ms=dice.choice([None, 5, 5, 5]),
                ended_ms=None if outcome is Outcome.OPEN else 9,
                updated_ms=dice.randrange(60),
                waiting=waiting,
                breached=dice.choice([(), (), ("x",), ("xy",)]),
            )
        )
    return records


def state(saga):
    """What counts tell apart."""
    return "partial" if saga.outcome is Outcome.OPEN and saga.started_ms is None else saga.outcome.value


def rank(saga):
    """Where an instance stands in a list: the stuck, the open, the rest; then the newest first."""
    stuck = bool(saga.late) and not saga.partial
    return (0 if stuck else 1 if saga.outcome is Outcome.OPEN else 2, -saga.updated_ms, saga.flow, saga.key)


def expected(records, query):
    """The keys a list should have, by the definition of `SagaFilter`."""
    kept = [
        saga
        for saga in records
        if (query.flow is None or saga.flow == query.flow)
        and (query.outcome is None or state(saga) == query.outcome)
        and (query.step is None or (query.step in saga.waiting and state(saga) == (query.outcome or "open")))
        and (not query.stuck or rank(saga)[0] == 0)
    ]
    return [(saga.flow, saga.key) for saga in sorted(kept, key=rank)]


class ReadsContract:
    """See the module."""

    @pytest.fixture
    def reads(self, database: Database):
        return TrailReads(database, FLOWS)

    @pytest.fixture
    def records(self, store):
        records = some_sagas(random.Random(7))
        with store.unit() as unit:
            unit.save_sagas(records)
        return records

    def test_sagas_page_by_page(self, reads, records):
        for flow, outcome, more in itertools.product(
            [None, "a", "unknown"],
            [None, "open", "partial", "completed", "timed_out"],
            [{}, {"step": "x"}, {"stuck": True}, {"step": "xy", "stuck": True}],
        ):
            found, page = [], [None] * 37
            while len(page) == 37:
                query = SagaFilter(flow, outcome, limit=37, offset=len(found), **more)
                page = reads.list_sagas(query)
                found += [(row.saga.flow, row.correlation_id) for row in page]
            assert found == expected(records, query), query
            assert reads.list_sagas(SagaFilter(flow, outcome, offset=len(found), **more)) == []
            placed, page, after = [], [None], None
            while page:
                page = reads.list_sagas(SagaFilter(flow, outcome, limit=37, after=after, **more))
                placed += page
                after = page[-1].place if page else None
            assert [(row.saga.flow, row.correlation_id) for row in placed] == found, query
            for at in (0, 1, 36, 37, 100, len(placed) - 1):
                if 0 <= at < len(placed):
                    back = SagaFilter(flow, outcome, limit=37, before=placed[at].place, **more)
                    assert [row.place for row in reads.list_sagas(back)] == [
                        row.place for row in placed[max(0, at - 37) : at]
                    ], (query, at)

    def test_instances_that_will_probably_miss_a_deadline(self, database, store):
        steps = (Step("x", ("X",), within_ms=1_000), Step("y", ("Y",), within_ms=1_000, after=("x",)))
        flow = Flow("a", ("Placed",), steps, ("Y",))
        reads = TrailReads(database, Flows.of([flow, FLOWS.by_name["b"]]))
        took = [History(True, at, {"x": at, "y": 5}) for at in range(1, 101)]
        waits = range(10, 1_500, 10)
        with store.unit() as unit:
            unit.advance([Advance("t", 0, None, 1, 10_000)])
            unit.keep_histories("a", Route(flow).shape, took)
            unit.save_sagas(
                SagaRecord(name, f"{name}{waited}", started_ms=at, waiting=("x",), waiting_since_ms=at,
                           events={1: (at, "Placed", 0)})
                for waited in waits if (at := 10_000 - waited) for name in "ab"
            )  # fmt: skip
        # Half of those that took longer than 98 ms, and one more, might miss it: that is one in two.
        late = [f"a{waited}" for waited in waits if 98 <= waited < 1_000]
        found = reads.list_sagas(SagaFilter(predicted=True, limit=500))
        assert sorted(row.saga.key for row in found) == sorted(late)
        assert all(row.saga.forecast.risks for row in found)
        assert reads.predicted() == {"a": len(late)}
        rest = reads.list_sagas(SagaFilter(flow="a", limit=500))
        assert sum(bool(row.saga.forecast.risks) for row in rest) == len(late)

    def test_flows_with_their_numbers(self, reads, records):
        found = {
            (row.name, outcome): number
            for row in reads.list_flows()
            for outcome, number in row.instances.items()
        }
        assert found == Counter((saga.flow, state(saga)) for saga in records)

    def test_whoever_counts_counts_alike(self, reads, records, store):
        """Flows (overview, API), lists (page, command line, API) and metrics."""
        counted = Counter((saga.flow, state(saga)) for saga in records)
        in_metrics = {(flow, kind): number for flow, kind, number in store.saga_figures().open_by_flow}
        waiting = Counter(
            (saga.flow, step) for saga in records if state(saga) == "open" for step in saga.waiting
        )
        steps = {(flow, step): number for flow, step, number, _ in store.saga_figures().open_steps}
        for flow in "ab":
            for name in STATES:
                rows = reads.list_sagas(SagaFilter(flow, name, limit=1000))
                assert len(rows) == counted[flow, name]
                assert {row.saga.state for row in rows} <= {name}
                assert {saga_json(row.saga)["outcome"] for row in rows} <= {name}
            assert all(in_metrics.get((flow, kind), 0) == counted[flow, kind] for kind in ("open", "partial"))
            for step in ("x", "xy"):
                found = len(reads.list_sagas(SagaFilter(flow, step=step, limit=1000)))
                assert found == waiting[flow, step] == steps.get((flow, step), 0)

    def test_known_flows_are_those_of_the_file_and_of_the_store(self, database, reads, store):
        assert reads.known_flows() == {"a": ("x", "xy"), "b": ("x",)}
        with store.unit() as unit:
            unit.save_sagas([SagaRecord("left", "f1", started_ms=1, outcome=Outcome.RETIRED, ended_ms=2)])
        anew = TrailReads(database, FLOWS)
        assert anew.known_flows() == {"a": ("x", "xy"), "b": ("x",), "left": None}

    def test_instances_of_an_order(self, reads, records):
        by_key = reads.sagas(["f1", "f2", "unknown"], [], 10)
        assert sorted(saga.correlation_id for saga in by_key) == ["f1", "f2"]
        shared = [saga.key for saga in records if saga.subject == "shared"]
        assert sorted(saga.correlation_id for saga in reads.sagas([], ["shared"], 1000)) == sorted(shared)
        assert reads.sagas([], [], 10) == []

    def test_a_stuck_instance_brings_its_dead_letters(self, store, reads):
        letter = DeadLetter(
            "q.dlq",
            0,
            5,
            7_000,
            "e1",
            "X",
            "o1",
            "f1",
            "pending",
            *DeadLetterHeaders("own", "q", group="g", error_type="E"),
        )
        with store.unit() as unit:
            unit.save_sagas([SagaRecord("a", "f1", started_ms=1, waiting=("x",), breached=("x",))])
            unit.add_dead_letters(
                [letter, letter._replace(offset=6, correlation_id="f2", timestamp_ms=8_000)]
            )
        (row,) = reads.list_sagas(SagaFilter())
        assert (row.stuck, [item.offset for item in row.dead_letters]) == (True, [5])
        assert [item.offset for item in reads.dead_letters(["e1"], 10)] == [5, 6]
        listed = [item.offset for item in reads.list_dead_letters(Selection(group="g"), 50)]
        assert listed == [6, 5]
        assert [item.offset for item in reads.list_dead_letters(Selection(flow="a"), 50)] == [5]

    def test_events_by_every_id(self, store, reads):
        later = EVENT._replace(event_id="e2", offset=2, timestamp_ms=9, subject="o2", dead_letter=True)
        with store.unit() as unit:
            unit.add_events([later, EVENT])
        assert [event.event_id for event in reads.events_by_correlation(["f1", "?"], 10)] == ["e1", "e2"]
        assert [event.event_id for event in reads.events_by_trace("t", 1)] == ["e1"]
        assert [event.event_id for event in reads.events_by_subject("o2", 10)] == ["e2"]
        (event,) = reads.events_by_id("e1", 10)
        assert (event.type, event.subject, event.timestamp_ms, event.dead_letter) == (
            "OrderPlaced",
            "o1",
            2,
            False,
        )
        assert reads.events_by_correlation([], 10) == []
