"""A million messages: hostile headers, and memory.

    python -m bench.instrumentation_soak

Hostile headers: random sets of header names and bytes (a part of them lists that are no lists,
values that are no bytes, duplicates, megabytes) are consumed, and published again with the same
headers. Counted are exceptions that reach the caller and lists that were changed: both have to be
0.

Memory: a million events are consumed, and each publishes another; the growth of the process's
resident memory after the first tenth is reported.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import os
import platform
import random
import time
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CollectorRegistry

from bench.instrumentation import set_logging
from bench.instrumentation_clients import ACKNOWLEDGED, Discard, Drop, fake_clients
from flowtrail._telemetry import Telemetry
from flowtrail._wrap import wrap_consumer, wrap_producer
from flowtrail.wire import CORRELATION_ALIASES, WIRE_HEADERS

OUT = Path("build/bench/instrumentation_soak.json")
NAMES = [header.name for header in WIRE_HEADERS] + list(CORRELATION_ALIASES[:4]) + ["x", "", "é"]
GOOD = {
    "traceparent": b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "tracestate": b"a=1,b=2",
    "baggage": b"tenant=1,secret=2",
    "ce_sequence": b"12",
    "ce_time": b"2026-01-02T03:04:05Z",
    "content-type": b"application/cloudevents+json",
}


def hostile(dice: random.Random) -> Any:
    """One set of headers, of any quality."""
    kind = dice.random()
    if kind < 0.02:
        return dice.choice(
            [None, (), [], {}, {"a": b"1"}, [1], [None], [("a",)], [("a", b"1", 2)], [(1, b"x")], "ab"]
        )
    pairs: list[Any] = []
    for _ in range(dice.randrange(8)):
        name = dice.choice(NAMES)
        what = dice.random()
        if what < 0.35:
            value: Any = dice.randbytes(dice.randrange(80))
        elif what < 0.6:
            value = GOOD.get(name, b"value")
        elif what < 0.8:
            value = bytearray(GOOD.get(name, b"0123456789" * 6))
            value[dice.randrange(len(value))] = dice.randrange(256)
            value = bytes(value)
        elif what < 0.9:
            value = None
        elif what < 0.9005:
            value = b"a=" + b"b" * 1_000_000
        else:
            value = dice.choice(
                [b"", "text", 5, ("a",), b"\xff\xfe", b"\x00", bytearray(b"x"), memoryview(b"y")]
            )
        pairs.append((name, value))
    return tuple(pairs) if kind < 0.1 else pairs


def telemetry_of() -> Telemetry:
    """Everything on: spans to an exporter that drops them, baggage, metrics, logs."""
    set_logging(Drop())
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Discard(), max_queue_size=100_000))
    return Telemetry("soak", tracer_provider=provider, registry=CollectorRegistry(), baggage_keys=["tenant"])


def fuzz(sets: int, seed: int) -> dict[str, float]:
    """Consume and publish with hostile headers."""
    dice = random.Random(seed)
    telemetry = telemetry_of()
    internal_errors: list[BaseException] = []
    telemetry.internal_error = lambda _where, error: internal_errors.append(error)  # type: ignore[method-assign, assignment]
    producer_class, consumer_class = fake_clients()
    inner_consumer = consumer_class([])
    producer, consumer = wrap_producer(telemetry, producer_class()), wrap_consumer(telemetry, inner_consumer)
    exceptions = mutations = 0
    bare = inner_consumer.record
    for _ in range(sets):
        headers = hostile(dice)
        before = copy.copy(headers)
        inner_consumer.record = bare._replace(headers=headers)
        try:
            next(consumer)
            producer.send("orders", b"value", headers=headers).success(ACKNOWLEDGED)
        except Exception as error:
            exceptions += 1
            logging.getLogger("bench").exception("%r", headers, exc_info=error)
        if headers != before:
            mutations += 1
    kinds = sorted({f"{type(error).__name__}: {error}" for error in internal_errors})
    for line in kinds[:10]:
        print("internal:", line)
    return {
        "fuzz_sets": sets,
        "fuzz_exceptions": exceptions,
        "fuzz_mutations": mutations,
        "fuzz_internal_errors": len(internal_errors),
    }


def resident_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def memory(messages: int) -> dict[str, float]:
    """Consume so many events, publish as many."""
    telemetry = telemetry_of()
    producer_class, consumer_class = fake_clients()
    inner = producer_class()
    producer = wrap_producer(telemetry, inner)
    producer.send("orders", b"value")
    consumer = wrap_consumer(telemetry, consumer_class(inner.headers))
    start = 0.0
    began = time.perf_counter()
    for number in range(messages):
        if number == messages // 10:
            start = resident_mb()
        next(consumer)
        producer.send("payments", b"value", b"key").success(ACKNOWLEDGED)
    return {
        "memory_growth_mb": round(resident_mb() - start, 2),
        "memory_messages": messages,
        "memory_seconds": round(time.perf_counter() - began, 1),
    }


def main() -> None:
    """Run both, print, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sets", type=int, default=1_000_000, help="header sets")
    parser.add_argument("--messages", type=int, default=1_000_000, help="messages of the memory run")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    figures = fuzz(arguments.sets, arguments.seed) | memory(arguments.messages)
    targets: dict[str, tuple[str, float]] = {
        "fuzz_exceptions": ("<=", 0),
        "fuzz_mutations": ("<=", 0),
        "fuzz_internal_errors": ("<=", 0),
        "memory_growth_mb": ("<=", 5),
    }
    for name, value in figures.items():
        limit = targets[name][1] if name in targets else None
        verdict = "" if limit is None else ("  met" if value <= limit else f"  MISSED (<= {limit})")
        print(f"{name:28}{value:12}{verdict}")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    command = f"python -m bench.instrumentation_soak --sets {arguments.sets} --messages {arguments.messages}"
    OUT.write_text(
        json.dumps(
            {
                "command": command,
                "versions": {"python": platform.python_version()},
                "runs": 1,
                "figures": figures,
                "targets": targets,
            },
            indent=2,
        )
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
