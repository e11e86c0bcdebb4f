"""Dead letters whose value was too large and left out: the original goes back, or nothing does."""

from __future__ import annotations

import threading
from typing import NamedTuple

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from flowtrail._runtime.letters import DeadLetter as Letter
from flowtrail.wire import Record
from flowtrail.wire.dead_letters import TIMESTAMP, dead_letter_headers
from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.mover import KafkaRecordMover
from flowtrail_collector.cli._dead_letters_view import print_dossier
from flowtrail_collector.dead_letters.desk import Dossier, RedriveDesk
from flowtrail_collector.dead_letters.model.headers import read_headers
from flowtrail_collector.dead_letters.model.letter import DeadLetter, Selection
from flowtrail_collector.dead_letters.model.redrive import bounded
from flowtrail_collector.dead_letters.ports import Order
from flowtrail_collector.dead_letters.redriver import Redriver
from flowtrail_collector.dead_letters.sql.jobs import SqlRedrive
from flowtrail_collector.dead_letters.web.json import dossier_json
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.wording import left_out
from redrivekit import dead, keep
from waiting import scaled

OWN = [("ce_id", b"e1"), ("mine", b"h"), ("dlq.replays", b"1")]
VALUE = b"the whole value"


class Kind(NamedTuple):
    """How far a letter was shrunk by the library, and whether its value is gone from it."""

    name: str
    shrunk: int
    moved: bool = False
    left_out: bool = True


KINDS = (
    Kind("whole", 0, left_out=False),
    Kind("without the reason", 3, left_out=False),
    Kind("headers-only", 4),
    Kind("headers-only, without the reason", 5),
    Kind("moved", 4, moved=True),
    Kind("moved, without the reason", 5, moved=True),
    Kind("reference", 6),
)
SOURCES = {"there": None, "gone": "is gone", "another": "is now another record"}


class Desk:
    """A store, and a broker with one record that died."""

    def __init__(self, broker, topic, tmp_path):
        self.broker, self.orders = broker, topic("orders")
        self.dlq = f"{self.orders}.billing.dlq"
        self.kafka = KafkaRecordMover(read_connection(broker))
        self.database = SqliteDatabase(tmp_path / "store.sqlite")
        self.store = SqlRedrive(self.database)
        self.desk = RedriveDesk(self.store, self.kafka)
        self.kafka.make_topic(self.orders, 1)
        self.kafka.make_topic(self.dlq, 1)

    def close(self):
        self.kafka.close()
        self.database.close()

    def publish(self, topic, key, value, headers):
        """Where it stands."""
        came = []
        producer = Producer({"bootstrap.servers": self.broker})
        producer.produce(topic, value, key, 0, on_delivery=lambda _, message: came.append(message.offset()),
                         headers=headers)  # fmt: skip
        assert producer.flush(scaled(20)) == 0
        return topic, 0, came[0]

    def read(self, place):
        return self.kafka.read([place], scaled(20)).get(place)

    def bury(self, kind, source, *, timestamp=True):
        """A record, and the letter that the library makes of it; then what became of the record's place."""
        place = self.publish(self.orders, b"k", VALUE, OWN)
        record = self.read(place)
        if source == "another":
            # as after the topic was recreated: somebody else's record has the offset of ours
            ours = [("ce_id", b"ours"), ("dlq.replays", b"1")]
            record = Record(place[0], place[1], place[2], record.timestamp_ms - 60_000, b"k", b"ours", ours)
        headers = dead_letter_headers(
            record, group="billing", attempts=1, error=ValueError("no"), failed_at_ns=10**18
        )
        headers = [header for header in headers if timestamp or header[0] != TIMESTAMP]
        letter = Letter(self.dlq, record, headers, (lambda _: b"moved to") if kind.moved else "headers-only")
        for _ in range(kind.shrunk):
            letter.shrink()
        key, value, headers = letter.contents()
        stands = self.publish(self.dlq, key, value, headers)
        kept = dead(
            stands[2], topic=self.dlq, letter=read_headers(headers),
            timestamp_ms=self.read(stands).timestamp_ms,
        )  # fmt: skip
        keep(self.database, [kept])
        if source == "gone":
            self.publish(self.orders, b"k", b"younger", [])
            client = AdminClient({"bootstrap.servers": self.broker})
            for future in client.delete_records([TopicPartition(self.orders, 0, place[2] + 1)]).values():
                future.result(scaled(20))
        return record, place, kept

    def redrive(self, **values):
        """The job, once it is over."""
        job = self.desk.start(Order(**{"actor": "me", "replay_limit": 5, **values}))
        stop, next_job = threading.Event(), self.store.next_job
        redriver = Redriver(self.store, self.kafka)

        def next_or_stop():
            found = next_job()
            if found is None:
                stop.set()
                redriver.wake()
            return found

        self.store.next_job = next_or_stop
        redriver.run(stop)
        self.store.next_job = next_job
        return self.store.job(job.id)

    def sent(self, job):
        """What went out."""
        return [
            self.read((line.target_topic, line.target_partition, line.target_offset))
            for line in self.store.audit(10, job=job.id)
        ]


