"""The processes that `bench.lag` measures: the lag poller behind its page, and a bare read of the offsets.

    python -m bench.lag_worker ours|bare BOOTSTRAP

Reads commands from standard input, one a line, and answers each with one line of JSON.
"""

from __future__ import annotations

import json
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Command = Callable[[], dict[str, Any]]


def rss_mb() -> float:
    """Resident memory at present."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def peak_mb() -> float:
    """The most resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def timed(work: Callable[[], Any]) -> dict[str, Any]:
    """How long something takes, by the clock and in CPU time of the whole process."""
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "rss_mb": rss_mb(),
        "peak_mb": peak_mb(),
    }


def ours(bootstrap: str) -> dict[str, Command]:
    """The poller, and the collector's `/metrics` beside it."""
    import uvicorn
    from starlette.applications import Starlette

    from flowtrail_collector.brokers.kafka.connection import read_connection
    from flowtrail_collector.brokers.kafka.lag import KafkaLagSource, KafkaRecordProber
    from flowtrail_collector.lag import LagPoller, LagSettings
    from flowtrail_collector.lag.web import lag_routes
    from flowtrail_collector.metrics.exposition import Exposition
    from flowtrail_collector.web.metrics import metrics_routes

    connection = read_connection(bootstrap)
    settings = LagSettings(timeout_seconds=60)
    poller = LagPoller(KafkaLagSource(connection), settings, prober=KafkaRecordProber(connection))
    app = Starlette(routes=[*metrics_routes(Exposition([poller.metrics])), *lag_routes(poller.view)])
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    threading.Thread(target=server.run, args=([listener],), daemon=True).start()

    def collect() -> dict[str, Any]:
        found = timed(poller.collect)
        readings = poller.view.readings
        known = [waited for reading in readings for waited in reading.seconds if waited is not None]
        pairs = sum(len(reading.pairs) for reading in readings)
        return {**found, "pairs": pairs, "known_seconds": len(known), "groups": len(readings)}

    def explore() -> dict[str, Any]:
        return timed(lambda: poller.collection.widen(time.monotonic() + 600))

    return {
        "collect": collect,
        "explore": explore,
        "url": lambda: {"url": f"http://127.0.0.1:{listener.getsockname()[1]}/metrics"},
    }


def bare(bootstrap: str) -> dict[str, Command]:
    """What the client library alone needs to read all commits and end offsets, without doing anything."""
    from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
    from confluent_kafka import admin as kafka_admin

    client = kafka_admin.AdminClient({"bootstrap.servers": bootstrap})
    latest = kafka_admin.OffsetSpec.latest()  # type: ignore[no-untyped-call]

    def read() -> None:
        groups = [group.group_id for group in client.list_consumer_groups().result().valid]
        futures: dict[str, Any] = {}
        for group in groups:
            futures.update(client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
        for future in futures.values():
            future.result()
        topics = client.list_topics().topics.items()
        wanted = [TopicPartition(name, n) for name, topic in topics for n in topic.partitions]
        for future in client.list_offsets(dict.fromkeys(wanted, latest)).values():
            future.result()

    return {"collect": lambda: timed(read)}


def main() -> None:
    """Answer commands until standard input ends."""
    kind, bootstrap = sys.argv[1:]
    commands = {"ours": ours, "bare": bare}[kind](bootstrap)
    for line in sys.stdin:
        print(json.dumps(commands[line.strip()]()), flush=True)


if __name__ == "__main__":
    main()
