"""One measured run of the ingest benchmark in a process of its own; prints one line of JSON.

python -m bench.ingest_worker bare|ours|member SERVERS TOPIC EVENTS STORE FLOWS [PARTITIONS]
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.tail import KafkaTail
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.ingest.sql.postgres import PostgresStore
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.sagas.flow_file import load_flows
from flowtrail_collector.sagas.sweep import Sweeper
from flowtrail_collector.store.postgres.database import PostgresDatabase
from flowtrail_collector.store.sqlite.database import SqliteDatabase


def bare(servers: str, topic: str, events: int) -> dict[str, float]:
    """Consume and decode headers, nothing else."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bare", "enable.auto.commit": False,
                         "queued.max.messages.kbytes": 32_768, "fetch.wait.max.ms": 200})  # fmt: skip
    partitions = consumer.list_topics(topic, 10).topics[topic].partitions
    began = time.perf_counter()
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    seen = 0
    while seen < events:
        for message in consumer.consume(2_000, 0.2):
            assert message.error() is None
            pairs: Any = message.headers()
            headers = {name: value.decode() for name, value in pairs}
            assert "ce_type" in headers
            seen += 1
    took = time.perf_counter() - began
    consumer.close()
    return {"seconds": took}


def ours(servers: str, topic: str, events: int, store_path: str, flow_file: str) -> dict[str, float]:
    """The collector's tail, ingest and sweep into its store, until the last event is in there."""
    database = SqliteDatabase(Path(store_path))
    store = SqliteStore(database)
    flows = load_flows(flow_file)
    tail = KafkaTail(
        read_connection(servers), Ingest(store, flows), store, topics=topic, dead_letter_topics=r".*\.dlq"
    )
    stop = threading.Event()
    began = time.perf_counter()
    threads = [threading.Thread(target=part.run, args=(stop,)) for part in (tail, Sweeper(store, flows))]
    for thread in threads:
        thread.start()
    while sum(position.next_offset for position in store.positions().values()) < events:
        time.sleep(0.02)
    took = time.perf_counter() - began
    size = store.size_bytes()
    while (
        sum(v for (name, _), v in store.saga_figures().counts.items() if name == "saga_ended") < events // 5
    ):
        time.sleep(0.05)
    settled = time.perf_counter() - began
    stop.set()
    for thread in threads:
        thread.join()
    counts = store.saga_figures().counts
    assert counts["saga_started", ("orders",)] == events // 5, counts
    assert ("saga_duplicate_events", ("orders",)) not in counts
    database.close()
    return {"seconds": took, "settled_seconds": settled, "store_bytes_per_event": size / events}


def member(servers: str, topic: str, url: str, flow_file: str, partitions: int) -> dict[str, float]:
    """One worker of a group, on PostgreSQL: says when it has its partitions, ends when its input does."""
    database = PostgresDatabase(url)
    store = PostgresStore(database)
    flows = load_flows(flow_file)
    tail = KafkaTail(
        read_connection(servers),
        Ingest(store, flows),
        store,
        topics=topic,
        dead_letter_topics="none",
        group=f"bench-{database.identity()}",
    )
    stop = threading.Event()
    thread = threading.Thread(target=tail.run, args=(stop,))
    thread.start()
    while tail.partitions != partitions:
        time.sleep(0.01)
    print("ready", flush=True)
    sys.stdin.read()
    stop.set()
    thread.join()
    database.close()
    return {}


def main(kind: str, servers: str, topic: str, events: str, *rest: str) -> None:
    """Run one measurement."""
    if kind == "bare":
        result = bare(servers, topic, int(events))
    elif kind == "ours":
        result = ours(servers, topic, int(events), *rest)
    else:
        result = member(servers, topic, rest[0], rest[1], int(rest[2]))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    result["cpu_seconds"] = usage.ru_utime + usage.ru_stime
    result["rss_mb"] = usage.ru_maxrss / 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
