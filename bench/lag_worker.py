"""The processes that `bench.lag` and `bench.rabbitmq` measure: the lag poller behind its page, and a bare read.

    python -m bench.lag_worker ours|bare BOOTSTRAP
    python -m bench.lag_worker rabbitmq|answered 'URL MANAGEMENT'

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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowtrail_collector.lag import LagPoller

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
    from flowtrail_collector.brokers.kafka.connection import read_connection
    from flowtrail_collector.brokers.kafka.lag import KafkaLagSource, KafkaRecordProber
    from flowtrail_collector.lag import LagPoller, LagSettings

    connection = read_connection(bootstrap)
    settings = LagSettings(timeout_seconds=60)
    return polled(LagPoller(KafkaLagSource(connection), settings, prober=KafkaRecordProber(connection)))


def rabbitmq(addresses: str) -> dict[str, Command]:
    """The same for the queues of a RabbitMQ: its URL, and that of its management API."""
    from flowtrail_collector.brokers.rabbitmq.lag import QueueLagSource
    from flowtrail_collector.lag import LagPoller, LagSettings
    from flowtrail_collector.settings import RabbitConfig

    url, management = addresses.split()
    source = QueueLagSource(RabbitConfig(url, management=management), lambda name: name.endswith(".dlq"))
    return polled(LagPoller(source, LagSettings(timeout_seconds=60)))


def polled(poller: LagPoller) -> dict[str, Command]:
    """What can be asked of a poller, which has its page beside it."""
    import uvicorn
    from starlette.applications import Starlette

    from flowtrail_collector.lag.web import lag_routes
    from flowtrail_collector.metrics.exposition import Exposition
    from flowtrail_collector.web.metrics import metrics_routes

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


def answered(addresses: str) -> dict[str, Command]:
    """What RabbitMQ's management API alone takes to tell the same."""
    from flowtrail_collector.brokers.rabbitmq.management import Management
    from flowtrail_collector.settings import RabbitConfig

    url, address = addresses.split()
    management = Management(RabbitConfig(url, management=address))
    return {
        "collect": lambda: timed(lambda: (management.queues(), management.nodes())),
        "totals": lambda: timed(management.totals),
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
    kind, servers = sys.argv[1:]
    kinds = {"ours": ours, "bare": bare, "rabbitmq": rabbitmq, "answered": answered}
    commands = kinds[kind](servers)
    for line in sys.stdin:
        print(json.dumps(commands[line.strip()]()), flush=True)


if __name__ == "__main__":
    main()
