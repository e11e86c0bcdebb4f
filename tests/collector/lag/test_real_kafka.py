"""Lag on a real Kafka, held to what kafka-python counts on its own, message by message."""

import io
import os
import socket
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from kafka import KafkaConsumer
from kafka import TopicPartition as Place
from kafka.admin import KafkaAdminClient, NewTopic
from kio.schema.share_group_heartbeat.v1.request import ShareGroupHeartbeatRequest
from kio.schema.streams_group_heartbeat.v0.request import (
    StreamsGroupHeartbeatRequest,
    Subtopology,
    Topology,
)
from kio.schema.types import GroupId, TopicName
from kio.serial import entity_writer
from kio.static.primitive import i32, i32Timedelta

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.lag import KafkaLagSource, KafkaRecordProber
from flowtrail_collector.lag import LagPoller, LagSettings
from lagkit import explore
from servers import KafkaServer
from waiting import Deadline, scaled, until

pytestmark = pytest.mark.servers

CYCLES = 10_000 if os.environ.get("FLOWTRAIL_FULL") == "1" else 200


class Cluster:
    """Makes the history, and counts the truth."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        self.producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5})

    def close(self) -> None:
        self.admin.close()

    def topic(self, name: str, partitions: int = 1, **configs: str) -> None:
        settings = {key.replace("_", "."): value for key, value in configs.items()}
        self.admin.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])
        self.admin.wait_for_topics([name])

    def produce(
        self, topic: str, count: int, partition: int = 0, *, at: float | None = None, key: str | None = None
    ) -> None:
        for _ in range(count):
            stamp = {} if at is None else {"timestamp": round(at * 1000)}
            self.producer.produce(topic, b"x", key=key, partition=partition, on_delivery=_check, **stamp)
        assert self.producer.flush(scaled(20)) == 0

    def commit(self, group: str, topic: str, offset: int, partition: int = 0) -> None:
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
        consumer.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)
        consumer.close()

    def offsets(self, group: str) -> dict[Place, int]:
        """The lag of each committed partition that exists, from offsets."""
        commits = self.admin.list_group_offsets({group: None})[group]
        topics = {topic["name"] for topic in self.admin.describe_topics()}
        wanted = {place: commit.offset for place, commit in commits.items() if place.topic in topics}
        ends = self.admin.list_partition_offsets(dict.fromkeys(wanted, -1))
        return {place: ends[place].offset - commit for place, commit in wanted.items()}

    def unread(self, place: Place, commit: int) -> list[float]:
        """The timestamps of the records at and after a commit, read one by one."""
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)
        consumer.assign([place])
        end = consumer.end_offsets([place])[place]
        consumer.seek(place, max(commit, consumer.beginning_offsets([place])[place]))
        found: list[float] = []
        while consumer.position(place) < end:
            for records in consumer.poll(500).values():
                found += [record.timestamp / 1000 for record in records]
        consumer.close()
        return found


def _check(error: object, message: object) -> None:
    assert error is None


class Watched:
    """A poller on a cluster, asked cycle by cycle."""

    def __init__(self, bootstrap: str, **settings: object) -> None:
        connection = read_connection(bootstrap, environ={})
        self.prober = KafkaRecordProber(connection)
        self.poller = LagPoller(
            KafkaLagSource(connection),
            LagSettings(**settings),  # type: ignore[arg-type]
            prober=self.prober,
        )

    def settle(self) -> None:
        """Collect until nothing more can be learned about the past."""
        self.poller.collect()
        explore(self.poller)
        self.poller.collect()

    def settled_pairs(self, group: str) -> dict[Place, tuple[int | None, float | None]]:
        self.settle()
        return self.pairs(group)

    def pairs(self, group: str) -> dict[Place, tuple[int | None, float | None]]:
        reading = self.poller.view.reading(group)
        assert reading is not None
        places = [Place(topic, partition) for topic, partition in reading.pairs]
        return dict(zip(places, zip(reading.lags, reading.seconds, strict=True), strict=True))


@pytest.fixture
def made() -> Iterator[Callable[[str], Cluster]]:
    """Makes clusters that are closed afterwards."""
    with ExitStack() as stack:
        yield lambda bootstrap: stack.enter_context(closing(Cluster(bootstrap)))


@contextmanager
def watched(bootstrap: str, **settings: object) -> Iterator[Watched]:
    it = Watched(bootstrap, **settings)
    try:
        yield it
    finally:
        it.poller.close()


@pytest.mark.slow(20)
def test_lag_equals_the_truth_in_every_case(
    kafka: str, topic: Callable[..., str], made: Callable[[str], Cluster]
) -> None:
    cluster = made(kafka)
    now = time.time()
    group = {name: topic(name) for name in ("plain", "done", "rewound", "tx", "stable", "future", "tools")}
    plain, gone, again, marked, skewed = (topic(n) for n in ("plain", "gone", "again", "marked", "skewed"))
    cluster.topic(plain, 3)
    for partition in range(3):
        cluster.produce(plain, 40, partition, at=now - 600)
        cluster.produce(plain, 60, partition, at=now - 60)
        cluster.commit(group["plain"], plain, 20 + 30 * partition, partition)
        cluster.commit(group["done"], plain, 100, partition)
    cluster.commit(group["rewound"], plain, 90)
    cluster.commit(group["rewound"], plain, 5)
    cluster.topic(gone)
    cluster.produce(gone, 5)
    cluster.commit(group["plain"], gone, 1)
    cluster.topic(again)
    cluster.produce(again, 50)
    cluster.topic(skewed, message_timestamp_after_max_ms=str(10**10))
    for offset in range(10):
        cluster.produce(skewed, 1, at=now - 1000 + 100 * (-1) ** offset)
    cluster.produce(skewed, 5, at=now + 86400)
    cluster.commit(group["future"], skewed, 12)
    cluster.topic(marked)
    writer = Producer({"bootstrap.servers": kafka, "transactional.id": topic("tx")})
    writer.init_transactions(30)
    writer.begin_transaction()
    for _ in range(7):
        writer.produce(marked, b"x")
    writer.commit_transaction(30)
    cluster.commit(group["tx"], marked, 7)
    cluster.admin.delete_topics([gone, again])
    until(lambda: again not in {t["name"] for t in cluster.admin.describe_topics()})
    cluster.topic(again)
    cluster.produce(again, 3)
    cluster.commit(group["tools"], again, 2)
    writer.begin_transaction()
    writer.produce(marked, b"x")
    writer.flush(scaled(20))
    cluster.commit(group["stable"], marked, 8)

    with watched(kafka, read_committed=f"^{group['stable']}$") as it:
        it.settle()
        for name in ("plain", "done", "rewound", "tx", "future", "tools"):
            pairs = it.pairs(group[name])
            assert {place: lag for place, (lag, _) in pairs.items()} == cluster.offsets(group[name]), name
        # The open transaction's record can't be read yet: the group that reads committed ones is done.
        assert it.pairs(group["stable"])[Place(marked, 0)] == (0, 0.0)
        assert cluster.offsets(group["stable"])[Place(marked, 0)] == 1

        for partition in range(3):
            place = Place(plain, partition)
            unread = cluster.unread(place, 20 + 30 * partition)
            lag, waited = it.pairs(group["plain"])[place]
            assert lag == len(unread)
            assert waited == pytest.approx(time.time() - unread[0], abs=scaled(5))
        assert it.pairs(group["done"])[Place(plain, 0)] == (0, 0.0)
        # Timestamps that lie in the future say nothing; those before them are all there is to go by.
        lag, waited = it.pairs(group["future"])[Place(skewed, 0)]
        assert lag == 3
        assert waited is None or 0 <= waited <= 1100
    writer.abort_transaction(30)
    # The marker comes after the answer.
    until(lambda: cluster.offsets(group["tx"])[Place(marked, 0)] == 3, "the end of the transaction")

    with watched(kafka) as it:
        it.settle()
        # Only markers are left behind the last record (of a committed and of an aborted transaction): no lag.
        # Which takes a look at the place, once something has waited there for a while.
        until(lambda: it.settled_pairs(group["tx"])[Place(marked, 0)][0] == 0, "a look at the markers")


def test_a_compacted_topic_and_one_cut_by_retention(
    kafka_server: Callable[..., KafkaServer], made: Callable[[str], Cluster]
) -> None:
    kafka = kafka_server({"log.cleaner.backoff.ms": "200", "log.cleaner.min.cleanable.ratio": "0.01"})
    cluster = made(kafka.bootstrap_servers)
    now = time.time()
    cluster.topic("compacted", cleanup_policy="compact", segment_ms="100", max_compaction_lag_ms="100")
    for round_ in range(5):
        for key in range(10):
            cluster.produce("compacted", 1, key=str(key), at=now - 500 + 100 * round_)
        time.sleep(0.15)  # a segment has to be closed before it can be compacted
    cluster.commit("reader", "compacted", 5)
    place = Place("compacted", 0)
    until(lambda: len(cluster.unread(place, 0)) < 30, timeout_seconds=60)
    cluster.topic("cut")
    cluster.produce("cut", 100, at=now - 300)
    cluster.produce("cut", 100, at=now - 30)
    cluster.commit("reader", "cut", 10)
    with watched(kafka.bootstrap_servers, slow_seconds=0.01) as it:
        it.settle()
        unread = cluster.unread(place, 5)
        lag, waited = it.pairs("reader")[place]
        assert lag == 45
        assert len(unread) < 30
        assert waited == pytest.approx(time.time() - unread[0], abs=scaled(2))

        cluster.admin.delete_records({Place("cut", 0): 120})
        it.settle()
        reading = it.poller.view.reading("reader")
        assert reading is not None
        assert dict(zip([p.topic for p in reading.slices], reading.topics.lost, strict=True))["cut"] == 110
        lag, waited = it.pairs("reader")[Place("cut", 0)]
        assert lag == 190
        assert waited == pytest.approx(time.time() - (now - 30), abs=scaled(2))


def test_every_type_of_group_is_listed(
    kafka_server: Callable[..., KafkaServer], made: Callable[[str], Cluster]
) -> None:
    kafka = kafka_server(
        {
            "group.coordinator.rebalance.protocols": "classic,consumer,share,streams",
            "unstable.api.versions.enable": "true",
            "unstable.feature.versions.enable": "true",
        }
    )
    cluster = made(kafka.bootstrap_servers)
    cluster.topic("orders", 2)
    cluster.produce("orders", 5)
    cluster.commit("tool", "orders", 3)
    members = []
    for protocol in ("classic", "consumer"):
        consumer = Consumer(
            {"bootstrap.servers": kafka.bootstrap_servers, "group.id": protocol, "group.protocol": protocol,
             "enable.auto.commit": False, "auto.offset.reset": "latest"}
        )  # fmt: skip
        consumer.subscribe(["orders"])
        members.append(consumer)
    until(lambda: [c.poll(0.1) or len(c.assignment()) for c in members] == [2, 2])
    members[0].commit(offsets=[TopicPartition("orders", 0, 5)], asynchronous=False)
    cluster.admin.update_features({"share.version": (1, 1), "streams.version": (1, 1)})
    join_share_group(kafka.bootstrap_servers, "pool", "orders")
    join_streams_group(kafka.bootstrap_servers, "totals", "orders", "member")
    join_streams_group(kafka.bootstrap_servers, "totals", "orders", "member", leave=True)
    cluster.commit("totals", "orders", 1)
    with watched(kafka.bootstrap_servers) as it:
        until(lambda: "pool" in {r.group for r in it.poller.collect()})
        it.settle()  # members are read after a collection, for the next one
        found = {
            r.group: (
                r.type,
                r.state,
                r.members,
                None if r.uncommitted is None else len(r.uncommitted.partitions),
            )
            for r in it.poller.view.readings
        }
        assert found == {
            "tool": ("classic", "empty", 0, 0),
            "classic": ("classic", "stable", 1, 1),
            "consumer": ("consumer", "stable", 1, 2),
            "pool": ("share", "stable", None, None),
            "totals": ("streams", "empty", 0, 0),
        }
        # A streams group commits as others do, a share group doesn't.
        assert it.pairs("totals")[Place("orders", 0)][0] == 4
        pool = it.poller.view.reading("pool")
        assert pool is not None
        assert (pool.sum_lag, pool.status) == (None, None)
        assert it.poller.view.overview()["failures"] == []
    for consumer in members:
        consumer.close()


def join_share_group(bootstrap: str, group: str, topic: str) -> None:
    """One heartbeat of the share group protocol (KIP-932), which no Python client speaks."""
    request = ShareGroupHeartbeatRequest(
        group_id=GroupId(group),
        member_id=str(uuid.uuid4()),
        member_epoch=i32(0),
        subscribed_topic_names=(TopicName(topic),),
    )
    heartbeat(bootstrap, ShareGroupHeartbeatRequest, request, 76, 1)


def join_streams_group(bootstrap: str, group: str, topic: str, member: str, *, leave: bool = False) -> None:
    """One heartbeat of the streams group protocol (KIP-1071), which no Python client speaks."""
    reads = Subtopology(
        subtopology_id="0", source_topics=(TopicName(topic),), state_changelog_topics=(),
        repartition_source_topics=(), copartition_groups=(),
    )  # fmt: skip
    none = None if leave else ()
    request = StreamsGroupHeartbeatRequest(
        group_id=GroupId(group), member_id=member, member_epoch=i32(-1 if leave else 0),
        endpoint_information_epoch=i32(0), process_id=None if leave else member,
        rebalance_timeout=i32Timedelta.parse(timedelta(seconds=-0.001 if leave else 10)),
        topology=None if leave else Topology(epoch=i32(0), subtopologies=(reads,)),
        active_tasks=none, standby_tasks=none, warmup_tasks=none, client_tags=none,
        task_offsets=None, task_end_offsets=None,
    )  # fmt: skip
    heartbeat(bootstrap, StreamsGroupHeartbeatRequest, request, 88, 0)


def heartbeat(bootstrap: str, kind: type, request: object, key: int, version: int) -> None:
    body = io.BytesIO()
    entity_writer(kind)(body, request)
    message = struct.pack(">hhih", key, version, 1, 4) + b"test\0" + body.getvalue()
    host, port = bootstrap.split(":")
    deadline = Deadline(20)
    code = 0
    while not deadline.passed:
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(struct.pack(">i", len(message)) + message)
            size = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))[0]
            answer = connection.recv(size, socket.MSG_WAITALL)
        # Correlation id, tagged fields, throttle time, then the error code.
        code = struct.unpack(">h", answer[9:11])[0]
        if code == 0:
            return
        time.sleep(0.2)  # the feature isn't switched on everywhere yet
    raise AssertionError(f"the broker lets nobody into the group: error {code}")


@pytest.mark.slow(50)
@pytest.mark.timeout(180 if CYCLES <= 200 else 1800)
def test_never_negative_beside_clients_that_write_and_commit(
    kafka: str, topic: Callable[..., str], made: Callable[[str], Cluster]
) -> None:
    cluster = made(kafka)
    name, group = topic("busy"), topic("busy")
    cluster.topic(name, 4)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for partition in range(4):
                cluster.producer.produce(name, b"x", partition=partition)
            cluster.producer.flush(scaled(5))

    def read() -> None:
        consumer = Consumer(
            {"bootstrap.servers": kafka, "group.id": group, "auto.offset.reset": "earliest",
             "enable.auto.commit": False}
        )  # fmt: skip
        consumer.subscribe([name])
        while not stop.is_set():
            if consumer.consume(100, 0.01):
                consumer.commit(asynchronous=False)
        consumer.close()

    threads = [threading.Thread(target=write), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    try:
        with watched(kafka, groups=f"^{group}$", probes=0) as it:
            until(lambda: len(it.poller.collect()) == 1 and bool(it.pairs(group)))
            moved = set()
            for cycle in range(CYCLES):
                if cycle % 1000 == 999:
                    print(f"{cycle + 1} cycles, {len(moved)} different commits", flush=True)
                (reading,) = it.poller.collect()
                known = [lag for lag in reading.lags if lag is not None]  # a busy broker may answer too late
                assert all(lag >= 0 for lag in known)
                assert all(waited is None or waited >= 0 for waited in reading.seconds)
                if len(known) == len(reading.lags):
                    moved.add(tuple(reading.commits))
    finally:
        stop.set()
        for thread in threads:
            thread.join(scaled(20))
    assert len(moved) > 20


@pytest.mark.slow(40)
def test_waits_are_right_to_the_second(
    kafka: str, topic: Callable[..., str], made: Callable[[str], Cluster]
) -> None:
    cluster = made(kafka)
    name, group = topic("timed"), topic("timed")
    cluster.topic(name)
    cluster.commit(group, name, 0)
    committer = Consumer({"bootstrap.servers": kafka, "group.id": group})
    written: list[float] = []
    errors = []
    with watched(kafka, groups=f"^{group}$", interval_seconds=2, probes=0) as it:
        stop = threading.Event()
        thread = threading.Thread(target=it.poller.run, args=(stop,))
        thread.start()
        began = time.time()
        seen = 0.0
        while (elapsed := time.time() - began) < 40:
            # Steady, then a burst, then silence; read with a delay that grows, stops and is caught up.
            count = 1 if elapsed < 15 else 50 if 20 < elapsed < 20.1 else 0
            for _ in range(count):
                cluster.producer.produce(name, b"x")
                written.append(time.time())
            cluster.producer.flush(scaled(5))
            done = int(len(written) * (0.5 if elapsed < 25 else 0.8))
            committer.commit(offsets=[TopicPartition(name, 0, done)], asynchronous=False)
            reading = it.poller.view.reading(group)
            if reading is not None and reading.read_at > seen and reading.pairs:
                seen = reading.read_at
                at, waited = reading.commits[0], reading.seconds[0]
                if waited is None:
                    assert not errors, "only the first figures may lack waits of before the start"
                    continue
                truth = reading.read_at - written[at] if at < len(written) else 0.0
                errors.append(abs(waited - truth))
            time.sleep(0.1)
        stop.set()
        thread.join(scaled(10))
    committer.close()
    assert len(errors) >= 10
    print(f"mean {sum(errors) / len(errors):.3f} s, worst {max(errors):.3f} s, {len(errors)} cycles")
    assert sum(errors) / len(errors) < 1.0
