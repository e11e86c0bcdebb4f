"""How soon an event is in its trail: from the broker's acknowledgement until the collector's API shows it.

    python -m bench.live

A real `flowtrail collector run` reads 10,000 events a second from a real Kafka. Among them some write an event of
their own, and ask for its trail every 25 ms until it is there; so each latency is up to 25 ms and an answer long.
What they write goes to partitions of the load, and waits behind it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from bench.ingest import FLOWS
from bench.results import kafka_in, now_text, show, write
from bench.trail import collector, p99
from bench.trail_load import in_process, produce
from bench.trail_store import headers_of

OUT = Path("build/bench/live.json")
TARGETS: dict[str, list[Any]] = {"live_p99_ms": ["<=", 1_200]}
_PROBES = 4
_LOOK_SECONDS = 0.025
_SETTLE_SECONDS = 5
_GIVE_UP_SECONDS = 60


def probe(address: tuple[str, int], servers: str, topic: str, seconds: float, result: Any) -> None:
    """Write single events and wait for each in its trail; how long each took, in ms."""
    found: list[float] = []
    stop = time.monotonic() + seconds

    def one(seed: int) -> None:
        producer = Producer({"bootstrap.servers": servers, "linger.ms": 0})
        connection = http.client.HTTPConnection(*address, timeout=60)
        number = seed
        while time.monotonic() < stop:
            number += _PROBES
            run = f"live-{uuid.uuid4().hex[:8]}-"
            producer.produce(topic, b"{}", run, headers=dict(headers_of(number, 0, run)))
            producer.flush(30)
            written = time.perf_counter()
            while not _shown(connection, f"{run}order-{number}"):
                assert time.perf_counter() - written < _GIVE_UP_SECONDS, run
                time.sleep(_LOOK_SECONDS)
            found.append((time.perf_counter() - written) * 1000)

    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(_PROBES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.put(found)


def _shown(connection: http.client.HTTPConnection, subject: str) -> bool:
    connection.request("GET", f"/api/v1/trails/{subject}")
    answer = connection.getresponse()
    body = answer.read()
    return answer.status == 200 and bool(json.loads(body)["trail"]["entries"])


def measure(folder: Path, servers: str, rate: int, seconds: float) -> list[float]:
    """Latencies in ms, while so many events a second are written."""
    flow_file = folder / "flows.yaml"
    flow_file.write_text(FLOWS)
    topic = f"bench-live-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, 4, 1)])[topic].result(30)
    with collector(folder / "store.sqlite", flow_file, servers, topic) as (address, _):
        writer, written = in_process(produce, servers, topic, rate, seconds + 2 * _SETTLE_SECONDS)
        time.sleep(_SETTLE_SECONDS)
        prober, latencies = in_process(probe, address, servers, topic, seconds)
        found: list[float] = latencies.get(timeout=seconds + 2 * _GIVE_UP_SECONDS)
        prober.join()
        written.get(timeout=120)
        writer.join()
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=10_000, help="events a second")
    parser.add_argument("--seconds", type=float, default=40)
    options = parser.parse_args()
    began = now_text()
    with tempfile.TemporaryDirectory() as name, kafka_in(Path(name)) as servers:
        found = measure(Path(name), servers, options.rate, options.seconds)
    figures = {
        "live_p99_ms": p99(found),
        "live_p50_ms": round(statistics.median(found), 1),
        "live_longest_ms": round(max(found), 1),
        "live_events_looked_for": len(found),
    }
    show(figures, TARGETS, 34)
    runs = {"rate": options.rate, "seconds": options.seconds}
    write(OUT, started=began, versions={}, runs=runs, figures=figures, targets=TARGETS)


if __name__ == "__main__":
    main()
