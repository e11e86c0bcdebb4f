"""What every store must do, as one suite: a subclass has a fixture `opened` that opens the store anew."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from flowtrail_collector.dead_letters.model.headers import DeadLetterHeaders
from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.errors import FencedError
from flowtrail_collector.events.model import Advance, EventRow, Position
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.histories import History
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.model.shapes import Looked, OpenSagas, Standing
from flowtrail_collector.sagas.sql.histories import KEPT, SPACING_MS

LONG = 2**63 - 1
EVENT = EventRow(
    topic="orders",
    partition=0,
    offset=1,
    event_id="e1",
    type="OrderPlaced",
    source="/orders",
    subject="o1",
    sequence=1,
    correlation_id="f1",
    causation_id=None,
    time_ms=1,
    timestamp_ms=2,
    trace_id="t",
    span_id="s",
    dataschema=None,
    key="k",
    dead_letter=False,
)
SAGA = SagaRecord(
    flow="orders",
    key="f1",
    subject="o1",
    started_ms=1_000,
    updated_ms=2_000,
    waiting=("charge", "pack"),
    waiting_since_ms=1_500,
    next_deadline_ms=9_000,
    breached=("charge",),
    conflict=True,
    not_undone=True,
    completed_late=True,
    events={
        1: (1_000, "OrderPlaced", 0),
        2: (1_000, "Packed", 0, (("$.größe", "ü"), ("#$.n", "3"))),
        -(2**63): (2**62, "Größe" * 40, LONG),
    },
)
LETTER = DeadLetter(
    "orders.dlq",
    0,
    5,
    7_000,
    "e1",
    "OrderPlaced",
    "o1",
    "f1",
    "pending",
    *DeadLetterHeaders("own", "orders", group="billing"),
)


class Boom(Exception):
    """Raised in the middle of a unit."""


class StoreContract:
    """See the module."""

    @pytest.fixture
    def store(self, opened):
        return opened()

    def test_an_empty_store(self, store):
        assert store.positions() == {}
        assert store.pending_dead_letters() == []
        figures = store.saga_figures()
        assert (list(figures.open_steps), list(figures.open_by_flow)) == ([], [])
        assert dict(store.counters("")) == {}
        assert store.size_bytes() >= 0
        with store.unit() as unit:
            assert unit.load_sagas([SagaKey("orders", "f1")]) == {}
            assert unit.due_sagas(LONG, 10, (), others=True) == []

    def test_an_instance_comes_back_as_it_was(self, store, opened):
        with store.unit() as unit:
            unit.save_sagas([SAGA, SagaRecord("orders", "empty")])
        with opened().unit() as unit:
            found = unit.load_sagas([SagaKey("orders", key) for key in ("f1", "empty", "unknown")])
        assert found == {
            SagaKey("orders", "f1"): SAGA,
            SagaKey("orders", "empty"): SagaRecord("orders", "empty"),
        }

    def test_the_same_key_in_two_flows_is_two_instances(self, store):
        with store.unit() as unit:
            unit.save_sagas([SagaRecord("a", "k", subject="1"), SagaRecord("b", "k", subject="2")])
            found = unit.load_sagas([SagaKey("a", "k"), SagaKey("b", "k")])
        assert {key.flow: saga.subject for key, saga in found.items()} == {"a": "1", "b": "2"}

    def test_saving_again_replaces(self, store):
        with store.unit() as unit:
            unit.save_sagas([SagaRecord("a", "k")])
            unit.save_sagas([SagaRecord("a", "k", outcome=Outcome.COMPLETED, ended_ms=5)])
            (found,) = unit.load_sagas([SagaKey("a", "k")]).values()
        assert (found.outcome, found.ended_ms) == (Outcome.COMPLETED, 5)

    def test_due_instances_the_most_urgent_first(self, store):
        with store.unit() as unit:
            unit.save_sagas(
                SagaRecord("a", str(due), next_deadline_ms=due) for due in (5_000, 1_000, 9_000, 3_000)
            )
            unit.save_sagas([SagaRecord("a", "never")])
            assert [saga.key for saga in unit.due_sagas(5_000, 10, (), others=True)] == [
                "1000",
                "3000",
                "5000",
            ]
            assert [saga.key for saga in unit.due_sagas(5_000, 2, (), others=True)] == ["1000", "3000"]

    def test_of_those_that_were_due_some_completed(self, store):
        mark = (1_000, "OrderPlaced", 0)
        with store.unit() as unit:
            unit.save_sagas(
                SagaRecord(flow, key, next_deadline_ms=5, waiting=("charge",), waiting_since_ms=2, events={7: mark})
                for flow in ("a", "b") for key in ("1", "2")
            )  # fmt: skip
        with store.unit() as unit:
            (_, done), *_ = pairs = [(saga.flow, saga) for saga in unit.due_sagas(5, 9, ["b"], others=False)]
            assert [flow for flow, _ in pairs] == ["b", "b"]
            done = replace(
                done, outcome=Outcome.COMPLETED, started_ms=3, ended_ms=4, waiting=(), waiting_since_ms=None,
                next_deadline_ms=None,
            )  # fmt: skip
            unit.complete_sagas([done])
            unit.complete_sagas([])
        with store.unit() as unit:
            found = unit.load_sagas(SagaKey(flow, key) for flow in ("a", "b") for key in ("1", "2"))
            assert found["b", done.key] == done
            assert [saga.outcome for saga in found.values()].count(Outcome.OPEN) == 3
            assert len(unit.due_sagas(5, 9, (), others=True)) == 3

    def test_open_instances_at_a_glance(self, store):
        events = {1: (1_000, "OrderPlaced", 0), 2: (2_000, "Größe", 0)}
        plain = {"started_ms": 1_000, "updated_ms": 2_000, "waiting": ("charge",), "waiting_since_ms": 1_500}
        written = [
            SagaRecord("orders", f"f{n}", next_deadline_ms=9_000, events=events, **plain) for n in range(3)
        ]
        ended = SagaRecord("orders", "f8", outcome=Outcome.FAILED, ended_ms=5)
        with store.unit() as unit:
            unit.save_sagas([*written, ended, SagaRecord("other", "f0"), replace(SAGA, key="f9")])
        with store.unit() as unit:
            page, last = unit.open_sagas("orders", "f0", 10)
            kinds = ("OrderPlaced", "Größe")
            moments = ((1_000, 1_000), (2_000, 2_000))
            assert last == "f9"
            alike, other = sorted(page, key=lambda sagas: sagas.keys)
            assert alike == OpenSagas(
                ("f1", "f2"),
                (1_000, 1_000),
                (1_500, 1_500),
                (9_000, 9_000),
                ("charge",),
                (),
                True,
                kinds,
                moments,
            )
            assert (other.keys, other.quiet) == (("f9",), False)
            first, last = unit.open_sagas("orders", "", 2)
            assert ([sagas.keys for sagas in first], last) == ([("f0", "f1")], "f1")
            assert unit.open_sagas("orders", "f9", 2) == ([], None)
            late = Standing(1_000, ("ship",), 2_000, None, ("charge#0", "ship"))
            unit.note_open("orders", Looked(due=[(9_500, "f1")], standings=[(late, "f2")]))
            unit.note_open("orders", Looked(closer=["f0"]))
        with store.unit() as unit:
            found = unit.load_sagas([SagaKey("orders", key) for key in ("f1", "f2")])
            assert found["orders", "f1"] == replace(written[1], next_deadline_ms=9_500)
            assert found["orders", "f2"] == SagaRecord(
                "orders", "f2", started_ms=1_000, updated_ms=2_000, waiting=("ship",), waiting_since_ms=2_000,
                breached=("charge#0", "ship"), events=events,
            )  # fmt: skip
        assert ("orders", "stuck", 2) in store.saga_figures().open_by_flow
        with store.unit() as unit:
            unit.retire_open("orders", ("f0", "f2"), 7_000)
        assert [saga.key for saga in store.open_records("orders", "", 10)] == ["f0", "f1", "f2", "f9"]
        assert [saga.outcome.value for saga in store.open_records("orders", "f0", 2)] == ["retired"] * 2
        with store.unit() as unit:
            assert unit.load_sagas([SagaKey("orders", "f8")])["orders", "f8"].ended_ms == 5

    def test_rules_are_noted_beforehand_only_of_flows_of_which_nothing_is_kept(self, store):
        with store.unit() as unit:
            unit.save_sagas([replace(SAGA, flow="kept")])
            unit.remember_rules("known", "before")
        store.begin_rules({"kept": "r1", "known": "r2", "fresh": "r3"})
        assert store.known_rules() == {"known": "before", "fresh": "r3"}
        store.begin_rules({"fresh": "r4"})
        assert store.known_rules() == {"known": "before", "fresh": "r3"}

    def test_what_is_followed(self, store):
        rows = [
            EVENT._replace(offset=n, event_id=f"e{n}", type="ABC"[n % 3], timestamp_ms=n) for n in range(9)
        ]
        store.follow({"orders": ["A"]})
        with store.unit() as unit:
            unit.add_events(rows[:6])
        middle = store.newest_event_row()
        store.follow({"orders": ["A", "B"], "other": ["C"]})
        with store.unit() as unit:
            unit.add_events(rows[6:])
        store.follow({"orders": ["B"]})
        newest, first = store.newest_event_row(), store.first_row_since(0)
        followed = store.followed()
        pairs = [("orders", "A"), ("orders", "B"), ("other", "C")]
        assert followed.missing(pairs, first, newest + 1) == set(pairs[1:])
        assert followed.missing(pairs, middle + 1, newest + 1) == set()
        assert followed.missing(pairs, first, newest + 2) == {("orders", "A"), *pairs[1:]}
        assert [event.offset for _, event in store.events(["B", "C"], (first, newest), 3)] == [1, 2, 4]
        (_, event), *_ = store.events(["A"], (store.first_row_since(6), newest + 1), 10)
        assert event == rows[6]
        for until in (middle, middle + 1):
            with store.unit() as unit:
                unit.remember_folded(pairs, (first, until))
        assert store.followed().missing(pairs, first, newest + 1) == set()
        assert store.first_row_since(100) is None

    def test_what_is_remembered_of_instances_is_bounded_and_spread_over_time(self, store, opened):
        def ended(moments):
            return [History(at % 2 == 0, at, {"x": at}, undoing=None) for at in moments]

        first = ended(range(KEPT + 50))
        with store.unit() as unit:
            assert unit.keep_histories("a", "s", first[:7]) == 0
            assert unit.keep_histories("a", "s", first[7:]) == first[KEPT - 1].ended_ms + SPACING_MS
            unit.keep_histories("b", "s", first[:1])
        store = opened()
        assert store.histories("a", "s") == first[:KEPT]
        with store.unit() as unit:
            unit.keep_histories("a", "s", ended(range(KEPT, KEPT + 20 * SPACING_MS, 100)))
        kept = store.histories("a", "s")
        assert len(kept) == KEPT
        assert all(later.ended_ms - one.ended_ms >= SPACING_MS for one, later in pairwise(kept[-19:]))
        with store.unit() as unit:
            unit.keep_histories("a", "another", first[:2])
        assert store.histories("a", "s") == []
        assert store.histories("a", "another") == first[:2]
        assert store.histories("b", "s") == first[:1]

    def test_the_instances_that_ended_last(self, store):
        with store.unit() as unit:
            unit.save_sagas(
                SagaRecord("a", f"{outcome}{at}", outcome=outcome, updated_ms=at)
                for at in range(3)
                for outcome in Outcome
            )
        found = [(saga.outcome, saga.updated_ms) for saga in store.newest_ended("a", 5)]
        assert [at for _, at in found] == [2, 2, 2, 2, 1]
        assert {outcome for outcome, _ in found} == set(Outcome) - {Outcome.OPEN, Outcome.RETIRED}

    def test_counters_add_up(self, store, opened):
        for value in (1, 2, 0.5):
            with store.unit() as unit:
                unit.count({("saga_started", ("a",)): value, ("b", ('quote"', "ü", "")): 1})
        started, other = ("saga_started", ("a",)), ("b", ('quote"', "ü", ""))
        assert dict(opened().counters("")) == {started: 3.5, other: 3}
        assert dict(opened().counters("saga_")) == dict(opened().saga_figures().counts) == {started: 3.5}
        assert dict(opened().counters("sagas")) == {}

    def test_positions_are_a_fence(self, store, opened):
        with store.unit() as unit:
            unit.advance([Advance("orders", 0, None, 10, 1_000), Advance("orders", 1, None, 0, 0)])
        assert opened().positions() == {("orders", 0): Position(10, 1_000), ("orders", 1): Position(0, 0)}
        other = opened()
        with other.unit() as unit:
            unit.advance([Advance("orders", 0, 10, 20, 2_000)])
        for wrong in (None, 10, 21):
            with pytest.raises(FencedError, match="orders-0 stands at 20"), store.unit() as unit:  # noqa: PT012
                unit.count({("x", ()): 1})
                unit.advance([Advance("orders", 1, 0, 5, 0), Advance("orders", 0, wrong, 30, 3_000)])
        assert store.positions() == {("orders", 0): Position(20, 2_000), ("orders", 1): Position(0, 0)}
        assert dict(store.counters("")) == {}

    def test_positions_of_topics_that_are_gone(self, store):
        with store.unit() as unit:
            unit.advance([Advance(topic, n, None, 1, 1) for topic in ("a", "b") for n in (0, 1)])
        store.remember_topic_ids({"a": "1", "b": "1"})
        store.forget_topics({"a": "1", "b": "0", "unknown": None})
        assert set(store.positions()) == {("b", 0), ("b", 1)}
        assert store.topic_ids() == {"b": "1"}

    def test_positions_of_a_topic_made_anew_are_dropped(self, store):
        with store.unit() as unit:
            unit.advance([Advance(topic, n, None, 1, 1) for topic in ("a", "b", "c") for n in (0, 1)])
        store.remember_topic_ids({"a": "1", "b": "1"})
        assert len(store.positions()) == 6
        store.remember_topic_ids({"a": "1", "b": "2", "c": "1"})
        assert {topic for topic, _ in store.positions()} == {"a", "c"}
        assert store.topic_ids() == {"a": "1", "b": "2", "c": "1"}

    def test_pending_dead_letters_go_with_their_topic(self, store):
        store.remember_topic_ids({LETTER.topic: "1"})
        with store.unit() as unit:
            unit.add_dead_letters([LETTER])
        store.forget_topics({LETTER.topic: "1"})
        assert store.pending_dead_letters() == []

    def test_dead_letters_of_a_topic_made_anew_dont_hide_the_new_ones(self, store):
        topic = LETTER.topic
        store.remember_topic_ids({topic: "1"})
        with store.unit() as unit:
            unit.add_dead_letters([LETTER])
        store.remember_topic_ids({topic: "2"})
        assert store.pending_dead_letters() == []
        with store.unit() as unit:
            unit.add_dead_letters([LETTER._replace(timestamp_ms=9_000)])
        assert [row[-1] for row in store.pending_dead_letters()] == [9_000]

    def test_all_or_nothing(self, store):
        def fill(unit):
            unit.advance([Advance("orders", 0, None, 10, 1_000)])
            unit.add_events([EVENT])
            unit.save_sagas([SAGA])
            unit.add_dead_letters([LETTER])
            unit.count({("a", ()): 1})

        with pytest.raises(Boom), store.unit() as unit:  # noqa: PT012
            fill(unit)
            raise Boom
        self.test_an_empty_store(store)
        with store.unit() as unit:
            fill(unit)
        assert store.positions()
        assert dict(store.counters("")) == {("a", ()): 1}
        assert len(store.pending_dead_letters()) == 1

    def test_open_instances(self, store):
        with store.unit() as unit:
            unit.save_sagas(
                [
                    SagaRecord("a", "1", started_ms=1, waiting=("x", "y"), waiting_since_ms=50),
                    SagaRecord("a", "2", started_ms=1, waiting=("x",), waiting_since_ms=40, breached=("x",)),
                    SagaRecord("a", "3", started_ms=1, not_undone=True),
                    SagaRecord("a", "4"),
                    SagaRecord("a", "5", started_ms=1, outcome=Outcome.FAILED),
                    SagaRecord("b", "6", started_ms=1, waiting=("x",), waiting_since_ms=60),
                ]
            )
        figures = store.saga_figures()
        assert sorted(figures.open_steps) == [("a", "x", 2, 40), ("a", "y", 1, 50), ("b", "x", 1, 60)]
        assert {entry for entry in figures.open_by_flow if entry[2]} == {
            ("a", "open", 3),
            ("a", "partial", 1),
            ("a", "stuck", 1),
            ("a", "uncompensated", 1),
            ("b", "open", 1),
        }

    def test_late_steps_and_what_was_given_up(self, store):
        letter = LETTER._replace(correlation_id="2")
        with store.unit() as unit:
            unit.save_sagas(
                [
                    SagaRecord("a", "1", started_ms=1, waiting=("x", "y"), breached=("x",)),
                    SagaRecord("a", "2", started_ms=1, waiting=("x",), breached=("x", "w")),
                    SagaRecord(
                        "a", "3", started_ms=1, waiting=("y",), breached=("x",)
                    ),  # late, and done since
                    SagaRecord("a", "4", started_ms=1, waiting=("y",)),
                    SagaRecord("a", "5", started_ms=1, outcome=Outcome.FAILED, breached=("x",)),
                ]
            )
            unit.add_dead_letters(
                [letter, letter._replace(offset=99), letter._replace(offset=100, state="dismissed")]
            )
        figures = store.saga_figures()
        assert sorted(figures.late_steps) == [("a", "x", 2)]
        assert sorted(figures.late_given_up) == [("a", "x", "billing", 1)]

    def test_dead_letters_are_kept_once(self, store):
        later = LETTER._replace(offset=6, timestamp_ms=9_000)
        unknown = LETTER._replace(partition=1, source_topic=None, group=None, timestamp_ms=None)
        for _ in range(2):
            with store.unit() as unit:
                unit.add_dead_letters([LETTER, later, unknown])
        assert sorted(store.pending_dead_letters()) == [
            ("orders.dlq", "", "", 1, None),
            ("orders.dlq", "orders", "billing", 2, 7_000),
        ]
