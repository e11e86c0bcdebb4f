"""What a Python team would write instead: a stateful Quix Streams application that keeps each order's events.

    python ingest_quix.py SERVERS TOPIC EVENTS FOLDER [changelog]

Runs in an environment of its own (`ingest_whole.quix_python`): Quix Streams pins an older client, and nothing of
flowtrail is imported here. State lies in RocksDB, one entry per order: each event's time, type and cause. Prints
one line of JSON when the last event is in there.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any


def main(servers: str, topic: str, events: int, folder: str, *, changelog: bool) -> None:
    """Read all of a topic into state."""
    from quixstreams import Application

    application = Application(
        broker_address=servers,
        consumer_group=f"quix-{time.time_ns()}",
        auto_offset_reset="earliest",
        state_dir=folder,
        use_changelog_topics=changelog,
        loglevel="ERROR",
        commit_interval=1.0,
    )
    seen, began = 0, 0.0

    def keep(value: object, key: object, timestamp: int, headers: Any, state: Any) -> None:
        nonlocal seen, began
        if not seen:
            began = time.perf_counter()
        own = {name: content.decode() for name, content in headers}
        known = state.get("events") or {}
        known[own["ce_id"]] = [timestamp, own["ce_type"], own.get("ce_causationid")]
        state.set("events", known)
        seen += 1
        if seen == events:
            report(time.perf_counter() - began)
            application.stop()

    records = application.topic(topic, value_deserializer="bytes", key_deserializer="str")
    frame = application.dataframe(records)
    frame.apply(keep, stateful=True, metadata=True)
    application.run()


def report(took: float) -> None:
    """Print what the run took until now."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    print(json.dumps({"seconds": took, "cpu_seconds": cpu, "rss_mb": usage.ru_maxrss / 1024}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], changelog=len(sys.argv) > 5)
