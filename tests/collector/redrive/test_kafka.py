"""Reading single records and publishing copies, on the embedded broker and on a real Kafka."""

from __future__ import annotations

import random

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic
from kafka import KafkaProducer

from flowtrail.wire import Record
from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.message_size import batch_bytes
from flowtrail_collector.brokers.kafka.mover import KafkaRecordMover
from flowtrail_collector.dead_letters.ports import HeadersLackingRecord, Outgoing
from flowtrail_collector.errors import ServiceUnreachableError
from headerkit.names import write_bad_names
from waiting import scaled, wait_for


@pytest.fixture
def adapter(broker):
    adapter = KafkaRecordMover(read_connection(broker))
    yield adapter
    adapter.close()


@pytest.fixture
def filled(adapter, broker, topic):
    """A topic of two partitions with 2,500 records in the first and 3 in the second."""
    name = topic("filled")
    adapter.make_topic(name, 2)
    producer = Producer({"bootstrap.servers": broker})
    for partition, count in ((0, 2_500), (1, 3)):
        for n in range(count):
            headers = [("n", b"%d" % n), ("null", None), ("n", b"again")]
            producer.produce(name, partition=partition, key=b"k", value=b"%d" % n, headers=headers)
    assert producer.flush(scaled(20)) == 0
    return name


def test_single_records_near_and_far(adapter, filled):
    places = [(filled, 0, n) for n in (0, 1, 7, 2_400, 2_499)] + [(filled, 1, 2)]
    found = adapter.read(places, 20)
    assert {place: record.value for place, record in found.items()} == {
        place: b"%d" % place[2] for place in places
    }
    record = found[filled, 0, 7]
    assert record.headers == [("n", b"7"), ("null", None), ("n", b"again")]
    assert record.key == b"k"
    assert record.timestamp_ms


def test_a_record_whose_headers_cant_be_had_is_told_from_one_without(adapter, broker, topic):
    name = topic("names")
    adapter.make_topic(name, 1)
    write_bad_names(broker, name, 2)
    found = adapter.read([(name, 0, 0), (name, 0, 1)], 20)
    assert [type(record) for record in found.values()] == [Record, HeadersLackingRecord]
    assert [record.value for record in found.values()] == [b"v", b"v"]


def test_what_isnt_there_is_left_out(adapter, filled, topic):
    places = [(filled, 1, 2), (filled, 1, 3), (filled, 1, 10_000), (topic("nowhere"), 0, 0)]
    assert list(adapter.read(places, 20)) == [(filled, 1, 2)]


def test_copies_arrive_where_they_were_sent(adapter, topic):
    target = topic("target")
    adapter.make_topic(target, 3)
    headers = [("a", b"1"), ("b", None), ("a", b"\xff")]
    records = [
        Outgoing(target, 2, b"k", b"v", headers),
        Outgoing(target, None, None, None, []),
        Outgoing(target, 2, None, b"", headers),
    ]
    acks = adapter.publish(records)
    assert [ack.problem for ack in acks] == [None] * 3
    assert (acks[0].partition, acks[0].offset, acks[2].partition) == (2, 0, 2)
    for sent, ack in zip(records, acks, strict=True):
        place = (target, ack.partition, ack.offset)
        record = adapter.read([place], 20)[place]
        assert (record.key, record.value, list(record.headers)) == (sent.key, sent.value, list(sent.headers))


def test_a_key_goes_where_other_clients_send_it(adapter, broker, topic):
    target = topic("keys")
    adapter.make_topic(target, 5)
    producer = KafkaProducer(bootstrap_servers=broker)
    keys = [b"order-%d" % n for n in range(20)]
    theirs = [producer.send(target, key=key, value=b"").get(20).partition for key in keys]
    producer.close()
    acks = adapter.publish([Outgoing(target, None, key, b"", []) for key in keys])
    assert [ack.partition for ack in acks] == theirs


def limited(broker, name, limit_bytes):
    """A topic that takes batches of so many bytes; its brokers know, which they do a while after the controller."""
    new = NewTopic(
        name, num_partitions=1, replication_factor=1, config={"max.message.bytes": str(limit_bytes)}
    )
    client = AdminClient({"bootstrap.servers": broker})
    client.create_topics([new])[name].result(scaled(20))
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)

    def is_known():
        try:
            config = client.describe_configs([resource])[resource].result(scaled(20))
        except KafkaException:
            return False
        return config["max.message.bytes"].value == str(limit_bytes)

    assert wait_for(is_known, 20)
    return name


def test_a_record_too_large_is_refused_for_good(adapter, topic, broker):
    target = limited(broker, topic("small"), 1_000_000)
    noise = random.Random(1).randbytes(3_000_000)
    large, small = Outgoing(target, 0, None, noise, []), Outgoing(target, 0, None, b"y", [])
    assert adapter.exceeded_limits([large, small]) == [1_000_000, None]
    refused, taken = adapter.publish([large, small])
    assert refused.final
    assert refused.too_large
    assert taken.problem is None


HEADERS = [("a", b"1"), ("nothing", None), ("long" * 40, bytes(300))]


@pytest.mark.parametrize("key", [None, b"", b"k" * 200], ids=["no key", "empty", "long"])
@pytest.mark.parametrize("headers", [[], HEADERS], ids=len)
@pytest.mark.parametrize("size", [None, 64, 2_200_000], ids=str)
def test_what_a_topic_takes_is_sent_to_the_byte(adapter, topic, broker, key, headers, size):
    """Noise, which doesn't compress: one byte below what it takes it is refused beforehand and by the broker."""
    value = None if size is None else random.Random(size).randbytes(size)
    size_of = batch_bytes(Outgoing("", 0, key, value, headers))
    fitting, tight = topic("fitting"), topic("tight")
    smallest = min(size_of, batch_bytes(Outgoing("", 0, key, value, headers), compressed=True))
    limited(broker, fitting, size_of)
    limited(broker, tight, smallest - 1)
    records = [Outgoing(name, 0, key, value, headers) for name in (fitting, tight)]
    assert adapter.exceeded_limits(records) == [None, smallest - 1]
    taken, refused = adapter.publish(records)
    assert taken.problem is None
    assert refused.too_large


def test_what_fits_only_compressed_or_only_alone_goes_too(adapter, topic, broker):
    target = limited(broker, topic("narrow"), 20_000)
    compressible = Outgoing(target, 0, None, b"x" * 3_000_000, [])
    many = [Outgoing(target, 0, None, random.Random(n).randbytes(15_000), []) for n in range(5)]
    assert adapter.exceeded_limits([compressible, *many]) == [None] * 6
    assert [ack.problem for ack in adapter.publish([compressible, *many])] == [None] * 6


def test_limits_of_topics_that_exist(adapter, topic, broker):
    name = limited(broker, topic("told"), 12_345)
    assert adapter.size_limits([name, topic("not")]) == {name: 12_345}


def test_topics_that_exist(adapter, topic):
    name = topic("there")
    adapter.make_topic(name, 4)
    adapter.make_topic(name, 4)  # making it again is fine
    assert adapter.partitions([name, topic("not")]) == {name: 4}


@pytest.mark.slow
def test_nobody_there():
    adapter = KafkaRecordMover(read_connection("127.0.0.1:1"))
    with pytest.raises(ServiceUnreachableError, match=r"127\.0\.0\.1:1"):
        adapter.partitions(["orders"])
    adapter.close()
