"""The collector on RabbitMQ: what an event costs beside the same one on Kafka, and what 2,000 queues cost.

    python -m bench.rabbitmq

The same orders of five events each, with the headers that flowtrail writes, wait in the stream of a real RabbitMQ and
in a topic of a real Kafka. In turns, each in a process of its own, the whole `flowtrail collector run` reads them to
their end: CPU of that process for each event, and the most memory it held. Then every one of 2,000 queues gets a
message before each cycle of the lag poller, which runs from the first request until the metrics page is ready; in
turns with it, the server's management API answers the same questions to somebody who does nothing with the answers.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import random
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import pika

from bench import ingest, ingest_whole
from bench.lag_workers import Worker
from bench.results import kafka_in, now_text, show, write
from flowtrail.wire.amqp import to_amqp
from flowtrail_collector.brokers.rabbitmq.bindings import Bindings
from flowtrail_collector.brokers.rabbitmq.connection import connect
from flowtrail_collector.brokers.rabbitmq.management import Management
from flowtrail_collector.brokers.rabbitmq.stream import declare_stream
from flowtrail_collector.settings import RabbitConfig
from servers import RabbitServer

OUT = Path("build/bench/rabbitmq.json")
TARGETS: dict[str, list[Any]] = {
    "cpu_ratio_to_kafka": ["<=", 1.5],
    "rabbitmq_rss_mb": ["<=", 250],
    "lag_cycle_seconds": ["<=", 1],
    "lag_rss_mb": ["<=", 150],
}
EXCHANGE = "bench.orders"
FANNED = "bench.fanned"
SEED = 11  # the same events on both
Runs = dict[str, list[dict[str, float]]]


def config_of(server: RabbitServer) -> RabbitConfig:
    """How the collector reaches a server, and what it follows there."""
    return RabbitConfig(
        server.url,
        management=f"http://127.0.0.1:{server.management_port}",
        exchanges=EXCHANGE,
        copy="published",
    )


def fill(config: RabbitConfig, events: int) -> None:
    """Publish the orders' events to an exchange that the collector's stream is bound to."""
    management = Management(config)
    connection = connect(config, "bench")
    channel = connection.channel()
    channel.exchange_declare(EXCHANGE, "topic", durable=True)
    declare_stream(connection, config, management)
    Bindings(config, management).update(connection)
    body = ingest.PAYLOAD.encode()
    for subject, headers in ingest.events_of_orders(events):
        pairs = [(name, str(value).encode()) for name, value in headers.items()]
        sent = to_amqp(subject.encode(), body, pairs, time.time_ns() // 1_000_000)
        properties = pika.BasicProperties(headers=sent.table, **sent.properties)
        channel.basic_publish(EXCHANGE, sent.routing_key, sent.body, properties)
    connection.close()
    management.close()


def run_ingest(folder: Path, server: RabbitServer, events: int, rounds: int) -> Runs:
    """The whole collector on both brokers, in turns."""
    config, topic = config_of(server), f"bench-{uuid.uuid4().hex[:8]}"
    (folder / "flows.yaml").write_text(ingest.FLOWS)
    stream = [
        "--rabbitmq-management",
        config.management,
        "--rabbitmq-exchanges",
        EXCHANGE,
        "--rabbitmq-copy",
        config.copy,
    ]
    runs: Runs = {"kafka": [], "rabbitmq": []}
    with kafka_in(folder) as servers:
        random.seed(SEED)
        ingest.fill(servers, topic, events)
        random.seed(SEED)
        fill(config, events)
        for number in range(rounds):
            for kind in ("kafka", "rabbitmq") if number % 2 else ("rabbitmq", "kafka"):
                if kind == "kafka":
                    found = ingest_whole.whole(servers, topic, events, folder, "off")
                else:
                    found, read = ingest_whole.collected(
                        stream, events, folder, {"FLOWTRAIL_RABBITMQ": config.url}
                    )
                    assert read >= events  # the collector's own marks stand in the stream, too
                runs[kind].append(found)
                print(f"{kind}: {found['cpu_seconds'] / events * 1e6:.1f} us of CPU an event", flush=True)
    return runs


def run_lag(server: RabbitServer, queues: int, rounds: int) -> Runs:
    """Cycles over queues that all change in between, in turns with the management API's bare answers."""
    config = config_of(server)
    connection = connect(config, "bench")
    channel = connection.channel()
    channel.exchange_declare(FANNED, "fanout")
    for number in range(queues):
        channel.queue_declare(f"bench.{number}", durable=True)
        channel.queue_bind(f"bench.{number}", FANNED)
    addresses = f"{config.url} {config.management}"
    ours, bare = Worker("rabbitmq", addresses), Worker("answered", addresses)
    runs: Runs = {"lag": [], "answers": [], "totals": []}
    try:
        while ours.ask("collect")["groups"] < queues:
            connection.process_data_events(1)
        for _ in range(rounds):
            channel.basic_publish(FANNED, "", b"x")
            connection.process_data_events(2)  # until the queues have told their counts
            runs["answers"].append(bare.ask("collect"))
            runs["totals"].append(bare.ask("totals"))
            runs["lag"].append(ours.ask("collect"))
    finally:
        ours.close()
        bare.close()
        connection.close()
    return runs