@pytest.fixture
def desk(broker, topic, tmp_path):
    desk = Desk(broker, topic, tmp_path)
    yield desk
    desk.close()


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
@pytest.mark.sampled(5)
def test_the_original_goes_back_or_nothing_does(desk, kind, source):
    record, place, letter = desk.bury(kind, source)
    reason = f"its value was left out, and {'/'.join(map(str, place))} {SOURCES[source]}"
    stays = kind.left_out and source != "there"
    counted = desk.desk.survey(Order(actor="me", replay_limit=5))
    assert counted["refused"] == ([{"name": reason, "count": 1}] if stays else [])
    assert counted["by_target"] == ([] if stays else [{"name": desk.orders, "count": 1}])
    job = desk.redrive()
    assert job.refusals == ({reason: 1} if stays else {})
    assert (letter.oversize is not None) == kind.left_out
    sent = desk.sent(job)
    assert len(sent) == (not stays)
    for copy in sent:
        assert (copy.topic, copy.key, copy.value) == (desk.orders, record.key, record.value)
        assert copy.headers == [*record.headers[:-1], ("dlq.replays", b"2")]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.left_out], ids=lambda kind: kind.name)
@pytest.mark.parametrize(("source", "stays"), [
    ("there", {"reference": "may be another record now"}),
    ("another", {None: "is now another record", "reference": "may be another record now"}),
], ids=str)  # fmt: skip
@pytest.mark.sampled(5)
def test_without_a_timestamp_key_and_headers_tell(desk, kind, source, stays):
    """Writers in other languages need not say it."""
    desk.bury(kind, source, timestamp=False)
    why = stays.get(kind.name, stays.get(None))
    counted = desk.desk.survey(Order(actor="me", replay_limit=5))
    job = desk.redrive()
    for reasons in ([row["name"] for row in counted["refused"]], list(job.refusals)):
        assert len(reasons) == (why is not None)
        assert all(why in reason for reason in reasons)
    assert len(desk.sent(job)) == (why is None)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.left_out], ids=lambda kind: kind.name)
@pytest.mark.sampled(5)
def test_quarantine_holds_the_whole_record_and_how_it_died(desk, kind):
    desk.bury(kind, "there")
    (copy,) = desk.sent(desk.redrive(replay_limit=1))
    found = dict(copy.headers)
    assert copy.topic == f"{desk.orders}.quarantine"
    assert (copy.key, copy.value, found["mine"], found["dlq.group"]) == (b"k", VALUE, b"h", b"billing")
    assert "dlq.oversize" not in found


def test_a_store_that_doesnt_know_it_yet_loses_nothing(desk):
    """One that was written before the header was read: the letter itself says it."""
    _, _, letter = desk.bury(KINDS[2], "there")
    with desk.database.transaction() as connection:
        connection.execute("UPDATE dead_letters SET oversize = NULL")
    (copy,) = desk.sent(desk.redrive(selection=Selection(topic=letter.topic)))
    assert copy.value == VALUE


def test_many_places_share_one_reason():
    many = {f"its value was left out, and orders/0/{n} is gone": 2 for n in range(1_000)}
    assert bounded({"another": 3, **many}) == {
        "another": 3, "its value was left out, and it is no longer where it was": 2_000,
    }  # fmt: skip
    few = dict(list(many.items())[:3])
    assert bounded(few) == few


@pytest.mark.parametrize("oversize", ["headers-only", "moved", "reference", "whatever"])
def test_people_are_told_that_the_value_was_left_out(oversize, capsys):
    letter = DeadLetter(
        "orders.dlq", 0, 5, convention="flowtrail", source_topic="orders", source_partition=0, source_offset=7,
        oversize=oversize,
    )  # fmt: skip
    record = Record("orders.dlq", 0, 5, 1, b"k", b"", [("dlq.oversize", oversize.encode())])
    data = dossier_json(Dossier(letter, record, None, []))
    assert data["dead_letter"]["oversize"] == oversize
    print_dossier(data, [], 5)
    assert f"value was  {left_out(oversize)}" in capsys.readouterr().out
