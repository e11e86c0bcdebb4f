"""What an event costs while a store grows: the whole collector on one topic, from an empty store to a large one.

    python -m bench.growth --events 10000000

Processor time of the collector's process, per event, just before a tenth, three tenths and all of the events are
stored. It is one run, so the ratio says what size does; what else the machine does meanwhile is in it. And how far the
partitions were apart at most, as a part of one: no instance is settled until the slowest has been read as far.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from bench import ingest, ingest_whole
from bench.results import kafka_in, now_text, show, write

OUT = Path("build/bench/growth.json")
TARGETS = {"cpu_ratio": ["<=", 1.1], "partition_spread": ["<=", 0.2]}
_READ = "SELECT count(*), max(next_offset), min(next_offset) FROM positions"


def measure(servers: str, topic: str, events: int, folder: Path) -> list[tuple[int, float, float]]:
    """Read a topic into an empty store.

    Args:
        servers: Of the Kafka.
        topic: Holds the events.
        events: How many.
        folder: For the store; `flows.yaml` lies there.

    Returns:
        Again and again, how many events were stored, the seconds of CPU until then, and how far partitions are apart.
    """
    store = folder / "store.sqlite"
    process = ingest_whole.start(["--bootstrap-servers", servers, "--topics", topic], store, folder)
    seen = [(0, 0.0, 0.0)]
    try:
        while seen[-1][0] < events:
            time.sleep(0.2)
            assert process.poll() is None, "the collector has ended"
            read = ingest_whole.progress(store)[0]
            if read > seen[-1][0]:
                apart = spread(store) * ingest.PARTITIONS / events
                seen.append((read, ingest_whole.usage(process.pid)[0], round(apart, 3)))
    finally:
        process.terminate()
        process.wait(60)
    return seen


def spread(store: Path) -> int:
    """By how many records the partitions are apart that have been read so far; those that haven't been count as 0."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        known, most, least = connection.execute(_READ).fetchone()
    return int(most - (least if known == ingest.PARTITIONS else 0))


def cost_before(size: int, window: int, seen: Sequence[tuple[int, float, float]]) -> float:
    """Seconds of CPU per event over at least so many events before a store has a size."""
    end = next(pair for pair in seen if pair[0] >= size)
    start = max((pair for pair in seen if pair[0] <= end[0] - window), default=seen[0])
    return (end[1] - start[1]) / (end[0] - start[0])


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=10_000_000, help="in the store at the end")
    events = parser.parse_args().events // 50 * 50
    began = now_text()
    with tempfile.TemporaryDirectory() as name:
        folder, topic = Path(name), f"bench-{uuid.uuid4().hex[:8]}"
        (folder / "flows.yaml").write_text(ingest.FLOWS)
        with kafka_in(folder) as servers:
            ingest.fill(servers, topic, events)
            seen = measure(servers, topic, events, folder)
    sizes = [events // 10, events * 3 // 10, events]
    costs = [cost_before(size, events // 20, seen) for size in sizes]
    figures = {
        f"cpu_microseconds_per_event_at_{size}": round(cost * 1e6, 1)
        for size, cost in zip(sizes, costs, strict=True)
    }
    figures["cpu_ratio"] = round(costs[-1] / costs[0], 3)
    figures["partition_spread"] = max(apart for _, _, apart in seen)
    show(figures, TARGETS, 42)
    write(
        OUT,
        started=began,
        versions={},
        runs={"growth": seen},
        figures=figures,
        targets=TARGETS,
    )


if __name__ == "__main__":
    main()