def ingest_figures(events: int, runs: Runs) -> dict[str, float]:
    """What an event costs on each broker."""
    figures: dict[str, float] = {}
    for kind in ("kafka", "rabbitmq"):
        cpu = statistics.median(found["cpu_seconds"] for found in runs[kind])
        figures[f"{kind}_cpu_microseconds_per_event"] = round(cpu / events * 1e6, 1)
        rates = [events / found["settled_seconds"] for found in runs[kind]]
        figures[f"{kind}_events_per_second"] = round(statistics.median(rates))
        figures[f"{kind}_rss_mb"] = round(max(found["rss_mb"] for found in runs[kind]), 1)
    pairs = zip(runs["rabbitmq"], runs["kafka"], strict=True)
    ratios = [one["cpu_seconds"] / other["cpu_seconds"] for one, other in pairs]
    figures["cpu_ratio_to_kafka"] = round(statistics.median(ratios), 3)
    return figures


def lag_figures(runs: Runs) -> dict[str, float]:
    """What a cycle costs."""
    cycles, answers, totals = (
        [found["seconds"] for found in runs[kind]] for kind in ("lag", "answers", "totals")
    )
    return {
        "lag_queues": runs["lag"][-1]["groups"],
        "lag_cycle_seconds": round(statistics.median(cycles), 3),
        "lag_cycle_seconds_highest": round(max(cycles), 3),
        "lag_cycle_cpu_seconds": round(statistics.median(found["cpu_seconds"] for found in runs["lag"]), 3),
        "lag_rss_mb": round(max(found["peak_mb"] for found in runs["lag"]), 1),
        "management_answer_seconds": round(statistics.median(answers), 3),
        "management_totals_seconds": round(statistics.median(totals), 3),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000, help="that wait on each broker")
    parser.add_argument("--rounds", type=int, default=1, help="of reading them")
    parser.add_argument("--queues", type=int, default=2_000)
    parser.add_argument("--cycles", type=int, default=7)
    parser.add_argument("--only", choices=["ingest", "lag"])
    options = parser.parse_args()
    began, events = now_text(), options.events // 5 * 5
    runs: Runs = {}
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        server = RabbitServer(Path(name) / "rabbitmq")
        server.start()
        try:
            if options.only != "ingest":
                runs |= run_lag(server, options.queues, options.cycles)
                figures |= lag_figures(runs)
            if options.only != "lag":
                runs |= run_ingest(Path(name), server, events, options.rounds)
                figures |= ingest_figures(events, runs)
        finally:
            server.close()
    show(figures, TARGETS, 34)
    versions = {name: importlib.metadata.version(name) for name in ("confluent-kafka", "pika")}
    write(
        OUT,
        started=began,
        versions=versions,
        runs={"events": events, **runs},
        figures=figures,
        targets=TARGETS,
    )


if __name__ == "__main__":
    main()
