"""Jobs: at least once, at most one batch twice, nothing lost, whatever happens in between."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail.wire import Record
from flowtrail_collector.dead_letters.desk import RedriveDesk
from flowtrail_collector.dead_letters.model.headers import DeadLetterHeaders
from flowtrail_collector.dead_letters.model.letter import Selection
from flowtrail_collector.dead_letters.model.redrive import Refusal, too_large
from flowtrail_collector.dead_letters.ports import HeadersLackingRecord, JobState, Order
from flowtrail_collector.dead_letters.redriver import Redriver
from flowtrail_collector.dead_letters.sql.jobs import SqlRedrive
from flowtrail_collector.errors import ConfigurationError, FencedError, ServiceUnreachableError
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from redrivekit import DLQ, FakeKafka, dead, keep, own_headers, states


class Place:
    """A store and a Kafka with `count` dead letters."""

    def __init__(self, database, count=0):
        self.database = database
        self.store = SqlRedrive(database)
        self.kafka = FakeKafka(orders=2)
        self.desk = RedriveDesk(self.store, self.kafka)
        keep(database, [self.kafka.bury(n, own_headers(), value=b"%d" % n) for n in range(count)])

    def start(self, **values):
        return self.desk.start(Order(**{"actor": "me", **values}))

    def work(self, batch=10):
        """Work until there is nothing left to do."""
        stop = threading.Event()
        redriver = Redriver(self.store, self.kafka, batch=batch)
        nothing_left = self.store.next_job

        def next_job():
            job = nothing_left()
            if job is None:
                stop.set()
                redriver.wake()
            return job

        self.store.next_job = next_job
        try:
            redriver.run(stop)
        finally:
            self.store.next_job = nothing_left

    def arrived(self):
        return Counter(int(record.value) for record in self.kafka.published)


@pytest.fixture
def database(tmp_path):
    database = SqliteDatabase(tmp_path / "store.sqlite")
    yield database
    database.close()


@pytest.fixture
def place(database):
    return Place(database)


def test_everything_goes_back_as_it_was(database, caplog):
    caplog.set_level(logging.INFO, logger="flowtrail_collector.audit")
    place = Place(database, 25)
    job = place.start()
    place.work()
    assert place.arrived() == Counter(range(25))
    first = place.kafka.published[0]
    assert (first.topic, first.partition, first.key, first.value) == ("orders", 0, b"key", b"0")
    assert first.headers == [*own_headers()[:3], ("dlq.replays", b"1")]
    assert set(states(database).values()) == {"redriven"}
    job = place.store.job(job.id)
    assert (job.state, job.total, job.redriven, job.refused, job.left) == (JobState.DONE, 25, 25, 0, 0)
    lines = place.store.audit(100, job=job.id)
    assert len(lines) == 25
    assert lines[-1][1:12] == (
        job.id, "me", "redriven", DLQ, 0, 0, f"{DLQ}-0-0", "orders", 0, 0, 1,
    )  # fmt: skip
    assert sum("redriven orders.billing.dlq/0@" in message for message in caplog.messages) == 25
    assert place.store.redriven_counts() == {(DLQ, "orders", "billing", "redriven"): 25}


@pytest.mark.parametrize("to", [None, "orders"])
def test_a_dead_letter_whose_headers_cant_be_read_stays(database, place, to):
    letter = place.kafka.bury(0, [])
    keep(database, [letter])
    there = place.kafka.records[letter.place]
    place.kafka.records[letter.place] = HeadersLackingRecord(
        **{field.name: getattr(there, field.name) for field in dataclasses.fields(there)}
    )
    job = place.start(to=to)
    place.work()
    assert place.arrived() == Counter()
    assert place.store.job(job.id).refusals == {Refusal.HEADERS_LACKING.value: 1}


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(1, 40),
    batch=st.integers(1, 12),
    kills=st.lists(st.integers(0, 60), max_size=5),
)
def test_killed_anywhere_everything_arrives_and_at_most_a_batch_twice(tmp_path_factory, count, batch, kills):
    database = SqliteDatabase(tmp_path_factory.mktemp("kills") / "store.sqlite")
    place = Place(database, count)
    job = place.start()
    for kill in kills:
        # it dies while it publishes: what was sent is on the broker, and not written down
        place.kafka.crash_after = len(place.kafka.published) + kill
        try:
            place.work(batch)
        except MemoryError:
            place.kafka.crash_after = None
    place.kafka.crash_after = None
    place.work(batch)
    arrived = place.arrived()
    assert arrived.keys() == set(range(count))
    assert arrived.total() - count <= len(kills) * batch
    assert place.store.job(job.id).redriven == count
    assert len(place.store.audit(1_000)) == count
    database.close()


def test_a_broker_that_goes_away_delays_and_loses_nothing(database):
    place = Place(database, 12)
    job = place.start()
    place.kafka.refuse = {b"5": False}
    with pytest.raises(ServiceUnreachableError, match="refused"):
        place.work()
    # what was acknowledged is written down, and doesn't go out again
    assert Counter(states(database).values()) == {"redriven": 9, "pending": 3}
    place.kafka.refuse = {}
    place.work()
    assert place.arrived() == Counter(range(12))
    assert place.store.job(job.id).redriven == 12


def test_a_record_that_is_refused_for_good_stays_and_is_counted_once(database):
    place = Place(database, 3)
    place.kafka.refuse = {b"1": True}
    job = place.start()
    place.work()
    job = place.store.job(job.id)
    assert (job.redriven, job.refused, job.refusals) == (2, 1, {f"{Refusal.NOT_TAKEN.value}: refused": 1})
    assert states(database)[DLQ, 0, 1] == "pending"


def test_what_is_gone_from_the_topic_is_refused(database):
    place = Place(database, 2)
    del place.kafka.records[DLQ, 0, 0]
    job = place.start()
    place.work()
    assert place.store.job(job.id).refusals == {Refusal.GONE.value: 1}


def test_a_topic_made_anew_gives_nobody_elses_record(database):
    place = Place(database, 1)
    place.kafka.records[DLQ, 0, 0] = Record(DLQ, 0, 0, 99_999, b"key", b"another", ())
    place.start()
    place.work()
    assert place.kafka.published == []


def test_one_that_keeps_failing_ends_in_quarantine(place):
    """Redriven, dead again, redriven, ... until the limit."""
    for round_ in range(5):
        replays = int(dict(place.kafka.published[-1].headers)["dlq.replays"]) if round_ else 0
        keep(place.database, [place.kafka.bury(round_, own_headers(replays))])
        place.start(replay_limit=3)
        place.work()
        if place.kafka.published[-1].topic != "orders":
            break
    assert [record.topic for record in place.kafka.published] == ["orders"] * 3 + ["orders.quarantine"]
    last = place.kafka.published[-1]
    # it stays a dead letter: how it died is still there to be read
    assert dict(last.headers)["dlq.error.type"] == b"ValueError"
    assert dict(last.headers)["dlq.replays"] == b"3"
    assert states(place.database)[DLQ, 0, 3] == "quarantined"
    # and out of quarantine on purpose
    place.start(selection=Selection(state="quarantined"), replay_limit=4)
    place.work()
    assert place.kafka.published[-1].topic == "orders"
    assert states(place.database)[DLQ, 0, 3] == "redriven"


def test_replays_count_where_headers_are_lost(place):
    """A framework that copies no headers (share groups): the audit knows where the copies went."""
    share = [
        ("__dlq.errors.topic", b"orders"), ("__dlq.errors.partition", b"0"),
        ("__dlq.errors.group", b"workers"),
    ]  # fmt: skip
    keep(place.database, [place.kafka.bury(0, [*share, ("__dlq.errors.offset", b"999")])])
    for round_ in range(1, 5):
        place.start(replay_limit=3)
        place.work()
        came_to = place.store.audit(1)[0].target_offset
        offset = ("__dlq.errors.offset", str(came_to).encode())
        keep(place.database, [place.kafka.bury(round_, [*share, offset])])
    assert [record.topic for record in place.kafka.published] == ["orders"] * 3 + ["orders.quarantine"]


def test_a_share_groups_dead_letter_is_read_from_its_source(place):
    share = [
        ("__dlq.errors.topic", b"orders"), ("__dlq.errors.partition", b"1"), ("__dlq.errors.offset", b"7"),
    ]  # fmt: skip
    original = Record("orders", 1, 7, 500, b"k", b"the original", [("ce_id", b"e7")])
    place.kafka.records["orders", 1, 7] = original
    keep(place.database, [place.kafka.bury(0, share, value=None)])
    keep(place.database, [place.kafka.bury(1, [*share[:2], ("__dlq.errors.offset", b"8")], value=None)])
    job = place.start()
    place.work()
    (back,) = place.kafka.published
    assert (back.value, back.key, back.partition) == (b"the original", b"k", 1)
    assert back.headers == [("ce_id", b"e7"), ("dlq.replays", b"1")]
    assert place.store.job(job.id).refusals == {Refusal.NO_COPY.value: 1}


def test_what_dies_again_meanwhile_waits_for_the_next_redrive(database):
    place = Place(database, 3)
    publish = place.kafka.publish

    def publish_and_fail_again(records):
        n = len(place.kafka.records)
        again = [place.kafka.bury(n + i, own_headers(1), value=r.value) for i, r in enumerate(records)]
        keep(database, again)
        return publish(records)

    place.kafka.publish = publish_and_fail_again
    place.start()
    place.work(2)
    assert place.arrived() == Counter(range(3))
    assert Counter(states(database).values()) == {"redriven": 3, "pending": 3}


def test_only_what_was_asked_for(place):
    others = DeadLetterHeaders("flowtrail", "orders", 0, 7, group="inventory", error_type="KeyError")
    keep(place.database, [place.kafka.bury(0, own_headers()), dead(1, letter=others)])
    place.start(selection=Selection(group="billing"))
    place.work()
    assert states(place.database) == {(DLQ, 0, 0): "redriven", (DLQ, 0, 1): "pending"}


def test_a_partition_that_is_no_more_is_left_to_the_key(place):
    keep(place.database, [place.kafka.bury(0, own_headers(partition=5))])
    place.start()
    place.work()
    assert place.kafka.published[0].partition is None


def test_cancelled_it_stops_after_the_batch_under_way(database):
    place = Place(database, 30)
    job = place.start()
    publish = place.kafka.publish

    def publish_and_cancel(records):
        place.desk.cancel(job.id, "somebody")
        return publish(records)

    place.kafka.publish = publish_and_cancel
    place.work()
    job = place.store.job(job.id)
    assert (job.state, job.redriven, job.left) == (JobState.CANCELLED, 10, 20)
    assert [line.action for line in place.store.writes(10)] == ["cancel", "redrive"]


def test_two_workers_dont_both_write_down_the_same_batch(database):
    place = Place(database, 5)
    job = place.start()
    place.store.settle(job, [], {}, None, 1)
    with pytest.raises(FencedError):
        place.store.settle(job, [], {}, None, 1)


def test_a_rate_is_kept(database, monkeypatch):
    place = Place(database, 6)
    waited = []
    monkeypatch.setattr(threading.Event, "wait", lambda self, seconds=None: waited.append(seconds))
    place.start(rate=2.0)
    place.work()
    assert len(place.kafka.published) == 6
    first = [seconds for seconds in waited if seconds][:3]
    assert len(first) == 3
    assert all(0 < seconds <= 1.0 for seconds in first)  # less by what the work itself took


def test_dismissed_with_a_note(database):
    place = Place(database, 3)
    assert place.desk.dismiss(Order(Selection(offset=1), actor="me"), "settled by hand", "127.0.0.1") == 1
    assert Counter(states(database).values()) == {"dismissed": 1, "pending": 2}
    line = place.store.audit(10)[0]
    assert (line.action, line.actor, line.offset, line.note) == ("dismissed", "me", 1, "settled by hand")
    assert place.store.redriven_counts() == {(DLQ, "orders", "billing", "dismissed"): 1}
    (write,) = place.store.writes(10)
    assert write[1:] == ("me", "127.0.0.1", "dismiss", "1 of pending offset=1: settled by hand")


def test_a_dossier_has_record_and_history(database):
    place = Place(database, 2)
    place.desk.dismiss(Order(Selection(offset=0), actor="me"), "done")
    dossier = place.desk.show((DLQ, 0, 0))
    assert dossier.letter.error_type == "ValueError"
    assert dossier.record.value == b"0"
    assert [line.action for line in dossier.history] == ["dismissed"]
    assert place.desk.show((DLQ, 0, 99)) is None
    del place.kafka.records[DLQ, 0, 1]
    assert "no longer" in place.desk.show((DLQ, 0, 1)).problem
    place.kafka.down = True
    assert place.desk.show((DLQ, 0, 1)).problem == "no broker"


@pytest.mark.parametrize(
    "order",
    [
        Order(to="__consumer_offsets"),
        Order(to="a b"),
        Order(replay_limit=-1),
        Order(rate=-1.0),
        Order(rate=float("nan")),
        Order(Selection(state="redriven")),
    ],
)
def test_nonsense_is_refused(place, order):
    with pytest.raises(ConfigurationError):
        place.desk.start(order)
    with pytest.raises(ConfigurationError):
        place.desk.survey(order)


def test_what_a_topic_doesnt_take_is_named_before_and_after(database):
    place = Place(database, 3)
    big = place.kafka.bury(7, own_headers(), value=b"x" * 50)
    keep(database, [big])
    place.kafka.limits = {DLQ: 1_000, "orders": 10}
    counted = place.desk.survey(Order(actor="me"))
    reason = too_large("orders", 10)
    assert counted["refused"] == [{"name": reason, "count": 1}]
    assert counted["by_target"] == [{"name": "orders", "count": 3}]
    assert (counted["total"], counted["unmeasured"]) == (4, 0)
    job = place.start()
    place.work()
    job = place.store.job(job.id)
    assert (job.redriven, job.refused, job.refusals) == (3, 1, {reason: 1})
    assert place.arrived() == Counter(range(3))


def test_what_fits_anyway_isnt_read_to_be_measured(database):
    place = Place(database, 3)
    place.kafka.limits = {DLQ: 10, "orders": 10}
    place.kafka.records.clear()
    assert place.desk.survey(Order(actor="me"))["refused"] == []


@pytest.mark.parametrize("gone", [False, True], ids=["the first letter is there", "it is gone"])
def test_a_letter_of_a_letter_by_the_same_hand_gets_the_first_deaths_headers_back(database, gone):
    """The library replaces what an earlier death left: only the first letter has it still."""
    place = Place(database)
    first = place.kafka.bury(7, own_headers(), value=b"v")
    again = own_headers(source=DLQ)
    keep(database, [first, place.kafka.bury(0, again, topic=f"{DLQ}.dlq", value=b"v")])
    place.kafka.counts[DLQ] = 1
    if gone:
        del place.kafka.records[first.place]
    place.start(selection=Selection(topic=f"{DLQ}.dlq"))
    place.work()
    (sent,) = place.kafka.published
    kept = own_headers()[:3] if gone else own_headers()[:-1]
    assert (sent.topic, sent.headers) == (DLQ, [*kept, ("dlq.replays", b"1")])


@pytest.mark.parametrize("other", [{"value": b"another"}, {"timestamp_ms": 5}], ids=str)
def test_another_record_at_the_first_letters_place_lends_no_headers(database, other):
    place = Place(database)
    again = [*own_headers(source=DLQ), ("dlq.timestamp", b"1000")]
    keep(database, [
        place.kafka.bury(7, own_headers(), **{"value": b"v", **other}),
        place.kafka.bury(0, again, topic=f"{DLQ}.dlq", value=b"v"),
    ])  # fmt: skip
    place.kafka.counts[DLQ] = 1
    place.start(selection=Selection(topic=f"{DLQ}.dlq"))
    place.work()
    (sent,) = place.kafka.published
    assert sent.headers == [*own_headers()[:3], ("dlq.replays", b"1")]


@pytest.mark.parametrize(("known_ms", "there_ms"), [(1_000, 2_000), (1_000, None), (None, 1_000)])
@pytest.mark.parametrize(("topic", "is_another"), [(DLQ, True), ("rabbitmq:orders.billing.dlq", False)])
def test_only_where_a_place_is_an_offset_may_another_record_stand_there(
    place, known_ms, there_ms, topic, is_another
):
    letter = place.kafka.bury(50, own_headers(), topic=topic, timestamp_ms=there_ms)
    keep(place.database, [letter._replace(timestamp_ms=known_ms)])
    job = place.start(selection=Selection(topic=topic, offset=50))
    place.work()
    done = place.store.job(job.id)
    assert (done.redriven, done.refused) == ((0, 1) if is_another else (1, 0))
